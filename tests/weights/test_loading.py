"""`load`: what becomes of a file's arrays, and of its head."""

import socket
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.assigning import arrays_of
from bit_keras.weights.loading import load_arrays, read_arrays
from tests.weights.crafting import HEAD, ROOT, write_npz


def weights_of(model):
    """Returns {canonical name: array}; the head as the model holds it."""
    return {"resnet/" + weight.path.replace("-", "/"): weight.numpy() for weight in model.weights}


def assert_backbone(model, arrays):
    found = {name: array for name, array in weights_of(model).items() if name not in HEAD}
    assert found.keys() == arrays.keys() - set(HEAD)
    for name, array in found.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_logits_of_an_official_file_are_those_of_the_reference(r50x1_file, golden_pictures, golden):
    logits = bit.load(r50x1_file)(golden_pictures).numpy()
    recorded = golden("forward.json")["R50x1-1000"]["logits"]["96x80"]
    np.testing.assert_allclose(logits[:, :16], recorded["first"], rtol=0, atol=1e-4)


def test_every_variable_gets_its_array(small_file, seeded_small):
    model = bit.load(small_file)
    assert_backbone(model, seeded_small)
    found = weights_of(model)
    np.testing.assert_array_equal(found[HEAD[0]], seeded_small[HEAD[0]][0, 0])
    np.testing.assert_array_equal(found[HEAD[1]], seeded_small[HEAD[1]])


def test_asking_for_classes_gives_the_backbone_and_a_zero_head(small_file, seeded_small):
    model = bit.load(small_file, num_classes=10)
    assert_backbone(model, seeded_small)
    found = weights_of(model)
    assert found[HEAD[0]].shape == (1024, 10) and not found[HEAD[0]].any() and not found[HEAD[1]].any()


def test_asking_for_as_many_classes_as_the_file_has_gives_a_zero_head_too(small_file):
    assert not weights_of(bit.load(small_file, num_classes=3))[HEAD[0]].any()


def test_asking_for_0_classes_gives_features(small_file, seeded_small):
    model = bit.load(small_file, num_classes=0)
    assert_backbone(model, seeded_small)
    assert model.output_shape == (None, 1024) and not weights_of(model).keys() & set(HEAD)


@pytest.fixture
def headless_file(small_arrays, tmp_path):
    for name in HEAD:
        del small_arrays[name]
    return write_npz(tmp_path / "headless.npz", small_arrays)


def test_file_without_head_gives_features(headless_file, seeded_small):
    model = bit.load(headless_file)
    assert_backbone(model, seeded_small)
    assert model.output_shape == (None, 1024)


def test_file_without_head_takes_a_new_one(headless_file, seeded_small):
    model = bit.load(headless_file, num_classes=4)
    assert_backbone(model, seeded_small)
    assert model.output_shape == (None, 4)


def test_dense_head_kernel_is_taken_as_a_1x1_convolution(small_arrays, seeded_small, tmp_path):
    small_arrays[HEAD[0]] = small_arrays[HEAD[0]][0, 0]
    found = weights_of(bit.load(write_npz(tmp_path / "dense.npz", small_arrays)))
    np.testing.assert_array_equal(found[HEAD[0]], seeded_small[HEAD[0]][0, 0])


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "longdouble"])
def test_other_floating_point_files_load_as_float32(dtype, small_arrays, tmp_path):
    stored = {name: array.astype(dtype) for name, array in small_arrays.items()}
    found = weights_of(bit.load(write_npz(tmp_path / "other.npz", stored)))
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(found[ROOT], stored[ROOT].astype("float32"))


def test_column_major_arrays_load_as_row_major_ones(small_arrays, seeded_small, tmp_path):
    columns = {name: np.asfortranarray(array) for name, array in small_arrays.items()}
    assert_backbone(bit.load(write_npz(tmp_path / "columns.npz", columns)), seeded_small)


def test_dtype_is_that_of_the_model(small_file, seeded_small):
    model = bit.load(small_file, dtype="mixed_bfloat16")
    assert model.get_layer("block1-unit01-a-standardized_conv2d").compute_dtype == "bfloat16"
    assert_backbone(model, seeded_small)


