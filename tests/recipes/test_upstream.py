"""The upstream recipes against the paper's numbers, and what scaling does to them."""

import math
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.recipes.upstream import RECIPES, upstream_recipe


# Paper, section 3.2 and appendix; steps: facts of arithmetic, pictures x epochs / 4096.
@pytest.mark.parametrize(
    ("name", "epochs", "decay_epochs", "loss", "steps"),
    [
        ("BiT-S", 90, (30, 60, 80), "softmax", 28_151),
        ("BiT-M", 90, (30, 60, 80), "sigmoid", 312_012),
        ("BiT-L", 40, (10, 23, 30, 37), "sigmoid", 2_929_688),
    ],
)
def test_paper_recipes_have_the_papers_numbers(name, epochs, decay_epochs, loss, steps):
    recipe = upstream_recipe(name)
    assert (recipe.epochs, recipe.decay_epochs, recipe.loss, recipe.steps) == (epochs, decay_epochs, loss, steps)
    assert (recipe.batch_size, recipe.warmup_steps, recipe.crop) == (4096, 5000, 224)
    assert (recipe.weight_decay, recipe.decay, recipe.head_bias) == (1e-4, "coupled", 0)
    assert recipe.base_learning_rate == pytest.approx(0.48)


# google-research/big_vision, configs bit_i1k.py and bit_i21k.py.
@pytest.mark.parametrize(
    ("name", "rate", "decay", "warmup_steps", "head_bias", "loss"),
    [("bit_i1k", 1.6, 1.6e-3, 1000, 0, "softmax"), ("bit_i21k", 0.48, 4.8e-4, 5000, -10, "sigmoid")],
)
def test_big_vision_recipes_have_its_numbers(name, rate, decay, warmup_steps, head_bias, loss):
    recipe = upstream_recipe(name)
    assert recipe.base_learning_rate == pytest.approx(rate)
    assert (recipe.weight_decay, recipe.decay) == (pytest.approx(decay), "decoupled")
    assert (recipe.warmup_steps, recipe.head_bias, recipe.loss) == (warmup_steps, head_bias, loss)
    assert (recipe.schedule, recipe.clip_norm, recipe.epochs) == ("cosine", 1.0, 90)


def test_rate_rises_then_falls_to_a_tenth_after_each_boundary():
    recipe = bit.UpstreamRecipe("BiT-S", 1000, 10, (3, 6), "softmax", batch_size=256, warmup_steps=4)
    assert recipe.steps == 39 and recipe.boundaries == (12, 23)
    rates = [recipe.learning_rate(step) for step in (0, 2, 4, 12, 13, 23, 24, 38)]
    assert rates == pytest.approx([0, 0.015, 0.03, 0.03, 0.003, 0.003, 0.0003, 0.0003])
    assert recipe.learning_rate(39) is None


def test_cosine_is_half_way_down_in_the_middle_after_the_warm_up():
    recipe = upstream_recipe("bit_i1k").scaled(num_examples=256, batch_size=256, steps=110, warmup_steps=10)
    assert [recipe.learning_rate(step) for step in (5, 10, 60)] == pytest.approx([0.05, 0.1, 0.05])
    assert recipe.learning_rate(109) == pytest.approx(0.05 * (1 + math.cos(math.pi * 0.99)))


def test_scaling_the_batch_scales_the_rate_and_keeps_the_shares_of_the_run():
    own, scaled = upstream_recipe("BiT-S"), upstream_recipe("BiT-S").scaled(batch_size=512)
    assert scaled.base_learning_rate == pytest.approx(0.06)
    assert scaled.steps == 225_205  # 1,281,167 * 90 / 512
    assert scaled.warmup_steps / scaled.steps == pytest.approx(own.warmup_steps / own.steps, rel=1e-4)
    assert scaled.boundaries[0] / scaled.steps == pytest.approx(1 / 3, rel=1e-4)


def test_scaling_to_fewer_epochs_moves_the_decays():
    assert upstream_recipe("BiT-S").scaled(epochs=9).decay_epochs == pytest.approx((3, 6, 8))


def test_steps_are_another_way_to_give_epochs():
    scaled = upstream_recipe("BiT-S").scaled(num_examples=640, batch_size=64, steps=1000)
    assert (scaled.steps, scaled.epochs) == (1000, pytest.approx(100))


def test_departures_name_all_that_scaling_changed_and_nothing_else():
    departures = upstream_recipe("BiT-S").scaled(batch_size=2048).departures()
    assert set(departures) == {"batch_size", "warmup_steps", "steps", "base_learning_rate"}
    assert departures["batch_size"] == (2048, 4096)
    assert upstream_recipe("BiT-M").departures() == {}


