"""Files of another network, or of none: each error names the file and the arrays, and nothing is half loaded."""

import os
import zipfile

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import WeightsError
from tests.weights.crafting import GAMMA, HEAD, ROOT, npy, write_npz

EXTRA = "resnet/block1/unit01/d/group_norm/gamma"


@pytest.fixture
def refused(tmp_path):
    """Returns a function that loads {name: array} from a file `wrong.npz` and gives the error's text."""

    def load(arrays):
        path = write_npz(tmp_path / "wrong.npz", arrays)
        with pytest.raises(WeightsError) as caught:
            bit.load(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    return load


def test_missing_array_is_named(small_arrays, refused):
    del small_arrays[GAMMA]
    assert f"Missing: {GAMMA} (128,). Not in that network: none." in refused(small_arrays)


def test_extra_array_is_named(small_arrays, refused):
    small_arrays[EXTRA] = np.ones(5, "float32")
    assert f"Missing: none. Not in that network: {EXTRA} (5,)." in refused(small_arrays)


def test_missing_and_extra_arrays_are_both_listed(small_arrays, refused):
    small_arrays[EXTRA] = small_arrays.pop(GAMMA)
    assert f"Missing: {GAMMA} (128,). Not in that network: {EXTRA} (128,)." in refused(small_arrays)


def test_extra_number_is_an_extra_array(small_arrays, refused):
    small_arrays["step"] = np.float32(3)
    assert "Not in that network: step ()." in refused(small_arrays)


def test_wrong_shape_is_named_with_the_right_one(small_arrays, refused):
    small_arrays[GAMMA] = np.ones(64, "float32")
    assert f"Of another shape: {GAMMA} (64,) instead of (128,)." in refused(small_arrays)


def test_transposed_kernel_is_refused_though_it_has_as_many_numbers(small_arrays, refused):
    name = "resnet/block1/unit01/c/standardized_conv2d/kernel"
    small_arrays[name] = small_arrays[name].transpose(0, 1, 3, 2)
    assert f"{name} (1, 1, 128, 32) instead of (1, 1, 32, 128)" in refused(small_arrays)


def test_head_without_its_bias_is_refused(small_arrays, refused):
    del small_arrays[HEAD[1]]
    assert f"Missing: {HEAD[1]} (3,)" in refused(small_arrays)


def test_incomplete_head_is_refused_even_if_no_head_is_asked_for(small_arrays, tmp_path):
    del small_arrays[HEAD[0]]
    with pytest.raises(WeightsError, match=f"Missing: {HEAD[0]}"):
        bit.load(write_npz(tmp_path / "wrong.npz", small_arrays), num_classes=0)


def test_lists_stay_readable_when_everything_is_missing(small_arrays, refused):
    message = refused({name: array for name, array in small_arrays.items() if "/a/" not in name})
    assert "and 8 more" in message and len(message) < 2500  # 4 units lack 4 arrays each, 8 are listed


def test_skipped_unit_is_missing(small_arrays, refused):
    jumped = {name.replace("block2/unit01", "block2/unit02"): array for name, array in small_arrays.items()}
    assert "Missing: resnet/block2/unit01/" in refused(jumped)


def test_file_without_a_block_is_no_bit(small_arrays, refused):
    assert "holds no BiT" in refused({name: array for name, array in small_arrays.items() if "block4" not in name})


def test_file_of_something_else_is_refused_with_what_it_holds(refused):
    message = refused({"conv1/kernel": np.ones((3, 3), "float32")})
    assert "kernel under resnet/root_block/" in message and "Received: conv1/kernel" in message


def test_file_without_arrays_is_refused(refused):
    assert "Received: none" in refused({})


def test_root_of_an_impossible_width_is_refused(small_arrays, refused):
    small_arrays[ROOT] = np.ones((7, 7, 3, 48), "float32")
    assert "holds no BiT" in refused(small_arrays) and "width=0.75" in refused(small_arrays)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64", "<U3", "V4"])
def test_arrays_of_other_kinds_are_refused(dtype, small_arrays, refused):
    small_arrays[GAMMA] = np.zeros(128, dtype)
    message = refused(small_arrays)
    assert "Expected floating-point numbers" in message and GAMMA in message and str(np.dtype(dtype)) in message


def test_array_under_two_spellings_is_refused(small_arrays, refused):
    small_arrays[ROOT.replace("conv2d", "conv2d_1")] = small_arrays[ROOT]
    assert f"the array {ROOT} twice" in refused(small_arrays)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_array_that_is_twice_in_the_archive_is_refused(small_arrays, tmp_path):
    path = write_npz(tmp_path / "wrong.npz", small_arrays)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{GAMMA}.npy", npy(small_arrays[GAMMA]))
    with pytest.raises(WeightsError, match=f"{path} holds the array {GAMMA} twice"):
        bit.load(path)


class Trap:
    """Makes the folder `path` when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def trapped(small_arrays, tmp_path):
    """Returns a folder that does not exist, and a file whose unpickling would make it."""
    small_arrays[GAMMA] = npy(np.array([Trap(tmp_path / "sprung")] * 128), allow_pickle=True)
    return tmp_path / "sprung", write_npz(tmp_path / "trapped.npz", small_arrays)


def test_trap_of_the_next_test_works(trapped):
    sprung, path = trapped
    np.load(path, allow_pickle=True)[GAMMA]
    assert sprung.exists()


def test_nothing_is_unpickled(trapped):
    sprung, path = trapped
    with pytest.raises(WeightsError, match=f"{path}.*{GAMMA} holds object; pickled objects are never opened"):
        bit.load(path)
    assert not sprung.exists()
