"""`.keras` archives of a native BiT: a zip with an HDF5 file, whose groups carry the names of the layers.

Neither the configuration in it is read nor any object made from it: the names and shapes tell the network.
"""

import io
import zipfile
import zlib
from functools import partial

import h5py

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.hdf5 import dataset_in, opened
from bit_keras.weights.formats.limits import check_expansion
from bit_keras.weights.names import Array

WEIGHTS = "model.weights.h5"
CHUNK = 1 << 20  # bytes read at a time while the checksum is compared
# Parameters in the order in which Keras numbers them.
PARAMETERS = {"conv2d": ("kernel", "bias"), "norm": ("gamma", "beta", "moving_mean", "moving_variance")}


def read_keras(path):
    """Yields an `Array` for each weight.

    Raises:
        WeightsError: for an archive that is damaged or compressed, or holds another model.
    """
    window = _window(path)
    with opened(window, path) as file:
        arrays = list(_arrays(file, path, window.size))
    yield from arrays


def _arrays(file, path, size):
    layers = file.get("layers", {})
    found = [
        (f"layers/{key}/vars/{number}", f"{name.replace('-', '/')}/{parameter}")
        for key, layer in layers.items()
        if isinstance(layer, h5py.Group) and "vars" in layer
        for name in [str(layer["vars"].attrs.get("name", ""))]
        for number, parameter in zip(sorted(layer["vars"]), _parameters(name), strict=False)
    ]
    datasets = [dataset_in(file, place, path) for place, _ in found]
    check_expansion(sum(dataset.nbytes for dataset in datasets), size, path)
    for (place, name), dataset in zip(found, datasets, strict=True):
        yield Array(f"resnet/{name}", dataset.shape, partial(_numbers, path, place), dataset.dtype.name)


def _parameters(layer):
    return next((names for end, names in PARAMETERS.items() if layer.endswith(end)), ())


def _numbers(path, place):
    with opened(_window(path, checked=False), path) as file:
        return file[place][()]


def _window(path, *, checked=True):
    """Returns the HDF5 part of the archive, after comparing its checksum: HDF5 itself has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(WEIGHTS)
            if member.compress_type != zipfile.ZIP_STORED:
                raise WeightsError(f"{path} is compressed, as Keras never does it. Save the model again.")
            with archive.open(member) as file:
                while checked and file.read(CHUNK):
                    pass
        return _Window(path, member)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        raise WeightsError(f"{path} is not a complete .keras file ({error}). Save or copy it again.") from error


class _Window(io.RawIOBase):
    """A member of a zip file that is not compressed, as a file in which one can go back."""

    def __init__(self, path, member):
        # Closed with the window.
        self._file = open(path, "rb")  # noqa: SIM115
        self._file.seek(member.header_offset + 26)  # lengths of name and extra field, before which stand 30 bytes
        name, extra = (int.from_bytes(self._file.read(2), "little") for _ in range(2))
        self._start = member.header_offset + 30 + name + extra
        self.size = member.file_size
        self._place = 0

    def readinto(self, buffer):
        self._file.seek(self._start + self._place)
        count = self._file.readinto(memoryview(buffer)[: max(0, self.size - self._place)])
        self._place += count
        return count

    def seek(self, offset, whence=io.SEEK_SET):
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        return self._place

    def tell(self):
        return self._place

    def readable(self):
        return True

    def seekable(self):
        return True

    def close(self):
        self._file.close()
        super().close()
