"""BiT-F-R14x0.5, the model in this package."""

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.data.opening import open_data
from bit_keras.weights.catalogue import SHIPPED, preset
from bit_keras.weights.loading import located

NAME = "BiT-F-R14x0.5"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")  # where nothing listens


def test_file_is_small_and_in_half_precision():
    path = located(NAME)
    assert path.stat().st_size <= 8_000_000
    with np.load(path) as arrays:
        assert {arrays[name].dtype for name in arrays.files} == {np.dtype("float16")}


def test_model_is_float32_and_what_the_catalogue_says():
    model = bit.load(NAME)
    assert model.dtype == "float32" and all(variable.dtype == "float32" for variable in model.variables)
    assert model.count_params() == preset(NAME).num_parameters
    assert str(preset(NAME).variant) == "R14x0.5" and preset(NAME).url.startswith("file://")


def test_every_shipped_preset_has_its_file_and_every_file_its_preset():
    shipped = [preset(name) for name in bit.list_presets() if preset(name).is_shipped]
    assert {SHIPPED / entry.file for entry in shipped} == set(SHIPPED.rglob("*.npz"))


def test_classes_are_called_as_the_formulas_are():
    names = open_data(preset(NAME).upstream).class_names
    assert bit.predict(NAME, [np.zeros((16, 16, 3), "uint8")], image_size=32)[0].class_name in names
    assert tuple((located(NAME).parent / "labels.txt").read_text().splitlines()) == names


def test_model_knows_the_glyphs_that_it_learned():
    data = open_data(preset(NAME).upstream)
    validation = data.splits["validation"]
    pictures = [validation.read(np.int64(1000 * number + 7 * number))[0].numpy() for number in range(60)]
    truth = [data.class_names[7 * number] for number in range(60)]
    found = [prediction.class_name for prediction in bit.predict(NAME, pictures, image_size=32)]
    # Of 1,000 classes; benchmarks/shipped.json has the accuracy on all of them.
    assert sum(one == other for one, other in zip(found, truth, strict=True)) >= 25


def test_features_tell_real_digits_apart_better_than_random_weights():
    options = {"examples_per_class": (5,), "image_size": 32}
    ours = bit.probe(NAME, "digits", **options)[5]
    random = bit.probe(bit.build("R14x0.5", num_classes=0, seed=0), "digits", **options)[5]
    assert np.median(ours) > np.median(random) + 0.1
