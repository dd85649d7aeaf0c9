"""Which format a file or folder has: told by what is in it, as suffixes lie."""

from pathlib import Path

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.npz import read_npz
from bit_keras.weights.formats.zip_members import ERRORS, opened_zip

SAVED_MODEL = "saved_model.pb"
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
KERAS = "model.weights.h5"
HDF5 = b"\x89HDF\r\n\x1a\n"


def read(path):
    """Yields an `Array`, by the name that it has there, for each weight of the file or folder `path`.

    Raises:
        WeightsError: for a format that is not known, or a file that is damaged.
    """
    path = Path(path)
    yield from (_folder_reader(path) if path.is_dir() else _file_reader(path))(path)


def is_saved_model(path):
    """Whether `path` is a SavedModel folder."""
    return (Path(path) / SAVED_MODEL).is_file()


def is_safetensors_folder(path):
    """Whether `path` is a folder as Hugging Face publishes it."""
    return any((Path(path) / name).is_file() for name in SAFETENSORS)


# The modules are imported when they are needed: an .npz loads where TensorFlow or h5py is not installed.
def _folder_reader(path):
    if is_saved_model(path):
        from bit_keras.weights.formats.saved_model import read_saved_model

        return read_saved_model
    if is_safetensors_folder(path):
        from bit_keras.weights.formats.safetensors import read_safetensors

        return read_safetensors
    raise WeightsError(
        f"Expected a weights file, a SavedModel folder (with {SAVED_MODEL}), a Hugging Face folder (with "
        f"{SAFETENSORS[0]}) or a run folder (with config.json). Received the folder {path}, which is none."
    )


def _file_reader(path):
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(HDF5):
        from bit_keras.weights.formats.hdf5 import read_hdf5

        return read_hdf5
    if head[8:9] == b"{" or path.name.endswith((".safetensors", ".safetensors.index.json")):
        from bit_keras.weights.formats.safetensors import read_safetensors

        return read_safetensors
    members = _members(path)
    if KERAS in members or (not members and path.suffix == ".keras"):
        from bit_keras.weights.formats.keras_archive import read_keras

        return read_keras
    if any(name.endswith("/data.pkl") for name in members):
        raise WeightsError(
            f"{path} is a pickle of PyTorch, which can run any program and is never opened. Give the same weights as "
            "safetensors."
        )
    return read_npz


def _members(path):
    """Returns the names in a zip file; none if it is no whole one."""
    try:
        with opened_zip(path) as archive:
            return archive.namelist()
    except (*ERRORS, ValueError):
        return []
