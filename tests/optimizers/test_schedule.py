"""Schedule against the recorded rates of the released code."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.recipes.upstream import upstream_recipe

SIZES = [100, 20_000, 500_000]


def rule(num_examples):
    return bit.HyperRule(num_examples, (300, 400))


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


@pytest.mark.parametrize("num_examples", SIZES)
def test_rates_are_those_of_the_released_code(num_examples, golden):
    recorded = {int(step): rate for step, rate in golden("hyperrule.json")[str(num_examples)]["lr"].items()}
    running = {step: rate for step, rate in recorded.items() if rate is not None}
    assert rates(bit.Schedule(rule(num_examples)), running) == pytest.approx(list(running.values()), rel=1e-6, abs=0)


def test_every_rate_of_a_run_is_that_of_the_rule():
    small = rule(100)
    expected = [small.learning_rate(step) for step in range(500)]
    schedule = tf.function(bit.Schedule(small), input_signature=[tf.TensorSpec((), "int64")])
    assert rates(schedule, np.arange(500)) == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize("num_examples, end", [(100, 500), (20_000, 10_000), (500_000, 20_000)])
def test_last_rate_goes_on_after_the_end(num_examples, end):
    schedule = bit.Schedule(rule(num_examples))
    assert rates(schedule, [end, end + 1, 10 * end]) == pytest.approx([3e-6] * 3, rel=1e-6, abs=0)


def test_rule_without_warm_up_begins_in_full():
    paper = bit.HyperRule(100, (300, 400), source="paper", variant="R50x1")
    assert rates(bit.Schedule(paper), [0, 150, 151]) == pytest.approx([3e-3, 3e-3, 3e-4], rel=1e-6, abs=0)


def test_rule_without_boundaries_keeps_its_rate():
    flat = rule(100).override(warmup_steps=0, boundaries=())
    assert rates(bit.Schedule(flat), [0, 499]) == pytest.approx([3e-3, 3e-3], rel=1e-6, abs=0)


def test_rates_are_float32_scalars():
    rate = bit.Schedule(rule(100))(keras.ops.convert_to_tensor(7, dtype="int64"))
    assert (keras.backend.standardize_dtype(rate.dtype), tuple(rate.shape)) == ("float32", ())


@pytest.mark.parametrize("num_examples", SIZES)
def test_config_makes_the_schedule_again(num_examples, golden):
    schedule = bit.Schedule(rule(num_examples))
    copy = bit.Schedule.from_config(json.loads(json.dumps(schedule.get_config())))
    recorded = golden("hyperrule.json")[str(num_examples)]["lr"]
    assert rates(copy, map(int, recorded)) == rates(schedule, map(int, recorded))


def test_keras_serialization_makes_the_schedule_again():
    config = keras.optimizers.schedules.serialize(bit.Schedule(rule(100)))
    copy = keras.optimizers.schedules.deserialize(config)
    assert type(copy) is bit.Schedule
    assert rates(copy, [1, 100, 201]) == pytest.approx([3e-5, 3e-3, 3e-4], rel=1e-6, abs=0)


def test_optimizer_takes_its_rates_from_the_schedule():
    optimizer = bit.Momentum(bit.Schedule(rule(100)), momentum=0.0)
    variable = keras.Variable(np.zeros(1, "float32"))
    for _ in range(3):
        optimizer.apply([np.ones(1, "float32")], [variable])
    assert variable.numpy().item() == pytest.approx(-(0 + 3e-5 + 6e-5), rel=1e-6)  # the rates of steps 0, 1 and 2


@pytest.mark.parametrize("name", ["BiT-S", "bit_i1k"])
def test_every_rate_of_an_upstream_recipe_is_that_of_the_recipe(name):
    recipe = upstream_recipe(name).scaled(num_examples=1000, batch_size=100, steps=90)
    expected = [recipe.learning_rate(step) for step in range(90)]
    assert rates(bit.Schedule(recipe), range(90)) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_cosine_survives_saving():
    schedule = bit.Schedule(upstream_recipe("bit_i21k").scaled(num_examples=1000, batch_size=100, steps=90))
    again = bit.Schedule.from_config(json.loads(json.dumps(schedule.get_config())))
    assert rates(again, [3, 40, 89]) == rates(schedule, [3, 40, 89])
