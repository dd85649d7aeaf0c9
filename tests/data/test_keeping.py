"""Kept pictures are those that would be made again, and each is read once."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from bit_keras.data.batches import training_batches
from bit_keras.data.keeping import kept, kept_bytes
from tests.data.making import in_memory, noise

LABELS = [0, 1, 2, 0, 1, 2, 0]
RULE = SimpleNamespace(batch_size=4, resize=14, crop=8, flip=True, mixup_alpha=0.3, scaled_decoding=False)


def examples():
    return in_memory([noise(16, 16 + seed, seed) for seed in range(7)], LABELS)


def taken(source, *, keep, start_step=0, strategy=None):
    batches = training_batches(source, RULE, num_classes=3, seed=0, start_step=start_step, keep=keep)
    batches = batches.take(20)  # more than eleven epochs
    return list(strategy.experimental_distribute_dataset(batches) if strategy else batches)


def assert_equal(first, second):
    for batch, other in zip(first, second, strict=True):
        for tensor, other_tensor in zip(batch, other, strict=True):
            np.testing.assert_array_equal(tensor, other_tensor)


@pytest.mark.parametrize("start_step", [0, 1, 5])
def test_batches_are_the_same_to_the_last_bit_whether_pictures_are_kept_or_not(start_step):
    source = examples()
    assert_equal(taken(source, keep=True, start_step=start_step), taken(source, keep=False, start_step=start_step))


def test_a_resumed_stream_that_has_kept_nothing_yet_goes_on_as_the_whole_one():
    source = examples()
    whole = taken(source, keep=True)
    assert_equal(taken(source, keep=True, start_step=6)[:14], whole[6:])


def test_batches_are_the_same_when_they_are_distributed():
    source, strategy = examples(), tf.distribute.OneDeviceStrategy("CPU")
    assert_equal(taken(source, keep=True, strategy=strategy), taken(source, keep=False))


def test_each_picture_is_read_once():
    reads = []

    def read(index):
        tf.py_function(lambda number: reads.append(int(number)), [index], [])
        return source.read(index)

    source = examples()
    taken(replace(source, read=read), keep=True)
    # A second thread may begin with a picture before the first has done with it, at the seam of two epochs.
    assert {*reads} == {*range(7)} and len(reads) < 14


def test_nothing_is_kept_of_a_picture_that_cannot_be_made():
    is_broken = tf.Variable(True)

    def make(index):
        with tf.control_dependencies([tf.debugging.Assert(~is_broken, ["broken"])]):
            return tf.fill((2, 2, 3), 7.0), index

    recall = tf.function(kept(make, 3, 2))
    with pytest.raises(tf.errors.InvalidArgumentError):
        recall(tf.constant(1, tf.int64))
    is_broken.assign(False)
    picture, label = recall(tf.constant(1, tf.int64))
    assert (picture.numpy() == 7).all() and int(label) == 1


def test_the_memory_is_four_bytes_for_each_of_three_channels():
    assert kept_bytes(1000, 160) == 1000 * 160 * 160 * 3 * 4
