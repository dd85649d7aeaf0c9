"""JPEGs decoded at a half, a quarter or an eighth of their size: of fewer frequencies, so in less time.

The pixels are means over those of the whole picture, not those that the released code takes from it, so this departs
from the recipes and is only for training pictures. libjpeg rounds sides up, which is not counted on here.
"""

import functools

import tensorflow as tf

from bit_keras.data.orientation import upright
from bit_keras.data.pictures import decode_picture

RATIOS = (1, 2, 4, 8)  # those of libjpeg


def decode_scaled(encoded, side):
    """Returns uint8 (height, width, 3) as `decode_picture` does; a JPEG perhaps smaller, no side under `side`."""

    def decoded():
        decode = functools.partial(tf.io.decode_jpeg, encoded, channels=3)
        return upright(at_largest_ratio(decode, tf.io.extract_jpeg_shape(encoded)[:2], side), encoded)

    picture = tf.cond(tf.io.is_jpeg(encoded), decoded, lambda: decode_picture(encoded))
    picture.set_shape((None, None, 3))
    return picture


def at_largest_ratio(decode, sides, least):
    """Returns decode(ratio=...), by the largest ratio that still leaves `least` of each of the int32 `sides`."""
    times = tf.reduce_min(sides) // least
    number = tf.reduce_sum(tf.cast(times >= RATIOS[1:], tf.int32))
    return tf.switch_case(number, [functools.partial(decode, ratio=ratio) for ratio in RATIOS])
