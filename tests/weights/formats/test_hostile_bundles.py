"""SavedModels whose index was made to attack, with right checksums: one `WeightsError`, and no process that ends."""

import shutil

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.weights.formats.tensor_bundle import BundleError, read_index
from tests.weights.formats import bundles, foreign


@pytest.fixture
def checkpoint(tmp_path):
    """The prefix of a checkpoint with 100 bytes of numbers; the test writes the index."""
    (tmp_path / "variables.data-00000-of-00001").write_bytes(bytes(100))
    return tmp_path / "variables"


def read(checkpoint, content):
    checkpoint.with_name("variables.index").write_bytes(content)
    return read_index(checkpoint)


def test_index_written_by_hand_is_read(checkpoint):
    pairs = [bundles.header(), (b"a", bundles.entry(shape=(5, 5), size=100)), (b"b", bundles.entry(dtype=3, size=4))]
    found = read(checkpoint, bundles.index(bundles.block(pairs)))
    assert {key: (entry.dtype, entry.shape, entry.size) for key, entry in found.items()} == {
        "a": ("float32", (5, 5), 100),
        "b": ("DT_INT32", (), 4),
    }


@pytest.mark.parametrize(
    "lie",
    [
        {"shape": (-5,), "size": 20},
        {"shape": (-5, -5), "size": 100},
        {"shape": (2**40,), "size": 100},
        {"shape": (2**62, 4), "size": 100},
        {"shape": (2**40,) * 300, "size": 100},
        {"shape": (25,), "size": 100, "offset": -10},
        {"shape": (25,), "size": 100, "offset": 1},
        {"shape": (25,), "size": 2**62},
        {"shape": (25,), "size": -100},
    ],
)
def test_entry_that_lies_is_refused_by_its_name(lie, checkpoint):
    content = bundles.index(bundles.block([bundles.header(), (b"lie", bundles.entry(**lie))]))
    with pytest.raises(BundleError, match=r"lie (claims the shape|has no place)"):
        read(checkpoint, content)


@pytest.mark.parametrize("dtype", [100, 999, 7, 23])
def test_kinds_of_numbers_that_are_none_are_named(dtype, checkpoint):
    content = bundles.index(bundles.block([bundles.header(), (b"a", bundles.entry(dtype=dtype, size=4))]))
    assert read(checkpoint, content)["a"].dtype not in ("float16", "float32", "float64", "bfloat16")


def test_one_block_named_many_times_is_refused(checkpoint):
    data = bundles.block([bundles.header(), (b"a", bundles.entry(size=4))])
    with pytest.raises(BundleError, match="overlap"):
        read(checkpoint, bundles.index(data, times=100))


def test_names_that_grow_from_few_bytes_are_refused(checkpoint):
    name = b"x" * 60_000
    value = bundles.entry(size=4)
    first = b"\x00" + bundles.varint(len(name)) + bundles.varint(len(value)) + name + value
    again = bundles.varint(len(name)) + b"\x00" + bundles.varint(len(value)) + value
    _, about = bundles.header()
    empty = b"\x00\x00" + bundles.varint(len(about)) + about
    data = bundles.sealed(empty + first + again * 1000 + bytes(4) + (1).to_bytes(4, "little"))
    with pytest.raises(BundleError, match="more names than any network"):
        read(checkpoint, bundles.index(data))


@pytest.mark.parametrize("content", [b"", b"\x00" * 48, bytes(40) + bundles.MAGIC, b"\xff" * 40 + bundles.MAGIC])
def test_what_is_no_index_is_refused(content, checkpoint):
    with pytest.raises(BundleError):
        read(checkpoint, content)


def test_lie_in_a_saved_model_is_told_with_its_folder(tmp_path):
    folder = foreign.write_saved_model(tmp_path / "model", {"a": np.zeros(25, "float32")})
    shutil.rmtree(folder / "assets", ignore_errors=True)
    content = bundles.index(bundles.block([bundles.header(), (b"lie", bundles.entry(shape=(-5,), size=20))]))
    (folder / "variables" / "variables.index").write_bytes(content)
    with pytest.raises(bit.WeightsError, match=rf"{folder} is not a complete SavedModel folder \(lie has no place"):
        bit.load(folder)
