"""Files from strangers: whatever was done to them, the arrays they state or one `WeightsError`, and nothing else."""

import json
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bit_keras as bit
from bit_keras.weights.formats import hdf5_listing, hdf5_process, limits
from bit_keras.weights.loading import read_arrays
from bit_keras.weights.names import architecture_of
from tests.models.seeding import official_shapes
from tests.weights.crafting import npy
from tests.weights.formats import foreign
from tests.weights.formats.test_reading import WRITERS

KINDS = ("timm", "big_vision", "Keras 2", "Keras 2 without scopes", "keras")
HDF5 = ("Keras 2", "Keras 2 without scopes")  # each is read by a process of its own, which takes a quarter second
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
    """Returns {name: numbers} of what `load` would take, or None after a `WeightsError` that names the file."""
    try:
        arrays = read_arrays(path)
        architecture_of({name: array.shape for name, array in arrays.items()}, path)
        numbers = {name: array.read() for name, array in arrays.items()}
    except bit.WeightsError as error:
        assert str(path.parent) in str(error)
        return None
    assert all(numbers[name].shape == array.shape for name, array in arrays.items())
    return numbers


@pytest.mark.parametrize(("kind", "count"), [(kind, 20 if kind in HDF5 else 60) for kind in KINDS])
def test_file_that_is_cut_anywhere_is_told(kind, count, files, tmp_path):
    whole = files[kind]
    near_the_ends = st.one_of(st.integers(0, 4096), st.integers(len(whole) - 4096, len(whole) - 1))

    @settings(BOUNDED, max_examples=count)
    @given(size=st.one_of(near_the_ends, st.integers(0, len(whole) - 1)))
    def cut(size):
        (tmp_path / "weights").write_bytes(whole[:size])
        with pytest.raises(bit.WeightsError, match=str(tmp_path)):
            model = read_arrays(tmp_path / "weights")
            architecture_of({name: array.shape for name, array in model.items()}, tmp_path / "weights")
            for array in model.values():
                array.read()

    cut()


# .keras has a checksum, so that there a success is the exact one.
@pytest.mark.parametrize(("kind", "count"), [("timm", 60), ("big_vision", 60), ("Keras 2", 20), ("keras", 60)])
def test_flipped_bytes_give_arrays_or_an_error(kind, count, files, tmp_path):
    @settings(BOUNDED, max_examples=count)
    @given(data=st.data())
    def flip(data):
        (tmp_path / "weights").write_bytes(damaged(files[kind], data))
        arrays = attempt(tmp_path / "weights")
        if arrays is not None and kind == "keras":
            (tmp_path / "whole").write_bytes(files[kind])
            same = {name: array.read() for name, array in read_arrays(tmp_path / "whole").items()}
            assert arrays.keys() == same.keys() and all((arrays[name] == same[name]).all() for name in same)

    flip()


def damaged(whole, data):
    """Returns the bytes with one to four others among them, mostly near the ends, where the structure is."""
    changed = bytearray(whole)
    near_the_ends = st.one_of(st.integers(0, 8191), st.integers(max(0, len(whole) - 8192), len(whole) - 1))
    for place in data.draw(st.lists(st.one_of(near_the_ends, st.integers(0, len(whole) - 1)), min_size=1, max_size=4)):
        changed[min(place, len(whole) - 1)] ^= data.draw(st.integers(1, 255))
    return bytes(changed)


@pytest.fixture(scope="module")
def saved_model(tiny, tmp_path_factory):
    """The files of a SavedModel's `variables`, by their names, and its folder, which a test may change."""
    folder = foreign.write_saved_model(tmp_path_factory.mktemp("saved") / "model", tiny)
    return folder, {path.name: path.read_bytes() for path in (folder / "variables").iterdir()}


