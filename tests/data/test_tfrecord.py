"""Folders of TFRecord files of tf.train.Example."""

import gzip

import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.data.opening import open_data
from tests.data.making import encoded, noise


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=value))


def write(path, examples):
    """Writes one record for each {feature: bytes or list of numbers}."""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            features = tf.train.Features(feature={name: feature(value) for name, value in example.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())


def pictures(labels, key="image/class/label"):
    return [
        {"image/encoded": encoded(noise(5, 7, seed), "png"), key: label if isinstance(label, list) else [label]}
        for seed, label in enumerate(labels)
    ]


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "r" / "train-00000-of-00002", pictures([0, 1]))
    write(tmp_path / "r" / "train-00001-of-00002", pictures([2]))
    write(tmp_path / "r" / "validation.tfrecord", pictures([1]))
    (tmp_path / "r" / "labels.txt").write_text("ant\nbee\ncow\n")
    return tmp_path / "r"


def test_every_record_is_read_by_index(folder):
    data = open_data(f"tfrecord:{folder}")
    assert data.class_names == ("ant", "bee", "cow") and data.image_size == (5, 7) and not data.is_multi_label
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 3, "validation": 1}
    found = [data.splits["train"].read(tf.constant(index)) for index in (2, 0, 1)]
    assert [int(label) for _, label in found] == [2, 0, 1]
    assert found[2][0].numpy() == encoded(noise(5, 7, 1), "png")


def test_several_labels_make_vectors(tmp_path):
    write(tmp_path / "r" / "train", pictures([[0, 2], [], [1]], "image/class/labels"))
    (tmp_path / "r" / "labels.txt").write_text("ant\nbee\ncow\n")
    data = open_data(f"tfrecord:{tmp_path / 'r'}")
    assert data.is_multi_label
    labels = [data.splits["train"].read(tf.constant(index))[1].numpy().tolist() for index in range(3)]
    assert labels == [[0, 2], [], [1]]


def test_a_changed_file_has_another_fingerprint(folder):
    before = open_data(f"tfrecord:{folder}").fingerprint
    write(folder / "train-00001-of-00002", pictures([2, 2]))
    assert open_data(f"tfrecord:{folder}").fingerprint != before


def test_a_folder_without_such_files_or_without_names_is_refused(folder):
    (folder / "labels.txt").unlink()
    for path in (folder, folder / "none"):
        with pytest.raises(bit.DataError, match=rf"TFRecord files called train\*.* in {path}, and labels.txt"):
            open_data(f"tfrecord:{path}")


def test_labels_that_count_from_1_are_noticed(folder):
    write(folder / "train-00001-of-00002", pictures([3]))
    with pytest.raises(bit.DataError, match=r"labels from 0 to 2 .*Received: 0 to 3\. If they count from 1"):
        open_data(f"tfrecord:{folder}")


def test_a_damaged_picture_is_one_sentence(folder):
    write(folder / "train-00000-of-00002", [{"image/encoded": b"\xff\xd8\xff no picture", "image/class/label": [1]}])
    with pytest.raises(bit.DataError, match=rf"A picture is damaged.*: record 1 of {folder}/train-00000-of-00002\. "):
        open_data(f"tfrecord:{folder}")


def test_the_fingerprint_is_the_counts_and_the_lengths_of_the_records_so_that_runs_resume(folder):
    splits = ("train", "validation")
    records = {split: list(tf.data.TFRecordDataset(sorted(map(str, folder.glob(f"{split}*"))))) for split in splits}
    known = [(split, len(items), sum(len(item.numpy()) for item in items)) for split, items in records.items()]
    assert open_data(f"tfrecord:{folder}").fingerprint == f"tfrecord-{known}"


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
def test_an_empty_list_of_classes_is_refused(folder, text):
    (folder / "labels.txt").write_text(text)
    with pytest.raises(
        bit.DataError, match=rf"Expected a class name a line in {folder}/labels.txt\. Received: no name"
    ):
        open_data(f"tfrecord:{folder}")


def test_gzipped_files_are_called_so(folder):
    path = folder / "train-00001-of-00002"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(bit.DataError, match=rf"without compression in {path}\. Received: gzip"):
        open_data(f"tfrecord:{folder}")


def test_other_features_are_named(folder):
    write(folder / "train-00000-of-00002", [{"picture": b"x", "label": [1]}])
    with pytest.raises(bit.DataError, match=r"Expected image/encoded and image/class/label.*\['label', 'picture'\]"):
        open_data(f"tfrecord:{folder}")


def test_other_records_and_empty_files_are_refused(folder):
    with tf.io.TFRecordWriter(str(folder / "train-00000-of-00002")) as writer:
        writer.write(b"\xff\xff no example")
    with pytest.raises(bit.DataError, match=r"first record of .* is no tf\.train\.Example"):
        open_data(f"tfrecord:{folder}")
    for path in folder.glob("[tv]*"):
        path.write_bytes(b"")
    with pytest.raises(bit.DataError, match="are empty"):
        open_data(f"tfrecord:{folder}")
