"""Layers give the same, and have the same gradients, where their functions go through a compiler."""

import functools

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.layers.compiling import STRIPS, compiling, mean


def as_it_is(function, strips):
    return functools.partial(function, strips=strips)


def by_xla(function, strips):
    return tf.function(functools.partial(function, strips=strips), jit_compile=True, autograph=False)


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
@pytest.mark.parametrize("side", [(1, 2), (4, STRIPS), (5, 7)])
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


@pytest.mark.parametrize("strips", [0, 1, 3, 20])
def test_a_mean_in_strips_is_the_mean(strips):
    x = np.random.default_rng(0).normal(size=(2, 10, 3))
    np.testing.assert_allclose(mean(tf.square, tf.constant(x), strips=strips), (x**2).mean(1, keepdims=True))


def test_layers_are_compiled_within_the_context_alone():
    model = bit.build("R14x0.5", num_classes=0)
    norm = model.get_layer("group_norm")
    with compiling(model, by_xla):
        assert norm.compiler is by_xla
    assert norm.compiler is None


def test_another_activation_is_refused():
    with pytest.raises(ValueError, match=r"Expected `activation` 'relu' or None\. Received: activation='gelu'"):
        bit.GroupNorm(activation="gelu")
