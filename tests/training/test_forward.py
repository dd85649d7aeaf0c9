"""The forward pass with kernels that were standardized before."""

import keras
import numpy as np
import pytest

import bit_keras as bit
from bit_keras.training.forward import applied_weights, called

IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")


def seeded(**options):
    return bit.build("R14x0.5", num_classes=0, seed=0, **options)


@pytest.mark.parametrize("normalization", ["group", "batch"])
def test_it_gives_what_the_model_gives_in_training_and_leaves_what_the_model_leaves(normalization):
    ours, theirs = seeded(normalization=normalization), seeded(normalization=normalization)
    features = called(ours, applied_weights(ours), IMAGES)
    np.testing.assert_allclose(features, theirs(IMAGES, training=True), rtol=1e-5, atol=1e-6)
    for one, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_it_standardizes_no_kernel_again():
    model = seeded()
    first = model.get_layer("root_block-standardized_conv2d")
    root = keras.Model(model.input, first.output)
    weights = applied_weights(root)
    doubled = {path: 2 * weight for path, weight in weights.items()}
    # Standardized again, twice the kernel would be the kernel.
    np.testing.assert_allclose(called(root, doubled, IMAGES), 2 * called(root, weights, IMAGES), rtol=1e-6)
    assert not first.is_standardized  # outside it does standardize


def test_frozen_kernels_are_applied_standardized_and_stay_as_they_are():
    model = seeded()
    expected = model(IMAGES)
    model.trainable = False
    before = [variable.numpy() for variable in model.variables]
    np.testing.assert_allclose(called(model, applied_weights(model), IMAGES), expected, rtol=1e-5, atol=1e-6)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
