"""Both layers as parts of models: unknown sizes, saving and loading, messages."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.layers.formulas import convolved, group_normalized, standardized


def small_network(**size):
    inputs = keras.Input((size.get("height"), size.get("width"), 3))
    x = bit.StandardizedConv2D(16, 3, use_bias=False, kernel_initializer=keras.initializers.GlorotUniform(0))(inputs)
    return keras.Model(inputs, bit.GroupNorm(groups=8, epsilon=1e-3)(x))


def expected_of(network, x):
    kernel = network.layers[1].kernel.numpy()
    return group_normalized(convolved(x, standardized(kernel)), 1, 0, groups=8, epsilon=1e-3)


def pictures(height, width):
    return np.random.default_rng(0).normal(size=(2, height, width, 3)).astype("float32")


def test_one_network_takes_pictures_of_two_sizes():
    network = small_network()
    for x in (pictures(8, 6), pictures(5, 9)):
        np.testing.assert_allclose(network(x), expected_of(network, x), atol=1e-5)


def test_one_graph_of_unknown_sizes_takes_pictures_of_two_sizes():
    network = small_network()
    graph = tf.function(network, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for x in (pictures(8, 6), pictures(5, 9)):
        np.testing.assert_allclose(graph(x), expected_of(network, x), atol=1e-5)


def test_symbolic_output_has_the_shape_of_the_real_one():
    network = small_network(height=9, width=7)
    assert network.output_shape == (None, 7, 5, 16)
    assert small_network().output_shape == (None, None, None, 16)


def test_saved_keras_file_gives_the_same_numbers(tmp_path):
    network, x = small_network(), pictures(8, 6)
    network.layers[2].beta.assign(np.random.default_rng(1).normal(size=16))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert np.abs(loaded(x) - network(x)).max() == 0.0


def test_loaded_layers_are_ours(tmp_path):
    small_network().save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert [type(layer) for layer in loaded.layers[1:]] == [bit.StandardizedConv2D, bit.GroupNorm]


def test_config_of_group_norm_keeps_its_arguments():
    layer = bit.GroupNorm(groups=8, epsilon=1e-3, name="mine")
    copy = bit.GroupNorm.from_config(layer.get_config())
    assert (copy.groups, copy.epsilon, copy.name) == (8, 1e-3, "mine")


def test_config_of_standardized_conv2d_keeps_its_arguments():
    layer = bit.StandardizedConv2D(6, (3, 5), strides=2, padding="same", use_bias=False, dtype="mixed_bfloat16")
    copy = bit.StandardizedConv2D.from_config(layer.get_config())
    kept = ("filters", "kernel_size", "strides", "padding", "use_bias", "compute_dtype", "variable_dtype")
    assert [getattr(copy, name) for name in kept] == [6, (3, 5), (2, 2), "same", False, "bfloat16", "float32"]


def test_group_norm_in_a_model_of_fitting_channels_names_the_shape_that_does_not_fit():
    with pytest.raises(ValueError, match=r"32 groups divide.*\(None, None, None, 20\)"):
        bit.GroupNorm()(keras.Input((None, None, 20)))
