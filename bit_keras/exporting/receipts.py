"""The receipt of an export: how far its outputs, read back, are from its model's, and what it was made with."""

import platform

import keras
import numpy as np
import tensorflow as tf

import bit_keras
from bit_keras.errors import SaveError, UserError
from bit_keras.evaluation.classifier import FOLDED
from bit_keras.exporting.twins import scale_and_offset


def make_receipt(read_back, model, image_size, *, tolerance, fold):
    """Returns the receipt as a dict for JSON; an export that differs from its model is no export.

    Args:
        read_back: from float32 (batch, height, width, 3) in [0, 1] to what the export, read back, makes of them.
        model: in float32, for pictures of any size.
        image_size: side of the compared pictures in pixels.
        tolerance: largest difference, relative to the size of the outputs if that is over 1.
        fold: whether the export is folded.

    Raises:
        UserError: if the model's outputs are not finite.
        SaveError: if they differ by more.
    """
    pixels = np.random.default_rng(0).random((2, image_size, image_size, 3), np.float32)
    scale, offset = scale_and_offset(model)
    with tf.device("CPU"):  # accelerators round in ways of their own, eager code and graphs in different ones
        expected = np.asarray(model(pixels * scale + offset, training=False))
        found = np.asarray(read_back(pixels))
    if not np.isfinite(expected).all():
        raise UserError(f"Expected finite outputs. The model {model.name} gives NaN or infinity. Train it anew.")
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance * max(1.0, float(np.abs(expected).max())):
        raise SaveError(
            f"The exported graph differs from the model by {difference:.1e}. Nothing was kept; report this."
        )
    return {
        "max_difference": difference,
        "compared": f"outputs of 2 random pictures of {image_size} px (numpy default_rng(0)), to the model in float32",
        "parameters": model.count_params(),
        FOLDED: fold,
        "versions": versions(),
    }


def versions():
    """Returns what an artifact was made with."""
    return {
        "bit_keras": bit_keras.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
