"""Mixup (Zhang et al., arXiv 1710.09412) over the whole effective batch."""

import tensorflow as tf


def mixup(images, labels, *, alpha, seed):
    """Returns the batch mixed with itself rolled by one, images and one-hot labels alike.

    One share a batch, from Beta(alpha, alpha), as in the released code; its partner there is the reversed batch, which
    leaves an odd batch's middle picture as it is. `seed` is two integers.
    """
    # A Beta sample from two Gamma samples; in float32 those underflow to 0 / 0 at the paper's alpha of 0.1.
    first, second = tf.unstack(tf.random.stateless_gamma([2], seed, tf.cast(alpha, tf.float64), dtype=tf.float64))
    share = tf.cast(first / (first + second), tf.float32)
    return _mixed(images, share), _mixed(labels, share)


def _mixed(x, share):
    return share * x + (1 - share) * tf.roll(x, 1, axis=0)
