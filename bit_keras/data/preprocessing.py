"""From pixels to what the network sees: `augmented(resized(...))` in training, `preprocess_eval` in evaluation.

Sizes, bilinear interpolation without antialias and the range are those of google-research/big_transfer,
input_pipeline_tf2_or_jax.py; the mirroring is at random, as in the paper (that file mirrors every picture).
"""

import tensorflow as tf

# Side up to which TensorFlow resizes bytes faster than it makes them floats first (of 500 x 375: 0.12 ms less at 160,
# 0.23 ms more at 384). The result is the same.
FEW_PIXELS = 256


def resized(picture, side):
    """Returns float32 (side, side, 3) in 0..255 from uint8 (height, width, 3), whatever its proportions."""
    pixels = picture if side <= FEW_PIXELS else tf.cast(picture, tf.float32)
    return tf.image.resize(pixels, (side, side))


def augmented(picture, randomness, *, crop, flip):
    """Returns float32 (crop, crop, 3) in [-1, 1]: a part of a resized picture and, if `flip`, perhaps mirrored.

    `randomness` is three numbers in [0, 1): they decide row, column and mirroring.
    """
    row, column = tf.unstack(tf.cast(randomness[:2] * (picture.shape[0] - crop + 1), tf.int32))
    picture = picture[row : row + crop, column : column + crop]
    if flip:
        picture = mirrored(picture, randomness[2])
    return scaled(tf.ensure_shape(picture, (crop, crop, 3)))


def preprocess_eval(picture, *, crop):
    """Returns float32 (crop, crop, 3) in [-1, 1] from uint8 (height, width, 3): resized, nothing cut off."""
    return scaled(tf.ensure_shape(resized(picture, crop), (crop, crop, 3)))


def mirrored(picture, number):
    """Returns the picture, left and right exchanged if `number`, from [0, 1), is under a half."""
    return tf.cond(number < 0.5, lambda: tf.reverse(picture, [1]), lambda: picture)


def scaled(pixels):
    """Returns pixels from 0..255 in [-1, 1]."""
    return (pixels - 127.5) / 127.5
