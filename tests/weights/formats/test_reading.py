"""Every format gives the arrays of the official file, to the bit."""

import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

import bit_keras as bit
from bit_keras.weights.matching import canonical
from bit_keras.weights.names import Array
from tests.golden.seeded import names
from tests.weights.crafting import HEAD
from tests.weights.formats import foreign

WRITERS = {
    "timm": lambda folder, arrays: foreign.write_timm(folder / "timm.safetensors", arrays),
    "Hugging Face": lambda folder, arrays: foreign.write_hugging_face(folder / "hf", arrays),
    "Hugging Face, several files": lambda folder, arrays: foreign.write_sharded(folder / "sharded", arrays),
    "the index of several files": lambda folder, arrays: (
        foreign.write_sharded(folder / "index", arrays) / "model.safetensors.index.json"
    ),
    "big_vision": lambda folder, arrays: foreign.write_big_vision(folder / "bv.npz", arrays),
    "big_vision without prefix": lambda folder, arrays: foreign.write_big_vision(folder / "bv.npz", arrays, ""),
    "Keras 2": lambda folder, arrays: foreign.write_keras2(folder / "bit.h5", arrays),
    "Keras 2, a whole model": lambda folder, arrays: foreign.write_keras2(folder / "bit.h5", arrays, whole=True),
    "Keras 2 without scopes": lambda folder, arrays: foreign.write_keras2(folder / "bit.h5", arrays, scoped=False),
    "no suffix": lambda folder, arrays: foreign.write_timm(folder / "weights", arrays),
}
SIZES = {
    "R50x1": ((3, 4, 6, 3), 1),
    "R50x3": ((3, 4, 6, 3), 3),
    "R101x1": ((3, 4, 23, 3), 1),
    "R101x3": ((3, 4, 23, 3), 3),
    "R152x2": ((3, 8, 36, 3), 2),
    "R152x4": ((3, 8, 36, 3), 4),
}


def assert_holds(model, arrays):
    found = {"resnet/" + variable.path.replace("-", "/"): variable.numpy() for variable in model.variables}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name].reshape(array.shape), array)


@pytest.mark.parametrize("kind", WRITERS)
def test_file_gives_the_arrays_of_the_official_one(kind, seeded_small, tmp_path):
    assert_holds(bit.load(WRITERS[kind](tmp_path, seeded_small)), seeded_small)


@pytest.mark.parametrize("kind", ["timm", "Hugging Face", "big_vision", "Keras 2", "Keras 2 without scopes"])
def test_file_without_a_head_gives_a_headless_model(kind, seeded_small, tmp_path):
    headless = {name: array for name, array in seeded_small.items() if name not in HEAD}
    assert_holds(bit.load(WRITERS[kind](tmp_path, headless)), headless)


@pytest.mark.parametrize("kind", WRITERS)
def test_file_takes_a_new_head(kind, seeded_small, tmp_path):
    model = bit.load(WRITERS[kind](tmp_path, seeded_small), num_classes=7)
    assert model.output_shape == (None, 7) and not model.get_layer("head-conv2d").kernel.numpy().any()


def test_keras_archive_gives_what_was_saved(small_model, tmp_path):
    small_model.save(tmp_path / "model.keras")
    loaded = bit.load(tmp_path / "model.keras")
    for old, new in zip(small_model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("normalization", "standardized"), [("batch", True), ("batch", False), ("group", False)])
def test_keras_archive_of_another_architecture_is_known_by_its_layers(normalization, standardized, tmp_path):
    options = {"normalization": normalization, "weight_standardization": standardized}
    model = bit.build("R14x0.5", num_classes=2, seed=0, **options)
    model.save(tmp_path / "model.keras")
    loaded = bit.load(tmp_path / "model.keras")
    assert [v.path for v in loaded.variables] == [v.path for v in model.variables]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_tensors_of_another_precision_are_taken(dtype, seeded_small, tmp_path):
    other = {name: array.astype(dtype) for name, array in seeded_small.items()}
    model = bit.load(foreign.write_timm(tmp_path / "other.safetensors", other))
    np.testing.assert_array_equal(
        model.get_layer("group_norm").gamma.numpy(), other["resnet/group_norm/gamma"].astype("float32")
    )


@pytest.mark.parametrize("called", ["fc", "classifier/dense", "my_head"])
def test_head_of_another_name_is_known_by_its_shape(called, seeded_small, tmp_path):
    renamed = dict(seeded_small)
    kernel, bias = renamed.pop(HEAD[0]), renamed.pop(HEAD[1])
    np.savez(tmp_path / "tuned.npz", **renamed, **{f"{called}/kernel": kernel[0, 0], f"{called}/bias": bias})
    assert_holds(bit.load(tmp_path / "tuned.npz"), seeded_small)


