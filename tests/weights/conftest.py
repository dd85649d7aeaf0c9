"""Seeded files in the official layout, made by NumPy alone."""

import numpy as np
import pytest

from tests.golden.seeded import seeded
from tests.models.seeding import official_shapes


@pytest.fixture(scope="session")
def seeded_small():
    """{canonical name: array} of a BiT-R14x0.5 with 3 classes. Tests must not change it."""
    return {name: seeded(name, shape) for name, shape in official_shapes((1, 1, 1, 1), 0.5, 3).items()}


@pytest.fixture
def small_arrays(seeded_small):
    """A dictionary of the same arrays that a test may add to and take from."""
    return dict(seeded_small)


@pytest.fixture(scope="session")
def small_file(seeded_small, tmp_path_factory):
    """The same as a file. Tests must not change it."""
    path = tmp_path_factory.mktemp("small") / "small.npz"
    np.savez(path, **seeded_small)
    return path


@pytest.fixture(scope="session")
def golden_pictures():
    """The pictures that tests/golden/forward.json is about."""
    return np.random.default_rng(96 * 1000 + 80).uniform(-1, 1, (2, 96, 80, 3)).astype("float32")