def test_decoupled_decay_follows_the_batch_as_in_big_vision():
    # bit_i21k.py: (3e-5 / 256) * batch; the coupled decay of the paper is multiplied by the rate, which follows anyway.
    assert upstream_recipe("bit_i21k").scaled(batch_size=64).weight_decay == pytest.approx(3e-5 / 256 * 64 * 1.0)
    assert upstream_recipe("BiT-M").scaled(batch_size=64).weight_decay == 1e-4


def test_departures_of_a_recipe_of_ones_own_are_those_of_its_scaling():
    mine = replace(upstream_recipe("BiT-S"), name="mine", weight_decay=3e-4)
    assert set(mine.scaled(epochs=9).departures()) == {"epochs", "decay_epochs", "warmup_steps", "steps"}


def test_during_the_warm_up_nothing_decays():
    recipe = replace(upstream_recipe("BiT-S"), decay_epochs=(1,), warmup_steps=1000)
    assert recipe.learning_rate(500) == pytest.approx(0.24) and recipe.learning_rate(1000) == pytest.approx(0.048)


def test_recipes_are_frozen():
    with pytest.raises(FrozenInstanceError):
        upstream_recipe("BiT-S").epochs = 1


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_in_the_table_by_its_name(name):
    assert RECIPES[name].name == name


def test_unknown_recipe_is_told_which_there_are():
    with pytest.raises(bit.UserError, match=r"`recipe` among BiT-S, BiT-M, BiT-L, bit_i1k, bit_i21k.*'BiT-XL'"):
        upstream_recipe("BiT-XL")


WRONG = {
    "num_examples": 0,
    "epochs": -1,
    "decay_epochs": (60, 30),
    "loss": "hinge",
    "batch_size": 0,
    "warmup_steps": 28_151,
    "rate_per_256": 0,
    "schedule": "linear",
    "weight_decay": -1e-4,
    "decay": "none",
    "head_bias": math.inf,
    "clip_norm": -1,
    "crop": 257,
    "min_area": 0,
}


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_value_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(bit.UserError, match=f"Expected `{name}`"):
        replace(upstream_recipe("BiT-S"), **{name: value})


def test_every_number_has_a_test_of_its_range():
    no_numbers = {"name", "eval_resize", "flip", "scaled_decoding", "origin"}
    assert {f.name for f in fields(bit.UpstreamRecipe)} - set(WRONG) == no_numbers


@pytest.mark.parametrize("epochs", [math.nan, math.inf, 1e300, 10**400, 0, -1, True, "30"])
def test_epochs_that_are_no_length_are_refused(epochs):
    with pytest.raises(bit.UserError, match=r"Expected `epochs` above 0, and at most .*Received: epochs="):
        RECIPES["BiT-S"].scaled(epochs=epochs)


@pytest.mark.parametrize("name", ["steps", "batch_size", "num_examples"])
@pytest.mark.parametrize("value", [2.5, "2", True, 0, 10**20])
def test_counts_that_are_not_whole_or_too_many_are_refused(name, value):
    with pytest.raises(bit.UserError, match=rf"Expected `{name}` as a whole number from 1 to \d+\. Received: {name}="):
        RECIPES["BiT-S"].scaled(**{name: value})


@pytest.mark.parametrize("decays", [(math.nan,), (1, math.nan), (2, 1), (-1,), (91,)])
def test_decays_that_do_not_rise_within_the_run_are_refused(decays):
    with pytest.raises(bit.UserError, match="Expected `decay_epochs` that rise from 0 up to `epochs`"):
        RECIPES["BiT-S"].scaled(decay_epochs=decays)


def test_numbers_of_numpy_are_numbers():
    scaled = RECIPES["BiT-S"].scaled(steps=np.int64(100), batch_size=np.int64(64), rate_per_256=np.float32(0.5))
    assert (scaled.steps, scaled.batch_size, scaled.base_learning_rate) == (100, 64, 0.125)


def test_a_list_is_no_recipe():
    with pytest.raises(bit.UserError, match=r"Expected `recipe` among BiT-S, .*Received: recipe=\['BiT-S'\]"):
        upstream_recipe(["BiT-S"])


def test_both_lengths_or_unknown_settings_are_refused():
    with pytest.raises(bit.UserError, match="`epochs` or `steps`, not both"):
        upstream_recipe("BiT-S").scaled(epochs=1, steps=10)
    with pytest.raises(bit.UserError, match=r"settings of a recipe.*\['colour'\]"):
        upstream_recipe("BiT-S").scaled(colour=1)


def test_a_cosine_takes_the_place_of_the_decays():
    recipe = RECIPES["BiT-S"].scaled(schedule="cosine")
    assert recipe.decay_epochs == () and recipe.learning_rate(recipe.steps - 1) < 1e-6