@pytest.mark.parametrize("file", ["variables.index", "variables.data-00000-of-00001"])
@pytest.mark.parametrize("is_cut", [True, False])
def test_damaged_variables_of_a_saved_model_give_the_same_arrays_or_an_error(file, is_cut, saved_model, tiny):
    folder, whole = saved_model

    @settings(BOUNDED, max_examples=40)
    @given(data=st.data())
    def damage(data):
        cut = whole[file][: data.draw(st.integers(0, len(whole[file]) - 1))] if is_cut else damaged(whole[file], data)
        (folder / "variables" / file).write_bytes(cut)
        arrays = attempt(folder)
        assert arrays is None or all((arrays[name] == tiny[name]).all() for name in tiny)

    try:
        damage()
    finally:
        (folder / "variables" / file).write_bytes(whole[file])


def test_saved_model_that_claims_too_much_is_refused(saved_model, monkeypatch):
    monkeypatch.setattr(limits, "MAX_EXPANSION", 0.5)  # so that one claims too much that holds what it claims
    with pytest.raises(bit.WeightsError, match=rf"{saved_model[0]} has \d+ bytes but claims \d+ bytes of numbers"):
        bit.load(saved_model[0])


@pytest.mark.parametrize("graph", [1.0, [b"a", b"b"], b"no graph"])
def test_saved_model_without_a_graph_of_objects_is_refused(graph, saved_model, tmp_path):
    shutil.copytree(saved_model[0], tmp_path / "model")
    prefix = str(tmp_path / "model" / "variables" / "variables")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=["_CHECKPOINTABLE_OBJECT_GRAPH"],
        shape_and_slices=[""],
        tensors=[tf.constant(graph)],
    )
    with pytest.raises(bit.WeightsError, match=r"model is not a complete SavedModel folder"):
        bit.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("while True: pass", "the HDF5 library did not come to an end in 2 s"),
        ("import os; os.abort()", "the HDF5 library crashed"),
        ("raise SystemExit('no such thing')", "no such thing"),
    ],
)
def test_library_that_hangs_or_crashes_is_only_an_error(does, reason, tiny, tmp_path, monkeypatch):
    (tmp_path / "listing.py").write_text(does)
    monkeypatch.setattr(hdf5_process, "LISTING", tmp_path / "listing.py")
    monkeypatch.setattr(hdf5_process, "PATIENCE", 2)
    path = foreign.write_keras2(tmp_path / "bit.h5", tiny)
    with pytest.raises(bit.WeightsError, match=rf"{path} is damaged or no weights file of Keras \({reason}\)"):
        bit.load(path)


def test_library_gets_little_more_memory_than_the_file_explains(tmp_path):
    (tmp_path / "greedy.py").write_text(
        f"import sys; sys.path.append({str(Path(hdf5_listing.__file__).parent)!r})\n"
        "import hdf5_listing; hdf5_listing._limit_memory(1000); bytes(400_000_000)"
    )
    done = subprocess.run([sys.executable, "-P", tmp_path / "greedy.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "MemoryError" in done.stderr


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
    with pytest.raises(bit.WeightsError, match=r"gamma:0 in .*bit\.h5 is missing or refers to another place"):
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


@pytest.mark.parametrize("name", ["../../b.safetensors", "{}/b.safetensors", "..", "", "a/b.safetensors", 5])
def test_index_that_leads_out_of_its_folder_is_refused(name, tiny, tmp_path):
    folder = tmp_path / "a" / "b"
    for place in (tmp_path, folder, folder / "a"):
        place.mkdir(parents=True, exist_ok=True)
        foreign.write_timm(place / "b.safetensors", tiny)  # where such a name would lead, there is something to read
    index = folder / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {"norm.weight": name.format(tmp_path) if isinstance(name, str) else name}})
    )
    with pytest.raises(bit.WeightsError, match=r"model\.safetensors\.index\.json is no index"):
        bit.load(folder)


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


