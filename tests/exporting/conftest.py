"""One export of the small model, and one without its head, for the tests that only read them."""

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit

NAMES = ("ant", "bee", "cat")


@pytest.fixture(scope="session")
def exported(small_model, tmp_path_factory):
    """The folder of the small model, with names, for pictures of 48 pixels."""
    return bit.export(small_model, tmp_path_factory.mktemp("export") / "model", class_names=NAMES, image_size=48)


@pytest.fixture(scope="session")
def loaded(exported):
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="session")
def headless(small_model):
    """The small model without its head."""
    model = bit.build("R14x0.5", num_classes=0)
    model.set_weights(small_model.get_weights()[:-2])
    return model


@pytest.fixture(scope="session")
def loaded_headless(headless, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "new" / "headless"
    return tf.saved_model.load(str(bit.export(headless, folder, image_size=48)))


@pytest.fixture
def images():
    """Returns a function from a shape to float32 pixels in [0, 1]."""
    return lambda *shape: np.random.default_rng(5).random((*shape, 3), np.float32)
