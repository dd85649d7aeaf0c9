"""Both layers under the half-precision policies: float32 inside, the compute dtype outside."""

import keras
import numpy as np
import pytest

import bit_keras as bit
from tests.layers.formulas import group_normalized

POLICIES = {"mixed_bfloat16": "bfloat16", "bfloat16": "bfloat16", "mixed_float16": "float16", "float64": "float64"}
SHAPE = (2, 5, 5, 32)


def make(kind, policy):
    if kind == "conv":
        return bit.StandardizedConv2D(8, 3, use_bias=False, dtype=policy)
    if kind == "conv with bias":
        return bit.StandardizedConv2D(8, 3, dtype=policy)
    return bit.GroupNorm(dtype=policy)


@pytest.mark.parametrize("kind", ["conv", "conv with bias", "norm"])
@pytest.mark.parametrize("policy", POLICIES)
def test_output_has_the_compute_dtype(kind, policy):
    output = make(kind, policy)(np.ones(SHAPE, "float32"))
    assert keras.backend.standardize_dtype(output.dtype) == POLICIES[policy]


@pytest.mark.parametrize("kind", ["conv", "norm"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "mixed_float16", "float16"])
def test_variables_are_float32_under_half_precision(kind, policy):
    layer = make(kind, policy)
    layer.build(SHAPE)
    assert {variable.dtype for variable in layer.variables} == {"float32"}


@pytest.mark.parametrize("kind", ["conv", "norm"])
def test_variables_are_float64_under_float64(kind):
    layer = make(kind, "float64")
    layer.build(SHAPE)
    assert {variable.dtype for variable in layer.variables} == {"float64"}


@pytest.mark.parametrize("policy, size", [("mixed_float16", 6e4), ("mixed_bfloat16", 1e5), ("mixed_bfloat16", 1e15)])
def test_numbers_whose_squares_overflow_half_precision_are_normalized(policy, size):
    x = keras.ops.cast(np.random.default_rng(0).uniform(-size, size, SHAPE), POLICIES[policy])
    expected = group_normalized(keras.ops.convert_to_numpy(keras.ops.cast(x, "float64")), 1, 0)
    # bfloat16, the coarser of the two, rounds the result by at most 2**-8 of it.
    output = keras.ops.cast(bit.GroupNorm(dtype=policy)(x), "float64")
    np.testing.assert_allclose(output, expected, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_mean_is_not_rounded_to_half_precision(policy):
    # bfloat16 holds 256 and 258 but not their mean: with 256 or 258 for it the results would be 0 and 2 or so.
    x = np.where(np.arange(np.prod(SHAPE)) % 2, 258, 256).reshape(SHAPE).astype("float32")
    output = bit.GroupNorm(groups=1, dtype=policy)(x)
    np.testing.assert_allclose(keras.ops.cast(output, "float32"), x - 257, atol=2**-7)


def test_gradients_of_a_mixed_policy_reach_the_float32_variables_in_float32():
    model = keras.Sequential([make("conv", "mixed_bfloat16"), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-9), "mse")  # a step that bfloat16 could not hold
    model.build(SHAPE)
    before = model.layers[0].kernel.numpy()
    model.fit(np.random.default_rng(0).normal(size=SHAPE), np.array([[100.0], [-100.0]]), verbose=0)
    change = np.abs(model.layers[0].kernel.numpy() - before).max()
    assert 0 < change < 1e-5
