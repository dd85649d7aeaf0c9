"""Momentum against the recurrence computed by hand: v = m * v + g; w = w - rate * v."""

import keras
import numpy as np
import pytest

import bit_keras as bit

GRADIENTS = np.random.default_rng(0).normal(size=(8, 5))
START = np.random.default_rng(1).normal(size=5)
# The rate falls to a hundredth after step 3, while v is large.
RATES = [0.1] * 4 + [0.001] * 4
FALLING = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.1, 0.001])


def by_hand(momentum):
    weights, velocity = START.copy(), np.zeros(5)
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        velocity = momentum * velocity + gradient
        weights = weights - rate * velocity
    return weights


def by(optimizer):
    variable = keras.Variable(START, dtype="float64")
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, dtype="float64")], [variable])
    return variable.numpy()


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_weights_follow_the_recurrence_through_a_fall_of_the_rate(momentum):
    # Keras gives the rate in float32, which is 0.1 within 2e-8 of itself.
    assert by(bit.Momentum(FALLING, momentum)) == pytest.approx(by_hand(momentum), abs=1e-7)


def test_keras_sgd_does_not_feel_the_fall_at_once():
    assert np.abs(by(keras.optimizers.SGD(FALLING, 0.9)) - by_hand(0.9)).max() > 0.1


def test_constant_rate_gives_the_weights_of_keras_sgd():
    momentum = 0.875  # which float32 has, through which Keras's goes
    assert by(bit.Momentum(0.1, momentum)) == pytest.approx(by(keras.optimizers.SGD(0.1, momentum)), abs=1e-12)


def test_in_float64_the_momentum_is_not_rounded_to_float32():
    found = by(bit.Momentum(0.125, 0.9))
    weights, velocity = START.copy(), np.zeros(5)
    for gradient in GRADIENTS:
        velocity = 0.9 * velocity + gradient
        weights = weights - 0.125 * velocity
    np.testing.assert_allclose(found, weights, rtol=0, atol=1e-14)


def test_default_momentum_is_0_9():
    assert by(bit.Momentum(FALLING)) == pytest.approx(by_hand(0.9), abs=1e-7)


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, float("nan")])
def test_momentum_outside_0_to_1_is_refused(momentum):
    with pytest.raises(ValueError, match=rf"`momentum` from 0 up to but not including 1.*momentum={momentum}"):
        bit.Momentum(0.1, momentum)


def one_weight_model(optimizer):
    """Returns a model of one weight, 1, whose loss on `ONE` is its square."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(optimizer, "mse")
    return model


ONE = {"x": np.ones((1, 1)), "y": np.zeros((1, 1)), "verbose": 0}


def weight(model):
    return float(model.layers[0].kernel.numpy().item())


def test_fit_takes_the_steps_of_the_recurrence():
    # w = 1: g = 2, v = 2, w = 0.8; g = 1.6, v = 3.4, w = 0.46; g = 0.92, v = 3.98, w = 0.062
    model = one_weight_model(bit.Momentum(0.1, 0.9))
    weights = [weight(model) for _ in range(3) if model.fit(**ONE)]
    assert weights == pytest.approx([0.8, 0.46, 0.062], abs=1e-6)


def test_saved_model_goes_on_with_its_velocity(tmp_path):
    model = one_weight_model(bit.Momentum(0.1, 0.9))
    model.fit(**ONE, epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.fit(**ONE)
    assert weight(loaded) == pytest.approx(0.062, abs=1e-6)


def test_serialized_optimizer_is_the_same_again():
    config = keras.optimizers.serialize(bit.Momentum(FALLING, 0.8, name="mine"))
    copy = keras.optimizers.deserialize(config)
    assert (type(copy), copy.momentum, copy.name) == (bit.Momentum, 0.8, "mine")
    assert by(copy) == pytest.approx(by_hand(0.8), abs=1e-7)


def test_new_velocity_is_zero_for_each_variable():
    optimizer = bit.Momentum(0.1)
    optimizer.build([keras.Variable(np.ones((2, 3))), keras.Variable(np.ones(4))])
    assert [velocity.shape for velocity in optimizer.velocities] == [(2, 3), (4,)]
    assert not any(velocity.numpy().any() for velocity in optimizer.velocities)


def decayed(optimizer, name):
    """Returns a variable called `name` that began with 1, after two steps with gradients 0.5 and 0."""
    variable = keras.Variable(np.ones(1), dtype="float64", name=name)
    for gradient in (0.5, 0.0):
        optimizer.apply([keras.ops.convert_to_tensor([gradient], dtype="float64")], [variable])
    return float(variable.numpy()[0])


def test_coupled_decay_is_added_to_the_gradient():
    # v = 0.5 + 0.1 * 1 = 0.6, w = 1 - 0.25 * 0.6 = 0.85; v = 0.9 * 0.6 + 0.1 * 0.85 = 0.625, w = 0.85 - 0.15625
    assert decayed(bit.Momentum(0.25, 0.9, kernel_decay=0.1), "kernel") == pytest.approx(0.69375, abs=1e-8)


def test_decoupled_decay_is_taken_from_the_weight_beside_the_momentum():
    # v = 0.5, w = 1 - 0.25 * 0.5 - 0.25 * 0.1 * 1 = 0.85; v = 0.45, w = 0.85 - 0.1125 - 0.02125
    assert decayed(bit.Momentum(0.25, 0.9, kernel_decay=0.1, decoupled=True), "kernel") == pytest.approx(
        0.71625, abs=1e-8
    )


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("name", ["gamma", "beta", "bias"])
def test_only_kernels_decay(name, decoupled):
    with_decay = decayed(bit.Momentum(0.25, 0.9, kernel_decay=0.1, decoupled=decoupled), name)
    assert with_decay == decayed(bit.Momentum(0.25, 0.9), name)


def test_coupled_and_decoupled_decay_shrink_a_weight_alike_in_the_long_run():
    # big_vision's 4.8e-4 for the paper's 1e-4 at rate 0.48: a constant factor 1 / (1 - 0.9) for a slow weight.
    coupled, decoupled = bit.Momentum(0.48, kernel_decay=1e-4), bit.Momentum(0.48, kernel_decay=1e-3, decoupled=True)
    ends = []
    for optimizer in (coupled, decoupled):
        variable = keras.Variable(np.ones(1), dtype="float64", name="kernel")
        for _ in range(400):
            optimizer.apply([keras.ops.zeros(1, dtype="float64")], [variable])
        ends.append(float(variable.numpy()[0]))
    assert ends[0] == pytest.approx(ends[1], rel=0.01)


def test_negative_decay_is_refused():
    with pytest.raises(ValueError, match=r"`kernel_decay` of at least 0\. Received: kernel_decay=-1"):
        bit.Momentum(0.1, kernel_decay=-1)
