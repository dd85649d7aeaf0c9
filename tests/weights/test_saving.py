"""`save_weights`: what the file holds, and that it is whole or the old one."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import SaveError
from bit_keras.files import HOST
from tests.models.seeding import official_shapes
from tests.weights.crafting import HEAD

CHOICES = [(normalization, standardized) for normalization in ("group", "batch") for standardized in (True, False)]
PICTURES = np.random.default_rng(0).uniform(-1, 1, (2, 32, 40, 3)).astype("float32")


def test_saved_and_loaded_model_is_the_same_to_the_bit(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "mine.npz")
    loaded = bit.load(tmp_path / "mine.npz")
    for old, new in zip(small_model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(loaded(PICTURES), small_model(PICTURES))


@pytest.mark.parametrize("normalization, standardized", CHOICES)
def test_every_choice_of_layers_comes_back(normalization, standardized, tmp_path):
    model = bit.build(
        "R14x0.5", num_classes=0, normalization=normalization, weight_standardization=standardized, seed=0
    )
    model(PICTURES, training=True)  # moves the batch statistics
    bit.save_weights(model, tmp_path / "mine.npz")
    np.testing.assert_array_equal(bit.load(tmp_path / "mine.npz")(PICTURES), model(PICTURES))


def test_numpy_reads_the_official_names_and_shapes_in_float32(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz") as file:
        assert {name: file[name].shape for name in file.files} == official_shapes((1, 1, 1, 1), 0.5, 3)
        assert file[HEAD[0]].shape == (1, 1, 1024, 3)
        assert {file[name].dtype for name in file.files} == {np.dtype("float32")}


def test_headless_model_has_no_head_in_its_file(tmp_path):
    bit.save_weights(bit.build("R14x0.5", num_classes=0), tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz") as file:
        assert not {*HEAD} & {*file.files}


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16", "bfloat16"])
def test_models_of_any_precision_are_saved_as_float32(dtype, tmp_path):
    model = bit.build("R14x0.5", num_classes=3, seed=0, dtype=dtype)
    bit.save_weights(model, tmp_path / "mine.npz")
    name = "block1-unit01-b-standardized_conv2d"
    with np.load(tmp_path / "mine.npz") as file:
        saved = file["resnet/" + name.replace("-", "/") + "/kernel"]
    assert saved.dtype == "float32"
    np.testing.assert_array_equal(saved, model.get_layer(name).kernel.numpy().astype("float32"))


def test_missing_folders_are_made_and_a_string_will_do(small_model, tmp_path):
    bit.save_weights(small_model, str(tmp_path / "new" / "folder" / "mine.npz"))
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["mine.npz"]


def test_place_that_cannot_be_written_is_an_error(small_model, tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(SaveError, match=f"Could not write {tmp_path}/file/mine.npz.*What was there before is intact"):
        bit.save_weights(small_model, tmp_path / "file" / "mine.npz")


FULL_DISK = """
import pathlib, resource, sys
import numpy as np
from bit_keras.errors import SaveError
from bit_keras.weights.formats.npz import write_npz
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    write_npz(sys.argv[1], [("a", np.ones(1000, "float32")), ("b", np.ones(400_000, "float32"))])
except SaveError as error:
    print(error)
"""


def test_save_that_the_disk_cannot_hold_leaves_the_old_file(small_model, tmp_path):
    path = tmp_path / "mine.npz"
    bit.save_weights(small_model, path)
    old = path.read_bytes()
    run = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)
    assert f"Could not write {path}: File too large. What was there before is intact." in run.stdout
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


# Saves generation after generation: every array of a file is filled with the number of its generation.
SAVE_FOR_EVER = """
import itertools, sys
import numpy as np
from bit_keras.weights.formats.npz import write_npz
for generation in itertools.count():
    write_npz(sys.argv[1], ((f"array{i}", np.full(100_000, generation, "float32")) for i in range(20)))
    print(generation, flush=True)
"""


def test_saving_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path, rng = tmp_path / "mine.npz", np.random.default_rng(0)
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", SAVE_FOR_EVER, path], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        with np.load(path) as file:
            generations = {number for name in file.files for number in np.unique(file[name])}
            assert len(file.files) == 20 and len(generations) == 1


def test_next_save_removes_what_killed_ones_left(small_model, tmp_path):
    path = tmp_path / "mine.npz"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".mine.npz.partial-{HOST}-{dead.pid}-0a1b-0").write_bytes(b"half a file")
    bit.save_weights(small_model, path)
    assert list(tmp_path.iterdir()) == [path]