def described(translate, variant, *, torch=False, head=None):
    """Returns arrays of a large network by another's names: their shapes alone, no numbers."""
    units, width = SIZES[variant]
    for name, shape in names(units, width, 1000).items():
        shape = (shape[3], shape[2], *shape[:2]) if torch and len(shape) == 4 else shape
        yield Array(translate(name), head if head and name == HEAD[0] else shape, None)


@pytest.mark.parametrize("variant", SIZES)
@pytest.mark.parametrize("whose", ["timm", "hugging_face", "big_vision"])
def test_names_and_shapes_of_all_sizes_are_understood(variant, whose):
    units, width = SIZES[variant]
    arrays = described(getattr(foreign, f"{whose}_name"), variant, torch=whose != "big_vision")
    found = canonical(arrays, "a file")
    assert {name: array.shape for name, array in found.items()} == names(units, width, 1000)


@pytest.mark.parametrize("variant", SIZES)
def test_order_and_shape_tell_all_sizes_where_names_do_not(variant):
    units, width = SIZES[variant]
    official = names(units, width, 1000)
    ordered = [name for layer in foreign.keras2_order(official).values() for name in layer]
    found = canonical([Array("weight", official[name], None) for name in ordered], "a file")
    assert list(found) == ordered


def test_unknown_tensors_are_named(seeded_small, tmp_path):
    path = foreign.write_timm(tmp_path / "more.safetensors", seeded_small)
    from safetensors.numpy import load_file, save_file

    save_file(load_file(path) | {"extra.weight": np.ones(5, "float32")}, path)
    with pytest.raises(bit.WeightsError, match=r"more\.safetensors.*Not in that network: extra\.weight \(5,\)"):
        bit.load(path)


def test_missing_tensors_are_named(seeded_small, tmp_path):
    arrays = {name: array for name, array in seeded_small.items() if "block3/unit01/b" not in name}
    with pytest.raises(bit.WeightsError, match=r"Missing: resnet/block3/unit01/b/group_norm/gamma \(128,\)"):
        bit.load(foreign.write_timm(tmp_path / "less.safetensors", arrays))


@pytest.mark.parametrize("name", ["BiT-S-R50x3", "BiT-S-R101x1"])
def test_published_file_that_holds_the_wrong_network_is_refused(name, seeded_small, tmp_path):
    path = foreign.write_keras2(tmp_path / f"{name}.h5", seeded_small)
    with pytest.raises(bit.WeightsError, match=rf"{name}\.h5 is known to be wrong\. Use the preset {name}"):
        bit.load(path)


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"chunks": True, "fletcher32": True}])
def test_hdf5_in_several_pieces_is_read(options, seeded_small, tmp_path):
    path = foreign.write_keras2(tmp_path / "bit.h5", seeded_small)
    with h5py.File(path, "r+") as file:
        name = "group_norm/group_norm/gamma:0"
        numbers = file[name][()]
        del file[name]
        file.create_dataset(name, data=numbers, **options)
    assert_holds(bit.load(path), seeded_small)


def test_hdf5_with_the_bytes_the_other_way_round_is_read(seeded_small, tmp_path):
    swapped = {name: array.astype(">f4") for name, array in seeded_small.items()}
    assert_holds(bit.load(foreign.write_keras2(tmp_path / "bit.h5", swapped)), seeded_small)


def test_weights_of_keras_3_without_names_are_told(small_model, tmp_path):
    small_model.save_weights(tmp_path / "mine.weights.h5")
    with pytest.raises(
        bit.WeightsError, match=r"mine\.weights\.h5 is no weights file of Keras 2.*save the model as \.keras"
    ):
        bit.load(tmp_path / "mine.weights.h5")


def test_folder_of_hugging_face_without_weights_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bit"}')
    with pytest.raises(bit.RunError, match=r"config\.json is not of a bit_keras run"):
        bit.load(tmp_path)


@pytest.mark.parametrize("number", [1e300, -1e300])
def test_number_that_float32_cannot_hold_is_refused(number, seeded_small, tmp_path):
    arrays = {name: array.astype("float64") for name, array in seeded_small.items()}
    arrays["resnet/group_norm/beta"][0] = number
    np.savez(tmp_path / "wide.npz", **arrays)
    with pytest.raises(bit.WeightsError, match=r"resnet/group_norm/beta in .*wide\.npz has numbers that are infinite"):
        bit.load(tmp_path / "wide.npz")


def test_archive_with_a_huge_table_of_contents_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        for number in range(90_000):
            archive.writestr(f"{number:09d}.npy", b"")
    tracemalloc.start()
    with pytest.raises(bit.WeightsError, match=r"many\.npz is not a complete \.npz.*larger than any BiT's"):
        bit.load(tmp_path / "many.npz")
    assert tracemalloc.get_traced_memory()[1] < (tmp_path / "many.npz").stat().st_size
    tracemalloc.stop()
