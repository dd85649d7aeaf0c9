"""From encoded bytes to pixels: the one truth for training, prediction and the exported signature."""

import io

import tensorflow as tf
from PIL import Image

from bit_keras.data.orientation import upright


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode_picture(encoded):
    """Returns uint8 (height, width, 3) from JPEG, PNG, BMP or GIF bytes, whatever the file is called.

    Upright by its EXIF orientation. Grey becomes RGB, 16 bits become 8, an alpha channel is dropped; of an
    animation the first frame is taken.

    Raises:
        tf.errors.InvalidArgumentError: for other or damaged bytes.
    """
    picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    picture.set_shape((None, None, 3))
    picture = upright(picture, encoded)
    picture.set_shape((None, None, 3))
    return picture


def as_decodable(encoded):
    """Returns bytes that `decode_picture` takes: `encoded` itself, or a PNG of what only Pillow can read.

    For WebP, TIFF, palette BMP and the like; Python code, so for a source, not for a graph.

    Raises:
        PictureError: in one phrase, if nothing can read it.
    """
    if not encoded:
        raise PictureError("the file is empty")
    try:
        decode_picture(encoded)
    except tf.errors.InvalidArgumentError:
        return _as_png(encoded)
    return encoded


class PictureError(ValueError):
    """Bytes that hold no picture, or a damaged one."""


def _as_png(encoded):
    try:
        picture = Image.open(io.BytesIO(encoded))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError("it is no picture, or its beginning is damaged") from error
    # What Pillow repairs silently here, TensorFlow refused: a damaged file of these formats stays damaged.
    if picture.format in ("JPEG", "PNG", "GIF"):
        raise PictureError(f"the {picture.format} is truncated or damaged")
    try:
        png = io.BytesIO()
        picture.convert("RGB").save(png, "png", exif=picture.getexif())
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"the {picture.format} is truncated or damaged") from error
    return png.getvalue()
