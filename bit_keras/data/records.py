"""TFRecord files read by index.

They are made to be streamed; a run that resumes at any step needs the k-th record at once. So the headers of a file are
read once (12 bytes a record), after which a record is one seek.
"""

import bisect
import itertools
import struct
import threading
import weakref
from array import array
from pathlib import Path

import google_crc32c
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bit_keras.data.examples import Examples, median_size
from bit_keras.data.pictures import decode_picture
from bit_keras.data.telling import recently_read, told
from bit_keras.errors import DataError

HEADER_BYTES, FOOTER_BYTES = 12, 4  # TFRecord: length (8) and its checksum (4), the record, its checksum (4)
GZIP = b"\x1f\x8b"  # first bytes
SIZE_SAMPLE = 256  # pictures looked at for the median size, where nobody says it,
NEIGHBOURS = 16  # so many of them side by side, for each file that is opened has its headers read


class Records:
    """The records of some files, one file after the other; a slice is a part of them.

    Args:
        files: `RecordFile`s.
        part: a range of the indices; all by default.
    """

    def __init__(self, files, part=None):
        self._files = tuple(files)
        self._ends = list(itertools.accumulate(map(len, self._files)))
        self._part = range(sum(map(len, self._files))) if part is None else part

    def __len__(self):
        return len(self._part)

    def __getitem__(self, part):
        return Records(self._files, self._part[part])

    def read(self, index):
        """Returns the bytes of a record.

        Raises:
            DataError: if its file has gone, is damaged, or holds another number of records than expected.
        """
        file, number = self._place(index)
        return file.read(number)

    def name(self, index):
        """Returns which record of which file it is, from 1, in words."""
        file, number = self._place(index)
        return f"record {number + 1} of {file.path}"

    @property
    def paths(self):
        """The files that these records are in, sorted."""
        if not self._part:
            return ()
        first, last = (bisect.bisect_right(self._ends, index) for index in (self._part[0], self._part[-1]))
        return tuple(sorted({file.path for file in self._files[first : last + 1] if len(file)}))

    @property
    def length(self):
        """Bytes of all records of the files."""
        return sum(file.length for file in self._files)

    def _place(self, index):
        place = self._part[index]
        number = bisect.bisect_right(self._ends, place)
        file = self._files[number]
        return file, place - self._ends[number] + len(file)


class RecordFile:
    """One TFRecord file, whose headers are read when they are first needed.

    Args:
        path: the file.
        count: the number of its records, if that is known.
    """

    def __init__(self, path, count=None):
        self.path = str(path)
        self._count = count
        self._starts = None
        self._lock = threading.Lock()  # tf.data reads in several threads

    def __len__(self):
        return len(self.starts()) - 1 if self._count is None else self._count

    @property
    def length(self):
        """Bytes of all records."""
        return int(self.starts()[-1]) - len(self) * (HEADER_BYTES + FOOTER_BYTES)

    def starts(self):
        """Returns where in the file each record begins, and where the last ends, as int64."""
        with self._lock:
            if self._starts is None:
                starts = _starts(self.path)
                if self._count not in (None, len(starts) - 1):
                    raise DataError(
                        f"Expected {self._count} records in {self.path}, as the data set says. Received: "
                        f"{len(starts) - 1}. Prepare the data set again."
                    )
                self._starts = starts
            return self._starts

    def read(self, number):
        """Returns the bytes of the record with this number, from 0."""
        try:
            begin, end = self.starts()[number : number + 2].tolist()
            with open(self.path, "rb") as file:
                file.seek(begin + HEADER_BYTES)
                record = file.read(end - begin - HEADER_BYTES - FOOTER_BYTES)
                checksum = file.read(FOOTER_BYTES)
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read any more ({error.strerror}). Put it back as it was and run the same again."
            ) from error
        if checksum != _checksum(record):
            raise DataError(
                f"{self.path} is damaged in its record {number + 1}: its checksum is another. Prepare the data set "
                "again."
            )
        return record


def records_of(paths, counts=None):
    """Returns the `Records` of the files.

    Args:
        paths: the files.
        counts: the number of records of each; without it, all headers are read now.

    Raises:
        DataError: for a file that is cut off or none, as far as they are read now.
    """
    if counts is not None:
        return Records(itertools.starmap(RecordFile, zip(paths, counts, strict=True)))
    files = [RecordFile(path) for path in paths]
    for file in tqdm(files, desc="reading record headers", unit="file", leave=False, disable=None):
        file.starts()
    return Records(files)


def record_examples(records, parse):
    """Returns the `Examples` of `Records`; `parse` makes (encoded bytes, label) of one, in TensorFlow ops."""
    reference = weakref.ref(records)  # for an index may be large

    def record(index):
        recently_read.append((reference, parse, int(index)))
        return records.read(index)

    def read(index):
        return parse(tf.ensure_shape(tf.numpy_function(record, [index], tf.string), ()))

    return Examples(len(records), read, files=records.paths, parse=parse, is_portable=False)


def sampled_size(examples, seed):
    """Returns the median (height, width) of a sample of the pictures."""
    size = len(examples)
    sample = np.arange(size)
    if size > SIZE_SAMPLE:
        firsts = np.random.default_rng(seed).integers(0, size - NEIGHBOURS + 1, SIZE_SAMPLE // NEIGHBOURS)
        sample = (firsts[:, np.newaxis] + np.arange(NEIGHBOURS)).ravel()
    with told("Close other programs."):
        sizes = [decode_picture(examples.read(tf.constant(index))[0]).shape[:2] for index in sample]
    return median_size(sizes)


def _starts(path):
    """Reads all headers of a file."""
    size = Path(path).stat().st_size
    starts = array("q", [0])
    with open(path, "rb", buffering=HEADER_BYTES) as file:  # no more of the records than that
        while starts[-1] < size:
            header = file.read(HEADER_BYTES)
            if len(header) == HEADER_BYTES and header[8:] != _checksum(header[:8]):
                raise DataError(_foreign(path, len(starts)))
            # Of a cut header, no length at all.
            (length,) = struct.unpack("<Q4x", header.ljust(HEADER_BYTES, b"\xff"))
            if starts[-1] + HEADER_BYTES + length + FOOTER_BYTES > size:
                raise DataError(f"{path} is cut off in its record {len(starts)}. Prepare the data set again.")
            starts.append(starts[-1] + HEADER_BYTES + length + FOOTER_BYTES)
            file.seek(starts[-1])
    return np.array(starts, np.int64)


def _foreign(path, number):
    """Says what is wrong with a file in which a header has another checksum."""
    with open(path, "rb") as file:
        if file.read(2) == GZIP and number == 1:
            return f"Expected TFRecord without compression in {path}. Received: gzip. Unpack it with gunzip."
    return f"{path} is damaged in the header of its record {number}, or no TFRecord file. Prepare the data set again."


def _checksum(data):
    """Returns the bytes of the CRC-32C of `data`, masked as TFRecord has it."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
