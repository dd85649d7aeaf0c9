"""Names of a head's outputs: in a text file with one a line, or in the `config.json` of Hugging Face."""

from pathlib import Path

from bit_keras.errors import UserError
from bit_keras.weights.run_config import CONFIG, LABELS, read_object


def labels_text(class_names):
    """Returns the text of a `labels.txt`: one name a line.

    Raises:
        UserError: for a name that would take several lines.
    """
    broken = [name for name in class_names if "\n" in name or "\r" in name]
    if broken:
        raise UserError(f"Expected class names of one line. Received: {broken}. Rename these classes.")
    return "".join(f"{name}\n" for name in class_names)


def read_labels(path):
    """Returns the names in a labels file.

    Raises:
        UserError: if it is not there, or not text.
    """
    if not Path(path).is_file():
        raise UserError(f"There is no labels file {path}. Expected a text file with one class name in each line.")
    try:
        # The -sig, because some editors begin files with a byte order mark.
        return tuple(Path(path).read_text(encoding="utf-8-sig").rstrip("\n").split("\n"))
    except UnicodeDecodeError as error:
        raise UserError(f"The labels file {path} is not in UTF-8 ({error}). Save it as UTF-8.") from error


def labels_of(path):
    """Returns the names in a run, SavedModel or Hugging Face folder, or beside a weights file; None where none are."""
    if path is None:
        return None
    folder = path if path.is_dir() else path.parent
    places = [folder / LABELS, folder / "assets" / LABELS] if path.is_dir() else [folder / LABELS]
    if found := next((place for place in places if place.is_file()), None):
        return read_labels(found)
    is_hugging_face = path.is_dir() or path.suffix == ".safetensors"
    return _of_config(folder / CONFIG) if is_hugging_face and (folder / CONFIG).is_file() else None


def _of_config(path):
    """Names as transformers keeps them, {"0": name, ...}; those that it makes up itself, LABEL_0, are none."""
    names = read_object(path).get("id2label")
    if not isinstance(names, dict) or set(names) != set(map(str, range(len(names)))):
        return None
    ordered = tuple(str(names[str(number)]) for number in range(len(names)))
    return None if ordered == tuple(f"LABEL_{number}" for number in range(len(names))) else ordered