def test_members_that_lead_out_of_the_folder_write_nothing(tiny, tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    np.savez(folder / "bit.npz", **tiny)
    with zipfile.ZipFile(folder / "bit.npz", "a") as archive:
        archive.writestr("../../evil.npy", npy(np.zeros(3, "float32")))
    with pytest.raises(bit.WeightsError, match=r"bit\.npz .*\.\./evil \(3,\)"):
        bit.load(folder / "bit.npz")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "bit.npz"]


def test_archive_in_an_archive_is_not_opened(tiny, tmp_path):
    np.savez_compressed(tmp_path / "inner.npz", **{name: np.zeros_like(array) for name, array in tiny.items()})
    with zipfile.ZipFile(tmp_path / "outer.npz", "w") as archive:
        archive.write(tmp_path / "inner.npz", "resnet/root_block/standardized_conv2d/kernel.npy")
    with pytest.raises(bit.WeightsError, match=r"array resnet/root_block/.* in .*outer\.npz has no valid header"):
        bit.load(tmp_path / "outer.npz")


def test_pickles_of_pytorch_are_refused_by_what_they_are(tmp_path):
    with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n")
    with pytest.raises(bit.WeightsError, match=r"pytorch_model\.bin is a pickle of PyTorch.*safetensors"):
        bit.load(tmp_path / "pytorch_model.bin")


def test_names_that_are_twice_in_a_safetensors_header_are_refused(tmp_path):
    entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    header = f'{{"stem.conv.weight":{entry},"stem.conv.weight":{entry}}}'.encode()
    (tmp_path / "bit.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(bit.WeightsError, match=r"bit\.safetensors"):
        bit.load(tmp_path / "bit.safetensors")


def test_weight_that_an_hdf5_file_names_twice_is_refused(tiny, tmp_path):
    path = foreign.write_keras2(tmp_path / "bit.h5", tiny)
    with h5py.File(path, "r+") as file:
        names = list(file["group_norm"].attrs["weight_names"])
        file["group_norm"].attrs["weight_names"] = [*names, names[0]]
    with pytest.raises(bit.WeightsError, match=r"bit\.h5 names group_norm/gamma:0 twice in group_norm"):
        bit.load(path)


def test_layer_that_an_hdf5_file_names_a_thousand_times_costs_nothing(tmp_path):
    with h5py.File(tmp_path / "bit.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"] * 1000
        file.create_group("a").attrs["weight_names"] = [b"w"] * 1000
        file["a"].create_dataset("w", (0,), "float32")
    tracemalloc.start()
    with pytest.raises(bit.WeightsError, match=r"bit\.h5 names a twice in its root"):
        bit.load(tmp_path / "bit.h5")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_numbers_that_numpy_has_no_type_for_are_converted(tiny, tmp_path):
    path = foreign.write_keras2(tmp_path / "bit.h5", tiny)
    bfloat16 = h5py.h5t.IEEE_F32LE.copy()
    bfloat16.set_fields(15, 7, 8, 0, 7)
    bfloat16.set_precision(16)
    bfloat16.set_size(2)
    numbers = np.arange(1024, dtype="float32") % 128  # which bfloat16 holds exactly
    with h5py.File(path, "r+") as file:
        name = "group_norm/group_norm/gamma:0"
        del file[name]
        space = h5py.h5s.create_simple((1024,))
        h5py.h5d.create(file.id, name.encode(), bfloat16, space).write(h5py.h5s.ALL, h5py.h5s.ALL, numbers)
    np.testing.assert_array_equal(read_arrays(path)["resnet/group_norm/gamma"].read(), numbers)


def test_name_that_is_no_text_is_told(tiny, tmp_path):
    np.savez(tmp_path / "bit.npz", **tiny)
    content = bytearray((tmp_path / "bit.npz").read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    content[entry + 9] |= 8  # the name is said to be UTF-8
    content[entry + 46] = 0xFF
    (tmp_path / "bit.npz").write_bytes(content)
    with pytest.raises(bit.WeightsError, match=r"bit\.npz is not a complete"):
        bit.load(tmp_path / "bit.npz")
