"""Batches that are a pure function of (seed, step), and evaluation batches in which every example counts once."""

import functools
import os

import tensorflow as tf

from bit_keras.data.keeping import kept
from bit_keras.data.mixup import mixup
from bit_keras.data.pictures import decode_picture
from bit_keras.data.preprocessing import augmented, preprocess_eval, resized
from bit_keras.data.scaled_decoding import decode_scaled
from bit_keras.data.share import WHOLE
from bit_keras.data.telling import check_label

# What a random number is for; folded into the seed so that the three streams are independent.
ORDER, PICTURE, MIXUP = range(3)
# Batches made while the step takes another. One, as HyperRule's own has 1.4 GB (512 pictures of 480 px); TensorFlow's
# choice doubles after each pause.
AHEAD = 1


def training_batches(examples, rule, *, num_classes, seed, start_step=0, keep=False):
    """Returns an endless `tf.data.Dataset` of global batches, from `start_step` on.

    Each is (images, labels): float32 (batch, crop, crop, 3) in [-1, 1] and one-hot (batch, num_classes). Every epoch is
    another permutation of all examples; epochs follow one another without a seam, so a batch may span two. Whatever
    `start_step`, step s is the same.

    Args:
        examples: the training split.
        rule: a `HyperRule`, or anything with `batch_size`, `resize`, `crop`, `flip`, `mixup_alpha` and
            `scaled_decoding`.
        num_classes: width of the one-hot labels.
        seed: of the order, the augmentation and mixup.
        start_step: the first batch is that of this 0-based step.
        keep: whether resized pictures stay in memory (`kept_bytes`), so that each is read and decoded once. Changes
            nothing else. Needs examples of one label.
    """

    def made(index):
        encoded, label = examples.read(index)
        picture = decode_scaled(encoded, rule.resize) if rule.scaled_decoding else decode_picture(encoded)
        return resized(picture, rule.resize), label

    picture_at = kept(made, len(examples), rule.resize) if keep else made

    def example(position):
        picture, label = picture_at(shuffled(position, len(examples), seed))
        randomness = tf.random.stateless_uniform([3], folded(seed, PICTURE, position))
        return augmented(picture, randomness, crop=rule.crop, flip=rule.flip), targets(label, num_classes)

    def mixed(step, batch):
        return mixup(*batch, alpha=rule.mixup_alpha, seed=folded(seed, MIXUP, step))

    positions = tf.data.Dataset.range(start_step * rule.batch_size, tf.int64.max)
    batches = positions.map(example, tf.data.AUTOTUNE, deterministic=True).batch(rule.batch_size, drop_remainder=True)
    # One at a time, because each that is mixed beside another would be one more in memory.
    return ahead(batches.enumerate(start_step).map(mixed) if rule.mixup_alpha else batches)


def evaluation_batches(examples, *, batch_size, crop=None, preprocess=None, num_classes=None, share=WHOLE):
    """Returns a `tf.data.Dataset` of (images, labels, weights), all of one size.

    float32 (batch_size, crop, crop, 3) in [-1, 1], labels, float32 (batch_size,). The last batch is filled up with
    examples of weight 0; all others weigh 1. Labels are int64 (batch_size,), or multi-hot (batch_size, num_classes)
    where a picture has several.

    Args:
        examples: the split.
        batch_size: rows of a global batch.
        crop: side in pixels that pictures are resized to, as in fine-tuning; or
        preprocess: another way from uint8 (height, width, 3) to what the network sees.
        num_classes: width of multi-hot labels.
        share: the rows to make.
    """
    size = len(examples)
    preprocess = preprocess or functools.partial(preprocess_eval, crop=crop)

    def example(position):
        encoded, label = examples.read(tf.minimum(position, size - 1))
        label = label if label.shape.rank == 0 else targets(label, num_classes)
        return preprocess(decode_picture(encoded)), label, tf.cast(position < size, tf.float32)

    positions = share.positions(batch_size, 0, -(-size // batch_size))
    pictures = positions.map(example, tf.data.AUTOTUNE, deterministic=True)
    return ahead(share.batched(pictures, batch_size))


def ahead(batches):
    """Returns the batches, made by all processors while those before are in use.

    Without the thread that would tune their number: an iterator that is let go sometimes waits for that thread's next
    look, up to a minute (seen in TensorFlow 2.21, where the call to stop can come before the thread waits for it).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.autotune.initial_parallelism = os.cpu_count()
    return batches.prefetch(AHEAD).with_options(options)


def targets(label, num_classes):
    """Returns float32 (num_classes,): 1 for the label, or for each of several, else 0.

    Raises:
        tf.errors.InvalidArgumentError: for a label that is not one of the classes.
    """
    check_label(label, num_classes)
    hot = tf.one_hot(label, num_classes)
    return hot if label.shape.rank == 0 else tf.reduce_max(tf.concat([hot, tf.zeros((1, num_classes))], 0), 0)


def shuffled(position, size, seed):
    """Returns the index of the example at `position` of the endless order."""
    epoch, place = position // size, position % size
    return tf.random.experimental.index_shuffle(place, folded(seed, ORDER, epoch), size - 1)


def folded(seed, stream, position):
    """Returns the seed of one `position` in one stream."""
    return tf.random.fold_in([seed, stream], position)
