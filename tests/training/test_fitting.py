"""`bit.fit_to` picks the form that changes least and fits."""

import dataclasses
from functools import partial

import pytest

import bit_keras as bit
from bit_keras.recipes.upstream import upstream_recipe
from bit_keras.training import fitting
from bit_keras.training.memory import Cost

RULE = bit.HyperRule(5_000, (480, 480), batch_size=16, resize=500, crop=480)
COST = Cost(activation_bytes=100, kept_bytes=20, unit_bytes=10, weight_bytes=1000, layers=2, multiply_adds=1)


@pytest.fixture(autouse=True)
def free(monkeypatch):
    """Sets the machine's free memory; none, so that no pictures are kept."""
    set_free = partial(monkeypatch.setattr, fitting, "machine_bytes")
    set_free(lambda: 0)
    return set_free


def test_plenty_of_memory_takes_the_whole_batch_in_float32():
    fit = bit.fit_to(RULE, "R50x1", 1e12)
    assert fit.options == {"micro_batches": 1, "remat": False, "precision": "float32", "xla": True}


def test_less_memory_takes_more_parts_before_it_recomputes_and_recomputes_before_it_rounds():
    memories = [20e9, 5e9, 2.0e9, 1.9e9]
    fits = [bit.fit_to(RULE, "R50x1", memory, xla=False) for memory in memories]
    assert all(fit.peak_bytes <= memory for fit, memory in zip(fits, memories, strict=True))
    assert [fit.remat for fit in fits] == sorted(fit.remat for fit in fits)
    assert [fit.precision for fit in fits] == ["float32"] * 3 + ["mixed_bfloat16"] and fits[2].remat
    assert fits[0].micro_batches < fits[1].micro_batches


def test_replicas_share_the_batch():
    one, two = (bit.fit_to(RULE, "R50x1", 5e9, replicas=replicas, xla=False) for replicas in (1, 2))
    assert one.micro_batches == 2 * two.micro_batches


def test_a_model_counts_with_its_own_head(small_model):
    named, own = (bit.fit_to(RULE, model, 1e12).peak_bytes for model in ("R14x0.5", small_model))
    # 1,000 classes of 1,024 features against 3: weights, and a logit of each for each picture.
    weights, logits = 4 * 997 * 1025, 4 * 997 * 16
    expected = fitting.BY_XLA.of_weights * weights + fitting.BY_XLA.of_activations["float32"] * logits
    assert named - own == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("xla", [False, True])
def test_the_peak_is_the_sum_of_weights_gradients_and_pictures(monkeypatch, xla):
    shares = fitting.Shares(7, 100, 4, 1, {"float32": 1.5}, {"float32": 2})
    monkeypatch.setattr(fitting, "BY_XLA" if xla else "PLAIN", shares)
    options = {"pictures": 3, "precision": "float32", "xla": xla}
    always = 7 + 2 * 100
    assert fitting.peak_bytes(COST, remat=False, is_divided=False, **options) == always + 4 * 1000 + 3 * 150
    assert fitting.peak_bytes(COST, remat=False, is_divided=True, **options) == always + 5 * 1000 + 3 * 150
    assert fitting.peak_bytes(COST, remat=True, is_divided=False, **options) == always + 4 * 1000 + 3 * (20 + 2 * 10)


def test_xla_counts_as_the_run_would_have_it():
    short = dataclasses.replace(RULE, steps=10, warmup_steps=0, boundaries=(5,))
    long, by_xla, without = (bit.fit_to(RULE, "R50x1", 1e12, xla=xla).peak_bytes for xla in (None, True, False))
    assert long == by_xla < without
    assert bit.fit_to(short, "R50x1", 1e12).peak_bytes == without


