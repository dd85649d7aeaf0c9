"""Mixup mixes a batch with itself rolled by one, with one share for pictures and labels."""

import numpy as np
import tensorflow as tf

from bit_keras.data.mixup import mixup


def batch(size=5):
    """Returns random images and the one-hot labels 0, 1, ... of `size` examples."""
    return np.random.default_rng(0).uniform(-1, 1, (size, 4, 3, 3)).astype(np.float32), np.eye(size, dtype=np.float32)


def share_of(labels):
    """The share of the first example in its own mixed label."""
    return float(labels[0, 0])


def shares(alpha, number=200):
    labels = np.eye(2, dtype=np.float32)
    mix = tf.function(lambda seed: mixup(labels, labels, alpha=alpha, seed=[3, seed])[1])
    return np.array([share_of(mix(tf.constant(seed))) for seed in range(number)])


def test_each_picture_is_mixed_with_the_one_before_it():
    images, one_hot = batch()
    mixed, labels = mixup(images, one_hot, alpha=1.0, seed=(0, 1))
    share = share_of(labels)
    before = images[[4, 0, 1, 2, 3]]
    assert 0.01 < share < 0.99
    np.testing.assert_allclose(mixed, share * images + (1 - share) * before, atol=1e-6)


def test_labels_have_the_share_of_the_pictures():
    images, one_hot = batch()
    _, labels = mixup(images, one_hot, alpha=1.0, seed=(0, 1))
    share = share_of(labels)
    np.testing.assert_allclose(labels, share * one_hot + (1 - share) * one_hot[[4, 0, 1, 2, 3]], atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(labels, axis=-1), 1, atol=1e-6)


def test_the_middle_picture_of_an_odd_batch_is_mixed_too():
    images, one_hot = batch(3)
    _, labels = mixup(images, one_hot, alpha=1.0, seed=(0, 1))
    assert (np.count_nonzero(labels, axis=-1) == 2).all()


def test_the_same_seed_gives_the_same_share_and_another_seed_another():
    images, one_hot = batch()
    found = [share_of(mixup(images, one_hot, alpha=1.0, seed=seed)[1]) for seed in ((0, 1), (0, 1), (0, 2), (1, 1))]
    assert found[0] == found[1] and len(set(found)) == 3


def test_at_the_papers_alpha_every_share_is_finite_and_between_zero_and_one():
    found = shares(0.1, number=1000)
    assert np.isfinite(found).all()
    assert found.min() >= 0 and found.max() <= 1


def test_the_mean_share_is_a_half():
    # The standard error of 1000 Beta(0.1, 0.1) samples is sqrt(0.25 / 1.2 / 1000) = 0.014.
    assert abs(shares(0.1, number=1000).mean() - 0.5) < 0.06


def test_the_spread_of_the_shares_is_that_of_the_beta_distribution():
    # The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
    for alpha in (0.1, 1.0):
        np.testing.assert_allclose(shares(alpha, number=1000).var(), 1 / (4 * (2 * alpha + 1)), rtol=0.1)


def test_images_and_labels_keep_their_type():
    mixed, labels = mixup(*batch(), alpha=0.1, seed=(0, 1))
    assert mixed.dtype == labels.dtype == tf.float32
