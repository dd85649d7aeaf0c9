"""Named places inside a BiT, and the feature pyramid."""

import keras
import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError
from tests.models.weightless import weightless

PICTURES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 96, 3)).astype("float32")


def test_model_that_is_no_bit_has_no_pyramid():
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="other")
    with pytest.raises(UserError, match=r"Expected a BiT.*Received: the model other"):
        bit.pyramid(other)


def shape_at(model, name):
    return keras.Model(model.input, bit.endpoint(model, name))(PICTURES).shape


@pytest.mark.parametrize(
    "level, shape",
    [("P1", (32, 48, 32)), ("P2", (16, 24, 128)), ("P3", (8, 12, 256)), ("P4", (4, 6, 512)), ("P5", (2, 3, 1024))],
)
def test_pyramid_halves_the_size_from_level_to_level(level, shape, small_model):
    levels = keras.Model(small_model.input, bit.pyramid(small_model))(PICTURES)
    assert sorted(levels) == ["P1", "P2", "P3", "P4", "P5"]
    assert levels[level].shape == (2, *shape)


@pytest.mark.parametrize(
    "name, shape",
    [
        ("root_block", (16, 24, 32)),
        ("block1", (16, 24, 128)),
        ("block2", (8, 12, 256)),
        ("block3-unit01", (4, 6, 512)),
        ("block4", (2, 3, 1024)),
        ("features", (1024,)),
        ("head", (3,)),
    ],
)
def test_endpoints_have_the_shapes_of_their_places(name, shape, small_model):
    assert shape_at(small_model, name) == (2, *shape)


def test_head_endpoint_is_the_output(small_model):
    assert bit.endpoint(small_model, "head") is small_model.output


def test_pyramid_levels_are_the_root_convolution_and_the_blocks():
    model = weightless(bit.build, "R50x1", num_classes=10)
    layers = ("root_block-standardized_conv2d", "block1-unit03", "block2-unit04", "block3-unit06", "block4-unit03")
    assert list(bit.pyramid(model)) == ["P1", "P2", "P3", "P4", "P5"]
    for level, layer in zip(bit.pyramid(model).values(), layers, strict=True):
        assert level is model.get_layer(layer).output


def test_block_of_many_units_ends_with_its_last():
    model = weightless(bit.build, "R101x1", num_classes=10)
    assert bit.endpoint(model, "block3") is model.get_layer("block3-unit23").output


def test_block_of_more_than_a_hundred_units_ends_with_its_last():
    model = weightless(bit.build, bit.Variant((1, 101, 1, 1), 0.5), num_classes=0)
    assert bit.endpoint(model, "block2") is model.get_layer("block2-unit101").output


def test_units_are_endpoints():
    model = bit.build("R26x0.5", num_classes=0)
    assert bit.endpoint(model, "block2-unit02") is model.get_layer("block2-unit02").output


@pytest.mark.parametrize("name", ["block5", "block1-unit02", "P2", "Features", "block1-unit01-a-relu", ""])
def test_unknown_endpoints_are_refused_with_the_known_ones(name, small_model):
    with pytest.raises(UserError, match=rf"among \['block1', 'block1-unit01'.*'root_block'\].*Received: '{name}'"):
        bit.endpoint(small_model, name)


def test_headless_model_has_no_head_endpoint():
    with pytest.raises(UserError, match=r"Expected an endpoint among .*'features'.*Received: 'head'"):
        bit.endpoint(bit.build("R14x0.5", num_classes=0), "head")


def test_endpoints_of_a_plain_batch_normalized_network_are_the_same():
    model = bit.build("R14x0.5", num_classes=3, normalization="batch", weight_standardization=False)
    assert [level.shape[-1] for level in bit.pyramid(model).values()] == [32, 128, 256, 512, 1024]
