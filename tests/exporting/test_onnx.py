"""An ONNX file computes what the model computes, on any number of pictures of any size, and explains itself."""

import json
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.exporting.test_writing import full_disk
from tests.layers.formulas import standardized

NAMES = ("ant", "bee", "cät")
SHAPES = [(1, 40, 57), (3, 72, 33)]  # none of them is a picture size of an export here
RANDOM = {"gamma": (1, 0.3), "beta": (0, 0.3), "moving_mean": (0, 0.3), "moving_variance": (1, 0.1), "bias": (0, 1)}


def randomized(model):
    """Gives normalization and head other than their starting values: those would hide an exchange of two of them."""
    rng = np.random.default_rng(0)
    for v in model.variables:
        mean, deviation = (0, 0.1) if v.path.startswith("head") else RANDOM.get(v.path.split("/")[-1], (None, None))
        if deviation:
            v.assign(rng.normal(mean, deviation, v.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return randomized(bit.build("R14x0.5", num_classes=3, seed=0))


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    """The ONNX file of the model."""
    out = tmp_path_factory.mktemp("onnx") / "new" / "model.onnx"
    return bit.export(model, out, format="onnx", class_names=NAMES, image_size=48)


@pytest.fixture
def converted(file, monkeypatch):
    """Spares the tests of the writing the conversion; returns the graph of the model, which they may change."""
    graph = onnx.load(file)
    monkeypatch.setattr("bit_keras.exporting.onnx._graph", lambda model, output: graph)
    return graph


def run(file, pixels):
    """Returns {output name: array} of an ONNX file."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"images": pixels}), strict=True))


def metadata(file):
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


def difference(found, expected):
    """Returns the largest difference, relative to the largest of what was expected."""
    expected = np.asarray(expected)
    assert found.shape == expected.shape and np.abs(expected).max() > 0.1
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("shape", SHAPES)
def test_its_logits_are_the_models_at_other_batches_and_sizes(file, model, images, shape):
    found = run(file, images(*shape))
    assert list(found) == ["logits"]
    assert difference(found["logits"], model(2 * images(*shape) - 1)) < 1e-5


def test_the_output_of_a_headless_model_is_its_features(images, tmp_path):
    headless = randomized(bit.build("R14x0.5", num_classes=0, seed=0))
    found = run(bit.export(headless, tmp_path / "out.onnx", format="onnx", image_size=32), images(2, 40, 57))
    assert list(found) == ["features"]
    assert difference(found["features"], headless(2 * images(2, 40, 57) - 1)) < 1e-5


@pytest.mark.parametrize("options", [{"normalization": "batch"}, {"weight_standardization": False}])
def test_networks_of_the_ablation_agree_too(options, images, tmp_path):
    model = randomized(bit.build("R14x0.5", num_classes=2, seed=0, **options))
    found = run(bit.export(model, tmp_path / "out.onnx", format="onnx", image_size=32), images(2, 40, 57))
    assert difference(found["logits"], model(2 * images(2, 40, 57) - 1)) < 1e-5


def test_a_model_that_takes_pixels_is_fed_unit_pictures_like_the_others(images, tmp_path):
    model = randomized(bit.build("R14x0.5", num_classes=2, seed=0, include_preprocessing=True))
    found = run(bit.export(model, tmp_path / "out.onnx", format="onnx", image_size=32), images(2, 40, 57))
    assert difference(found["logits"], model(255 * images(2, 40, 57))) < 1e-5


def test_a_half_precision_model_of_one_size_is_written_in_float32_for_every_size(model, images, tmp_path):
    half = bit.build("R14x0.5", num_classes=3, input_shape=(32, 32, 3), dtype="mixed_bfloat16")
    half.set_weights(model.get_weights())
    found = run(bit.export(half, tmp_path / "out.onnx", format="onnx", image_size=32), images(2, 40, 57))
    assert difference(found["logits"], model(2 * images(2, 40, 57) - 1)) < 1e-5


def test_the_file_is_valid_and_names_what_goes_in_and_out(file):
    proto = onnx.load(file)
    onnx.checker.check_model(proto, full_check=True)
    (images,), (logits,) = proto.graph.input, proto.graph.output
    dimensions = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in (images, logits)]
    assert (images.name, logits.name) == ("images", "logits")
    assert dimensions == [["batch", "height", "width", 3], ["batch", 3]]


def test_its_kernels_are_those_of_the_formula_though_fold_is_off(file, model):
    kernel = model.get_layer("block2-unit01-b-standardized_conv2d").kernel.numpy()
    expected = standardized(kernel).transpose(3, 2, 0, 1)  # ONNX has (out, in, height, width)
    found = [onnx.numpy_helper.to_array(array) for array in onnx.load(file).graph.initializer]
    assert any(array.shape == expected.shape and np.abs(array - expected).max() < 1e-5 for array in found)
    assert metadata(file)["folded"] == "true"


def test_its_metadata_tell_names_size_and_receipt(file, model):
    about = metadata(file)
    receipt = json.loads(about["receipt"])
    assert json.loads(about["class_names"]) == list(NAMES)
    assert about["image_size"] == "48" and about["folded"] == "true" and about["bit_keras"] == bit.__version__
    assert 0 <= receipt["max_difference"] < 1e-4
    assert receipt["parameters"] == model.count_params() and receipt["versions"]["keras"] == keras.__version__


def test_the_names_of_an_exported_savedmodel_go_along(exported, tmp_path, images):
    out = bit.export(exported, tmp_path / "out.onnx", format="onnx")
    assert json.loads(metadata(out)["class_names"]) == ["ant", "bee", "cat"]
    assert metadata(out)["image_size"] == "48"
    assert (
        difference(run(out, images(1, 40, 57))["logits"], tf.saved_model.load(str(exported))(images(1, 40, 57))) < 1e-5
    )


def test_an_older_file_is_refused_and_left_alone_without_overwrite(model, tmp_path):
    out = tmp_path / "out.onnx"
    out.write_bytes(b"older")
    with pytest.raises(bit.UserError, match=r"out\.onnx exists already.*overwritten"):
        bit.export(model, out, format="onnx")
    assert out.read_bytes() == b"older"


@pytest.mark.usefixtures("converted")
def test_overwriting_replaces_the_file_and_leaves_nothing_beside_it(model, images, tmp_path):
    out = tmp_path / "out.onnx"
    out.write_bytes(b"older")
    bit.export(model, out, format="onnx", image_size=32, overwrite=True)
    assert run(out, images(1, 32, 32))["logits"].shape == (1, 3)
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["out.onnx"]


@pytest.mark.parametrize("name", ["out", "mine.npz"])
def test_another_suffix_is_refused(model, tmp_path, name):
    with pytest.raises(bit.UserError, match=r"Expected a file whose name ends in \.onnx\. Received: .*" + name):
        bit.export(model, tmp_path / name, format="onnx", overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused(model, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected a file such as .*model\.onnx\. Received: .*, which is a folder"):
        bit.export(model, tmp_path, format="onnx", overwrite=True)


@pytest.mark.usefixtures("converted")
def test_a_full_disk_is_told_and_leaves_nothing(model, tmp_path):
    with full_disk(), pytest.raises(bit.SaveError, match=r"Could not write .*out\.onnx.*[Ff]ree some space"):
        bit.export(model, tmp_path / "out.onnx", format="onnx", image_size=32)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_and_the_known_ones_are_named(model, tmp_path):
    with pytest.raises(bit.UserError, match=r"`format` 'saved_model' or 'onnx'\. Received: format='tflite'"):
        bit.export(model, tmp_path / "out", format="tflite")


@pytest.mark.parametrize("package", ["tf2onnx", "onnx", "onnxruntime"])
def test_a_package_that_is_not_installed_is_named_before_any_work(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(bit.UserError, match=rf"needs the package {package}.*pip install 'bit-keras\[onnx\]'"):
        bit.export("no such model", tmp_path / "out.onnx", format="onnx")


def test_weights_that_onnx_cannot_hold_are_refused_before_any_work(model, tmp_path, monkeypatch):
    monkeypatch.setattr("bit_keras.exporting.onnx.LIMIT", 10**6)
    with pytest.raises(bit.UserError, match=r"Expected weights of at most 0\.00 GB.*R14x0_5 with 0\.01 GB.*SavedModel"):
        bit.export(model, tmp_path / "out.onnx", format="onnx")


def test_a_file_that_computes_something_else_is_not_kept(model, converted, tmp_path):
    arrays = converted.graph.initializer
    bias = next(a for a in arrays if list(a.dims) == [3] and a.data_type == onnx.TensorProto.FLOAT)
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.1), bias.name))
    with pytest.raises(bit.SaveError, match=r"differs from the model by .*Nothing was kept"):
        bit.export(model, tmp_path / "out.onnx", format="onnx", image_size=32)
    assert list(tmp_path.iterdir()) == []
