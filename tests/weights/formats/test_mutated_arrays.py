"""One array of a file is wrong, in each format: one `WeightsError` that names the file and the array."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bit_keras as bit
from bit_keras.weights.loading import read_arrays
from bit_keras.weights.names import architecture_of
from tests.models.seeding import official_shapes
from tests.weights.crafting import ROOT
from tests.weights.formats import foreign
from tests.weights.formats.test_reading import WRITERS

UNSCOPED = "Keras 2 without scopes"  # nothing in it names an array
ALL = WRITERS | {
    "official": lambda folder, arrays: np.savez(folder / "official.npz", **arrays) or folder / "official.npz",
    "keras": lambda folder, arrays: foreign.write_keras(folder / "bit.keras", arrays),
    "SavedModel": lambda folder, arrays: foreign.write_saved_model(folder / "saved", arrays),
}
KINDS = [kind for kind in ALL if kind not in ("no suffix", "the index of several files", "big_vision without prefix")]


def with_one(value):
    def change(array):
        changed = array.copy()
        changed.flat[changed.size // 2] = value
        return changed

    return change


CHANGES = {
    "missing": None,
    "narrower": lambda array: array[..., :-1] if array.shape[-1] > 1 else np.concatenate([array, array], -1),
    "wider": lambda array: np.concatenate([array, array[..., :1]], -1),
    "whole numbers": lambda array: array.astype("int32"),
    "NaN": with_one(np.nan),
    "infinite": with_one(np.inf),
    "minus infinite": with_one(-np.inf),
}


@pytest.fixture(scope="module")
def tiny():
    rng = np.random.default_rng(0)
    shapes = official_shapes((1, 1, 1, 1), 0.5, 1)
    return {name: rng.normal(size=shape).astype("float16") for name, shape in shapes.items()}


def read_all(path):
    arrays = read_arrays(path)
    architecture_of({name: array.shape for name, array in arrays.items()}, path)
    return {name: array.read() for name, array in arrays.items()}


def names_of(name):
    """The array's name in every dialect, as a regular expression."""
    spellings = [name, foreign.timm_name(name), foreign.hugging_face_name(name), foreign.big_vision_name(name)]
    if name == ROOT:  # without which nothing is known to be a BiT
        spellings.append("resnet/root_block/")
    # .keras and Keras 2 name the place in the file.
    layer, parameter = name.removeprefix("resnet/").rsplit("/", 1)
    spellings += [f"layers/{layer.replace('/', '_')}/vars/{0 if parameter in ('kernel', 'gamma') else 1}"]
    spellings += [foreign._keras2_name(name), name.replace("/", ".S")]
    return "|".join(map(re.escape, spellings))


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_array_is_an_error_that_names_file_and_array(kind, tiny, tmp_path_factory):
    # A SavedModel takes a second to write.
    @settings(
        max_examples=6 if kind == "SavedModel" else 14,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(change=st.sampled_from(list(CHANGES)), name=st.sampled_from(list(tiny)))
    def check(change, name):
        folder = tmp_path_factory.mktemp("mutated")
        arrays = dict(tiny)
        array = arrays.pop(name)
        if CHANGES[change]:
            arrays[name] = CHANGES[change](array)
        path = ALL[kind](folder, {key: arrays[key] for key in tiny if key in arrays})
        with pytest.raises(bit.WeightsError) as caught:
            read_all(path)
        assert str(folder) in str(caught.value)
        assert kind == UNSCOPED or re.search(names_of(name), str(caught.value)), caught.value

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_array_too_many_is_an_error_that_names_it(kind, tiny, tmp_path):
    extra = "resnet/block2/unit03/a/group_norm/gamma"
    path = ALL[kind](tmp_path, tiny | {extra: np.zeros(256, "float16")})
    with pytest.raises(bit.WeightsError) as caught:
        read_all(path)
    assert str(tmp_path) in str(caught.value)
    assert kind == UNSCOPED or "block2/unit02" in str(caught.value), caught.value  # which is what lacks, then


@pytest.mark.parametrize("kind", KINDS)
def test_whole_file_gives_the_very_arrays(kind, tiny, tmp_path):
    found = read_all(ALL[kind](tmp_path, tiny))
    assert found.keys() == tiny.keys()
    for name, array in tiny.items():
        np.testing.assert_array_equal(found[name].reshape(array.shape), array)
