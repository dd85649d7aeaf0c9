"""Twelve pictures of three classes, a model that looks at the mean colour, and what NumPy makes of the two."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from tests.data.making import noise, save

NAMES = ("ant", "bee", "cat")
SIZE = 32  # the pictures' own, so that nothing is resized
SEEDS = [10 * label + count for label, number in enumerate((5, 4, 3)) for count in range(number)]


@pytest.fixture(scope="session")
def animals(tmp_path_factory):
    """A folder whose test pictures are ant (5), bee (4) and cat (3); there is one more of each for training."""
    folder = tmp_path_factory.mktemp("animals")
    for seed in SEEDS:
        save(folder / "test" / NAMES[seed // 10] / f"{seed % 10}.png", noise(SIZE, SIZE, seed))
    for name in NAMES:
        save(folder / "train" / name / "0.png", noise(SIZE, SIZE, 100))
    return folder


@pytest.fixture(scope="session")
def pictures():
    """The same pictures, uint8 (12, 32, 32, 3), and their labels."""
    return np.stack([noise(SIZE, SIZE, seed) for seed in SEEDS]), np.array(SEEDS) // 10


@pytest.fixture(scope="session")
def kernel():
    """From the mean colour to three logits, large, as all noise has nearly the same mean; the last picture is right."""
    return np.random.default_rng(4).normal(0, 60, (3, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def tiny(kernel):
    """A model with the layers of a BiT's head alone; it takes no time."""
    pixels = keras.Input((None, None, 3))
    features = keras.layers.GlobalAveragePooling2D(name="features")(pixels)
    model = keras.Model(pixels, keras.layers.Dense(3, name="head-conv2d")(features))
    model.get_layer("head-conv2d").kernel.assign(kernel)
    return model


@pytest.fixture(scope="session")
def log_probabilities(kernel, pictures):
    """float64 (12, 3): those of the tiny model, by NumPy."""
    return log_softmax((pictures[0].mean((1, 2)) / 127.5 - 1) @ kernel.astype(np.float64), axis=-1)
