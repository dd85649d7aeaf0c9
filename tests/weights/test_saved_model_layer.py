"""Somebody's SavedModel inside a Keras 3 model: the same numbers, and all of it trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit

PICTURES = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
LABELS = np.array([0, 1, 2, 0])


@pytest.fixture(scope="module")
def exported(small_model, tmp_path_factory):
    return bit.export(small_model, tmp_path_factory.mktemp("layer") / "saved_model", image_size=32)


def test_layer_gives_the_logits_of_the_model(exported, small_model):
    np.testing.assert_allclose(bit.SavedModelLayer(exported)(PICTURES), small_model(2 * PICTURES - 1), atol=1e-5)


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD(0.1, momentum=0.9), keras.optimizers.Adam(1e-3)])
def test_every_variable_trains_with_an_optimizer_that_keeps_state(optimizer, exported, small_model):
    layer = bit.SavedModelLayer(exported)
    model = keras.Sequential([keras.Input((32, 32, 3)), layer])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [variable.numpy() for variable in layer.trainable_variables]
    model.fit(PICTURES, LABELS, verbose=0)
    assert len(before) == len(small_model.variables)
    for variable, old in zip(layer.trainable_variables, before, strict=True):
        assert (variable.numpy() != old).any(), variable.name


def test_frozen_layer_stays_as_it_is(exported):
    layer = bit.SavedModelLayer(exported, trainable=False)
    model = keras.Sequential([keras.Input((32, 32, 3)), layer, keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [variable.numpy() for variable in layer.variables]
    model.fit(PICTURES, LABELS, verbose=0)
    assert len(model.trainable_variables) == 2 and len(before) == 45
    for variable, old in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_functional_model_with_the_layer_is_saved_and_loaded(exported, tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, bit.SavedModelLayer(exported)(inputs))
    model.layers[-1].variables[0].assign_add(tf.ones_like(model.layers[-1].variables[0]))
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(PICTURES), model(PICTURES))


def test_folder_that_cannot_be_called_is_told(small_model, tmp_path):
    small_model.export(tmp_path / "signatures", verbose=False)
    with pytest.raises(bit.WeightsError, match=r"reusable SavedModel.*signatures alone: .*serv"):
        bit.SavedModelLayer(tmp_path / "signatures")
    with pytest.raises(bit.WeightsError, match=r"nowhere is no SavedModel folder"):
        bit.SavedModelLayer(tmp_path / "nowhere")
