"""Prepared TensorFlow Datasets are read record by record, as TFDS itself reads them."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from bit_keras.data import records
from bit_keras.data.opening import open_data
from bit_keras.data.pictures import decode_picture
from bit_keras.errors import DataError
from tests.data import tiny_dataset

NAMES = (
    *("TinyTrainTest", "TinyTrainValidation", "TinyThree", "TinyTest", "TinyWithoutLabel"),
    *("TinyUnlabelledTest", "TinyMultiLabel"),
)
DOWNLOAD = tfds.download.DownloadConfig(num_shards=3, try_download_gcs=False)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Returns the folder that `TFDS_DATA_DIR` would name, with the tiny data sets prepared in it."""
    folder = tmp_path_factory.mktemp("tfds")
    for name in NAMES:
        builder = getattr(tiny_dataset, name)(data_dir=folder, file_format="tfrecord")
        builder.download_and_prepare(download_config=DOWNLOAD)
    return folder


@pytest.fixture(autouse=True)
def data_dir(prepared, monkeypatch):
    # TFDS reads the variable TFDS_DATA_DIR into this constant when it is imported.
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(prepared))


def from_tfds(name, split):
    """Returns (bytes, label) pairs in the order of the files."""
    dataset = tfds.builder(name).as_dataset(
        split=split,
        shuffle_files=False,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    return [(example["image"].numpy(), int(example["label"])) for example in dataset]


def from_us(examples):
    pairs = [examples.read(tf.constant(index, tf.int64)) for index in range(len(examples))]
    return [(encoded.numpy(), int(label)) for encoded, label in pairs]


def test_every_record_of_every_shard_is_what_tfds_reads(prepared):
    assert len(list((prepared / "tiny_three").rglob("*train.tfrecord*"))) == 3
    splits = open_data("tfds:tiny_three").splits
    for split in ("train", "validation", "test"):
        assert from_us(splits[split]) == from_tfds("tiny_three", split)


def test_records_are_read_by_index_in_any_order_and_inside_a_graph():
    examples = open_data("tfds:tiny_three").splits["train"]
    expected = from_tfds("tiny_three", "train")
    order = [29, 0, 17, 17, 3]
    dataset = tf.data.Dataset.from_tensor_slices(tf.constant(order, tf.int64)).map(examples.read)
    assert [(encoded.numpy(), int(label)) for encoded, label in dataset] == [expected[index] for index in order]


def test_the_pixels_are_those_that_the_builder_gave():
    examples = open_data("tfds:tiny_three").splits["test"]
    known = {tiny_dataset.picture(number).tobytes(): number % 3 for number in range(7)}
    found = {decode_picture(encoded).numpy().tobytes(): label for encoded, label in from_us(examples)}
    assert found == known


def test_class_names_keep_the_order_of_tfds():
    assert open_data("tfds:tiny_three").class_names == ("zebra", "ant", "moth")


def test_without_a_validation_split_the_last_two_percent_of_train_are_it():
    splits = open_data("tfds:tiny_train_test").splits
    assert from_us(splits["train"]) == from_tfds("tiny_train_test", "train[:98%]")
    assert from_us(splits["validation"]) == from_tfds("tiny_train_test", "train[98%:]")
    assert from_us(splits["test"]) == from_tfds("tiny_train_test", "test")


def test_without_a_test_split_validation_is_the_test_and_train_gives_a_new_validation():
    splits = open_data("tfds:tiny_train_validation").splits
    assert from_us(splits["test"]) == from_tfds("tiny_train_validation", "validation")
    assert from_us(splits["validation"]) == from_tfds("tiny_train_validation", "train[98%:]")
    assert len(splits["train"]) == 98


def test_the_image_size_is_the_median_of_the_pictures_where_they_differ():
    heights = [decode_picture(data).shape[0] for data, _ in from_tfds("tiny_three", "train")]
    assert open_data("tfds:tiny_three").image_size == (np.median(heights), 9)


def test_a_version_can_be_asked_for():
    assert len(open_data("tfds:tiny_three:1.0.0").splits["test"]) == 7


def test_a_data_set_of_nothing_but_test_pictures_can_be_opened():
    assert from_us(open_data("tfds:tiny_test").splits["test"]) == from_tfds("tiny_test", "test")


def test_a_test_split_whose_labels_are_kept_back_is_left_out():
    splits = open_data("tfds:tiny_unlabelled_test").splits
    assert from_us(splits["test"]) == from_tfds("tiny_unlabelled_test", "validation")
    assert len(splits["train"]) == 49 and len(splits["validation"]) == 1


def test_the_whole_training_split_can_be_kept():
    splits = open_data("tfds:tiny_unlabelled_test", whole_train=True).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 50, "validation": 5}
    assert from_us(splits["validation"]) == from_tfds("tiny_unlabelled_test", "validation")


