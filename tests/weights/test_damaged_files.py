"""Files that are cut or changed: a `WeightsError` or the right numbers, nothing else, and little memory."""

import itertools
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import WeightsError
from bit_keras.weights.assigning import assign
from bit_keras.weights.formats.npz import read_npz
from bit_keras.weights.loading import read_arrays
from tests.weights.crafting import GAMMA, damage, npy, write_npz

TINY = {"a/kernel": np.arange(6, dtype="float32").reshape(2, 3), "b/gamma": np.full(4, 0.1, "float32")}
BIG = "resnet/block4/unit01/b/standardized_conv2d/kernel"


def outcome(path):
    """Returns what is wrong with the file, or None if every array it still has is as in `TINY`."""
    try:
        arrays = {array.name: array.read() for array in read_npz(path)}
    except WeightsError:
        return None
    except Exception as error:  # what a user should never meet
        return repr(error)
    return (
        None if all(name in TINY and np.array_equal(TINY[name], arrays[name]) for name in arrays) else "other numbers"
    )


@pytest.mark.parametrize("compression", ["ZIP_STORED", "ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"])
def test_any_changed_byte_is_noticed(compression, tmp_path):
    path = write_npz(tmp_path / "tiny.npz", TINY, compression=getattr(zipfile, compression))
    whole = path.read_bytes()
    wrong = {}
    for position, flip in itertools.product(range(len(whole)), (0x01, 0x20, 0xFF)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :])
        if found := outcome(path):
            wrong[position, flip] = found
    assert not wrong


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = write_npz(tmp_path / "tiny.npz", TINY)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=f"{path} is not a complete .npz file"):
            list(read_npz(path))


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.999])
def test_cut_download_is_refused_by_load(share, small_file, tmp_path):
    whole = small_file.read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=r"cut\.npz is not a complete .npz file.*Fetch or copy it again"):
        bit.load(tmp_path / "cut.npz")


@pytest.mark.parametrize("content", [b"hello", pickle.dumps({"a": 1}), npy(np.ones(3, "float32"))])
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "no.npz").write_bytes(content)
    with pytest.raises(WeightsError, match=r"no\.npz is not a complete .npz file"):
        bit.load(tmp_path / "no.npz")


def test_damaged_numbers_are_refused_by_the_array_s_name(small_arrays, tmp_path):
    path = damage(write_npz(tmp_path / "bad.npz", small_arrays), BIG)
    with pytest.raises(WeightsError, match=f"array {BIG} in {path} is damaged"):
        bit.load(path)


def test_damaged_numbers_of_a_small_array_are_refused_by_its_name_too(small_arrays, tmp_path):
    path = damage(write_npz(tmp_path / "bad.npz", small_arrays), GAMMA)
    with pytest.raises(WeightsError, match=f"{path} .*{GAMMA}"):
        bit.load(path)


@pytest.mark.parametrize("compression", ["ZIP_STORED", "ZIP_DEFLATED"])
@pytest.mark.parametrize("count", [10, 4096, 100_000])
def test_checksum_is_compared_whatever_the_size(compression, count, tmp_path):
    numbers = np.random.default_rng(0).normal(size=count).astype("float32")
    path = write_npz(tmp_path / "bad.npz", {"a": numbers}, compression=getattr(zipfile, compression))
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 16] ^= 1  # the checksum in the archive's table of contents
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"{path} .*Bad CRC-32 for file 'a.npy'|array a in {path} .*Bad CRC-32"):
        [array.read() for array in read_npz(path)]


def test_reading_one_array_does_not_touch_another(small_arrays, tmp_path):
    path = damage(write_npz(tmp_path / "bad.npz", small_arrays), BIG)
    for array in read_npz(path):
        if array.name != BIG:
            np.testing.assert_array_equal(array.read(), small_arrays[array.name])


def traced_peak(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_takes_the_memory_of_one_array(r50x1_file):
    # The file has 102 MB, its largest array 9.4 MB.
    assert 9e6 < traced_peak(lambda: [array.read().shape for array in read_npz(r50x1_file)]) < 12e6


def test_names_and_shapes_cost_no_memory(r50x1_file):
    assert traced_peak(lambda: list(read_npz(r50x1_file))) < 2e6


def test_surplus_array_is_refused_without_being_read(small_arrays, tmp_path):
    small_arrays["bomb"] = np.zeros(25_000_000, "float32")  # 100 MB that deflate to 0.1
    path = write_npz(tmp_path / "bomb.npz", small_arrays, compression=zipfile.ZIP_DEFLATED)

    def load():
        with pytest.raises(WeightsError, match=r"bomb\.npz has \d+ bytes but claims \d+ bytes of numbers"):
            bit.load(path)

    assert traced_peak(load) < 5e6


def test_no_weights_change_when_a_file_is_refused_for_its_names(small_arrays, small_model, tmp_path):
    del small_arrays[GAMMA]
    before = small_model.get_weights()
    with pytest.raises(WeightsError, match=f"Missing: {GAMMA}"):
        assign(small_model, read_arrays(write_npz(tmp_path / "wrong.npz", small_arrays)), "wrong.npz")
    for old, new in zip(before, small_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
