"""What can happen while a graph reads pictures, in words."""

import collections
import contextlib
import re

import tensorflow as tf

from bit_keras.data.pictures import decode_picture
from bit_keras.errors import DataError, RunError

# What the operations that read pictures and records are called in messages.
DECODING = r"(?i)Decode(AndCrop)?(Image|Jpeg)|decode_(image|picture)|JpegShape|PictureError|Parse(Single)?Example"

# TensorFlow does not say which picture it could not decode, and nobody looks at those in record files before a run. So
# (weak reference to `Records`, function that parses one, index) of those read last: more than a step is read ahead.
recently_read: collections.deque = collections.deque(maxlen=2**16)


@contextlib.contextmanager
def told(remedy):
    """Turns TensorFlow's errors that are no fault of the program into a sentence.

    Args:
        remedy: what to do when the memory does not suffice.

    Raises:
        DataError: for a picture that has gone, or changed, since it was checked; for a damaged record, and for a label
            that is not one of the classes.
        RunError: for lack of memory.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise RunError(f"The memory did not suffice. {remedy}") from error
    except tf.errors.OpError as error:
        if reason := _data_error(error.message):
            raise DataError(reason) from error
        raise


def check_label(label, num_classes):
    """Asserts in a graph that the label, or each of several, is one of the classes; `told` has the words."""
    is_known = tf.reduce_all((label >= 0) & (label < num_classes))
    tf.debugging.Assert(is_known, [f"Expected labels from 0 to {num_classes - 1}. Received:", label], summarize=-1)


def _data_error(message):
    """Returns a sentence if `message` is about data. Around what matters TensorFlow tells where it happened."""
    # From Python code in the graph: what it raised, before its traceback.
    if match := re.search(r"(?s)\bDataError: (.*?)(?:\nTraceback|\Z)", message):
        return match[1]
    if match := re.search(r"\[(Expected labels from 0 to (\d+)\. Received:)\] \[([-\d ]+)\]", message):
        place = _culprit(lambda _, label: check_label(label, int(match[2]) + 1))
        where = f", in {place}" if place else ""
        return f"{match[1]} {match[3]}{where}. Correct the labels or the list of classes, and prepare the data again."
    if match := re.search(r"(corrupted|truncated) record at \d+", message):  # from TensorFlow's own reader
        return f"A record file is damaged ({match[0]}). To have it named, run without shard_files."
    # From tf.io.read_file, after the name of the iterator if that is told; and from Python code in the graph.
    for pattern in (
        r"Iterator::\w+(?:::\w+)*: (.*); No such file",
        r"(?m)^(.*); No such file",
        r"No such file or directory: '(.*)'",
    ):
        if match := re.search(pattern, message):
            return (
                f"The picture {match[1]} has gone since it was checked. Put it back as it was and run the same again."
            )
    return _damage() if re.search(DECODING, message) else None


def _damage():
    """Says which picture cannot be decoded, as far as that can be found."""
    if place := _culprit(lambda encoded, _: decode_picture(encoded)):
        return f"A picture is damaged, or is none: {place}. Prepare the data set again without it."
    sentence = "A picture is damaged, or has changed since it was checked. Put it back as it was and run the same again"
    if not any(reference() for reference, *_ in recently_read.copy()):
        return f"{sentence}."
    # Streamed past Python.
    return f"{sentence}; in record files, which nobody checks before, run without shard_files to have it named."


def _culprit(check):
    """Returns in words which of the records read last `check` does not take, if there is one."""
    for reference, parse, index in reversed(recently_read.copy()):  # a copy, as other threads read on
        if records := reference():
            try:
                check(*parse(records.read(index)))
            except tf.errors.InvalidArgumentError:
                recently_read.clear()
                return records.name(index)
    return None
