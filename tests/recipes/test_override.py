"""A HyperRule as a value: changed settings, what was changed, and refusals."""

import dataclasses

import pytest

import bit_keras as bit
from bit_keras.errors import UserError

SMALL = bit.HyperRule(100, (300, 400))  # 500 steps, warm-up 100, boundaries 200, 300, 400


@pytest.mark.parametrize(
    "steps, warmup_steps, boundaries",
    [(250, 50, (100, 150, 200)), (50, 10, (20, 30, 40)), (1000, 200, (400, 600, 800)), (10, 2, (4, 6, 8))],
)
def test_other_steps_move_warm_up_and_boundaries_in_proportion(steps, warmup_steps, boundaries):
    rule = SMALL.override(steps=steps)
    assert (rule.steps, rule.warmup_steps, rule.boundaries) == (steps, warmup_steps, boundaries)


def test_given_warm_up_and_boundaries_are_not_moved():
    rule = SMALL.override(steps=250, warmup_steps=7, boundaries=(1, 2))
    assert (rule.warmup_steps, rule.boundaries) == (7, (1, 2))


def test_one_step_can_be_asked_for():
    assert SMALL.override(steps=1).learning_rate(0) == 0.003


def test_none_leaves_a_setting_alone():
    assert SMALL.override(steps=None, batch_size=None, crop=None) == SMALL


def test_false_and_zero_are_settings():
    rule = bit.HyperRule(20_000, (300, 400)).override(flip=False, mixup_alpha=0)
    assert (rule.flip, rule.mixup_alpha) == (False, 0)


def test_later_overrides_keep_earlier_ones():
    rule = SMALL.override(batch_size=128).override(base_learning_rate=0.001)
    assert (rule.batch_size, rule.base_learning_rate) == (128, 0.001)


@pytest.mark.parametrize("unknown", ["epochs", "num_examples", "source"])
def test_unknown_settings_are_refused(unknown):
    with pytest.raises(UserError, match=rf"settings among .*batch_size.*Received: \['{unknown}'\]"):
        SMALL.override(**{unknown: 3})


def test_departures_of_the_rule_itself_are_none():
    assert SMALL.departures() == {}


def test_departures_hold_the_new_value_and_the_rule_s():
    changed = SMALL.override(batch_size=128, base_learning_rate=0.001)
    assert changed.departures() == {"batch_size": (128, 512), "base_learning_rate": (0.001, 0.003)}


def test_departures_of_other_steps_name_all_that_moved():
    assert SMALL.override(steps=250).departures() == {
        "steps": (250, 500),
        "warmup_steps": (50, 100),
        "boundaries": ((100, 150, 200), (200, 300, 400)),
    }


def test_departures_are_from_the_rule_s_own_source():
    rule = bit.HyperRule(100, (300, 400), source="paper", variant="R50x1")
    assert rule.override(crop=480, resize=512).departures() == {"crop": (480, 384), "resize": (512, 448)}


def test_rules_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SMALL.steps = 3


def test_equal_rules_are_one_key_even_if_lists_were_given():
    given_lists = bit.HyperRule(100, [300, 400], boundaries=[200, 300, 400])
    assert {SMALL, given_lists} == {SMALL}


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"source": "web"}, r"`source` 'code' or 'paper'.*'web'"),
        ({"num_examples": 0}, r"at least 1 training example.*num_examples=0"),
        ({"image_size": (0, 5)}, r"`image_size` as \(height, width\).*\(0, 5\)"),
        ({"image_size": (5,)}, r"`image_size` as \(height, width\).*\(5,\)"),
        ({"steps": 0, "warmup_steps": 0}, r"`steps` of at least 1.*steps=0"),
        ({"warmup_steps": 500}, r"`warmup_steps` from 0 to under `steps`.*warmup_steps=500"),
        ({"warmup_steps": -1}, r"`warmup_steps` from 0.*warmup_steps=-1"),
        ({"boundaries": (300, 200)}, r"`boundaries` that rise.*\(300, 200\)"),
        ({"base_learning_rate": 0}, r"`base_learning_rate` over 0.*base_learning_rate=0"),
        ({"base_learning_rate": float("inf")}, r"`base_learning_rate` over 0.*inf"),
        ({"base_learning_rate": float("nan")}, r"`base_learning_rate` over 0.*nan"),
        ({"batch_size": 0}, r"`batch_size` of at least 1.*batch_size=0"),
        ({"crop": 513}, r"`crop` from 1 to `resize`.*crop=513"),
        ({"crop": 0}, r"`crop` from 1.*crop=0"),
        ({"resize": 479}, r"`crop` from 1 to `resize`.*resize=479"),
        ({"mixup_alpha": -0.1}, r"`mixup_alpha` of at least 0.*mixup_alpha=-0.1"),
        ({"mixup_alpha": float("nan")}, r"`mixup_alpha` of at least 0.*nan"),
    ],
)
def test_values_out_of_range_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        bit.HyperRule(**{"num_examples": 100, "image_size": (300, 400)} | wrong)


@pytest.mark.parametrize(
    "wrong, message",
    [({"steps": 0}, r"`steps` of at least 1"), ({"crop": 1000}, r"`crop` from 1 to `resize`.*crop=1000")],
)
def test_overrides_out_of_range_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        SMALL.override(**wrong)
