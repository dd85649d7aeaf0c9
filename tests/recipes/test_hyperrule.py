"""The HyperRule's own numbers: the released code's recorded outputs, and the paper's where they differ."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError

PHOTO = (300, 400)


def paper_rule(num_examples, variant="R50x1", image_size=PHOTO):
    return bit.HyperRule(num_examples, image_size, source="paper", variant=variant)


@pytest.mark.parametrize("num_examples", [100, 20_000, 500_000])
def test_schedule_is_that_of_the_released_code(num_examples, golden):
    rule = bit.HyperRule(num_examples, PHOTO)
    assert [rule.warmup_steps, *rule.boundaries, rule.steps] == golden("hyperrule.json")[str(num_examples)]["schedule"]


@pytest.mark.parametrize("num_examples", [100, 20_000, 500_000])
def test_mixup_is_that_of_the_released_code(num_examples, golden):
    assert bit.HyperRule(num_examples, PHOTO).mixup_alpha == golden("hyperrule.json")[str(num_examples)]["mixup"]


@pytest.mark.parametrize("num_examples", [100, 20_000, 500_000])
def test_learning_rates_are_those_of_the_released_code_and_none_at_the_end(num_examples, golden):
    recorded = golden("hyperrule.json")[str(num_examples)]["lr"]
    rule = bit.HyperRule(num_examples, PHOTO)
    assert {step: rule.learning_rate(int(step)) for step in recorded} == recorded


@pytest.mark.parametrize(
    "num_examples, steps", [(1, 500), (19_999, 500), (20_000, 10_000), (499_999, 10_000), (500_000, 20_000)]
)
def test_bounds_between_small_medium_and_large_are_strict(num_examples, steps):
    assert bit.HyperRule(num_examples, PHOTO).steps == steps


@pytest.mark.parametrize("image_size", [(32, 32), (95, 97), (1, 9215)])
def test_pictures_of_an_area_under_96_squared_get_160_and_128(image_size):
    rule = bit.HyperRule(100, image_size)
    assert (rule.resize, rule.crop) == (160, 128)


@pytest.mark.parametrize("image_size", [(96, 96), (64, 144), PHOTO])
def test_pictures_of_an_area_of_at_least_96_squared_get_512_and_480(image_size):
    rule = bit.HyperRule(100, image_size)
    assert (rule.resize, rule.crop) == (512, 480)


def test_both_sources_share_rate_batch_flip_and_decoding():
    for rule in (bit.HyperRule(100, PHOTO), paper_rule(100)):
        assert (rule.base_learning_rate, rule.batch_size, rule.flip, rule.scaled_decoding) == (0.003, 512, True, False)


@pytest.mark.parametrize(
    "variant, sizes",
    [("R50x1", (448, 384)), ("R101x3", (448, 384)), ("R152x2", (448, 384)), ("R152x4", (512, 480))],
)
def test_paper_sizes_are_larger_for_r152x4_alone(variant, sizes):
    rule = paper_rule(100, variant)
    assert (rule.resize, rule.crop) == sizes


def test_paper_sizes_of_small_pictures_do_not_depend_on_the_variant():
    rule = paper_rule(100, "R152x4", image_size=(32, 32))
    assert (rule.resize, rule.crop) == (160, 128)


@pytest.mark.parametrize(
    "num_examples, boundaries",
    [(100, (150, 300, 450)), (20_000, (3000, 6000, 9000)), (500_000, (6000, 12_000, 18_000))],
)
def test_paper_decays_at_30_60_and_90_percent_without_warm_up(num_examples, boundaries):
    rule = paper_rule(num_examples)
    assert (rule.warmup_steps, rule.boundaries) == (0, boundaries)


def test_paper_rate_begins_in_full_and_is_a_tenth_after_each_boundary():
    rates = [paper_rule(100).learning_rate(step) for step in (0, 150, 151, 300, 301, 450, 451, 499)]
    assert rates == pytest.approx([3e-3, 3e-3, 3e-4, 3e-4, 3e-5, 3e-5, 3e-6, 3e-6], rel=1e-12, abs=0)


def test_paper_rule_needs_the_variant():
    with pytest.raises(UserError, match=r"`variant`.*paper.*Received: variant=None"):
        bit.HyperRule(100, PHOTO, source="paper")


def test_numbers_of_numpy_and_a_variant_are_taken():
    rule = bit.HyperRule(
        np.int64(100),
        np.array(PHOTO),
        source="paper",
        variant=bit.Variant.parse("R152x4"),
        steps=np.int64(60),
        base_learning_rate=np.float32(0.5),
    )
    assert rule == bit.HyperRule(100, PHOTO, source="paper", variant="R152x4", steps=60, base_learning_rate=0.5)
    assert (rule.resize, rule.crop) == (512, 480) and json.loads(json.dumps(dataclasses.asdict(rule)))["steps"] == 60


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_examples": "5"}, "`num_examples` as a whole number.*'5'"),
        ({"image_size": 32}, "`image_size` as whole numbers.*32"),
        ({"steps": "60"}, "`steps` as a whole number.*'60'"),
        ({"steps": 1.5}, "`steps` as a whole number.*1.5"),
        ({"base_learning_rate": "fast"}, "`base_learning_rate` as a number.*'fast'"),
        ({"flip": "no"}, "`flip` as True or False.*'no'"),
        ({"scaled_decoding": 2}, "`scaled_decoding` as True or False.*2"),
        ({"variant": "R50"}, "a variant such as 'R50x1'.*'R50'"),
    ],
)
def test_values_of_another_type_are_told(setting, message):
    with pytest.raises(UserError, match=message):
        bit.HyperRule(**{"num_examples": 5, "image_size": PHOTO} | setting)


def test_recipes_load_neither_tensorflow_nor_keras_nor_numpy():
    code = (
        "import sys, bit_keras.recipes as r; r.HyperRule(5, (9, 9));"
        "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
