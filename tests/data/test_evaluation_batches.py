"""In evaluation batches every example counts once; the last batch is filled up with weight 0."""

import numpy as np
import pytest

from bit_keras.data.batches import evaluation_batches
from tests.data.making import in_memory, noise

PICTURES = [np.full((1, 1, 3), 5 * number, np.uint8) for number in range(10)]
LABELS = [number % 3 for number in range(10)]


def batches(size, batch_size):
    return list(evaluation_batches(in_memory(PICTURES[:size], LABELS[:size]), crop=2, batch_size=batch_size))


@pytest.mark.parametrize(("size", "batch_size", "count"), [(10, 5, 2), (10, 4, 3), (10, 1, 10), (3, 8, 1), (1, 1, 1)])
def test_every_example_weighs_one_once_and_in_order(size, batch_size, count):
    found = batches(size, batch_size)
    images, labels, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    counted = weights == 1
    assert len(found) == count
    np.testing.assert_array_equal(np.round((images[counted, 0, 0, 0] + 1) * 127.5 / 5), range(size))
    np.testing.assert_array_equal(labels[counted], LABELS[:size])


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (3, 8)])
def test_what_fills_the_last_batch_weighs_nothing(size, batch_size):
    weights = np.concatenate([weights for *_, weights in batches(size, batch_size)])
    np.testing.assert_array_equal(weights[:size], 1)
    np.testing.assert_array_equal(weights[size:], 0)
    assert len(weights) % batch_size == 0 and len(weights) > size


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_all_batches_have_one_size(batch_size):
    for images, labels, weights in batches(10, batch_size):
        assert images.shape == (batch_size, 2, 2, 3)
        assert labels.shape == weights.shape == (batch_size,)


def test_the_number_of_batches_is_known_beforehand():
    examples = in_memory(PICTURES, LABELS)
    assert evaluation_batches(examples, crop=2, batch_size=4).cardinality() == 3


def test_pictures_are_resized_and_nothing_is_cut_off_or_mirrored():
    picture = noise(8, 8)
    ((images, *_),) = evaluation_batches(in_memory([picture], [0]), crop=8, batch_size=1)
    np.testing.assert_allclose(images[0], picture / 127.5 - 1, atol=1e-6)
