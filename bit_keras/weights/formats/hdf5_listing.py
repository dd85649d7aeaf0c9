"""Lists an HDF5 file, or prints the numbers of one data set: a program of its own, started by `hdf5_process`.

The HDF5 library can hang, crash or take all memory on a damaged file. This process is ended when it takes too long and,
where the system can (on Linux), gets no more memory than the file explains.
"""

import contextlib
import io
import json
import sys

import h5py
import psutil

ATTRIBUTES = ("layer_names", "weight_names", "name")  # of Keras 2 and 3: texts
MAX_OBJECTS, MAX_TEXT = 100_000, 10_000_000  # characters, of all names
SPARE = 1 << 28  # bytes that h5py may take on top of the numbers


def main(path, start, size, name=None):
    """Prints the objects in `size` bytes of the file from `start` as JSON, or the bytes of the data set `name`."""
    _limit_memory(int(size))
    with open(path, "rb", buffering=0) as file, h5py.File(_Window(file, int(start), int(size)), "r") as hdf5:
        if name is None:
            json.dump(listed(hdf5), sys.stdout)
        else:
            sys.stdout.buffer.write(hdf5[name][()].tobytes())


def listed(hdf5):
    """Returns {name: {attribute: texts}} of groups and {name: place, shape and kind of numbers} of data sets."""
    groups: dict[str, dict] = {"": _texts(hdf5)}
    datasets: dict[str, dict] = {}
    texts = 0

    def visit(name, thing):
        nonlocal texts
        if isinstance(thing, h5py.Group):
            groups[name] = _texts(thing)
            texts += sum(len(text) for found in groups[name].values() for text in found)
        if isinstance(thing, h5py.Dataset) and not thing.is_virtual and not thing.external:
            datasets[name] = {"shape": thing.shape, "dtype": thing.dtype.str, "offset": _offset(thing)}
        texts += len(name)
        if len(groups) + len(datasets) > MAX_OBJECTS or texts > MAX_TEXT:
            raise ValueError("more names than any network has")

    hdf5.visititems(visit)  # follows no link to another place
    return {"groups": groups, "datasets": datasets}


def _offset(dataset):
    """Returns where the numbers lie, if they lie in one piece and as NumPy has them in memory; else None."""
    is_plain = dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype))
    return dataset.id.get_offset() if is_plain else None


def _texts(group):
    found = {name: group.attrs[name] for name in ATTRIBUTES if name in group.attrs}
    return {
        name: _text(value) if isinstance(value, (str, bytes)) else list(map(_text, value))
        for name, value in found.items()
    }


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _limit_memory(size):
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        most = psutil.Process().memory_info().vms + 2 * size + SPARE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file, start, size):
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readinto(self, buffer):
        self._file.seek(self._start + self._place)
        count = self._file.readinto(memoryview(buffer)[: max(0, self._size - self._place)])
        self._place += count
        return count

    def seek(self, offset, whence=io.SEEK_SET):
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self):
        return self._place

    def seekable(self):
        return True

    def readable(self):
        return True


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # whatever h5py raises is about the file
        sys.exit(str(error).split("\n")[0] or type(error).__name__)
