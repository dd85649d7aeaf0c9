"""Memory for the numbers of a file, such as TensorFlow takes over without a copy."""

import math
import zlib

import numpy as np

ALIGNMENT = 64  # bytes: EIGEN_MAX_ALIGN_BYTES, which TensorFlow asks of tensors that are not its own
CHUNK = 1 << 20  # bytes; small enough to be in the processor's cache when the checksum is taken


def untouched(shape, dtype="float32"):
    """Returns an aligned array of zeros that takes no memory before something is written to it."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, "uint8")
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def is_aligned(array):
    """Whether TensorFlow can take over the memory of `array`."""
    return array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable


def filled(file, shape, dtype, checksum=0):
    """Returns an array with the next numbers of a binary `file`, and `checksum` (CRC-32) continued over them.

    Raises:
        EOFError: if the file ends before.
    """
    array = untouched(shape, dtype)
    view = memoryview(array.reshape(-1).view("uint8"))
    for start in range(0, len(view), CHUNK):
        part = view[start : start + CHUNK]
        if file.readinto(part) != len(part):
            raise EOFError("the file ends before its last number")
        checksum = zlib.crc32(part, checksum)
    return array, checksum
