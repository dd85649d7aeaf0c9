"""GroupNorm against the formula written in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.layers.formulas import group_normalized

SHAPE = (2, 7, 6, 64)


def normal(mean, deviation, shape=SHAPE, dtype="float32"):
    return np.random.default_rng(0).normal(mean, deviation, shape).astype(dtype)


def with_parameters(layer, channels=SHAPE[-1]):
    """Returns the built layer and its gamma and beta, which are not the initial ones."""
    rng = np.random.default_rng(1)
    gamma, beta = rng.normal(1, 0.1, channels), rng.normal(0, 0.1, channels)
    layer.build((None, None, None, channels))
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    return layer, gamma, beta


def error(x, **options):
    """Returns the largest absolute difference from the formula in float64 on the same numbers."""
    layer, gamma, beta = with_parameters(bit.GroupNorm(**options))
    expected = group_normalized(x, gamma, beta, layer.groups, layer.epsilon)
    return np.abs(np.asarray(layer(x), "float64") - expected).max()


def test_float32_output_is_that_of_the_formula():
    assert error(normal(0, 1)) < 2e-6


def test_float64_output_is_that_of_the_formula_to_12_digits():
    assert error(normal(5, 2, dtype="float64"), dtype="float64") < 1e-12


@pytest.mark.parametrize("groups, epsilon", [(1, 1e-5), (8, 1e-3), (64, 0.1)])
def test_other_groups_and_epsilons_are_those_of_the_formula(groups, epsilon):
    assert error(normal(0, 0.1), groups=groups, epsilon=epsilon) < 2e-6


def test_a_mean_of_1000_costs_no_more_than_the_rounding_of_1000():
    # Products of 1000 are rounded to 2**-14; E[x^2] - E[x]^2 would be wrong by 0.06 and more in the variance.
    assert error(normal(1000, 1)) < 8 * 2**-14


def test_numbers_of_1e_4_keep_their_digits():
    # 1e-5 outweighs the variance of 1e-8, so the results are about 0.03 times gamma.
    assert error(normal(0, 1e-4)) < 1e-7


def test_a_mean_of_1000_and_a_scale_of_1e_4_keep_the_variance():
    # x * 316 is rounded to 2**-5, and so is the shift; a variance from E[x^2] - E[x]^2 would be noise around 0.
    assert error(normal(1000, 1e-4)) < 2 * 2**-5


def test_a_group_is_normalized_as_one_when_its_channels_differ():
    x = normal(0, 1) + np.arange(64, dtype="float32")
    assert error(x) < 8 * 2**-17  # products near 64 are rounded to 2**-17


def test_pictures_are_normalized_one_by_one():
    x = normal(0, 1)
    layer, *_ = with_parameters(bit.GroupNorm())
    np.testing.assert_allclose(layer(x)[:1], layer(x[:1]), atol=1e-6)
    np.testing.assert_allclose(layer(x * [[[[1]]], [[[50]]]])[:1], layer(x[:1]), atol=1e-6)


def test_new_layer_has_gamma_1_and_beta_0():
    layer = bit.GroupNorm()
    layer.build(SHAPE)
    assert (layer.gamma.numpy() == 1).all() and (layer.beta.numpy() == 0).all()


def test_gradients_are_those_of_the_formula():
    # The sum of w * y, for y of mean 0 and variance 1 (epsilon 0), has the gradient
    # (w - mean(w) - y * mean(w * y)) / deviation in each group.
    x, w = normal(3, 2, dtype="float64"), np.random.default_rng(2).normal(size=SHAPE)
    layer = bit.GroupNorm(groups=1, epsilon=0.0, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(x))
        loss = tf.reduce_sum(w * layer(variable))
    axes = {"axis": (1, 2, 3), "keepdims": True}
    y = group_normalized(x, 1, 0, groups=1, epsilon=0.0)
    expected = (w - w.mean(**axes) - y * (w * y).mean(**axes)) / x.std(**axes)
    np.testing.assert_allclose(tape.gradient(loss, variable), expected, atol=1e-12)


@pytest.mark.parametrize("channels", [48, 16, None])
def test_groups_that_do_not_divide_the_channels_are_refused(channels):
    with pytest.raises(ValueError, match=rf"channels .*32 groups divide.*input_shape=\(2, 7, 6, {channels}\)"):
        bit.GroupNorm().build((2, 7, 6, channels))
