"""Arrays that are not what their headers claim, and headers that are none."""

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import WeightsError
from tests.weights.crafting import GAMMA, ROOT, npy, npy_header, raw_header, write_npz


@pytest.mark.parametrize(
    "shape", ["(10**12,)", "(1000000000000,)", "(129,)", "(127,)", "(64, 64, 64)", "(-128,)", "()"]
)
def test_header_that_lies_about_its_shape_is_refused(shape, small_arrays, tmp_path):
    small_arrays[GAMMA] = npy_header(shape) + bytes(4 * 128)
    path = write_npz(tmp_path / "lie.npz", small_arrays)
    with pytest.raises(WeightsError, match=f"array {GAMMA} in {path} (claims shape|has no valid header)"):
        bit.load(path)


NO_HEADERS = {
    "nothing": b"",
    "magic alone": b"\x93NUMPY",
    "text": b"not an array at all",
    "no shape": raw_header("{'descr': '<f4'}\n"),
    "code": raw_header("__import__('os').getcwd()\n"),
    "unclosed": raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,\n"),
    "a list as key": raw_header("{[]: 1}\n"),
    "a number as key": raw_header("{'descr': '<f4', 1: 2, 'shape': ()}\n"),
    "half a kind": raw_header("{'descr': ('<f4',), 'fortran_order': False, 'shape': (1,)}\n"),
    "many signs": raw_header("~" * 5000),
    "more signs": raw_header("-" * 9000),
    "nested": raw_header("(" * 5000),
    "too long": raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + " " * 60_000),
    "version 9": b"\x93NUMPY\x09\x00" + npy(np.ones(128, "float32"))[8:],
}


@pytest.mark.parametrize("kind", NO_HEADERS)
def test_array_without_a_valid_header_is_refused(kind, small_arrays, tmp_path):
    path = write_npz(tmp_path / "bad.npz", small_arrays | {GAMMA: NO_HEADERS[kind]})
    with pytest.raises(WeightsError, match=f"array {GAMMA} in {path} has no valid header|{path} is not a complete"):
        bit.load(path)


@pytest.mark.parametrize("width", [10**6, 10**400], ids=["million", "over the largest float"])
def test_root_of_an_absurd_width_is_refused(width, small_arrays, tmp_path):
    small_arrays[ROOT] = npy_header(f"(7, 7, 0, {width})")
    path = write_npz(tmp_path / "absurd.npz", small_arrays)
    with pytest.raises(WeightsError, match=f"{path}"):
        bit.load(path)


def test_unit_of_an_absurd_number_is_refused(small_arrays, tmp_path):
    small_arrays["resnet/block1/unit9999/a/group_norm/gamma"] = np.ones(3, "float32")
    with pytest.raises(WeightsError, match=r"absurd.npz holds no BiT; .* Expected at most 1000 units"):
        bit.load(write_npz(tmp_path / "absurd.npz", small_arrays))
