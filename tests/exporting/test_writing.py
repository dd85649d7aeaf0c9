"""An export is whole or absent, and never writes over what it was not told to."""

import contextlib
import json
import resource

import pytest

import bit_keras as bit


@contextlib.contextmanager
def full_disk(limit=1 << 20):
    """Makes every file over `limit` bytes fail to be written, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def older(tmp_path):
    """A folder that looks like an older export."""
    out = tmp_path / "out"
    (out / "variables").mkdir(parents=True)
    (out / "saved_model.pb").write_bytes(b"older")
    (out / "variables" / "stale.txt").write_text("older")
    return out


def test_a_folder_in_use_is_refused_and_left_alone(small_model, older):
    before = contents(older)
    with pytest.raises(bit.UserError, match=r"exists already.*overwritten"):
        bit.export(small_model, older, image_size=32)
    assert contents(older) == before


def test_a_file_in_the_way_is_refused(small_model, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(bit.UserError, match="exists already"):
        bit.export(small_model, tmp_path / "out", image_size=32)


def test_an_empty_folder_is_taken_and_without_class_names_the_labels_are_numbers(small_model, tmp_path):
    (tmp_path / "out").mkdir()
    out = bit.export(small_model, tmp_path / "out", image_size=32)
    assert (out / "assets" / "labels.txt").read_text() == "0\n1\n2\n"


def test_overwriting_replaces_the_whole_folder_and_leaves_nothing_beside_it(small_model, older):
    bit.export(small_model, older, image_size=32, overwrite=True)
    assert (older / "saved_model.pb").read_bytes() != b"older"
    assert not (older / "variables" / "stale.txt").exists()
    assert [path.name for path in older.parent.iterdir() if path.name != "cache"] == ["out"]


def test_overwriting_never_replaces_a_folder_of_something_else(small_model, photos):
    before = contents(photos)
    with pytest.raises(bit.UserError, match="something other than a SavedModel"):
        bit.export(small_model, photos, image_size=32, overwrite=True)
    assert contents(photos) == before


def test_overwriting_never_replaces_the_folder_that_the_weights_are_in(small_model, older):
    bit.save_weights(small_model, older / "mine.npz")
    before = contents(older)
    with pytest.raises(bit.UserError, match="holds what is to be exported"):
        bit.export(older / "mine.npz", older, image_size=32, overwrite=True)
    assert contents(older) == before


def test_an_export_may_replace_itself(small_model, tmp_path):
    out = bit.export(small_model, tmp_path / "out", class_names=["a", "b", "c"], image_size=32)
    bit.export(out, out, image_size=48, overwrite=True)
    assert json.loads((out / "assets" / "bit_keras.json").read_text())["image_size"] == 48
    assert (out / "assets" / "labels.txt").read_text() == "a\nb\nc\n"


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_maximum_pooling_is_refused_as_the_folder_could_not_tell_it(tmp_path, dtype):
    model = bit.build("R14x0.5", num_classes=0, pooling="max", dtype=dtype)
    with pytest.raises(bit.UserError, match="Expected a model with average pooling"):
        bit.export(model, tmp_path / "out", image_size=32)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(small_model, tmp_path):
    with full_disk(), pytest.raises(bit.SaveError, match=r"Could not write .*out.*[Ff]ree some space"):
        bit.export(small_model, tmp_path / "out", image_size=32)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_folder_as_it_was(small_model, older):
    before = contents(older)
    with full_disk(), pytest.raises(bit.SaveError):
        bit.export(small_model, older, image_size=32, overwrite=True)
    assert contents(older) == before and list(older.parent.iterdir()) == [older]


def test_a_wrong_number_of_class_names_is_told_before_anything_is_written(small_model, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected 3 class names.*Received: 2"):
        bit.export(small_model, tmp_path / "out", class_names=["a", "b"])
    assert list(tmp_path.iterdir()) == []


def test_a_feature_map_without_pooling_is_refused(tmp_path):
    model = bit.build("R14x0.5", num_classes=0, pooling=None)
    with pytest.raises(bit.UserError, match="pooled features"):
        bit.export(model, tmp_path / "out", image_size=32)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_gives_nan_is_no_export(tmp_path):
    model = bit.build("R14x0.5", num_classes=2, seed=0)
    model.get_layer("head-conv2d").bias.assign([float("nan"), 0])
    with pytest.raises(bit.UserError, match=r"Expected finite outputs.*gives NaN or infinity"):
        bit.export(model, tmp_path / "out", image_size=32)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("image_size", ["32", 32.5, 0])
def test_a_size_that_is_no_number_of_pixels_is_refused(small_model, tmp_path, image_size):
    with pytest.raises(bit.UserError, match="Expected `image_size` in whole pixels"):
        bit.export(small_model, tmp_path / "out", image_size=image_size)


def test_a_folder_named_as_an_onnx_file_is_refused(small_model, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected a folder.*model\.onnx.*'onnx'"):
        bit.export(small_model, tmp_path / "model.onnx")


def test_what_is_no_path_is_refused(small_model):
    with pytest.raises(bit.UserError, match=r"Expected `out` as a path.*None"):
        bit.export(small_model, None)
