"""TFRecord files read by index.

They are made to be streamed; a run that resumes at any step needs the k-th record at once. So the headers of the files
are read once (12 bytes a record), after which a record is one seek.
"""

import struct
from pathlib import Path

import numpy as np
import tensorflow as tf

from bit_keras.data.examples import Examples, median_size
from bit_keras.data.pictures import decode_picture
from bit_keras.data.telling import told
from bit_keras.errors import DataError

HEADER_BYTES, FOOTER_BYTES = 12, 4  # TFRecord: length (8) and its checksum (4), the record, its checksum (4)
SIZE_SAMPLE = 256  # pictures looked at for the median size, where nobody says it


def records_of(paths):
    """Returns (path, offset, length) of each record of the files.

    Raises:
        DataError: for a file that is cut off.
    """
    records = []
    for path in map(str, paths):
        size = Path(path).stat().st_size
        with open(path, "rb") as file:
            while file.tell() < size:
                header = file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\xff")  # of a cut header, no length at all
                (length,) = struct.unpack("<Q4x", header)
                records.append((path, file.tell(), length))
                if file.tell() + length + FOOTER_BYTES > size:
                    raise DataError(f"{path} is cut off in its record {len(records)}. Prepare the data set again.")
                file.seek(length + FOOTER_BYTES, 1)
    return records


def record_examples(records, parse):
    """Returns the `Examples` of some records; `parse` makes (encoded bytes, label) of one, in TensorFlow ops."""

    def record(index):
        path, offset, length = records[index]
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def read(index):
        return parse(tf.ensure_shape(tf.numpy_function(record, [index], tf.string), ()))

    files = tuple(sorted({path for path, *_ in records}))
    return Examples(len(records), read, files=files, parse=parse, is_portable=False)


def sampled_size(examples, seed):
    """Returns the median (height, width) of a sample of the pictures."""
    sample = np.random.default_rng(seed).permutation(len(examples))[:SIZE_SAMPLE]
    with told("Close other programs."):
        sizes = [decode_picture(examples.read(tf.constant(index))[0]).shape[:2] for index in sample]
    return median_size(sizes)
