"""Layers, optimizers, models and `.npz` weights on the JAX backend, where TensorFlow is never loaded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bit_keras as bit
from tests.layers.formulas import convolved, group_normalized, standardized


@pytest.fixture(scope="module")
def given():
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(3, 2, (2, 7, 6, 32)).astype("float32"),
        "conv-kernel": rng.normal(size=(3, 3, 32, 8)).astype("float32"),
        "norm-gamma": rng.normal(1, 0.1, 32).astype("float32"),
        "norm-beta": rng.normal(0, 0.1, 32).astype("float32"),
        "pictures": rng.uniform(-1, 1, (2, 40, 33, 3)).astype("float32"),
        "weight": rng.normal(size=5).astype("float32"),
        "gradients": rng.normal(size=(4, 5)).astype("float32"),
    }


@pytest.fixture(scope="module")
def on_jax(given, small_file, tmp_path_factory):
    """The folder in which on_jax.py has run."""
    folder = tmp_path_factory.mktemp("jax")
    np.savez(folder / "given.npz", **given)
    shutil.copy(small_file, folder / "small.npz")
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, Path(__file__).with_name("on_jax.py"), folder], env=environment, check=True)
    return folder


@pytest.fixture(scope="module")
def results(on_jax):
    return dict(np.load(on_jax / "results.npz"))


def test_tensorflow_is_not_loaded(on_jax):
    assert json.loads((on_jax / "modules.json").read_text()) == ["jax", False]


def test_convolution_is_that_of_the_formula(given, results):
    expected = convolved(given["x"].astype("float64"), standardized(given["conv-kernel"].astype("float64")))
    np.testing.assert_allclose(results["conv"], expected, rtol=1e-5, atol=1e-4)  # sums of 288 products of about 3


def test_group_norm_is_that_of_the_formula(given, results):
    expected = group_normalized(given["x"], given["norm-gamma"], given["norm-beta"])
    np.testing.assert_allclose(results["norm"], expected, atol=1e-5)


@pytest.mark.parametrize("model", ["logits", "built"])
def test_loaded_and_built_models_give_the_logits_of_tensorflow(model, given, small_file, results):
    np.testing.assert_allclose(results[model], bit.load(small_file)(given["pictures"]), rtol=0, atol=1e-5)


def test_weights_saved_on_jax_are_those_that_were_loaded(on_jax, seeded_small):
    with np.load(on_jax / "saved-on-jax.npz") as file:
        assert {*file.files} == seeded_small.keys()
        for name, array in seeded_small.items():
            np.testing.assert_array_equal(file[name], array)


def test_momentum_follows_the_recurrence(given, results):
    weight, velocity = given["weight"].astype("float64"), np.zeros(5)
    for gradient in given["gradients"]:
        velocity = 0.9 * velocity + gradient
        weight = weight - 0.003 * velocity  # the paper's rule begins in full
    np.testing.assert_allclose(results["weight"], weight, atol=1e-6)
