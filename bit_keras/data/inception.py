"""The upstream pictures: a random part of each (the "inception crop"), cut out while it is decoded.

As in google-research/big_vision, pp/ops_image.py: `tf.image.sample_distorted_bounding_box` of an area from 5 to 100 %
and an aspect ratio from 3/4 to 4/3, then a bilinear resize without antialias. For evaluation the shorter side is
resized by areas and the middle is cut out (pp/ops_image.py, resize_small; pp/ops_general.py, central_crop).
"""

import tensorflow as tf

from bit_keras.data.orientation import exif_orientation
from bit_keras.data.pictures import decode_picture
from bit_keras.data.preprocessing import mirrored, scaled
from bit_keras.data.scaled_decoding import at_largest_ratio

ASPECT = (0.75, 1.33)  # width over height; there
ATTEMPTS = 100  # of TensorFlow, after which it takes the whole picture


def decode_inception_crop(encoded, seeds, *, crop, min_area, flip, scale=False):
    """Returns float32 (crop, crop, 3) in [-1, 1], a random part of the picture in `encoded` bytes.

    A JPEG is decoded only where the part lies, with `scale` at a half, a quarter or an eighth of its size where no side
    of the part falls under `crop` then. `seeds` is two int32 pairs: for the part, and for mirroring.
    """
    # Turning changes where a part lies, so a picture that has to be turned is decoded whole, like other formats.
    is_plain_jpeg = tf.logical_and(tf.io.is_jpeg(encoded), exif_orientation(encoded) == 1)
    part = tf.cond(
        is_plain_jpeg,
        lambda: _decoded_part(encoded, seeds[0], min_area, crop if scale else None),
        lambda: _part_of(decode_picture(encoded), seeds[0], min_area),
    )
    part.set_shape((None, None, 3))
    picture = tf.image.resize(tf.cast(part, tf.float32), (crop, crop))
    if flip:
        picture = mirrored(picture, tf.random.stateless_uniform([], seeds[1]))
    return scaled(tf.ensure_shape(picture, (crop, crop, 3)))


def preprocess_central(picture, *, resize, crop):
    """Returns float32 (crop, crop, 3) in [-1, 1]: the middle of a picture with a shorter side of `resize`."""
    height, width = tf.unstack(tf.cast(tf.shape(picture)[:2], tf.float32))
    size = tf.cast(tf.round(resize / tf.minimum(height, width) * tf.stack([height, width])), tf.int32)
    resized = tf.image.resize(tf.cast(picture, tf.float32), size, tf.image.ResizeMethod.AREA)
    row, column = tf.unstack((size - crop) // 2)
    return scaled(tf.ensure_shape(resized[row : row + crop, column : column + crop], (crop, crop, 3)))


def _decoded_part(encoded, seed, min_area, least):
    """Returns a random part; scaled where `least` pixels of each side are enough."""
    part = tf.stack(_random_part(tf.io.extract_jpeg_shape(encoded), seed, min_area))

    def decode(ratio):
        return tf.io.decode_and_crop_jpeg(encoded, part // ratio, channels=3, ratio=ratio)

    return at_largest_ratio(decode, part[2:], least) if least else decode(1)


def _part_of(picture, seed, min_area):
    row, column, height, width = _random_part(tf.shape(picture), seed, min_area)
    return picture[row : row + height, column : column + width]


def _random_part(shape, seed, min_area):
    """Returns row, column, height and width, int32."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        tf.zeros((1, 0, 4)),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=ASPECT,
        area_range=(min_area, 1.0),
        max_attempts=ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return begin[0], begin[1], size[0], size[1]
