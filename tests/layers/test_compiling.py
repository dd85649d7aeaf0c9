"""Layers give the same, and have the same gradients, where their functions go through a compiler."""

import functools

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.exporting.xla import COMPILED, STRIPS
from bit_keras.layers.compiling import PLAIN, compiling


def as_it_is(function):
    return functools.partial(function, by=COMPILED)


def by_xla(function):
    return tf.function(functools.partial(function, by=COMPILED), jit_compile=True, autograph=False)


def outcome(layer, x, compiler=None):
    """Returns the output, and the gradients of a sum of it with fixed weights."""
    x = tf.constant(x)
    layer.compiler = compiler
    values = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * np.random.default_rng(3).normal(size=y.shape))
    return y, *tape.gradient(loss, [x, *values])


def random_layer(layer, x):
    layer.build(x.shape)
    for variable in layer.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(0.5, 1, variable.shape))
    return layer


# Fewer positions than strips, a multiple of them, and neither.
@pytest.mark.parametrize("side", [(1, 1), (1, 2), (4, STRIPS), (5, 7), (20, 24)])
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("compiler", [as_it_is, by_xla])
def test_compiled_group_norm_and_its_gradient_are_those_of_the_plain_one(side, activation, compiler):
    x = np.random.default_rng(0).normal(3, 2, (2, *side, 64))
    layer = random_layer(bit.GroupNorm(activation=activation, dtype="float64"), x)
    for plain, compiled in zip(outcome(layer, x), outcome(layer, x, compiler), strict=True):
        np.testing.assert_allclose(compiled, plain, atol=1e-11)


@pytest.mark.parametrize("compiler", [as_it_is, by_xla])
def test_compiled_standardization_and_its_gradient_are_those_of_the_plain_one(compiler):
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3))
    layer = random_layer(bit.StandardizedConv2D(4, 3, use_bias=False, dtype="float64"), x)
    for plain, compiled in zip(outcome(layer, x), outcome(layer, x, compiler), strict=True):
        np.testing.assert_allclose(compiled, plain, atol=1e-11)


def test_compiled_group_norm_keeps_statistics_in_float32_under_bfloat16():
    x = np.random.default_rng(0).normal(100, 1, (1, 8, 8, 32)).astype("float32")
    layer = random_layer(bit.GroupNorm(dtype="mixed_bfloat16"), x)
    plain, compiled = (outcome(layer, x, compiler)[0] for compiler in (None, by_xla))
    np.testing.assert_allclose(tf.cast(compiled, tf.float32), tf.cast(plain, tf.float32), rtol=2**-7)


@pytest.mark.parametrize("positions", [1, STRIPS, 33, 500, None])
def test_means_in_strips_are_the_means(positions):
    """None: as many as are not known before it runs."""
    x = np.random.default_rng(0).normal(size=(2, positions or 70, 3))
    both = tf.function(lambda x: COMPILED.means(lambda x: (x, x**2), x), [tf.TensorSpec((2, positions, 3), tf.float64)])
    for found, values in zip(both(x), (x, x**2), strict=True):
        np.testing.assert_allclose(found, values.mean(1, keepdims=True), atol=1e-15)


# Numbers around 1000 are stored to 2**-14; E[x^2] - E[x]^2 of them would be wrong by 0.06. So is PLAIN's mean, which is
# why it has no deviation of 0.01 here.
@pytest.mark.parametrize("by, mean, deviation", [
    (PLAIN, 0, 1), (PLAIN, 1000, 1), (PLAIN, 0, 1e-4), (COMPILED, 0, 1), (COMPILED, 1000, 0.01), (COMPILED, 0, 1e-4)
])  # fmt: skip
def test_moments_keep_their_digits_far_from_zero(by, mean, deviation):
    x = np.random.default_rng(0).normal(mean, deviation, (2, 300, 3)).astype("float32")
    moments = tf.function(by.moments, jit_compile=by is COMPILED)
    found, variance = moments(tf.constant(x))
    np.testing.assert_allclose(found, x.mean(1, keepdims=True, dtype="float64"), rtol=1e-6, atol=deviation * 1e-6)
    np.testing.assert_allclose(variance, x.var(1, keepdims=True, dtype="float64"), rtol=2e-4)


def test_groups_are_spread_to_the_last_bit():
    groups = np.random.default_rng(0).normal(size=(2, 1, 32)).astype("float32")
    spread = tf.function(lambda groups: COMPILED.spread(groups, 3), jit_compile=True)(groups)
    np.testing.assert_array_equal(spread, groups.repeat(3, -1))


def test_scaling_keeps_its_digits_where_the_mean_is_large():
    x, mean = np.float32([[[1000.25], [999.5]]]), np.float32([[[1000.0]]])
    scaled = COMPILED.scaled(tf.constant(x), mean, np.float32([[[1 / 3]]]), np.float32([[[1.0]]]))
    np.testing.assert_allclose(scaled, (x - 1000) / 3 + 1, rtol=1e-7)


def test_compiled_group_norm_of_a_large_constant_is_finite():
    x = np.full((1, 28, 28, 32), 1.2e8, "float32")
    layer = random_layer(bit.GroupNorm(), x)
    assert np.isfinite(outcome(layer, x, by_xla)[0]).all()


def test_moments_lose_five_bits_where_the_first_numbers_are_farthest_from_the_others():
    # A first part of 11 of 320 numbers, at 1000, and the others at 0: what the bound of the docstring is for.
    x = np.zeros((1, 320, 1), "float32")
    x[:, :11] = 1000
    variance = COMPILED.moments(tf.constant(x))[1]
    np.testing.assert_allclose(variance, x.var(1, keepdims=True, dtype="float64"), rtol=2**-24 * 32)


def test_layers_are_compiled_within_the_context_alone():
    model = bit.build("R14x0.5", num_classes=0)
    norm = model.get_layer("group_norm")
    with compiling(model, by_xla):
        assert norm.compiler is by_xla
    assert norm.compiler is None


def test_another_activation_is_refused():
    with pytest.raises(ValueError, match=r"Expected `activation` 'relu' or None\. Received: activation='gelu'"):
        bit.GroupNorm(activation="gelu")