def test_several_labels_a_picture_make_vectors():
    data = open_data("tfds:tiny_multi_label", whole_train=True)
    assert data.is_multi_label and data.class_names == ("zebra", "ant", "moth")
    read = [data.splits["train"].read(tf.constant(index, tf.int64)) for index in range(4)]
    known = {tiny_dataset.picture(number).tobytes(): list(range(number % 4)) for number in range(4)}
    assert {decode_picture(image).numpy().tobytes(): labels.numpy().tolist() for image, labels in read} == known


def test_a_prepared_folder_can_be_named_instead(prepared):
    folder = prepared / "tiny_three" / "1.0.0"
    assert from_us(open_data(f"tfds:{folder}").splits["test"]) == from_tfds("tiny_three", "test")


def test_a_data_set_without_labels_is_an_error_that_names_its_features():
    with pytest.raises(DataError, match=r"features image and label.*Received: \['image', 'note'\]"):
        open_data("tfds:tiny_without_label")


@pytest.mark.parametrize("end", ["in a record", "in a header"])
def test_a_file_that_is_cut_off_is_an_error_before_training(prepared, tmp_path, monkeypatch, end):
    copy = shutil.copytree(prepared, tmp_path / "tfds")
    shard = next(copy.rglob("tiny_three-train.tfrecord-00000*"))
    shard.write_bytes(shard.read_bytes()[:-1] if end == "in a record" else shard.read_bytes() + b"12345")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(copy))
    with pytest.raises(DataError, match=rf"{shard} is cut off in its record \d+"):
        open_data("tfds:tiny_three")


def test_an_unprepared_data_set_is_told_how_to_prepare(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny_three is not prepared.*download_and_prepare\(\)"):
        open_data("tfds:tiny_three")


@pytest.mark.parametrize("name", ["no_such_thing", "tiny_three:9.9.9", "tiny_three/no_config", "a b", "", "a/b=3"])
def test_a_name_that_tfds_does_not_know_is_an_error_in_words(name):
    with pytest.raises(DataError, match="TFDS"):
        open_data(f"tfds:{name}")


def test_files_that_are_fetched_by_hand_are_asked_for_first(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tiny_dataset.TinyThree, "MANUAL_DOWNLOAD_INSTRUCTIONS", "Ask the authors.")
    with pytest.raises(
        DataError, match=rf"First put .* into {tmp_path}/downloads/manual by hand, then prepare it with"
    ):
        open_data("tfds:tiny_three")


@pytest.mark.parametrize(
    "name",
    ["huggingface:mnist", "kaggle:a/b:1.0.0", "huggingface:a:b", "mnist/data_dir=gs://bucket", "gs://a/mnist/1.0.0"],
)
def test_a_name_that_tfds_would_look_for_on_the_network_is_refused_before_it_does(monkeypatch, name):
    monkeypatch.setattr(tfds, "builder", lambda *_, **__: pytest.fail("TFDS was asked"))
    with pytest.raises(DataError, match=rf"Received: '{name}'.*nothing is downloaded here"):
        open_data(f"tfds:{name}")


def test_a_file_with_another_number_of_records_than_the_data_set_says_is_named(prepared, tmp_path, monkeypatch):
    copy = shutil.copytree(prepared, tmp_path / "tfds")
    shard = next(copy.rglob("tiny_three-test.tfrecord-00000*"))
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records[:-1]:
            writer.write(record)
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(copy))
    with pytest.raises(DataError, match=rf"Expected {len(records)} records in {shard}.*Received: {len(records) - 1}\."):
        open_data("tfds:tiny_three")


def test_only_the_files_that_are_looked_at_have_their_headers_read(monkeypatch):
    read, original = [], records._starts
    monkeypatch.setattr(records, "_starts", lambda path: (read.append(path), original(path))[1])
    monkeypatch.setattr("bit_keras.data.tfds.sampled_size", lambda *_: (6, 9))
    assert len(open_data("tfds:tiny_three").splits["train"].files) == 3
    assert all("tfrecord-00000-of" in path for path in read)
    assert len(read) == 3  # the first file of each split, whose first label tells whether there are any
