"""HDF5 files: those that Keras 2 wrote with `save_weights` or `save`, such as the published TensorFlow 2 ones.

Root attribute `layer_names`, a group for each layer, attribute `weight_names` in the order that Keras loads by. The
layout is the one that tf_keras writes; none of the published files has been at hand.
"""

import contextlib
from functools import partial
from pathlib import Path

import h5py

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.limits import check_expansion
from bit_keras.weights.names import Array

WHOLE = "model_weights"  # the group that holds them in a file with a whole model
# What h5py raises for damaged files; these were seen.
ERRORS = (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, OverflowError, MemoryError)


def read_hdf5(path):
    """Yields an `Array` for each weight, in the order of the file.

    Raises:
        WeightsError: for a file that is damaged, refers to other files, or holds anything but floating-point numbers.
    """
    with opened(path, path) as file:
        root = file.get(WHOLE, file)
        found = [
            (f"{layer}/{weight}", weight, dataset_in(root, f"{layer}/{weight}", path))
            for layer in _texts(root, "layer_names")
            for weight in _texts(root[layer], "weight_names")
        ]
        check_expansion(sum(dataset.nbytes for *_, dataset in found), Path(path).stat().st_size, path)
        prefix = "" if root is file else f"{WHOLE}/"
        arrays = [
            Array(name, dataset.shape, partial(_numbers, path, prefix + place), dataset.dtype.name)
            for place, name, dataset in found
        ]
    yield from arrays


@contextlib.contextmanager
def opened(file, path):
    """Opens HDF5 in `file`, a path or a binary file object, and tells errors as those of `path`."""
    try:
        with h5py.File(file, "r") as hdf5:
            yield hdf5
    except ERRORS as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(
            f"{path} is damaged or no weights file of Keras ({error}). Fetch or copy it again."
        ) from error


def dataset_in(group, name, path):
    """Returns the data set `name` of `group` after checking that it is in this file and holds numbers."""
    for part in filter(None, name.split("/")):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise WeightsError(f"{name} in {path} is missing or refers to another place. Fetch or copy the file again.")
        group = group[part]
    if not isinstance(group, h5py.Dataset) or group.is_virtual or group.external:
        raise WeightsError(f"{name} in {path} is no array of this file. Fetch or copy the file again.")
    if group.dtype.kind != "f":
        raise WeightsError(f"Expected floating-point numbers in {path}. {name} holds {group.dtype}.")
    return group


def _texts(group, attribute):
    return [text.decode() if isinstance(text, bytes) else str(text) for text in group.attrs[attribute]]


def _numbers(path, name):
    with opened(path, path) as file:
        return file[name][()]
