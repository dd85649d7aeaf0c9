"""The losses of single examples, by the name that a recipe gives them."""

import tensorflow as tf


def softmax_cross_entropy(labels, logits):
    """Returns the loss of each example, (batch,), from one-hot or soft `labels` (batch, classes)."""
    return tf.nn.softmax_cross_entropy_with_logits(tf.cast(labels, logits.dtype), logits)


def sigmoid_cross_entropy(labels, logits):
    """Returns the loss of each example, (batch,), summed over its classes, from multi-hot `labels` (batch, classes).

    All classes, none weighted: google-research/big_transfer, issue 26; the sum is that of big_vision, utils.py.
    """
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, logits.dtype), logits), axis=-1)


LOSSES = {"softmax": softmax_cross_entropy, "sigmoid": sigmoid_cross_entropy}
