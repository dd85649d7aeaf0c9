"""What was exported loads again, to the last bit."""

import json

import numpy as np

import bit_keras as bit
from bit_keras.evaluation.classifier import open_classifier
from tests.data.making import noise
from tests.exporting.conftest import NAMES


def assert_equal_weights(model, other):
    assert [v.path for v in model.variables] == [v.path for v in other.variables]
    for variable, another in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), another.numpy())


def test_a_reloaded_export_has_the_same_weights_to_the_last_bit(small_model, exported):
    assert_equal_weights(bit.load(exported), small_model)


def test_the_backbone_of_an_export_takes_a_new_head(small_model, exported):
    model = bit.load(exported, num_classes=5)
    assert model.output_shape == (None, 5)
    for variable, source in zip(model.variables[:-2], small_model.variables[:-2], strict=True):
        np.testing.assert_array_equal(variable.numpy(), source.numpy())
    assert not model.get_layer("head-conv2d").kernel.numpy().any()


def test_without_its_head_an_export_gives_features(exported):
    assert bit.load(exported, num_classes=0).output_shape == (None, 1024)


def test_an_exported_folder_predicts_with_its_own_names_and_size(small_model, exported):
    classifier = open_classifier(exported)
    assert classifier.class_names == NAMES and classifier.image_size == 48
    (ours,) = bit.predict(exported, noise(60, 50))
    (theirs,) = bit.predict(small_model, noise(60, 50), labels=NAMES, image_size=48)
    assert ours == theirs


def test_an_export_of_an_export_keeps_weights_names_and_size(small_model, exported, tmp_path):
    again = bit.export(exported, tmp_path / "again")
    assert_equal_weights(bit.load(again), small_model)
    assert (again / "assets" / "labels.txt").read_text() == "ant\nbee\ncat\n"
    assert json.loads((again / "assets" / "bit_keras.json").read_text())["image_size"] == 48
