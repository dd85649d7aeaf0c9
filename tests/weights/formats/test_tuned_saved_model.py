"""A SavedModel that tf_keras wrote after fine-tuning gives a native model of the same logits."""

import os
import subprocess
import sys

import numpy as np
import pytest

import bit_keras as bit


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["momentum", "old adam"])
def test_model_tuned_in_keras_2_is_loaded_with_its_own_head_and_without_its_optimizer(optimizer, tmp_path):
    bit.export(bit.build("R14x0.5", num_classes=0, seed=0), tmp_path / "hub", image_size=32)
    subprocess.run(
        [sys.executable, "-m", "tests.weights.formats.tune_in_keras2", tmp_path / "hub", tmp_path / "tuned", optimizer],
        env=os.environ | {"TF_USE_LEGACY_KERAS": "1"},
        check=True,
    )
    pictures = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    logits = bit.load(tmp_path / "tuned")(2 * pictures - 1)  # the hub's convention is [0, 1]
    np.testing.assert_allclose(logits, np.load(tmp_path / "tuned" / "logits.npy"), atol=1e-5)
