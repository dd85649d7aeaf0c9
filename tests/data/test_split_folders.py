"""Folders that are already divided into train, validation and test."""

from collections import Counter

import pytest

from bit_keras.data.opening import open_data
from bit_keras.errors import DataError
from tests.data.making import noise, save, write_photos


def write_splits(folder, numbers):
    """Writes `numbers`, {top folder: pictures of each class}, of the classes blue and red."""
    for top, number in numbers.items():
        write_photos(folder / top, number=number)
    return folder


def sizes(data):
    return {split: len(examples) for split, examples in data.splits.items()}


@pytest.mark.parametrize("name", ["val", "validation"])
def test_train_validation_and_test_folders_are_the_splits(tmp_path, name):
    data = open_data(write_splits(tmp_path, {"train": 5, name: 3, "test": 4}))
    assert sizes(data) == {"train": 10, "validation": 6, "test": 8}
    assert data.class_names == ("blue", "red") and data.is_split


def test_each_picture_stays_in_the_split_of_its_folder(tmp_path):
    data = open_data(write_splits(tmp_path, {"train": 5, "val": 3, "test": 4}))
    assert {(path.removeprefix(str(tmp_path)).split("/")[1], split) for path, _, split in data.table} == {
        ("train", "train"),
        ("val", "validation"),
        ("test", "test"),
    }


def test_a_missing_validation_is_taken_from_train_alone(tmp_path):
    data = open_data(write_splits(tmp_path, {"train": 20, "test": 4}))
    assert sizes(data) == {"train": 36, "validation": 4, "test": 8}  # a tenth of 20 of each class
    assert all("/train/" in path for path, _, split in data.table if split == "validation")
    assert Counter(label for _, label, split in data.table if split == "validation") == {"blue": 2, "red": 2}


def test_train_and_validation_alone_are_enough(tmp_path):
    assert sizes(open_data(write_splits(tmp_path, {"train": 5, "val": 3}))) == {"train": 10, "validation": 6}


def test_a_seed_changes_which_training_pictures_become_validation(tmp_path):
    write_splits(tmp_path, {"train": 10, "test": 1})

    def validation(seed):
        return tuple(path for path, _, split in open_data(tmp_path, seed=seed).table if split == "validation")

    assert validation(0) == validation(0)
    assert len({validation(seed) for seed in range(4)}) > 1


def test_a_class_that_is_only_in_the_test_folder_is_named(tmp_path):
    write_splits(tmp_path, {"train": 2, "test": 2})
    save(tmp_path / "test" / "green" / "0.png", noise(24, 20))
    with pytest.raises(DataError, match=r"green.* not in its train folder"):
        open_data(tmp_path)


def test_a_class_may_be_missing_from_the_test_folder(tmp_path):
    write_splits(tmp_path, {"train": 3, "val": 1})
    save(tmp_path / "test" / "red" / "0.png", noise(24, 20))
    data = open_data(tmp_path)
    assert data.class_names == ("blue", "red") and sizes(data)["test"] == 1


@pytest.mark.parametrize(
    "tops", [("train", "test", "extra"), ("train", "valid", "test"), ("Train", "Test"), ("val", "test")]
)
def test_folders_that_look_like_splits_but_are_called_otherwise_are_no_classes(tmp_path, tops):
    write_splits(tmp_path, dict.fromkeys(tops, 5))
    with pytest.raises(
        DataError, match=r"Expected train, val \(or validation\) and test.*Rename or move these"
    ) as told:
        open_data(tmp_path)
    assert all(repr(top) in str(told.value) for top in tops)


def test_folders_called_like_splits_with_pictures_in_them_are_classes(tmp_path):
    assert open_data(write_photos(tmp_path, classes=("test", "val"), number=5)).class_names == ("test", "val")


def test_folders_without_pictures_do_not_hide_a_split(tmp_path):
    write_splits(tmp_path, {"train": 5, "test": 4})
    (tmp_path / "__MACOSX").mkdir()
    assert open_data(tmp_path).is_split


def test_train_folders_whose_every_picture_is_broken_are_an_error_in_words(tmp_path):
    write_splits(tmp_path, {"train": 2, "test": 2})
    for path in (tmp_path / "train").rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"train"):
        open_data(tmp_path)


def test_a_class_whose_training_pictures_are_all_broken_is_named(tmp_path):
    write_splits(tmp_path, {"train": 2, "test": 2})
    for path in (tmp_path / "train" / "red").rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"red"):
        open_data(tmp_path)
