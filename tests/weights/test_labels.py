"""Class names travel with the weights where the format has a place for them."""

import json

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.weights.converting import convert
from bit_keras.weights.labels import labels_of

NAMES = ("ant", "bee", "cat")


@pytest.fixture
def weights(small_model, tmp_path):
    """A file of three classes with their names beside it."""
    bit.save_weights(small_model, tmp_path / "small.npz")
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\n")
    return tmp_path / "small.npz"


def test_names_go_into_the_configuration_of_hugging_face(weights, tmp_path):
    convert(weights, tmp_path / "hf" / "model.safetensors")
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["id2label"] == {"0": "ant", "1": "bee", "2": "cat"}
    assert config["label2id"] == {"ant": 0, "bee": 1, "cat": 2}


@pytest.mark.parametrize("path", ["hf", "hf/model.safetensors"])
def test_names_come_out_of_the_configuration_of_hugging_face(path, weights, tmp_path):
    convert(weights, tmp_path / "hf" / "model.safetensors")
    assert labels_of(tmp_path / path) == NAMES
    assert bit.predict(tmp_path / path, np.zeros((32, 32, 3), np.uint8), image_size=32)[0].class_name in NAMES


@pytest.mark.parametrize(
    "names",
    [{"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, {"0": "ant", "2": "cat"}, {"a": "ant"}, ["ant"], None],
)
def test_names_that_nobody_gave_are_none(names, weights, tmp_path):
    convert(weights, tmp_path / "hf" / "model.safetensors")
    (tmp_path / "hf" / "config.json").write_text(json.dumps({"model_type": "bit", "id2label": names}))
    assert labels_of(tmp_path / "hf") is None


def test_pictures_are_predicted_with_a_folder_of_timm(weights, tmp_path):
    convert(weights, tmp_path / "timm" / "model.safetensors")
    about = {"architecture": "resnetv2_50x1_bit", "num_classes": 3, "pretrained_cfg": {"tag": "goog_in21k"}}
    (tmp_path / "timm" / "config.json").write_text(json.dumps(about))
    assert bit.predict(tmp_path / "timm", np.zeros((32, 32, 3), np.uint8), image_size=32)[0].class_name in "012"


def test_names_of_another_number_are_told(weights, tmp_path):
    weights.with_name("labels.txt").write_text("ant\nbee\n")
    with pytest.raises(bit.UserError, match=r"Expected 3 class names, one for each output\. Received: 2"):
        convert(weights, tmp_path / "hf" / "model.safetensors")


def test_names_are_not_read_for_a_format_that_has_no_place_for_them(weights, tmp_path):
    weights.with_name("labels.txt").write_bytes("Küken\n".encode("latin-1"))
    convert(weights, tmp_path / "other.npz")


def test_equal_names_are_left_out(weights, tmp_path):
    weights.with_name("labels.txt").write_text("crane\nbee\ncrane\n")
    convert(weights, tmp_path / "hf" / "model.safetensors")
    assert "id2label" not in json.loads((tmp_path / "hf" / "config.json").read_text())
