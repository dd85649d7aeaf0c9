"""`BiTR50x1` and its sisters, in the manner of `keras.applications`."""

import inspect
import os

import keras
import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.fetching.cache import cache_folder
from tests.models.weightless import weightless
from tests.weights.crafting import HEAD

WIDTHS = {"R50x1": 1, "R50x3": 3, "R101x1": 1, "R101x3": 3, "R152x2": 2, "R152x4": 4}


def recorded(golden):
    return golden("forward.json")["R50x1-1000"]["logits"]["96x80"]["first"]


def without_memory(variant, **options):
    return weightless(getattr(bit, f"BiT{variant}"), weights=None, **options)


def test_arguments_are_those_of_keras_applications():
    parameters = inspect.signature(bit.BiTR50x1).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "include_top": True,
        "weights": "imagenet21k",
        "input_tensor": None,
        "input_shape": None,
        "pooling": None,
        "classes": None,
        "classifier_activation": None,
        "include_preprocessing": True,
    }


@pytest.mark.parametrize("variant", WIDTHS)
def test_every_variant_has_its_constructor(variant):
    assert getattr(bit, f"BiT{variant}").__name__ == f"BiT{variant}"
    model = without_memory(variant, include_top=False, pooling="avg")
    assert (model.name, model.output_shape) == (variant, (None, 2048 * WIDTHS[variant]))


@pytest.mark.parametrize("classes, outputs", [(None, 1000), (7, 7)])
def test_random_model_has_1000_classes_unless_told(classes, outputs):
    assert without_memory("R50x1", classes=classes).output_shape == (None, outputs)


@pytest.mark.parametrize(
    "pooling, shape", [(None, (None, None, None, 2048)), ("avg", (None, 2048)), ("max", (None, 2048))]
)
def test_model_without_top_ends_with_its_pooling(pooling, shape):
    assert without_memory("R50x1", include_top=False, pooling=pooling).output_shape == shape


def test_graph_begins_with_pixels_unless_told():
    assert without_memory("R50x1").layers[1].name == "pixels"
    names = [layer.name for layer in without_memory("R50x1", include_preprocessing=False).layers]
    assert "pixels" not in names


def test_input_shape_is_fixed():
    assert without_memory("R50x1", input_shape=(96, 80, 3)).input_shape == (None, 96, 80, 3)


def test_input_tensor_is_built_on():
    inputs = keras.Input((96, 80, 3))
    assert without_memory("R50x1", input_tensor=inputs).input is inputs


def test_file_s_logits_of_pixels_are_those_of_the_reference(r50x1_file, golden_pictures, golden):
    logits = bit.BiTR50x1(weights=r50x1_file)(127.5 * golden_pictures + 127.5).numpy()
    np.testing.assert_allclose(logits[:, :16], recorded(golden), rtol=0, atol=1e-4)


def test_file_s_logits_without_preprocessing_are_those_of_the_reference(r50x1_file, golden_pictures, golden):
    logits = bit.BiTR50x1(weights=str(r50x1_file), include_preprocessing=False, classes=1000)(golden_pictures).numpy()
    np.testing.assert_allclose(logits[:, :16], recorded(golden), rtol=0, atol=1e-4)


def test_file_s_features_make_the_logits_of_the_reference(r50x1_file, golden_pictures, golden):
    model = bit.BiTR50x1(include_top=False, pooling="avg", weights=r50x1_file, include_preprocessing=False)
    with np.load(r50x1_file) as file:
        logits = model(golden_pictures).numpy() @ file[HEAD[0]][0, 0] + file[HEAD[1]]
    np.testing.assert_allclose(logits[:, :16], recorded(golden), rtol=0, atol=1e-4)


def test_activation_turns_the_file_s_logits_into_probabilities(r50x1_file, golden_pictures, golden):
    model = bit.BiTR50x1(weights=r50x1_file, classifier_activation="softmax", include_preprocessing=False)
    probabilities = model(golden_pictures).numpy()
    assert probabilities.sum(1) == pytest.approx([1, 1], abs=1e-5)
    ratios = np.log(probabilities[:, :16] / probabilities[:, :1])
    logits = np.array(recorded(golden))
    np.testing.assert_allclose(ratios, logits - logits[:, :1], atol=2e-4)


def test_path_with_braces_is_a_path(r50x1_file, tmp_path):
    path = tmp_path / "{run}" / "mine.npz"
    path.parent.mkdir()
    os.link(r50x1_file, path)
    assert bit.BiTR50x1(weights=path).output_shape == (None, 1000)


def test_classes_that_contradict_the_file_are_refused(r50x1_file):
    with pytest.raises(UserError, match=r"Expected classes=1000, .*Received: classes=10\..*load\(.*num_classes=10\)"):
        bit.BiTR50x1(weights=r50x1_file, classes=10)


@pytest.mark.parametrize("variant", ["R50x3", "R101x1"])
def test_weights_of_another_variant_are_refused(variant, r50x1_file):
    with pytest.raises(UserError, match=f"weights of a BiT-{variant}. Received: .*seeded-R50x1.npz, a BiT-R50x1"):
        getattr(bit, f"BiT{variant}")(weights=r50x1_file)


def test_top_of_a_headless_file_is_refused(r50x1_file, tmp_path):
    with np.load(r50x1_file) as file:
        np.savez(tmp_path / "headless.npz", **{name: file[name] for name in file.files if name not in HEAD})
    with pytest.raises(UserError, match=r"weights with a head.*headless\.npz, which has none.*include_top=False"):
        bit.BiTR50x1(weights=tmp_path / "headless.npz")


@pytest.mark.parametrize(
    "options, file",
    [
        ({}, "BiT-M-R50x1.npz"),
        ({"weights": "imagenet21k"}, "BiT-M-R50x1.npz"),
        ({"weights": "imagenet"}, "BiT-S-R50x1.npz"),
        ({"weights": "imagenet21k-ilsvrc2012"}, "BiT-M-R50x1-ILSVRC2012.npz"),
        ({"weights": "BiT-S-R50x1"}, "BiT-S-R50x1.npz"),
    ],
)
def test_weights_name_the_published_file(options, file, monkeypatch):
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    with pytest.raises(WeightsError, match=f"Could not fetch http://127.0.0.1:9/{file} "):
        bit.BiTR50x1(**options)


def test_published_file_in_the_cache_is_loaded(r50x1_file):
    cache_folder().mkdir(parents=True)
    os.link(r50x1_file, cache_folder() / "BiT-S-R50x1.npz")
    kernel = bit.BiTR50x1(weights="imagenet").get_layer("root_block-standardized_conv2d").kernel.numpy()
    with np.load(r50x1_file) as file:
        np.testing.assert_array_equal(kernel, file["resnet/root_block/standardized_conv2d/kernel"])


def test_unknown_weights_are_refused():
    with pytest.raises(UserError, match=r"`weights` as one of \['imagenet', .*weights='imagenet22k'"):
        bit.BiTR50x1(weights="imagenet22k")
