"""Logits and parameter counts of the 2020 reference implementation on the same weights and pictures."""

import numpy as np
import pytest

import bit_keras as bit
from tests.models.seeding import assign_seeded

UNITS = {"R50x1": (3, 4, 6, 3), "R101x1": (3, 4, 23, 3)}
PICTURES = np.random.default_rng(96 * 1000 + 80).uniform(-1, 1, (2, 96, 80, 3)).astype("float32")


@pytest.fixture(scope="module", params=UNITS)
def case(request, golden):
    """A model with seeded weights, its logits of `PICTURES`, and what the reference recorded."""
    model = assign_seeded(bit.build(request.param, num_classes=1000), UNITS[request.param], 1, 1000)
    return model, model(PICTURES).numpy(), golden("forward.json")[f"{request.param}-1000"]


def test_logits_are_those_of_the_reference(case):
    _, logits, recorded = case
    np.testing.assert_allclose(logits[:, :16], recorded["logits"]["96x80"]["first"], rtol=0, atol=1e-4)


def test_mean_and_deviation_of_all_logits_are_those_of_the_reference(case):
    _, logits, recorded = case
    assert logits.mean(1) == pytest.approx(recorded["logits"]["96x80"]["mean"], abs=1e-4)
    assert logits.std(1) == pytest.approx(recorded["logits"]["96x80"]["std"], abs=1e-4)


def test_predicted_classes_are_those_of_the_reference(case):
    _, logits, recorded = case
    assert logits.argmax(1).tolist() == recorded["logits"]["96x80"]["argmax"]


def test_parameter_count_is_that_of_the_reference(case):
    model, _, recorded = case
    assert model.count_params() == recorded["params"]


@pytest.mark.parametrize("case", ["R50x1"], indirect=True)
def test_graph_execution_gives_the_logits_of_the_reference(case):
    model, _, recorded = case
    logits = model.predict(PICTURES, verbose=0)
    np.testing.assert_allclose(logits[:, :16], recorded["logits"]["96x80"]["first"], rtol=0, atol=1e-4)


def test_a_picture_s_logits_do_not_depend_on_its_batch(case):
    model, logits, _ = case
    np.testing.assert_allclose(model(PICTURES[1:]), logits[1:], rtol=0, atol=2e-5)
