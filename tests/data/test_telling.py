"""What fails in a graph is told in a sentence that names the record."""

import gc

import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.data import telling
from bit_keras.data.batches import evaluation_batches, targets
from bit_keras.data.examples import Examples
from bit_keras.data.opening import open_data
from bit_keras.data.records import record_examples, records_of
from bit_keras.data.share import Share
from bit_keras.data.telling import told
from bit_keras.data.upstream import sharded_batches, upstream_batches
from tests.data.making import encoded, noise

RECIPE = bit.UpstreamRecipe("BiT-S", 20, 100, (), "softmax", batch_size=8, warmup_steps=0, crop=6, eval_resize=8)


@pytest.fixture(autouse=True)
def nothing_read_yet():
    gc.collect()  # the pipeline of the test before, which would read on
    telling.recently_read.clear()


def write(path, pairs, key="image/class/label"):
    """Writes a `tf.train.Example` for each (encoded bytes, labels)."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for data, labels in pairs:
            feature = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[data])),
                key: tf.train.Feature(int64_list=tf.train.Int64List(value=labels)),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return path


def pairs(count, **changed):
    """Returns (picture, [label]) of three classes; `changed` is {"at5": another pair}."""
    good = [(encoded(noise(12, 10, seed), "jpeg"), [seed % 3]) for seed in range(count)]
    return [changed.get(f"at{number}", pair) for number, pair in enumerate(good)]


def train_split(folder, sizes, pairs_of_last):
    """Opens `train-0`, ...: good ones of these sizes, then one of these pairs."""
    for number, size in enumerate(sizes):
        write(folder / f"train-{number}", pairs(size))
    write(folder / f"train-{len(sizes)}", pairs_of_last)
    (folder / "labels.txt").write_text("a\nb\nc\n")
    return open_data(f"tfrecord:{folder}").splits["train"]


def run(batches, count=4):
    with told("Close other programs."):
        for _ in batches.take(count):
            pass


@pytest.mark.parametrize("damage", ["cut off", "no picture"])
def test_a_damaged_picture_met_in_training_is_named(tmp_path, monkeypatch, damage):
    monkeypatch.setattr("bit_keras.data.tfrecord.sampled_size", lambda *_: (12, 10))  # which would meet it first
    whole = encoded(noise(12, 10), "jpeg")
    bad = whole[: len(whole) // 2] if damage == "cut off" else b"\xff\xd8\xff no picture"
    examples = train_split(tmp_path, [5], pairs(7, at4=(bad, [0])))
    with pytest.raises(bit.DataError) as caught:
        run(upstream_batches(examples, RECIPE, num_classes=3, seed=0))
    sentence = (
        f"A picture is damaged, or is none: record 5 of {tmp_path}/train-1. Prepare the data set again without it."
    )
    assert str(caught.value) == sentence


def test_a_damaged_picture_that_python_has_not_read_is_told_with_the_way_to_find_it(tmp_path, monkeypatch):
    monkeypatch.setattr("bit_keras.data.tfrecord.sampled_size", lambda *_: (12, 10))
    monkeypatch.setattr("bit_keras.data.tfrecord.LABEL_SAMPLE", 1)
    examples = train_split(tmp_path, [12], pairs(12, at3=(b"\xff\xd8\xff no picture", [0])))
    telling.recently_read.clear()
    examples.read(tf.constant(0))
    with pytest.raises(bit.DataError, match=r"; in record files, .* run without shard_files to have it named"):
        run(sharded_batches(examples, RECIPE, num_classes=3, seed=0, share=Share()))


def test_after_a_damaged_record_is_told_the_pictures_of_a_folder_are_not_blamed_on_it(tmp_path):
    with pytest.raises(bit.DataError, match="record 1 of"):
        train_split(tmp_path, [], [(b"\xff\xd8\xff no picture", [0])])
    broken = Examples(1, lambda index: (tf.constant(b"\x89PNG other"), tf.constant(0, tf.int64)))
    with pytest.raises(bit.DataError, match=r"has changed since it was checked\. Put it back as it was and run"):
        run(evaluation_batches(broken, batch_size=1, crop=6))


def test_what_was_read_of_a_data_set_that_is_gone_is_not_looked_at(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "train")) as writer:
        writer.write(b"\xff\xd8\xff no picture")
    gone = record_examples(records_of([tmp_path / "train"]), lambda record: (record, tf.constant(0, tf.int64)))
    gone.read(tf.constant(0))
    del gone
    gc.collect()
    broken = Examples(1, lambda index: (tf.constant(b"\x89PNG other"), tf.constant(0, tf.int64)))
    with pytest.raises(bit.DataError, match=r"Put it back as it was and run the same again\.$"):
        run(evaluation_batches(broken, batch_size=1, crop=6))


@pytest.mark.parametrize("label", [3, -1, 2**40])
def test_a_label_beyond_the_sample_that_is_no_class_ends_training_with_its_record(tmp_path, monkeypatch, label):
    monkeypatch.setattr("bit_keras.data.tfrecord._check_labels", lambda *_: None)
    examples = train_split(tmp_path, [5], pairs(7, at2=(encoded(noise(9, 9), "png"), [label])))
    sentence = f"Expected labels from 0 to 2. Received: {label}, in record 3 of {tmp_path}/train-1. Correct the labels"
    with pytest.raises(bit.DataError) as caught:
        run(upstream_batches(examples, RECIPE, num_classes=3, seed=0))
    assert str(caught.value).startswith(sentence)


def test_a_wrong_label_in_streamed_files_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("bit_keras.data.tfrecord._check_labels", lambda *_: None)
    examples = train_split(tmp_path, [12], pairs(12, at2=(encoded(noise(9, 9), "png"), [3])))
    telling.recently_read.clear()
    with pytest.raises(bit.DataError, match=r"Expected labels from 0 to 2\. Received: 3\. Correct the labels"):
        run(sharded_batches(examples, RECIPE, num_classes=3, seed=0, share=Share()))


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 3], [-1, 1]])
def test_one_wrong_label_of_several_is_told_with_all_of_them(labels):
    dataset = tf.data.Dataset.from_tensors(tf.constant(labels, tf.int64)).map(lambda label: targets(label, 3))
    received = " ".join(map(str, labels))
    with pytest.raises(bit.DataError, match=rf"Expected labels from 0 to 2\. Received: {received}\. Correct"):
        run(dataset)


def test_labels_that_are_classes_make_the_targets_of_before():
    for label, expected in (([0, 2], [1, 0, 1]), ([], [0, 0, 0]), (1, [0, 1, 0])):
        assert targets(tf.constant(label, tf.int64), 3).numpy().tolist() == expected


def test_streamed_files_that_are_cut_off_are_told(tmp_path):
    path = write(tmp_path / "train", pairs(3))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        bit.DataError, match=r"A record file is damaged \(truncated record at \d+\)\. .* run without shard_files"
    ):
        run(tf.data.TFRecordDataset(str(path)))


def test_other_errors_stay_what_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError, match="of another kind"), told("Close other programs."):
        raise tf.errors.InvalidArgumentError(None, None, "of another kind")
