"""Files from strangers: whatever was done to them, the arrays they state or one `WeightsError`, and nothing else."""

import json
import struct

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bit_keras as bit
from bit_keras.weights.loading import read_arrays
from bit_keras.weights.names import architecture_of
from tests.models.seeding import official_shapes
from tests.weights.formats import foreign
from tests.weights.formats.test_reading import WRITERS

KINDS = ("timm", "big_vision", "Keras 2", "Keras 2 without scopes", "keras")
BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def tiny():
    """The arrays of a small BiT in narrow numbers, so that a mutation hits structure rather often."""
    rng = np.random.default_rng(0)
    shapes = official_shapes((1, 1, 1, 1), 0.5, 1)
    return {name: rng.normal(size=shape).astype("float16") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def files(tiny, tmp_path_factory):
    """{kind: bytes of a whole file}."""
    folder = tmp_path_factory.mktemp("whole")
    whole = {}
    for kind in KINDS[:-1]:
        (folder / kind).mkdir()
        whole[kind] = WRITERS[kind](folder / kind, tiny).read_bytes()
    bit.build("R14x0.5", num_classes=1, seed=0).save(folder / "model.keras")
    return whole | {"keras": (folder / "model.keras").read_bytes()}


def attempt(path):
    """Reads every number, as `load` does, or raises a `WeightsError` that names the file."""
    try:
        arrays = read_arrays(path)
        architecture_of({name: array.shape for name, array in arrays.items()}, path)
        for array in arrays.values():
            assert array.read().shape == array.shape
    except bit.WeightsError as error:
        assert str(path.parent) in str(error)


@pytest.mark.parametrize("kind", KINDS)
@BOUNDED
@given(data=st.data())
def test_file_that_is_cut_anywhere_is_told(kind, files, tmp_path, data):
    whole = files[kind]
    near_the_ends = st.one_of(st.integers(0, 4096), st.integers(len(whole) - 4096, len(whole) - 1))
    size = data.draw(st.one_of(near_the_ends, st.integers(0, len(whole) - 1)))
    (tmp_path / "weights").write_bytes(whole[:size])
    with pytest.raises(bit.WeightsError, match=str(tmp_path)):
        model = read_arrays(tmp_path / "weights")
        architecture_of({name: array.shape for name, array in model.items()}, tmp_path / "weights")
        for array in model.values():
            array.read()


# Not those in HDF5: its library has been seen to hang on bytes that were flipped.
@pytest.mark.parametrize("kind", ["timm", "big_vision"])
@BOUNDED
@given(data=st.data())
def test_flipped_bytes_give_arrays_or_an_error(kind, files, tmp_path, data):
    damaged = bytearray(files[kind])
    places = st.one_of(
        st.integers(0, 8191), st.integers(len(damaged) - 8192, len(damaged) - 1), st.integers(0, len(damaged) - 1)
    )
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "weights").write_bytes(bytes(damaged))
    attempt(tmp_path / "weights")


def test_hdf5_that_points_to_another_file_is_refused(tiny, tmp_path):
    foreign.write_keras2(tmp_path / "other.h5", tiny)
    path = foreign.write_keras2(tmp_path / "bit.h5", tiny)
    with h5py.File(path, "r+") as file:
        name = "group_norm/group_norm/gamma:0"
        del file[name]
        file[name] = h5py.ExternalLink("other.h5", name)
    with pytest.raises(bit.WeightsError, match=r"gamma:0 in .*bit\.h5 is missing or refers to another place"):
        bit.load(path)


def test_hdf5_that_takes_its_numbers_from_another_file_is_refused(tiny, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(4096))
    path = foreign.write_keras2(tmp_path / "bit.h5", tiny)
    with h5py.File(path, "r+") as file:
        name = "group_norm/group_norm/gamma:0"
        del file[name]
        file.create_dataset(name, (1024,), "float32", external=[(str(tmp_path / "secret"), 0, 4096)])
    with pytest.raises(bit.WeightsError, match=r"gamma:0 in .*bit\.h5 is no array of this file"):
        bit.load(path)


def test_hdf5_that_claims_more_numbers_than_it_has_bytes_is_refused(tiny, tmp_path):
    path = foreign.write_keras2(tmp_path / "bit.h5", tiny)
    with h5py.File(path, "r+") as file:
        name = "group_norm/group_norm/gamma:0"
        del file[name]
        file.create_dataset(name, (10**12,), "float32", chunks=(1 << 20,), compression="gzip")  # a bomb of zeros
    with pytest.raises(bit.WeightsError, match=r"bit\.h5 has \d+ bytes but claims \d+ bytes of numbers"):
        bit.load(path)


@pytest.mark.parametrize("length", [0, 2**40, 2**63, 2**64 - 1])
def test_safetensors_header_of_an_absurd_length_is_refused(length, tmp_path):
    (tmp_path / "bit.safetensors").write_bytes(struct.pack("<Q", length) + b'{"a": 1}' + bytes(100))
    with pytest.raises(bit.WeightsError, match=r"bit\.safetensors is not a complete safetensors file"):
        bit.load(tmp_path / "bit.safetensors")


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "", "a/b.safetensors", 5])
def test_index_that_leads_out_of_its_folder_is_refused(name, tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"norm.weight": name}}))
    with pytest.raises(bit.WeightsError, match=r"model\.safetensors\.index\.json is no index|is not a complete"):
        bit.load(tmp_path)


def test_objects_in_an_npz_of_any_dialect_are_never_unpickled(tiny, tmp_path):
    np.savez(tmp_path / "bit.npz", **{"params/norm-pre-head/scale": np.array([{"a": 1}], object)})
    with pytest.raises(bit.WeightsError, match=r"pickled objects are never opened"):
        bit.load(tmp_path / "bit.npz")


def test_npz_that_is_compressed_beyond_belief_is_refused(tiny, tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", **{name: np.zeros_like(array) for name, array in tiny.items()})
    with pytest.raises(bit.WeightsError, match=r"bomb\.npz has \d+ bytes but claims \d+ bytes.*without compression"):
        bit.load(tmp_path / "bomb.npz")


def test_compressed_npz_of_real_numbers_is_read(tiny, tmp_path):
    np.savez_compressed(tmp_path / "small.npz", **tiny)
    assert bit.load(tmp_path / "small.npz").output_shape == (None, 1)
