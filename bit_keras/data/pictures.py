"""From encoded bytes to pixels: the one truth for training, prediction and the exported signature."""

import io
import struct

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from bit_keras.data.orientation import upright

FOREIGN = ("BMP", "TIFF", "WEBP")


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
    """Returns bytes that `decode_picture` takes: `encoded` itself, or an upright PNG of what Pillow has to read.

    The latter for WebP, TIFF and BMP with a palette, which TensorFlow cannot read, or not rightly, in all its versions.
    Python code, so for a source, not for a graph.

    Raises:
        PictureError: in one phrase, if nothing can read it.
    """
    if not encoded:
        raise PictureError("the file is empty")
    if _is_foreign(encoded):
        return _as_png(encoded)
    try:
        decode_picture(encoded)
    except tf.errors.InvalidArgumentError as error:
        raise PictureError(_reason(encoded)) from error
    return encoded


class PictureError(ValueError):
    """Bytes that hold no picture, or a damaged one."""


def _is_foreign(encoded):
    has_palette = encoded[:2] == b"BM" and int.from_bytes(encoded[28:30], "little") <= 8  # bits a pixel
    return has_palette or encoded[8:12] == b"WEBP" or encoded[:4] in (b"II*\0", b"MM\0*")


def _reason(encoded):
    names = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"GI": "GIF", b"BM": "BMP"}
    name = names.get(encoded[:2])
    return f"the {name} is truncated or damaged" if name else "it is not a picture of a known format"


def _as_png(encoded):
    try:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded), formats=FOREIGN))
        png = io.BytesIO()
        _in_8_bits(picture).convert("RGB").save(png, "png")
    except PictureError:
        raise
    # Pillow's readers raise whatever a damaged byte leads to: these were seen.
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, Image.DecompressionBombError) as error:
        raise PictureError("it is truncated or damaged") from error
    return png.getvalue()


def _in_8_bits(picture):
    """Pillow would cut off what is over 255."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise PictureError("its pixels have 32 bits; save it with 8 or 16")
    return picture