def test_the_batches_that_are_made_ahead_are_part_of_it():
    large, small = (bit.HyperRule(5_000, (480, 480), batch_size=size, resize=500, crop=480) for size in (512, 256))
    with pytest.raises(bit.UserError, match="a smaller batch"):
        bit.fit_to(large, "R50x1", 6e9)
    fit = bit.fit_to(small, "R50x1", 8e9)
    assert fit.peak_bytes > 7 * 256 * 480 * 480 * 3 * 4  # as benchmarks/memory.py finds on CPUs, in float32


def test_the_pictures_that_are_kept_are_part_of_it(free):
    without, halves = (bit.fit_to(RULE, "R50x1", 1e12, replicas=replicas) for replicas in (1, 2))
    pictures = 5_000 * 500 * 500 * 3 * 4  # float32, of the size before the crop
    free(lambda: 4 * pictures)  # of which a quarter may be taken
    assert bit.fit_to(RULE, "R50x1", 1e12).peak_bytes == without.peak_bytes + pictures
    assert bit.fit_to(RULE, "R50x1", 1e12, replicas=2).peak_bytes == halves.peak_bytes + pictures // 2
    assert bit.fit_to(RULE, "R50x1", 4 * pictures - 1).peak_bytes == without.peak_bytes
    free(lambda: 4 * pictures - 1)
    assert bit.fit_to(RULE, "R50x1", 1e12) == without


def test_an_upstream_recipe_keeps_no_pictures(free):
    free(lambda: 10**15)
    rule = upstream_recipe("BiT-S")
    fit = bit.fit_to(rule, "R50x1", 1e12)
    assert fit.micro_batches == 1 and fit.peak_bytes < 1e12


def test_any_number_of_parts_that_divides_the_batch_may_be_chosen():
    odd = dataclasses.replace(RULE, batch_size=15)
    parts = {bit.fit_to(odd, "R50x1", memory, xla=False).micro_batches for memory in (1e12, 5e9, 3.6e9)}
    assert parts == {1, 3, 5}


def test_a_preset_counts_as_its_variant():
    assert bit.fit_to(RULE, "BiT-M-R50x1", 1e12) == bit.fit_to(RULE, "R50x1", 1e12)


@pytest.mark.parametrize("model", [None, 7, "BiT-M", "R50"])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(bit.UserError, match="Expected a variant such as 'R50x1'"):
        bit.fit_to(RULE, model, 1e12)


def test_what_is_no_rule_is_refused():
    with pytest.raises(bit.UserError, match=r"Expected `rule` as a HyperRule.*rule=512"):
        bit.fit_to(512, "R50x1", 1e12)


def test_too_little_memory_is_told_with_the_least_that_is_needed():
    with pytest.raises(bit.UserError, match=r"at least \d\.\d\d GB for R50x1 at 480 px.*memory=1e\+08"):
        bit.fit_to(RULE, "R50x1", 1e8)


@pytest.mark.parametrize("memory", ["6e9", None, 0, -1, float("nan"), True])
def test_a_memory_that_is_none_is_refused(memory):
    with pytest.raises(bit.UserError, match="Expected `memory` in bytes"):
        bit.fit_to(RULE, "R50x1", memory)


@pytest.mark.parametrize("xla", ["yes", 2])
def test_what_is_no_answer_to_xla_is_refused(xla):
    with pytest.raises(bit.UserError, match="Expected `xla` as None, True or False"):
        bit.fit_to(RULE, "R50x1", 1e12, xla=xla)


@pytest.mark.parametrize("replicas", [0, -1, "2", True])
def test_no_replicas_are_refused(replicas):
    with pytest.raises(bit.UserError, match="Expected `replicas` as a whole number of at least 1"):
        bit.fit_to(RULE, "R50x1", 1e12, replicas=replicas)


def test_batch_normalization_is_refused():
    with pytest.raises(bit.UserError, match="group normalization"):
        bit.fit_to(RULE, bit.build("R14x0.5", num_classes=2, normalization="batch"), 1e12)


def test_replicas_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(bit.UserError, match=r"3 replicas divide.*batch_size=16"):
        bit.fit_to(RULE, "R50x1", 1e12, replicas=3)
