"""What `build` gives: names, a zero head, seeded kernels, precision, and the options of its two ends."""

import keras
import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError
from tests.models.seeding import assign_seeded
from tests.models.weightless import weightless

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3)).astype("uint8")
PICTURES = ((PIXELS - 127.5) / 127.5).astype("float32")


def features(**options):
    """Returns what a seeded headless BiT-R14x0.5 gives."""
    return bit.build("R14x0.5", num_classes=0, seed=0, **options)(PICTURES).numpy()


def test_fresh_head_gives_logits_of_exactly_zero():
    logits = bit.build("R14x0.5", num_classes=5, seed=0)(PICTURES).numpy()
    assert logits.shape == (2, 5) and not logits.any()


def test_headless_model_gives_features_that_differ():
    assert features().shape == (2, 1024)
    assert np.abs(features()[0] - features()[1]).max() > 0.1


def test_layers_have_canonical_names_with_dashes():
    model = weightless(bit.build, "R50x1", num_classes=10)
    assert isinstance(model.get_layer("block3-unit06"), keras.layers.Add)
    assert isinstance(model.get_layer("block3-unit06-a-standardized_conv2d"), bit.StandardizedConv2D)
    assert isinstance(model.get_layer("block1-unit01-a-proj-standardized_conv2d"), bit.StandardizedConv2D)
    assert isinstance(model.get_layer("root_block-standardized_conv2d"), bit.StandardizedConv2D)
    assert isinstance(model.get_layer("group_norm"), bit.GroupNorm)
    assert isinstance(model.get_layer("head-conv2d"), keras.layers.Dense)


def test_no_name_holds_what_keras_or_pytorch_forbids(small_model):
    assert not [name for name in (small_model.name, *(layer.name for layer in small_model.layers)) if {*"/."} & {*name}]


def test_equal_seeds_give_equal_kernels_and_others_give_others():
    same, again, other = (bit.build("R14x0.5", num_classes=3, seed=seed) for seed in (7, 7, 8))
    kernels = [[w.numpy() for w in model.weights if w.path.endswith("conv2d/kernel")] for model in (same, again, other)]
    assert all((first == second).all() for first, second in zip(kernels[0], kernels[1], strict=True))
    assert all((first != second).any() for first, second in zip(kernels[0][:-1], kernels[2][:-1], strict=True))


def test_kernels_of_one_shape_differ_from_layer_to_layer():
    model = bit.build("R26x0.5", num_classes=3, seed=0)
    first, second = (model.get_layer(f"block1-unit0{unit}-b-standardized_conv2d").kernel.numpy() for unit in (1, 2))
    assert first.shape == second.shape and (first != second).any()


def test_kernels_are_glorot_uniform():
    kernel = bit.build("R14x0.5", num_classes=3, seed=0).get_layer("block4-unit01-b-standardized_conv2d").kernel.numpy()
    limit = np.sqrt(6 / (9 * 256 + 9 * 256))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)


def test_preprocessing_takes_pixels_and_gives_the_same_numbers():
    model = bit.build("R14x0.5", num_classes=0, seed=0, include_preprocessing=True)
    assert model.layers[1].name == "pixels"
    np.testing.assert_allclose(model(PIXELS), features(), atol=1e-5)


def test_model_without_preprocessing_has_no_pixels_layer(small_model):
    assert "pixels" not in [layer.name for layer in small_model.layers]


def test_poolings_are_mean_and_maximum_of_the_feature_map():
    feature_map = features(pooling=None)
    assert feature_map.shape == (2, 2, 2, 1024)
    np.testing.assert_allclose(features(pooling="avg"), feature_map.mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(features(pooling="max"), feature_map.max((1, 2)))


def test_classifier_activation_is_applied_to_the_logits(small_model):
    model = bit.build("R14x0.5", num_classes=3, classifier_activation="softmax")
    model.set_weights(small_model.get_weights())
    powers = np.exp(small_model(PICTURES).numpy())
    np.testing.assert_allclose(model(PICTURES), powers / powers.sum(1, keepdims=True), atol=1e-6)


def test_mixed_bfloat16_gives_float32_features_close_to_those_of_float32():
    half = features(dtype="mixed_bfloat16")
    assert half.dtype == "float32"
    # bfloat16 keeps 8 bits; the errors of 14 layers add up to about 1 %.
    assert np.linalg.norm(half - features()) < 0.03 * np.linalg.norm(features())


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16", "mixed_float16"])
def test_half_precision_models_hold_float32_and_give_float32_logits(dtype):
    model = bit.build("R14x0.5", num_classes=3, dtype=dtype)
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert keras.backend.standardize_dtype(model(PICTURES).dtype) == "float32"


def test_float64_model_gives_the_float32_logits_more_precisely():
    precise = assign_seeded(bit.build("R14x0.5", num_classes=3, dtype="float64"), (1, 1, 1, 1), 0.5, 3)
    single = assign_seeded(bit.build("R14x0.5", num_classes=3), (1, 1, 1, 1), 0.5, 3)
    assert keras.backend.standardize_dtype(precise(PICTURES).dtype) == "float64"
    np.testing.assert_allclose(single(PICTURES), precise(PICTURES), atol=1e-5)


def test_given_input_tensor_becomes_part_of_the_model():
    inputs = keras.Input((48, 64, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    model = bit.build("R14x0.5", num_classes=0, seed=0, input_tensor=scaled)
    assert model.input is inputs
    np.testing.assert_allclose(model(PIXELS), features(), atol=1e-5)


def test_given_input_shape_is_fixed():
    model = bit.build("R14x0.5", num_classes=0, input_shape=(48, 64, 3), pooling=None)
    assert (model.input_shape, model.output_shape) == ((None, 48, 64, 3), (None, 2, 2, 1024))


def test_saved_keras_file_gives_exactly_the_same_logits(small_model, tmp_path):
    small_model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.abs(loaded(PICTURES) - small_model(PICTURES)).max() == 0.0


def test_channels_are_last_whatever_the_keras_configuration_says():
    expected = features()
    keras.config.set_image_data_format("channels_first")
    try:
        np.testing.assert_array_equal(features(), expected)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_unknown_architecture_is_refused_before_anything_is_built():
    with pytest.raises(UserError, match="`num_classes` as a whole number of at least 0"):
        bit.build("R152x4", num_classes=-3)
