"""What is wrong with a folder is told in a sentence, and broken pictures are named."""

import os
import shutil

import pytest
import tensorflow as tf

from bit_keras.data.opening import open_data
from bit_keras.data.pictures import decode_picture
from bit_keras.errors import BrokenPicturesError, DataError
from tests.data.making import encoded, noise, write_photos


def break_pictures(photos):
    """Leaves photos/red/3.png empty and photos/red/4.png cut; returns the two paths."""
    empty, cut = photos / "red" / "3.png", photos / "red" / "4.png"
    empty.write_bytes(b"")
    cut.write_bytes(encoded(noise(64, 64), "png")[:5000])
    return str(empty), str(cut)


def test_a_missing_folder_is_told_with_what_can_be_given(tmp_path):
    with pytest.raises(DataError, match=r"no data .*nowhere.*folder.*\.csv.*tfds:NAME.*digits"):
        open_data(tmp_path / "nowhere")


def test_an_empty_folder_is_told_to_need_a_folder_for_each_class(tmp_path):
    with pytest.raises(DataError, match="Expected one folder for each class"):
        open_data(tmp_path)


def test_loose_pictures_are_told_to_be_sorted_into_folders(tmp_path):
    write_photos(tmp_path, classes=("",))
    with pytest.raises(DataError, match="Sort the pictures into folders"):
        open_data(tmp_path)


def test_folders_without_pictures_are_an_error(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "notes.txt").write_text("none yet")
    with pytest.raises(DataError, match="no readable pictures"):
        open_data(tmp_path)


def test_one_class_alone_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"at least two classes.*only"):
        open_data(write_photos(tmp_path, classes=("only",)))


def test_a_class_with_only_broken_pictures_is_named(photos):
    for path in (photos / "red").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"\['red'\].*no readable picture"):
        open_data(photos)


def test_broken_pictures_alone_are_counted(photos):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"no readable pictures \(20 broken ones\)"):
        open_data(photos)


def test_broken_pictures_are_left_out_and_named_with_the_reason(photos):
    empty, cut = break_pictures(photos)
    data = open_data(photos)
    assert len(data.table) == 18 and not {empty, cut} & {path for path, *_ in data.table}
    assert data.problems.keys() == {empty, cut}
    assert "empty" in data.problems[empty] and "PNG is truncated" in data.problems[cut]


def test_every_picture_that_is_kept_can_be_decoded(photos):
    break_pictures(photos)
    splits = open_data(photos).splits
    shapes = [
        decode_picture(examples.read(tf.constant(index, tf.int64))[0]).shape
        for examples in splits.values()
        for index in range(len(examples))
    ]
    assert shapes == [(24, 20, 3)] * 18


def test_under_strict_broken_pictures_stop_with_exit_code_two(photos):
    empty, cut = break_pictures(photos)
    with pytest.raises(BrokenPicturesError, match=r"2 pictures cannot be read: .*red.3\.png.*red.4\.png") as caught:
        open_data(photos, strict=True)
    assert caught.value.exit_code == 2
    assert empty in str(caught.value) and cut in str(caught.value)


def test_under_strict_good_pictures_are_no_error(photos):
    assert open_data(photos, strict=True).problems == {}


def test_a_picture_without_read_permission_or_that_is_gone_is_named(photos):
    lost = photos / "red" / "0.png"
    lost.unlink()
    lost.symlink_to(photos / "nowhere.png")
    table = [path for path, *_ in open_data(photos).table]
    assert str(lost) not in table and len(table) == 19


def test_a_picture_whose_name_is_not_utf_8_is_named_and_left_out(photos):
    shutil.copy(photos / "red" / "0.png", os.fsencode(photos) + b"/red/caf\xe9.png")
    data = open_data(photos)
    ((path, reason),) = data.problems.items()
    assert path.endswith(r"caf\udce9.png") and "not in UTF-8" in reason and len(data.table) == 20


@pytest.mark.parametrize("data", [None, 3, ["photos"]])
def test_what_is_no_data_at_all_is_an_error_in_words(data):
    with pytest.raises(DataError, match="Expected data as a path or a name"):
        open_data(data)


def test_a_negative_seed_is_an_error_in_words(photos):
    with pytest.raises(ValueError, match="seed"):
        open_data(photos, seed=-1)
