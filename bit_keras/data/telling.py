"""What can happen while a graph reads pictures, in words."""

import contextlib
import re

import tensorflow as tf

from bit_keras.errors import DataError, RunError

# What the operations that read pictures and records are called in messages.
DECODING = r"(?i)Decode(AndCrop)?(Image|Jpeg)|decode_(image|picture)|JpegShape|PictureError|Parse(Single)?Example"


@contextlib.contextmanager
def told(remedy):
    """Turns TensorFlow's errors that are no fault of the program into a sentence.

    Args:
        remedy: what to do when the memory does not suffice.

    Raises:
        DataError: for a picture that has gone, or changed, since it was checked.
        RunError: for lack of memory.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise RunError(f"The memory did not suffice. {remedy}") from error
    except tf.errors.OpError as error:
        if reason := _picture_error(error.message):
            raise DataError(f"{reason} Put it back as it was and run the same again.") from error
        raise


def _picture_error(message):
    """Returns a sentence if `message` is about a picture. Around what matters TensorFlow tells where it happened."""
    # From tf.io.read_file, after the name of the iterator if that is told; and from Python code in the graph.
    for pattern in (
        r"Iterator::\w+(?:::\w+)*: (.*); No such file",
        r"(?m)^(.*); No such file",
        r"No such file or directory: '(.*)'",
    ):
        if match := re.search(pattern, message):
            return f"The picture {match[1]} has gone since it was checked."
    is_decoding = re.search(DECODING, message)
    return "A picture is damaged, or has changed since it was checked." if is_decoding else None
