"""What is written can be read again, by us and by those whose format it is."""

import json

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import bit_keras as bit
from bit_keras.weights.assigning import Untouched, arrays_of
from bit_keras.weights.converting import convert
from bit_keras.weights.dialects import HUGGING_FACE, OFFICIAL
from tests.golden.seeded import names
from tests.weights.formats import foreign
from tests.weights.formats.test_mutated_arrays import ALL
from tests.weights.formats.test_reading import SIZES


def arrays_in(model):
    return {"resnet/" + variable.path.replace("-", "/"): variable.numpy() for variable in model.variables}


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "keras"])
def test_written_file_is_read_again_to_the_bit(suffix, small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / f"model.{suffix}")
    for old, new in zip(small_model.get_weights(), bit.load(tmp_path / f"model.{suffix}").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_safetensors_have_the_names_and_layout_of_hugging_face(small_file, seeded_small, tmp_path):
    bit.save_weights(bit.load(small_file), tmp_path / "model.safetensors")
    expected, found = foreign.hugging_face_tensors(seeded_small), load_file(tmp_path / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.parametrize("variant", SIZES)
def test_names_of_all_sizes_are_written_as_hugging_face_has_them(variant):
    for name in names(*SIZES[variant], 1000):
        assert HUGGING_FACE.name_of(OFFICIAL.place_of(name)) == foreign.hugging_face_name(name)


@pytest.mark.parametrize("variant", SIZES)
def test_models_of_all_sizes_have_the_official_names_and_shapes(variant):
    model = bit.build(variant, num_classes=1000, kernel_initializer=Untouched())  # which takes no memory
    found = {name: array.shape for name, array in arrays_of(model).items()}
    assert found == names(*SIZES[variant], 1000)


def test_configuration_beside_safetensors_describes_the_network(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "model.safetensors")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "bit" and config["architectures"] == ["BitForImageClassification"]
    assert config["depths"] == [1, 1, 1, 1] and config["hidden_sizes"] == [128, 256, 512, 1024]
    assert config["embedding_size"] == 32 and config["num_labels"] == 3


def test_configuration_of_something_else_is_not_overwritten(small_model, tmp_path):
    (tmp_path / "config.json").write_text('{"seed": 0}')
    with pytest.raises(bit.UserError, match=r"config\.json is of something else"):
        bit.save_weights(small_model, tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_network_that_transformers_has_not_is_refused(tmp_path):
    model = bit.build("R14x0.5", num_classes=2, normalization="batch")
    with pytest.raises(bit.UserError, match=r"group normalization and standardized kernels.*Write an \.npz instead"):
        bit.save_weights(model, tmp_path / "model.safetensors")


def test_keras_archive_is_a_model_for_keras_itself(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "mine.keras")
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 32, 40, 3)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "mine.keras")
    np.testing.assert_array_equal(loaded(pictures), small_model(pictures))


@pytest.mark.parametrize("suffix", ["h5", "pt", "pb"])
def test_formats_that_are_only_read_are_not_written(suffix, small_model, tmp_path):
    with pytest.raises(bit.UserError, match=r"ends with \.npz, \.safetensors or \.keras"):
        bit.save_weights(small_model, tmp_path / f"model.{suffix}")


@pytest.mark.parametrize("kind", ALL)
def test_conversion_of_any_format_gives_what_its_reader_expects(kind, seeded_small, tmp_path):
    source = ALL[kind](tmp_path, seeded_small)
    convert(source, tmp_path / "converted.npz")
    with np.load(tmp_path / "converted.npz") as found:
        assert {name: found[name].shape for name in found.files} == {n: a.shape for n, a in seeded_small.items()}
        for name, array in seeded_small.items():
            np.testing.assert_array_equal(found[name], array)
    convert(source, tmp_path / "converted" / "model.safetensors")
    tensors, found = foreign.hugging_face_tensors(seeded_small), load_file(tmp_path / "converted" / "model.safetensors")
    assert {name: tensor.shape for name, tensor in found.items()} == {n: t.shape for n, t in tensors.items()}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)
    convert(source, tmp_path / "converted.keras")
    for name, array in arrays_of(bit.load(tmp_path / "converted.keras")).items():
        np.testing.assert_array_equal(array.read(), seeded_small[name])


def test_safetensors_of_another_name_are_refused(small_model, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected .*/model\.safetensors, the only name that transformers loads"):
        bit.save_weights(small_model, tmp_path / "mine.safetensors")


@pytest.mark.parametrize("suffix", ["kers", "onnx", "SAFETENSORS", "h5", "H5", "weights", ""])
def test_suffix_of_no_format_that_is_written_is_refused(suffix, small_model, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected a file that ends with \.npz, \.safetensors or \.keras"):
        bit.save_weights(small_model, tmp_path / f"mine.{suffix}")
