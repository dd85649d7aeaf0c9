"""A folder of pictures, one folder inside it for each class."""

from pathlib import Path

from bit_keras.data.table import open_rows
from bit_keras.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
SPLIT_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def open_folder(folder, *, seed, strict):
    """Returns the `Data` of CLASS/PICTURE, or of SPLIT/CLASS/PICTURE.

    A folder with nothing but `train`, `val` or `validation`, and `test` in it is split that way (a missing validation
    is taken from train); any other is split 80/10/10 %, stratified and seeded. Hidden files and folders are ignored.

    Raises:
        DataError: for a folder without pictures or with fewer than two classes.
        BrokenPicturesError: for broken pictures, if `strict`.
    """
    folder = Path(folder)
    tops = _folders(folder)
    if not tops:
        raise DataError(
            f"Expected one folder for each class in {folder}, with its pictures in it. Received: a folder without "
            "folders. Sort the pictures into folders named after their classes."
        )
    if {top.name for top in tops} <= SPLIT_FOLDERS.keys() and any(top.name == "train" for top in tops):
        return _open_split(folder, tops, seed, strict)
    rows = [(path, top.name, "") for top in tops for path in pictures_in(top)]
    names = [top.name for top in tops if pictures_in(top)]
    return open_rows(str(folder), rows, seed=seed, strict=strict, class_names=names)


def _open_split(folder, tops, seed, strict):
    rows = [
        (path, of_class.name, SPLIT_FOLDERS[top.name])
        for top in tops
        for of_class in _folders(top)
        for path in pictures_in(of_class)
    ]
    names = sorted({label for _, label, split in rows if split == "train"})
    strangers = sorted({label for _, label, _ in rows} - set(names))
    if strangers:
        raise DataError(f"The classes {strangers} of {folder} are not in its train folder. Add or remove them.")
    return open_rows(str(folder), rows, seed=seed, strict=strict, class_names=names)


def _folders(folder):
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def pictures_in(folder):
    """Returns the paths of the pictures in `folder`, at any depth, in a fixed order."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(str(path) for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))
