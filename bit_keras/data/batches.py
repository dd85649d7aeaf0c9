"""Batches that are a pure function of (seed, step), and evaluation batches in which every example counts once."""

import tensorflow as tf

from bit_keras.data.mixup import mixup
from bit_keras.data.pictures import decode_picture
from bit_keras.data.preprocessing import preprocess_eval, preprocess_train

# What a random number is for; folded into the seed so that the three streams are independent.
ORDER, PICTURE, MIXUP = range(3)


def training_batches(examples, rule, *, num_classes, seed, start_step=0):
    """Returns an endless `tf.data.Dataset` of global batches, from `start_step` on.

    Each is (images, labels): float32 (batch, crop, crop, 3) in [-1, 1] and one-hot (batch, num_classes). Every epoch is
    another permutation of all examples; epochs follow one another without a seam, so a batch may span two. Whatever
    `start_step`, step s is the same.

    Args:
        examples: the training split.
        rule: a `HyperRule`, or anything with `batch_size`, `resize`, `crop`, `flip` and `mixup_alpha`.
        num_classes: width of the one-hot labels.
        seed: of the order, the augmentation and mixup.
        start_step: the first batch is that of this 0-based step.
    """

    def example(position):
        encoded, label = examples.read(_shuffled(position, len(examples), seed))
        randomness = tf.random.stateless_uniform([3], _seed(seed, PICTURE, position))
        picture = decode_picture(encoded)
        image = preprocess_train(picture, randomness, resize=rule.resize, crop=rule.crop, flip=rule.flip)
        return image, tf.one_hot(label, num_classes)

    def mixed(step, batch):
        if not rule.mixup_alpha:
            return batch
        return mixup(*batch, alpha=rule.mixup_alpha, seed=_seed(seed, MIXUP, step))

    positions = tf.data.Dataset.range(start_step * rule.batch_size, tf.int64.max)
    batches = positions.map(example, tf.data.AUTOTUNE, deterministic=True).batch(rule.batch_size, drop_remainder=True)
    return batches.enumerate(start_step).map(mixed, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(examples, *, crop, batch_size):
    """Returns a `tf.data.Dataset` of (images, labels, weights), all of one size.

    float32 (batch_size, crop, crop, 3) in [-1, 1], int64 (batch_size,), float32 (batch_size,). The last batch is filled
    up with examples of weight 0; all others weigh 1.
    """
    size = len(examples)

    def example(position):
        encoded, label = examples.read(tf.minimum(position, size - 1))
        return preprocess_eval(decode_picture(encoded), crop=crop), label, tf.cast(position < size, tf.float32)

    padded = -(-size // batch_size) * batch_size
    pictures = tf.data.Dataset.range(padded).map(example, tf.data.AUTOTUNE, deterministic=True)
    return pictures.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _shuffled(position, size, seed):
    """Returns the index of the example at `position` of the endless order."""
    epoch, place = position // size, position % size
    return tf.random.experimental.index_shuffle(place, _seed(seed, ORDER, epoch), size - 1)


def _seed(seed, stream, position):
    return tf.random.fold_in([seed, stream], position)
