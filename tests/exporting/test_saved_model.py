"""The SavedModel is callable on [0, 1] pixels and gives the model's logits."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

import bit_keras as bit


def difference(first, second):
    return np.abs(np.asarray(first) - np.asarray(second)).max()


@pytest.mark.parametrize("load", [tf.saved_model.load, hub.load], ids=["tensorflow", "hub"])
def test_pixels_from_zero_to_one_give_the_logits_of_the_model_on_minus_one_to_one(small_model, exported, images, load):
    pixels = images(2, 48, 48)
    assert difference(load(str(exported))(pixels), small_model(2 * pixels - 1)) < 1e-5


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 40, 57), (2, 64, 33)])
def test_any_number_and_size_of_pictures_is_taken(small_model, loaded, images, shape):
    assert difference(loaded(images(*shape)), small_model(2 * images(*shape) - 1)) < 1e-5


def test_training_may_be_said_and_changes_nothing_without_batch_norm(loaded, images):
    pixels = images(1, 32, 32)
    assert difference(loaded(pixels, training=True), loaded(pixels, training=False)) < 1e-5


def test_variables_have_the_names_and_values_of_the_npz(small_model, loaded, tmp_path):
    bit.save_weights(small_model, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as file:
        expected = {name: file[name] for name in file.files}
    found = {variable.name.removesuffix(":0"): variable.numpy() for variable in loaded.variables}
    assert found.keys() == expected.keys() and "resnet/block1/unit01/a/standardized_conv2d/kernel" in found
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name].reshape(array.shape), array)


def test_all_variables_are_trainable_and_each_is_listed_once(small_model, loaded):
    names = [variable.name for variable in loaded.trainable_variables]
    assert len(names) == len(set(names)) == len(loaded.variables) == len(small_model.variables)
    assert list(loaded.regularization_losses) == []


@pytest.mark.slow
def test_frozen_layers_stay_frozen(tmp_path):
    model = bit.build("R14x0.5", num_classes=3, seed=0)
    model.get_layer("root_block-standardized_conv2d").trainable = False
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out", image_size=32)))
    frozen = {v.name for v in loaded.variables} - {v.name for v in loaded.trainable_variables}
    assert [name.removesuffix(":0") for name in frozen] == ["resnet/root_block/standardized_conv2d/kernel"]


def test_the_folder_tells_labels_size_and_how_far_it_is_from_the_model(exported, small_model):
    assert (exported / "assets" / "labels.txt").read_text() == "ant\nbee\ncat\n"
    about = json.loads((exported / "assets" / "bit_keras.json").read_text())
    assert about["image_size"] == 48 and about["num_classes"] == 3
    receipt = json.loads((exported / "receipt.json").read_text())
    assert 0 <= receipt["max_difference"] < 1e-5
    assert receipt["parameters"] == sum(weights.size for weights in small_model.get_weights())
    assert receipt["versions"]["tensorflow"] == tf.__version__


def test_a_headless_model_gives_features(headless, loaded_headless, images):
    features = loaded_headless(images(2, 32, 32))
    assert features.shape == (2, 1024)  # 2048 times the width of 0.5
    assert difference(features, headless(2 * images(2, 32, 32) - 1)) < 1e-5
    assert difference(loaded_headless.signatures["features"](images=images(2, 32, 32))["features"], features) < 1e-6


def test_a_model_in_bfloat16_is_exported_in_float32(small_model, images, tmp_path):
    model = bit.build("R14x0.5", num_classes=3, dtype="mixed_bfloat16")
    model.set_weights(small_model.get_weights())
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out", image_size=32)))
    assert {variable.dtype for variable in loaded.variables} == {tf.float32}
    assert difference(loaded(images(2, 32, 32)), small_model(2 * images(2, 32, 32) - 1)) < 1e-5


def test_a_model_for_pixels_is_exported_as_the_same_function_of_zero_to_one(small_model, images, tmp_path):
    model = bit.build("R14x0.5", num_classes=3, include_preprocessing=True)
    model.set_weights(small_model.get_weights())
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out", image_size=32)))
    assert difference(loaded(images(2, 32, 32)), small_model(2 * images(2, 32, 32) - 1)) < 1e-5


@pytest.mark.slow
def test_batch_normalization_is_exported_with_its_statistics(images, tmp_path):
    model = bit.build("R14x0.5", num_classes=0, normalization="batch", seed=0)
    model.get_layer("batch_norm").moving_mean.assign(np.linspace(-1, 1, 1024))
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out", image_size=32)))
    expected = model(2 * images(2, 32, 32) - 1)  # up to 1e12, as the statistics are not those of these pictures
    assert difference(loaded(images(2, 32, 32)), expected) < 1e-5 * np.abs(expected).max()
    assert len(loaded.variables) == len(model.variables) > len(loaded.trainable_variables)


def test_training_calls_move_the_statistics_of_batch_normalization(images, tmp_path):
    model = bit.build("R14x0.5", num_classes=0, normalization="batch", seed=0)
    pictures = images(2, 32, 32)
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out", image_size=32)))
    loaded(pictures, training=True)
    model(2 * pictures - 1, training=True)  # Keras's own layers move theirs
    moved = {variable.name.split(":")[0]: variable for variable in loaded.variables}
    for variable in model.non_trainable_variables:
        name = "resnet/" + variable.path.replace("-", "/")
        np.testing.assert_allclose(moved[name], variable.numpy(), rtol=1e-4, atol=1e-5)
    assert np.abs(moved["resnet/batch_norm/moving_mean"]).max() > 0


def test_a_model_for_one_size_is_exported_for_any(small_model, images, tmp_path):
    model = bit.build("R14x0.5", num_classes=3, input_shape=(64, 64, 3))
    model.set_weights(small_model.get_weights())
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out")))
    assert difference(loaded(images(2, 40, 32)), small_model(2 * images(2, 40, 32) - 1)) < 1e-5
