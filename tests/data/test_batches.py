"""Training batches are a pure function of (seed, step)."""

import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from bit_keras.data.batches import AHEAD, ahead, training_batches
from tests.data.making import in_memory, noise


def rule(**changes):
    settings = {"batch_size": 4, "resize": 2, "crop": 2, "flip": True, "mixup_alpha": 0.0, "scaled_decoding": False}
    return SimpleNamespace(**settings | changes)


def numbered(size):
    """Returns examples whose one pixel has the value 5 * number; the label is number % 3."""
    pictures = [np.full((1, 1, 3), 5 * number, np.uint8) for number in range(size)]
    return in_memory(pictures, [number % 3 for number in range(size)])


def numbers(images):
    return np.round((np.asarray(images)[:, 0, 0, 0] + 1) * 127.5 / 5).astype(int).tolist()


def taken(examples, count, *, seed=0, start_step=0, **changes):
    batches = training_batches(examples, rule(**changes), num_classes=3, seed=seed, start_step=start_step)
    return [(images.numpy(), labels.numpy()) for images, labels in batches.take(count)]


def order(size, count, **options):
    return [number for images, _ in taken(numbered(size), count, **options) for number in numbers(images)]


def assert_equal_batches(first, second):
    for (images, labels), (other_images, other_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


@pytest.mark.parametrize("start_step", [1, 3, 7])
def test_a_stream_from_a_step_on_equals_that_part_of_the_whole_stream(start_step):
    examples = in_memory([noise(16, 16, seed) for seed in range(7)], [0, 1, 2, 0, 1, 2, 0])
    options = {"resize": 14, "crop": 8, "mixup_alpha": 0.3}
    whole = taken(examples, 9, **options)
    assert_equal_batches(taken(examples, 2, start_step=start_step, **options), whole[start_step : start_step + 2])


def test_the_same_seed_gives_the_same_batches():
    examples = in_memory([noise(16, 16, seed) for seed in range(7)], [0] * 7)
    options = {"resize": 14, "crop": 8, "mixup_alpha": 0.3}
    assert_equal_batches(taken(examples, 5, **options), taken(examples, 5, **options))


def test_every_epoch_is_a_permutation_of_all_examples():
    found = order(12, 9)  # three epochs of three batches
    for epoch in range(3):
        assert sorted(found[12 * epoch : 12 * (epoch + 1)]) == list(range(12))


def test_epochs_have_different_orders():
    found = order(12, 9)
    assert len({tuple(found[12 * epoch : 12 * (epoch + 1)]) for epoch in range(3)}) == 3


def test_a_batch_may_span_two_epochs():
    found = order(10, 5)  # 20 examples: two epochs, the third batch spans them
    assert Counter(found) == dict.fromkeys(range(10), 2)
    assert sorted(found[:10]) == list(range(10))


def test_a_batch_larger_than_the_data_set_repeats_it():
    (images, labels), *_ = taken(numbered(3), 1, batch_size=9)
    assert Counter(numbers(images)) == {0: 3, 1: 3, 2: 3}
    assert labels.shape == (9, 3)


def test_one_example_is_enough():
    assert order(1, 2) == [0] * 8


def test_seeds_give_different_orders():
    assert len({tuple(order(12, 3, seed=seed)) for seed in range(4)}) == 4


def test_labels_are_the_one_hot_labels_of_their_pictures():
    for images, labels in taken(numbered(12), 3):
        np.testing.assert_array_equal(labels, np.eye(3)[[number % 3 for number in numbers(images)]])


def test_images_are_float32_of_the_crop():
    ((images, labels),) = taken(numbered(5), 1, resize=9, crop=7)
    assert images.shape == (4, 7, 7, 3) and images.dtype == labels.dtype == np.float32


def test_about_half_of_the_pictures_are_mirrored():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, 2:] = 255  # the right half is white
    ((images, _),) = taken(in_memory([picture], [0]), 1, batch_size=400, resize=4, crop=4)
    mirrored = (images[:, 0, 0, 0] == 1).sum()
    assert 160 < mirrored < 240  # four standard deviations of sqrt(400) / 2


def test_without_flip_no_picture_is_mirrored():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, 2:] = 255
    ((images, _),) = taken(in_memory([picture], [0]), 1, batch_size=100, resize=4, crop=4, flip=False)
    assert (images[:, 0, 0, 0] == -1).all()


def test_every_place_of_the_window_occurs_about_equally_often():
    picture = np.zeros((6, 6, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.mgrid[:6, :6] * 10  # red tells the row, green the column
    ((images, _),) = taken(in_memory([picture], [0]), 1, batch_size=900, resize=6, crop=4, flip=False)
    corners = np.round((images[:, 0, 0, :2] + 1) * 127.5 / 10).astype(int)
    found = Counter(map(tuple, corners.tolist()))
    assert found.keys() == {(row, column) for row in range(3) for column in range(3)}
    assert all(60 < count < 140 for count in found.values())  # four standard deviations around 100


def test_the_same_picture_is_cut_in_another_way_each_epoch():
    examples = in_memory([noise(16, 16)], [0])
    ((images, _),) = taken(examples, 1, batch_size=8, resize=16, crop=8)
    assert len({image.tobytes() for image in images}) > 4


def test_mixup_has_one_share_for_the_whole_batch_and_another_in_the_next():
    found = []
    for images, labels in taken(numbered(3), 4, batch_size=3, mixup_alpha=1.0):
        shares = labels.max(axis=-1)
        assert images.shape[0] == 3
        np.testing.assert_allclose(shares, shares[0], atol=1e-6)
        found.append(float(shares[0]))
    assert len(set(found)) == 4 and max(found) < 1


def test_no_thread_tunes_the_batches_as_letting_go_of_it_can_take_a_minute():
    batches = ahead(tf.data.Dataset.range(3))
    assert list(batches.as_numpy_iterator()) == [0, 1, 2]
    assert batches.options().autotune.enabled is False


def test_two_batches_are_made_ahead_and_no_more_however_long_the_pause():
    made = []
    batches = iter(
        ahead(tf.data.Dataset.range(100).map(lambda n: tf.py_function(lambda x: made.append(x) or x, [n], n.dtype)))
    )
    for number in range(4):
        assert next(batches) == number
        time.sleep(0.2)
    assert len(made) <= 4 + AHEAD + 1  # one more waits to be taken in
