"""The official `.npz` layout, read and written one array at a time.

A file from a stranger is safe to read: nothing is unpickled, and what a header claims is compared with the size that
the archive gives before any memory is taken.
"""

import math
import tokenize
import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from bit_keras.errors import WeightsError
from bit_keras.files import atomic_file
from bit_keras.weights.formats.limits import check_expansion
from bit_keras.weights.formats.memory import filled
from bit_keras.weights.formats.zip_members import ERRORS, first_byte, opened_zip
from bit_keras.weights.names import Array

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that NumPy writes
MAX_HEADER = 10_000  # bytes; NumPy's own limit for headers that are not trusted


# What NumPy was seen to raise on headers that are no dictionary of its own making.
HEADER_ERRORS = (
    *(ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, MemoryError),
    *(RecursionError, SyntaxError, tokenize.TokenError),
)
MAX_MEMBERS = 20_000  # R152x4 has 462 arrays, and no BiT may have more than 4,000 units
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(path):
    """Yields an `Array` for each member of the file; its numbers are read when `read` is called.

    Raises:
        WeightsError: for a file that is no `.npz`, is truncated, or holds anything but arrays of floating-point
            numbers. It names the file and the array.
    """
    try:
        with opened_zip(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise WeightsError(f"{path} holds {len(members):,} arrays, more than any BiT. Give another file.")
            check_expansion(sum(member.file_size for member in members), Path(path).stat().st_size, path)
            arrays = [_array(archive, member, path) for member in members]
    except WeightsError:  # which is a ValueError
        raise
    except (*ERRORS, ValueError) as error:
        raise WeightsError(f"{path} is not a complete .npz file ({error}). Fetch or copy it again.") from error
    yield from arrays


def write_npz(path, arrays):
    """Writes (name, array) pairs as one uncompressed `.npz`, atomically.

    Raises:
        SaveError: if the file cannot be written; an older one stays.
    """
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for name, array in arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def _array(archive, member, path):
    """Returns the `Array` in a member after checking that it is what it claims to be."""
    name = member.filename.removesuffix(".npy")
    if member.compress_type not in COMPRESSIONS:
        raise WeightsError(f"The array {name} in {path} is compressed as no NumPy does it. Save it with numpy.savez.")
    with archive.open(member) as file:
        try:
            version = npy.read_magic(file)
            if version not in HEADERS:
                raise ValueError(f"format version {version} is not known")
            shape, is_fortran, dtype = HEADERS[version](file, max_header_size=MAX_HEADER)
        except HEADER_ERRORS as error:
            reason = str(error).split("\n")[0] or type(error).__name__
            raise WeightsError(f"The array {name} in {path} has no valid header: {reason}") from error
        size = file.tell()
    if dtype.hasobject or dtype.kind != "f":
        raise WeightsError(
            f"Expected floating-point numbers in {path}. The array {name} holds {dtype}; pickled objects are never "
            "opened. Save the arrays as float32."
        )
    if member.file_size != size + math.prod(shape) * dtype.itemsize:
        raise WeightsError(
            f"The array {name} in {path} claims shape {shape} of {dtype} but has {member.file_size - size} bytes. "
            "The file is damaged; fetch or copy it again."
        )
    is_plain = member.compress_type == zipfile.ZIP_STORED and not is_fortran
    read = (
        partial(_stored, path, member, name, size, shape, dtype) if is_plain else partial(_unpacked, path, member, name)
    )
    return Array(name, tuple(shape), read, dtype.name)


def _stored(path, member, name, header, shape, dtype):
    """Reads numbers that lie in the file as in memory: faster than through `zipfile`, and with the same checksum."""
    try:
        with open(path, "rb") as file:
            file.seek(first_byte(file, member))
            array, checksum = filled(file, shape, dtype, zlib.crc32(file.read(header)))
    except (EOFError, OSError) as error:
        raise _damaged(path, name, error) from error
    if checksum != member.CRC:
        raise _damaged(path, name, "Bad CRC-32")
    return array


def _unpacked(path, member, name):
    try:
        with opened_zip(path) as archive, archive.open(member) as file:
            array = npy.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)
            file.read()  # up to the end, where the checksum is compared
            return array
    except (*ERRORS, ValueError) as error:
        raise _damaged(path, name, error) from error


def _damaged(path, name, reason):
    return WeightsError(f"The array {name} in {path} is damaged ({reason}). Fetch or copy the file again.")
