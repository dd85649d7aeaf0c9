"""Writes the index of a TensorFlow checkpoint by hand, with right checksums whatever is in it."""

import google_crc32c
from tensorflow.core.protobuf import tensor_bundle_pb2

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def masked(data):
    checksum = google_crc32c.value(bytes(data))
    return (((checksum >> 15 | checksum << 17) & 0xFFFFFFFF) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")


def varint(number):
    content = b""
    while number >= 128:
        content, number = content + bytes([number & 127 | 128]), number >> 7
    return content + bytes([number])


def block(pairs):
    """Returns a block of (key, value) in which no key leans on another."""
    entries = b"".join(b"\x00" + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs)
    return sealed(entries + bytes(4) + (1).to_bytes(4, "little"))


def sealed(content):
    return content + b"\x00" + masked(content + b"\x00")


def handle(offset, whole):
    return varint(offset) + varint(len(whole) - 5)


def index(data, *, times=1):
    """Returns an index whose list names the block `data` so many times."""
    listed = block([(bytes([number + 1]), handle(0, data)) for number in range(times)])
    meta = block([])
    handles = handle(len(data) + len(listed), meta) + handle(len(data), listed)
    return data + listed + meta + handles.ljust(40, b"\x00") + MAGIC


def header():
    return b"", tensor_bundle_pb2.BundleHeaderProto(num_shards=1).SerializeToString()


def entry(*, dtype=1, shape=(), offset=0, size=0):
    message = tensor_bundle_pb2.BundleEntryProto(dtype=dtype, offset=offset, size=size)
    for length in shape:
        message.shape.dim.add(size=length)
    return message.SerializeToString()
