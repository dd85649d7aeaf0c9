"""A folder of pictures becomes three splits, the same ones each time."""

import hashlib
from collections import Counter

import numpy as np
import tensorflow as tf

from bit_keras.data.opening import open_data
from bit_keras.data.pictures import decode_picture
from tests.data.making import noise, save, write_photos


def counts(data):
    """Returns {(split, label): pictures}."""
    return Counter((split, label) for _, label, split in data.table)


def members(data, split):
    return [path for path, _, of in data.table if of == split]


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files]


def test_class_names_are_the_sorted_names_of_the_folders(tmp_path):
    data = open_data(write_photos(tmp_path, classes=("zebra", "Ant", "bee 2")))
    assert data.class_names == ("Ant", "bee 2", "zebra")


def test_every_example_has_the_label_of_its_folder(photos):
    data = open_data(photos)
    assert data.class_names == ("blue", "red")
    for examples in data.splits.values():
        for index in range(len(examples)):
            encoded, label = examples.read(tf.constant(index, tf.int64))
            brightest = decode_picture(encoded).numpy().mean((0, 1)).argmax()
            assert label == {2: 0, 0: 1}[brightest]


def test_a_tenth_of_each_class_is_held_out_for_validation_and_test(tmp_path):
    write_photos(tmp_path, classes=("few",), number=4)  # round(0.4) is 0, but at least one
    write_photos(tmp_path, classes=("some",), number=26)  # round(2.6) is 3
    assert counts(open_data(tmp_path)) == {
        ("train", "few"): 2,
        ("validation", "few"): 1,
        ("test", "few"): 1,
        ("train", "some"): 20,
        ("validation", "some"): 3,
        ("test", "some"): 3,
    }


def test_the_last_picture_of_a_class_is_for_training(tmp_path):
    write_photos(tmp_path, classes=("one",), number=1)
    write_photos(tmp_path, classes=("two",), number=2)
    assert counts(open_data(tmp_path)) == {("train", "one"): 1, ("train", "two"): 1, ("test", "two"): 1}


def test_every_picture_is_in_one_split(photos):
    data = open_data(photos)
    assert sorted(path for path, *_ in data.table) == sorted(map(str, photos.rglob("*.png")))
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 16,
        "validation": 2,
        "test": 2,
    }
    assert not data.is_split


def test_the_split_is_the_same_for_the_same_seed_and_another_for_another(photos):
    splits = [members(open_data(photos, seed=seed), "test") for seed in (0, 0, 1, 2, 3)]
    assert splits[0] == splits[1]
    assert len({tuple(split) for split in splits[1:]}) > 1


def test_a_new_class_leaves_the_split_of_the_others_before_it_as_it_was(photos):
    before = members(open_data(photos), "test")
    save(photos / "yellow" / "0.png", noise(24, 20))
    assert members(open_data(photos), "test") == before


def test_hidden_files_and_folders_are_left_out(photos):
    save(photos / ".thumbnails" / "0.png", noise(24, 20))
    save(photos / "red" / ".hidden.png", noise(24, 20))
    save(photos / "red" / ".cache" / "0.png", noise(24, 20))
    data = open_data(photos)
    assert data.class_names == ("blue", "red") and len(data.table) == 20


def test_nested_pictures_belong_to_the_class_on_top(photos):
    save(photos / "red" / "2024" / "may" / "0.png", noise(24, 20))
    assert sum(label == "red" for _, label, _ in open_data(photos).table) == 11


def test_other_files_are_left_out_and_suffixes_may_be_capitals(photos):
    (photos / "red" / "notes.txt").write_text("what the pictures show")
    (photos / "readme.md").write_text("about")
    save(photos / "red" / "A.PNG", noise(24, 20))
    save(photos / "red" / "B.Jpg", noise(24, 20))
    assert len(open_data(photos).table) == 22


def test_a_folder_without_pictures_is_no_class(photos):
    (photos / "empty").mkdir()
    assert open_data(photos).class_names == ("blue", "red")


def test_the_files_are_left_untouched(photos):
    before = digest(photos)
    data = open_data(photos)
    for index in range(len(data.splits["train"])):
        data.splits["train"].read(tf.constant(index, tf.int64))
    assert digest(photos) == before


def test_the_image_size_is_the_median_of_the_upright_training_pictures(tmp_path):
    for label in ("a", "b"):
        for number, (height, width) in enumerate([(10, 30), (20, 50), (90, 40)]):
            save(tmp_path / "train" / label / f"{number}.png", noise(height, width))
        save(tmp_path / "test" / label / "0.png", noise(500, 500))
        save(tmp_path / "val" / label / "0.png", noise(500, 500))
    assert open_data(tmp_path).image_size == (20, 40)


def test_what_only_pillow_reads_is_read_from_the_graph_too(tmp_path):
    picture = noise(6, 9)
    for label in ("a", "b"):
        save(tmp_path / label / "0.tiff", picture)
    examples = open_data(tmp_path).splits["train"]
    encoded, _ = next(iter(tf.data.Dataset.range(1).map(examples.read)))
    np.testing.assert_array_equal(decode_picture(encoded), picture)


def test_a_png_that_is_called_jpg_is_read(tmp_path):
    for label in ("a", "b"):
        save(tmp_path / label / "0.png", noise(6, 9)).rename(tmp_path / label / "0.jpg")
    assert len(open_data(tmp_path).splits["train"]) == 2
