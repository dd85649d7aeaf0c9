"""HDF5 files as {name: data set}: their structure is read in another process, their numbers here.

Numbers that lie in one piece, as Keras writes them, are read without the HDF5 library.
"""

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.limits import check_expansion
from bit_keras.weights.formats.memory import filled, untouched
from bit_keras.weights.names import Array

LISTING = Path(__file__).with_name("hdf5_listing.py")
PATIENCE = 60  # seconds; a listing takes well under one, mostly to start Python


@dataclass(frozen=True)
class Hdf5:
    """The HDF5 data in `size` bytes of the file `path` from byte `start`.

    `groups` are {name: {attribute: text or texts}}, without the names of other places that the file refers to;
    `datasets` are {name: {"shape", "dtype", "offset"}}, where the offset is None for what is not in one piece.
    """

    path: Path
    start: int
    size: int
    groups: dict = field(default_factory=dict)
    datasets: dict = field(default_factory=dict)

    def arrays(self, places):
        """Returns an `Array` for each of `places`, pairs (name of the array, name of the data set).

        Raises:
            WeightsError: for a data set that is missing, or holds anything but floating-point numbers; or if they claim
                more memory than the file explains.
        """
        found = [(name, place, *self._described(place)) for name, place in places]
        check_expansion(sum(_size(shape, dtype) for *_, shape, dtype in found), self.size, self.path)
        return [
            Array(name, shape, partial(self._numbers, place, shape, dtype), dtype.name)
            for name, place, shape, dtype in found
        ]

    def _described(self, place):
        about = self.datasets.get(place)
        if about is None:
            raise WeightsError(
                f"{place} in {self.path} is missing or refers to another place. Fetch or copy the file again."
            )
        dtype, shape, offset = np.dtype(about["dtype"]), tuple(about["shape"] or ()), about["offset"]
        if dtype.kind != "f":
            raise WeightsError(f"Expected floating-point numbers in {self.path}. {place} holds {dtype}.")
        if offset is not None and offset + _size(shape, dtype) > self.size:
            raise WeightsError(f"{place} in {self.path} goes on after its end. Fetch or copy the file again.")
        return shape, dtype

    def _numbers(self, place, shape, dtype):
        offset = self.datasets[place]["offset"]
        if offset is None:
            array = untouched(shape, dtype)
            array[...] = np.frombuffer(_listing(self, place), dtype).reshape(shape)
            return array
        with open(self.path, "rb") as file:
            file.seek(self.start + offset)
            return filled(file, shape, dtype)[0]


def open_hdf5(path, start=0, size=None):
    """Returns the `Hdf5` in the file, or in `size` bytes of it from `start`.

    Raises:
        WeightsError: if the library cannot read it, or crashes, or does not come to an end.
    """
    whole = Hdf5(Path(path), start, Path(path).stat().st_size if size is None else size)
    found = json.loads(_listing(whole))
    return Hdf5(whole.path, whole.start, whole.size, found["groups"], found["datasets"])


def _listing(hdf5, *name):
    """Returns what `hdf5_listing` prints."""
    arguments = [sys.executable, "-P", str(LISTING), str(hdf5.path), str(hdf5.start), str(hdf5.size), *name]
    settings = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            arguments, env=os.environ | settings, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(hdf5.path, f"the HDF5 library did not come to an end in {PATIENCE} s") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise _damaged(hdf5.path, reason if done.returncode > 0 else "the HDF5 library crashed")
    return done.stdout


def _damaged(path, reason):
    return WeightsError(f"{path} is damaged or no weights file of Keras ({reason}). Fetch or copy it again.")


def _size(shape, dtype):
    return math.prod(shape) * dtype.itemsize
