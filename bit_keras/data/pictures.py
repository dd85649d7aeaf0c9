"""From encoded bytes to pixels: the one truth for training, prediction and the exported signature."""

import io
import struct

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from bit_keras.data.orientation import upright

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # first bytes, of BigTIFF too
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # Pillow has more, some of which start other programs
# Its readers raise whatever a damaged byte leads to; these were seen.
PILLOW_ERRORS = (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, Image.DecompressionBombError)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def decode_picture(encoded):
    """Returns uint8 (height, width, 3) from JPEG, PNG, GIF or BMP (24 or 32 bits) bytes, whatever the file is called.

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


def read_picture(encoded):
    """Returns (bytes that `decode_picture` takes, what it makes of them).

    Raises:
        PictureError: in one phrase, if nothing can read it.
    """
    if not encoded:
        raise PictureError("the file is empty")
    decodable = as_decodable(encoded)
    try:
        return decodable, decode_picture(decodable)
    except tf.errors.InvalidArgumentError as error:
        raise PictureError(_reason(encoded)) from error


def as_decodable(encoded):
    """Returns `encoded` itself, or an upright PNG of what Pillow has to read.

    The latter for WebP, TIFF and BMP with a palette, which TensorFlow cannot read, or not rightly, in all its versions.
    Python code, so for a source, not for a graph.

    Raises:
        PictureError: in one phrase, if Pillow cannot read it; other bytes are not looked at.
    """
    return _as_png(encoded) if _is_foreign(encoded) else encoded


class PictureError(ValueError):
    """Bytes that hold no picture, or a damaged one."""


def _is_foreign(encoded):
    is_odd_bmp = encoded[:2] == b"BM" and int.from_bytes(encoded[28:30], "little") not in (24, 32)  # bits a pixel
    return is_odd_bmp or encoded[8:12] == b"WEBP" or encoded[:4] in TIFF


def _as_png(encoded):
    try:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded), formats=FORMATS))
        png = io.BytesIO()
        _in_8_bits(picture).convert("RGB").save(png, "png")
    except PictureError:
        raise
    except PILLOW_ERRORS as error:
        raise PictureError(_reason(encoded)) from error
    return png.getvalue()


def _reason(encoded):
    try:
        return f"the {Image.open(io.BytesIO(encoded), formats=FORMATS).format} is truncated or damaged"
    except PILLOW_ERRORS:
        return "it is no picture, or its beginning is damaged"


def _in_8_bits(picture):
    """Pillow would cut off what is over 255."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise PictureError("its pixels have 32 bits; save it with 8 or 16")
    return picture
