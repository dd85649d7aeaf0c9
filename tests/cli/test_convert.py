"""`convert` writes one format from another, and tells what a file holds."""

import re

import numpy as np
import pytest

import bit_keras as bit
from tests.cli.conftest import command


@pytest.fixture
def weights(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "small.npz")
    return tmp_path / "small.npz"


@pytest.mark.parametrize("target", ["other.npz", "hf/model.safetensors", "small.keras"])
def test_converted_weights_are_the_same(target, weights, small_model, tmp_path):
    outcome = command("convert", weights, tmp_path / target)
    assert outcome.code == 0 and str(tmp_path / target) in outcome.out
    for old, new in zip(small_model.get_weights(), bit.load(tmp_path / target).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_description_tells_network_parameters_numbers_and_head(weights):
    rows = dict(line.split(maxsplit=1) for line in command("convert", weights, "--describe").out.splitlines())
    assert rows == {
        "file": str(weights),
        "arrays": "45, float32",
        "parameters": "2,010,403",
        "network": "BiT-R14x0.5, group normalization",
        "head": "3 classes",
    }


def test_description_of_what_is_no_bit_lists_the_first_differences(weights, tmp_path):
    with np.load(weights) as file:
        arrays = {name: file[name] for name in file.files if "block2/unit01/b" not in name}
    np.savez(tmp_path / "less.npz", **arrays)
    outcome = command("convert", tmp_path / "less.npz", "--describe")
    assert outcome.code == 0
    assert (
        "none that is known" in outcome.out and "Missing: resnet/block2/unit01/b/group_norm/gamma (64,)" in outcome.out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Expected FILE and TARGET"),
        (("small.npz",), "Expected FILE and TARGET, or FILE and --describe"),
        (("small.npz", "a.h5"), r"ends with \.npz, \.safetensors or \.keras"),
        (("small.npz", "small.npz"), "exists already"),
        (("lost.npz", "--describe"), "no file or folder lost.npz"),
    ],
)
def test_mistakes_are_told(arguments, message, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = command("convert", *arguments)
    assert outcome.code == 1
    assert re.search(message, outcome.message)


def test_older_file_is_replaced_when_asked(weights, tmp_path):
    (tmp_path / "old.npz").write_bytes(b"old")
    assert command("convert", weights, tmp_path / "old.npz", "--overwrite").code == 0
    assert bit.load(tmp_path / "old.npz").output_shape == (None, 3)
