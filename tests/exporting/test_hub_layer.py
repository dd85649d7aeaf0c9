"""A tf_keras model takes the export as a `hub.KerasLayer` and trains all of it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def outcome(exported):
    command = [sys.executable, "-m", "tests.exporting.hub_training", str(exported)]
    done = subprocess.run(
        command, env=os.environ | {"TF_USE_LEGACY_KERAS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_variable_is_trainable_and_changes_in_one_step(outcome, small_model):
    assert outcome["trainable"] == outcome["all"] == len(small_model.variables)
    assert outcome["unchanged"] == []


def test_the_layer_gives_the_logits_of_the_model(outcome, small_model):
    pictures = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    np.testing.assert_allclose(outcome["logits"], small_model(2 * pictures - 1), atol=1e-5)