def test_path_may_be_a_string(small_file, seeded_small):
    assert_backbone(bit.load(str(small_file)), seeded_small)


def test_loaded_model_takes_pictures_of_minus_1_to_1(small_file):
    assert "pixels" not in [layer.name for layer in bit.load(small_file).layers]


def test_unknown_names_are_refused_with_the_presets():
    with pytest.raises(UserError, match=r"no file or folder BiT-L-R50x1.*nearest presets: BiT-S-R50x1, BiT-M-R50x1"):
        bit.load("BiT-L-R50x1")


def test_missing_files_are_refused_by_their_paths(tmp_path):
    with pytest.raises(WeightsError, match=f"no file or folder {tmp_path}/none.npz"):
        bit.load(tmp_path / "none.npz")


RUN = '{"data": "photos", "fingerprint": "f", "rule": {"crop": 32}, "seed": 0}'


def test_run_folder_gives_the_weights_of_its_end(small_file, seeded_small, tmp_path):
    (tmp_path / "config.json").write_text(RUN)
    (tmp_path / "weights.npz").write_bytes(small_file.read_bytes())
    assert_backbone(bit.load(tmp_path), seeded_small)


def test_run_folder_without_weights_is_one_that_has_not_ended(tmp_path):
    (tmp_path / "config.json").write_text(RUN)
    with pytest.raises(WeightsError, match=rf"run in {tmp_path} has not ended: it has no weights\.npz yet"):
        bit.load(tmp_path)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=rf"SavedModel folder.*run folder.*Received the folder {tmp_path}"):
        bit.load(tmp_path)


def test_loading_a_local_file_opens_no_connection(tmp_path, monkeypatch):
    bit.save_weights(bit.build("R14x0.5", num_classes=2, seed=0), tmp_path / "local.npz")

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert bit.load(tmp_path / "local.npz", num_classes=0).output_shape == (None, 1024)


def test_configuration_of_a_loaded_model_names_no_initializer_of_ours(small_file):
    for layer in bit.load(small_file).layers:
        initializer = layer.get_config().get("kernel_initializer")
        assert initializer is None or initializer["module"] == "keras.initializers"


def test_loaded_model_can_be_saved_and_loaded_by_keras(small_file, tmp_path):
    model = bit.load(small_file)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_numbers_of_other_kinds_become_float32(dtype, small_arrays, tmp_path):
    model = bit.load(write_npz(tmp_path / "other.npz", {name: a.astype(dtype) for name, a in small_arrays.items()}))
    assert {variable.dtype for variable in model.variables} == {"float32"}
    expected = {name: array.astype(dtype).astype("float32") for name, array in small_arrays.items()}
    assert_backbone(model, expected)


def test_name_that_is_too_long_for_a_file_is_told():
    with pytest.raises(WeightsError, match=r"There is no file or folder x+, and no preset"):
        bit.load("x" * 5000)


def test_error_while_reading_ends_the_reading(small_file):
    arrays, reads = read_arrays(small_file), []
    broken = max(arrays, key=lambda name: np.prod(arrays[name].shape))  # the first that is read

    def reading(name):
        reads.append(name)
        if name == broken:
            raise WeightsError(name)
        return arrays[name].read()

    watched = {name: replace(array, read=partial(reading, name)) for name, array in arrays.items()}
    with pytest.raises(WeightsError, match=broken):
        load_arrays(watched, small_file)
    assert len(reads) <= 4


def test_models_of_one_file_share_no_memory(small_file, seeded_small):
    first, second = bit.load(small_file), bit.load(small_file)
    for variable in first.variables:
        variable.value.assign_add(np.ones(variable.shape, "float32"))
    assert_backbone(second, seeded_small)


def test_model_made_of_another_s_arrays_shares_no_memory_with_it(small_file, seeded_small):
    model = bit.load(small_file)
    for variable in load_arrays(arrays_of(model), "a model").variables:
        variable.value.assign_add(np.ones(variable.shape, "float32"))
    assert_backbone(model, seeded_small)
