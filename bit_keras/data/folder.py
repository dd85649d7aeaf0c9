"""A folder of pictures, one folder inside it for each class."""

from pathlib import Path

from bit_keras.data.table import open_rows
from bit_keras.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
SPLIT_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
SPLIT_LIKE = {*SPLIT_FOLDERS, "training", "valid", "testing"}  # what others call them


def open_folder(folder, *, seed, strict):
    """Returns the `Data` of CLASS/PICTURE, or of SPLIT/CLASS/PICTURE.

    A folder with nothing but `train`, `val` or `validation`, and `test` in it is split that way (a missing validation
    is taken from train); any other is split 80/10/10 %, stratified and seeded. Hidden files and folders are ignored,
    and so are folders without pictures.

    Raises:
        DataError: for a folder without pictures, with fewer than two classes, or with splits of other names.
        BrokenPicturesError: for broken pictures, if `strict`.
    """
    folder = Path(folder)
    found = _pictures_by_folder(folder)
    if not found:
        raise DataError(
            f"Expected one folder for each class in {folder}, with its pictures in it. Received: a folder without "
            "folders. Sort the pictures into folders named after their classes."
        )
    tops = {top.name: pictures for top, pictures in found.items() if pictures}
    if "train" in tops and tops.keys() <= SPLIT_FOLDERS.keys():
        return _open_split(folder, tops, seed, strict)
    _refuse_odd_splits(folder, tops)
    rows = [(path, label, "") for label, pictures in tops.items() for path in pictures]
    return open_rows(str(folder), rows, seed=seed, strict=strict, class_names=list(tops))


def pictures_in(folder):
    """Returns the paths of the pictures in `folder`, at any depth, in a fixed order."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(str(path) for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def _open_split(folder, tops, seed, strict):
    rows = [
        (path, of_class.name, SPLIT_FOLDERS[top])
        for top in tops
        for of_class, pictures in _pictures_by_folder(folder / top).items()
        for path in pictures
    ]
    names = sorted({label for _, label, split in rows if split == "train"})
    strangers = sorted({label for _, label, _ in rows} - set(names))
    if strangers:
        raise DataError(f"The classes {strangers} of {folder} are not in its train folder. Add or remove them.")
    return open_rows(str(folder), rows, seed=seed, strict=strict, class_names=names)


def _refuse_odd_splits(folder, tops):
    """Folders called like splits that hold no picture themselves are hardly classes."""
    odd = [top for top in tops if top.lower() in SPLIT_LIKE]
    holds_pictures = any(Path(path).parent == folder / top for top in odd for path in tops[top])
    if odd and not holds_pictures:
        raise DataError(
            f"Expected train, val (or validation) and test, and nothing else, in a folder that is split already. "
            f"Received in {folder}: {sorted(tops)}. Rename or move these."
        )


def _pictures_by_folder(folder):
    """Returns {folder: paths of its pictures} of the folders in `folder`, in order."""
    entries = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return {entry: pictures_in(entry) for entry in entries}
