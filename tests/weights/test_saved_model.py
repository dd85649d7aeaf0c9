"""Weights out of the SavedModel folders that `export` writes."""

import shutil

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import WeightsError


@pytest.fixture(scope="module")
def exported(small_model, tmp_path_factory):
    """An exported folder. Tests must not change it."""
    folder = tmp_path_factory.mktemp("exported") / "saved_model"
    bit.export(small_model, folder, image_size=32)
    return folder


@pytest.fixture
def copied(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def test_exported_folder_loads_as_the_model_it_was_made_from(exported, small_model):
    loaded = bit.load(exported)
    for old, new in zip(small_model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_exported_folder_takes_a_new_head(exported):
    model = bit.load(exported, num_classes=5)
    assert model.output_shape == (None, 5) and not model.get_layer("head-conv2d").kernel.numpy().any()


def test_folder_without_variables_is_refused(copied):
    shutil.rmtree(copied / "variables")
    with pytest.raises(WeightsError, match=f"{copied} is not a complete SavedModel folder.*Export or copy it again"):
        bit.load(copied)


def test_folder_with_cut_variables_is_refused(copied):
    data = next((copied / "variables").glob("variables.data-*"))
    data.write_bytes(data.read_bytes()[:-100_000])
    with pytest.raises(WeightsError, match=f"{copied}"):
        bit.load(copied)


def test_folder_with_a_damaged_index_is_refused(copied):
    (copied / "variables" / "variables.index").write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match=f"{copied} is not a complete SavedModel folder"):
        bit.load(copied)
