"""Four logical CPU devices for the whole session, and the small things that many tests need."""

import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import bit_keras as bit
from tests.golden.seeded import names, seeded

GOLDEN = Path(__file__).parent / "golden"

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)


@pytest.fixture(scope="session")
def golden():
    """Returns a function from a file name to the recorded reference outputs in it."""
    return lambda name: json.loads((GOLDEN / name).read_text())


@pytest.fixture(autouse=True)
def no_cache_of_the_user(tmp_path, monkeypatch):
    """Keeps fetched files out of the user's cache."""
    monkeypatch.setenv("BIT_KERAS_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes, red and blue, with ten noisy 24 x 20 pictures each; the test may change it."""
    return write_photos(tmp_path / "photos")


def write_photos(folder):
    """Writes the pictures of `photos` into `folder` and returns it."""
    rng = np.random.default_rng(0)
    for label, channel in (("blue", 2), ("red", 0)):
        for number in range(10):
            pixels = rng.integers(0, 60, (24, 20, 3), dtype=np.uint8)
            pixels[..., channel] += 150
            path = folder / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="session")
def small_model():
    """A BiT-R14x0.5 of 3 classes whose head is not zero. Tests must not change it."""
    model = bit.build("R14x0.5", num_classes=3, seed=0)
    head = model.get_layer("head-conv2d")
    head.kernel.assign(np.random.default_rng(0).normal(0, 0.1, head.kernel.shape))
    return model


@pytest.fixture(scope="session")
def r50x1_file(tmp_path_factory):
    """The seeded BiT-R50x1 with 1000 classes of tests/golden. Tests must not change it."""
    path = tmp_path_factory.mktemp("r50x1") / "seeded-R50x1.npz"
    np.savez(path, **{name: seeded(name, shape) for name, shape in names((3, 4, 6, 3), 1, 1000).items()})
    return path
