"""`verify` prints logits side by side, and fails where they differ."""

import json

import numpy as np
import pytest

import bit_keras as bit
from tests.cli.conftest import command


@pytest.fixture
def weights(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "small.npz")
    return tmp_path / "small.npz"


def test_equal_files_print_their_logits_and_succeed(weights, tmp_path):
    command("convert", weights, tmp_path / "small.keras")
    outcome = command("verify", weights, f"--against={tmp_path / 'small.keras'}")
    lines = outcome.out.splitlines()
    assert outcome.code == 0 and lines[-1] == "difference  0 at most, of 6 logits"
    best = bit.verify(weights, weights).outputs[0].max()
    assert lines[0].split() == ["china.jpg", "output", "FILE", "expected", "difference"]
    assert lines[1].split()[1:] == [f"{best:.4f}", f"{best:.4f}", "0"]


@pytest.mark.parametrize(("tolerance", "code"), [(0.05, 1), (0.5, 0)])
def test_difference_over_the_tolerance_is_a_failure(tolerance, code, weights, tmp_path):
    with np.load(weights) as file:
        arrays = dict(file)
    arrays["resnet/head/conv2d/bias"] += 0.1
    np.savez(tmp_path / "other.npz", **arrays)
    outcome = command("verify", weights, f"--against={tmp_path / 'other.npz'}", f"--tolerance={tolerance}")
    assert outcome.code == code and "difference  0.1 at most" in outcome.out
    assert ("other.npz: expected differences of at most 0.05, received 0.1." in outcome.err) == bool(code)


def test_recorded_file_is_verified_with_its_hash(weights):
    assert command("verify", weights, "--record").code == 0
    outcome = command("verify", weights)
    assert outcome.code == 0 and outcome.out.startswith("SHA-256     ") and "difference  0 at most" in outcome.out


def test_unrecorded_logits_are_said_to_be_unknown(weights):
    command("verify", weights, "--record")
    path = weights.with_name("small.npz.record.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"logits": None}))
    outcome = command("verify", weights)
    assert outcome.code == 0 and "difference  unknown: no logits are recorded" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no record of"),
        (["--against=none.npz"], "There is no file or folder none.npz"),
        (["--record", "--against=x"], "Expected --against or --record. Received: both."),
        (["--tolerance=-1"], "not a non-negative number"),
        (["--tolerance=nan"], "Expected --tolerance as a number"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, message, weights):
    outcome = command("verify", weights, *arguments)
    assert outcome.code == 1 and message in outcome.message
