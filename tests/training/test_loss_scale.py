"""The loss scale is decided by the gradients of all replicas together."""

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.training.loop import _check_scale
from bit_keras.training.step import ReducedMomentum, TrainStep
from bit_keras.training.strategies import make_strategy

REPLICAS = 2


def float16_step(strategy, **options):
    with strategy.scope():
        model = bit.build("R14x0.5", num_classes=2, seed=0, dtype="mixed_float16")
        optimizer = ReducedMomentum(0.1, 0.9)
    return TrainStep(model, optimizer, strategy, batch_size=4, **options)


def one_step(step, images):
    """Takes a step on `images`, the first half of which is the first replica's; returns the loss."""
    labels = np.array([[1, 0], [0, 1]] * 2, "float32")
    dataset = tf.data.Dataset.from_tensors((images.astype("float32"), labels))
    iterator = iter(step.strategy.experimental_distribute_dataset(dataset))
    return step.run(iterator, np.int32(1)).numpy()[0]


def pictures():
    return np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3))


def numbers(step):
    return [variable.numpy() for name, variable in step.state.items() if not name.startswith("loss_scale")]


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("overflowing", range(REPLICAS))
def test_overflow_on_any_replica_skips_the_step_on_all_and_halves_the_scale(overflowing, xla):
    step = float16_step(make_strategy("mirrored:2"), xla=xla)
    one_step(step, pictures())  # so that there is momentum to lose
    before, scale = numbers(step), float(step.loss_scale.scale.numpy())
    images = pictures()
    images[2 * overflowing] = np.inf
    one_step(step, images)
    for old, new in zip(before, numbers(step), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(step.loss_scale.scale.numpy()) == scale / 2
    one_step(step, pictures())
    assert all(np.isfinite(array).all() for array in numbers(step))
    assert any((old != new).any() for old, new in zip(before, numbers(step), strict=True))


def test_skipped_step_counts_so_that_the_batches_that_follow_stay_the_same():
    step = float16_step(tf.distribute.get_strategy())
    one_step(step, np.full((4, 32, 32, 3), np.inf))
    assert int(step.optimizer.iterations.numpy()) == 1


def test_scale_begins_at_2_to_the_15_and_doubles_after_2000_good_steps():
    scale = float16_step(tf.distribute.get_strategy()).loss_scale
    assert float(scale.scale.numpy()) == 2**15
    scale.good_steps.assign(1998)
    for expected in (2**15, 2**16, 2**16):
        scale.unscaled([tf.ones(2)])
        assert float(scale.scale.numpy()) == expected
    assert float(scale.good_steps.numpy()) == 1


def test_gradients_are_divided_by_the_scale():
    scale = float16_step(tf.distribute.get_strategy()).loss_scale
    np.testing.assert_array_equal(scale.unscaled([tf.constant([2.0**15, -(2.0**14)])])[0], [1, -0.5])


def test_half_precision_follows_full_precision():
    ends = {}
    for dtype in ("float32", "mixed_float16"):
        model = bit.build("R14x0.5", num_classes=2, seed=0, dtype=dtype)
        step = TrainStep(model, ReducedMomentum(0.01), tf.distribute.get_strategy(), batch_size=4)
        ends[dtype] = [one_step(step, pictures()) for _ in range(4)]
    np.testing.assert_allclose(ends["mixed_float16"], ends["float32"], atol=5e-3)


def test_overflow_at_any_scale_stops_the_run():
    step = float16_step(tf.distribute.get_strategy())
    _check_scale(step, 7)
    step.loss_scale.scale.assign(2.0)
    step.loss_scale.unscaled([tf.constant([np.inf])])
    _check_scale(step, 7)  # 1 is still to be tried
    step.loss_scale.unscaled([tf.constant([np.inf])])
    with pytest.raises(bit.RunError, match=r"overflow float16 at any loss scale \(step 7\)"):
        _check_scale(step, 7)


def test_without_a_scale_a_gradient_that_is_not_a_number_is_not_hidden():
    model = bit.build("R14x0.5", num_classes=2, seed=0)
    step = TrainStep(model, ReducedMomentum(0.1), tf.distribute.get_strategy(), batch_size=4)
    one_step(step, np.full((4, 32, 32, 3), np.nan))
    assert not all(np.isfinite(array).all() for array in numbers(step))


def test_other_policies_have_no_scale(small_model):
    step = TrainStep(small_model, ReducedMomentum(0.1), tf.distribute.get_strategy(), batch_size=4)
    assert step.loss_scale is None
