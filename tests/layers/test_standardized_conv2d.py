"""StandardizedConv2D against a convolution and a standardization written in NumPy."""

import numpy as np
import pytest

import bit_keras as bit
from tests.layers.formulas import convolved, standardized


def kernel_applied_by(layer, kernel):
    """Returns the kernel (height, width, in, out) that `layer` really uses, seen through one-hot pictures."""
    height, width, channels, filters = kernel.shape
    pictures = np.eye(kernel[..., 0].size, dtype="float32").reshape(-1, height, width, channels)
    layer.build(pictures.shape)
    layer.kernel.assign(kernel)
    return np.asarray(layer(pictures), "float64").reshape(height, width, channels, filters)


def conv(filters=4, kernel_size=3, **options):
    return bit.StandardizedConv2D(filters, kernel_size, use_bias=False, **options)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_applied_kernel_has_mean_0_and_variance_1_for_each_output_channel(rng):
    applied = kernel_applied_by(conv(), rng.normal(3, 0.2, (3, 3, 5, 4)).astype("float32"))
    assert applied.mean((0, 1, 2)) == pytest.approx([0] * 4, abs=1e-5)
    assert applied.var((0, 1, 2)) == pytest.approx([1] * 4, rel=1e-5)


def test_float32_output_is_that_of_the_formula(rng):
    x, kernel = rng.normal(size=(2, 5, 6, 3)).astype("float32"), rng.normal(size=(3, 3, 3, 4)).astype("float32")
    layer = conv()
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    np.testing.assert_allclose(layer(x), convolved(x, standardized(kernel)), atol=1e-5)


def test_float64_output_is_that_of_the_formula_to_12_digits(rng):
    x, kernel = rng.normal(size=(2, 5, 6, 3)), rng.normal(size=(3, 3, 3, 4))
    layer = conv(dtype="float64")
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    np.testing.assert_allclose(layer(x), convolved(x, standardized(kernel)), rtol=0, atol=1e-12)


def test_bias_strides_and_padding_are_those_of_a_plain_convolution(rng):
    x, kernel = rng.normal(size=(2, 6, 6, 3)), rng.normal(size=(3, 3, 3, 4))
    layer = bit.StandardizedConv2D(4, 3, strides=2, padding="same", bias_initializer="ones", dtype="float64")
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    below_and_right = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))  # "same" of an even size and stride 2
    expected = convolved(below_and_right, standardized(kernel))[:, ::2, ::2] + 1
    np.testing.assert_allclose(layer(x), expected, atol=1e-12)


def test_1e_10_is_added_to_the_variance(rng):
    kernel = 1e-5 * np.array([1.0, -1.0]).reshape(1, 1, 2, 1)  # variance 1e-10, so the root is of 2e-10
    applied = kernel_applied_by(conv(1, 1, dtype="float64"), kernel)
    assert applied.ravel() == pytest.approx([0.5**0.5, -(0.5**0.5)], rel=1e-12)


def test_constant_kernel_gives_exactly_zero():
    applied = kernel_applied_by(conv(), np.full((3, 3, 5, 4), 0.125, "float32"))
    assert not applied.any()


def test_scale_and_offset_of_the_kernel_do_not_matter(rng):
    kernel = rng.normal(size=(3, 3, 5, 4))
    applied = kernel_applied_by(conv(dtype="float64"), kernel)
    changed = kernel_applied_by(conv(dtype="float64"), 7 * kernel - 2)
    np.testing.assert_allclose(changed, applied, atol=1e-8)  # 1e-10 against variances of about 1 and 49


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16", "mixed_float16"])
def test_kernel_reaches_its_standardization_unrounded_under(dtype):
    # In half precision 1 - 2**-12 and 1 + 2**-12 are 1: rounded first, the kernel would be constant and applied as 0.
    kernel = 1 + 2.0**-12 * np.array([1, -1, -1, 1], "float32").reshape(1, 1, 4, 1)
    applied = kernel_applied_by(conv(1, 1, dtype=dtype), kernel)
    assert applied.ravel() == pytest.approx([1, -1, -1, 1], abs=2**-8)
