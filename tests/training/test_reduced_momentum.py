"""The optimizer's step by XLA is the one that is written in the paper's terms: v = m v + g, w = w - rate v."""

import keras
import numpy as np
import pytest

from bit_keras.training.step import ReducedMomentum

RATE, MOMENTUM, DECAY = 0.5, 0.9, 0.01  # two of which float32 does not have


def stepped(gradients, *, skips=False, **options):
    """Returns a kernel of ones after a step by XLA with each of the gradients."""
    kernel = keras.Variable(np.ones((2, 3)), dtype="float64", name="kernel")
    optimizer = ReducedMomentum(RATE, MOMENTUM, **options)
    optimizer.build([kernel])
    optimizer.skips, optimizer.xla = skips, True
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float64")], [kernel])
    assert optimizer._compiled.experimental_get_tracing_count() == 1
    return kernel.numpy()


def random_gradients():
    return np.random.default_rng(0).normal(size=(3, 2, 3))


@pytest.mark.parametrize("decoupled", [False, True])
def test_weights_are_those_of_the_formula(decoupled):
    weights, velocity = np.ones((2, 3)), np.zeros((2, 3))
    for gradient in random_gradients():
        decay = DECAY * weights
        velocity = MOMENTUM * velocity + gradient + (0 if decoupled else decay)
        weights = weights - RATE * (velocity + (decay if decoupled else 0))
    found = stepped(random_gradients(), kernel_decay=DECAY, decoupled=decoupled)
    np.testing.assert_allclose(found, weights, rtol=0, atol=1e-14)


def test_a_gradient_that_is_no_number_is_skipped():
    first, second, third = random_gradients()
    not_numbers = np.full((2, 3), np.nan)
    found = stepped([first, not_numbers, second, not_numbers, third], skips=True)
    np.testing.assert_array_equal(found, stepped([first, second, third]))
