"""TensorFlow's checkpoint files, `variables.index` and `variables.data-...`, read without TensorFlow's own reader.

That ends the whole process on an index that was made to lie about its shapes. The index is a table of LevelDB, without
compression, from names to the messages of tensor_bundle.proto (tensorflow/core/util/tensor_bundle, table_format.txt).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import tensor_bundle_pb2

from bit_keras.weights.formats.memory import filled

FOOTER, MAGIC = 48, 0xDB4775248B80FB57  # bytes, and the last eight of them
TRAILER = 5  # bytes after a block: kind of compression, and checksum
RESTART = 4  # bytes of each number at the end of a block
MAX_NAMES = 10_000_000  # bytes; names repeat one another's beginnings, so that few bytes can make many
MASK = 0xA282EAD8  # crc32c.h: checksums that are stored in what has checksums are turned and shifted by this
DTYPES = {
    types_pb2.DT_HALF: "float16",
    types_pb2.DT_BFLOAT16: "bfloat16",
    types_pb2.DT_FLOAT: "float32",
    types_pb2.DT_DOUBLE: "float64",
}


class BundleError(ValueError):
    """The files are damaged, or made to look like a checkpoint."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor's bytes are. `dtype` is a NumPy name, or TensorFlow's of a kind that is no floating-point one."""

    dtype: str
    shape: tuple[int, ...]
    shard: Path
    offset: int
    size: int
    checksum: int


def read_index(prefix):
    """Returns {key: `Entry`} of the checkpoint whose files begin with the path `prefix`.

    Raises:
        BundleError: if the index is damaged.
        OSError: if it cannot be read.
    """
    table = Path(f"{prefix}.index").read_bytes()
    try:
        return dict(_entries(prefix, table))
    except (IndexError, DecodeError, UnicodeDecodeError) as error:
        raise BundleError(str(error) or "it ends too early") from error


def numbers_of(entry):
    """Returns the array of an `Entry` of floating-point numbers.

    Raises:
        BundleError: if its checksum is another.
        EOFError, OSError: if the bytes are not there.
    """
    dtype = np.dtype(entry.dtype)
    with open(entry.shard, "rb") as file:
        file.seek(entry.offset)
        array, _ = filled(file, entry.shape, dtype)
    if _masked(array.reshape(-1).view("uint8")) != entry.checksum:
        raise BundleError("its checksum is another")
    return array


def text_of(entry):
    """Returns the bytes of an `Entry` with a single text: its length as a varint, a checksum of that, and itself."""
    with open(entry.shard, "rb") as file:
        file.seek(entry.offset)
        content = file.read(entry.size)
    try:
        length, start = _varint(content, 0)
    except IndexError as error:
        raise BundleError("it ends too early") from error
    if len(content) != start + 4 + length:
        raise BundleError("its length is another")
    return content[start + 4 :]


def _entries(prefix, table):
    pairs = _all_pairs(table)
    header = tensor_bundle_pb2.BundleHeaderProto.FromString(next(pairs, (b"", b""))[1])
    if header.endianness != tensor_bundle_pb2.BundleHeaderProto.LITTLE:
        raise BundleError("its numbers are in an order of bytes that is not read")
    sizes: dict[Path, int] = {}
    for key, value in pairs:
        entry = _entry(prefix, header.num_shards, tensor_bundle_pb2.BundleEntryProto.FromString(value))
        if entry.shard not in sizes:
            sizes[entry.shard] = entry.shard.stat().st_size
        _check(key, entry, sizes[entry.shard])
        yield key.decode(), entry


def _all_pairs(table):
    """Yields the pairs of all blocks, in order."""
    end, names = 0, 0
    for _, handle in _pairs(_block(table, *_root(table))):
        offset, size, _ = _handle(handle, 0)
        if offset < end:
            raise BundleError("parts of it overlap")
        end = offset + size
        for key, value in _pairs(_block(table, offset, size)):
            names += len(key)
            if names > MAX_NAMES:
                raise BundleError("it has more names than any network")
            yield key, value


def _entry(prefix, num_shards, message):
    shape = tuple(dimension.size for dimension in message.shape.dim)
    shard = Path(f"{prefix}.data-{message.shard_id:05d}-of-{num_shards:05d}")
    dtype = DTYPES.get(message.dtype) or _name(message.dtype)
    return Entry(dtype, shape, shard, message.offset, message.size, message.crc32c)


def _name(dtype):
    known = types_pb2.DataType.values()
    return types_pb2.DataType.Name(dtype) if dtype in known else f"the unknown kind {dtype}"


def _check(key, entry, size):
    """Raises a `BundleError` unless the entry lies in its shard, and has as many bytes as its shape says."""
    is_within = 0 <= entry.offset <= entry.offset + entry.size <= size
    is_number = entry.dtype in DTYPES.values()
    if not is_within or min(entry.shape, default=0) < 0:
        raise BundleError(f"{key.decode(errors='replace')} has no place in its file")
    if is_number and entry.size != math.prod(entry.shape) * np.dtype(entry.dtype).itemsize:
        raise BundleError(
            f"{key.decode(errors='replace')} claims the shape {entry.shape[:8]} but has {entry.size} bytes"
        )


def _root(table):
    """Returns place and size of the block that lists the others."""
    footer = table[-FOOTER:]
    if len(footer) < FOOTER or int.from_bytes(footer[-8:], "little") != MAGIC:
        raise BundleError("it is no index of a checkpoint")
    _, _, end = _handle(footer, 0)
    return _handle(footer, end)[:2]


def _block(table, offset, size):
    """Returns the bytes of a block whose checksum is right."""
    whole = table[offset : offset + size + TRAILER]
    if len(whole) != size + TRAILER or whole[size] != 0:
        raise BundleError("a part of it is missing, or compressed")
    if _masked(whole[: size + 1]) != int.from_bytes(whole[size + 1 :], "little"):
        raise BundleError("its checksum is another")
    return whole[:size]


def _pairs(block):
    """Yields (key, value); a key repeats the beginning of the one before, except at restarts, listed at the end."""
    restarts = int.from_bytes(block[-RESTART:], "little")
    end, place, key = len(block) - RESTART * (restarts + 1), 0, b""
    if end < 0:
        raise BundleError("a part of it is missing")
    while place < end:
        shared, place = _varint(block, place)
        added, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared > len(key) or place + added + length > end:
            raise BundleError("a part of it is missing")
        key = key[:shared] + block[place : place + added]
        yield key, block[place + added : place + added + length]
        place += added + length


def _handle(data, place):
    """Returns offset and size of a block, and where the next number begins."""
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return offset, size, place


def _varint(data, place):
    """Returns a number of seven bits a byte, least first, and where the next one begins."""
    number = 0
    for shift in range(0, 64, 7):
        byte = data[place]
        number, place = number | (byte & 127) << shift, place + 1
        if byte < 128:
            return number, place
    raise BundleError("a number in it has no end")


def _masked(data):
    checksum = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + MASK) & 0xFFFFFFFF
