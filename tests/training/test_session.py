"""How a step is computed: as asked for, as the run has had it so far, or as memory and the length of the run tell."""

from types import SimpleNamespace

import pytest

from bit_keras.training import xla
from bit_keras.training.memory import Cost
from bit_keras.training.session import form_of

COST = Cost(activation_bytes=100, kept_bytes=20, unit_bytes=5, weight_bytes=8, layers=3, multiply_adds=10**9)
LONG = SimpleNamespace(batch_size=64, steps=1000, crop=1)  # 6.4e13 multiply-adds
SHORT = SimpleNamespace(batch_size=64, steps=10, crop=1)


def form(rule=LONG, stored=None, free=10**6, **asked):
    settings = SimpleNamespace(**{"micro_batches": None, "xla": None, "remat": False} | asked)
    return form_of(settings, stored, COST, rule, 2, free)


@pytest.fixture(autouse=True)
def cpu(monkeypatch):
    monkeypatch.setattr(xla, "accelerated", lambda: False)


def test_long_runs_are_compiled_and_short_ones_are_not():
    assert form(LONG)["xla"] is True and form(SHORT)["xla"] is False


def test_on_other_devices_than_cpus_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(xla, "accelerated", lambda: True)
    assert form(LONG)["xla"] is False


def test_what_is_asked_for_is_done():
    assert form(LONG, xla=False, micro_batches=4, remat=True) == {"micro_batches": 4, "xla": False, "remat": True}


def test_a_run_goes_on_as_it_was():
    assert form(LONG, stored={"xla": False, "micro_batches": 8}) == {"micro_batches": 8, "xla": False, "remat": False}


# A replica has 32 pictures of 100 bytes, or of 25 where units are recomputed; half of the memory may be theirs that
# seven batches of 32 pixels of 12 bytes leave.
@pytest.mark.parametrize(("remat", "expected"), [(False, 8), (True, 2)])
def test_recomputed_units_need_fewer_parts(remat, expected):
    assert form(free=800 + 7 * 32 * 12, remat=remat)["micro_batches"] == expected
