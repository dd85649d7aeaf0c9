"""TFRecord files are read by index as TensorFlow streams them, and what is wrong with one is told with its name."""

import gzip
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.data import records
from bit_keras.data.records import record_examples, records_of, sampled_size
from bit_keras.data.telling import told
from tests.data.making import encoded, noise


def contents(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.bytes(size) for size in rng.integers(0, 200, count)]


def write(path, items):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for item in items:
            writer.write(item)
    return path


@pytest.fixture
def paths(tmp_path):
    """Four files: of 5, 0, 1 and 7 records."""
    return [write(tmp_path / f"{number}", contents(count, number)) for number, count in enumerate((5, 0, 1, 7))]


def streamed(paths):
    return [item.numpy() for item in tf.data.TFRecordDataset([str(path) for path in paths])]


@pytest.mark.parametrize("counts", [None, [5, 0, 1, 7]])
def test_the_records_of_all_files_are_those_that_tensorflow_streams(paths, counts):
    found = records_of(paths, counts)
    assert [found.read(index) for index in range(len(found))] == streamed(paths)


def test_a_slice_is_that_part_of_the_records(paths):
    expected, found = streamed(paths), records_of(paths)
    for part in (slice(3), slice(3, None), slice(5, 6), slice(6, 6), slice(2, 12)):
        assert [found[part].read(index) for index in range(len(found[part]))] == expected[part]
    assert [found[2:12][3:].read(index) for index in range(7)] == expected[5:12]


def test_the_files_of_a_part_are_those_with_a_record_of_it(paths):
    names, found = list(map(str, paths)), records_of(paths)
    assert found.paths == (names[0], names[2], names[3])
    assert found[:5].paths == (names[0],)
    assert found[5:6].paths == (names[2],)
    assert found[6:].paths == (names[3],)
    assert found[3:3].paths == ()


def test_the_length_is_that_of_all_records(paths):
    assert records_of(paths).length == sum(map(len, streamed(paths)))


def test_a_record_says_where_it_is(paths):
    assert records_of(paths).name(6) == f"record 1 of {paths[3]}"
    assert records_of(paths)[8:].name(1) == f"record 4 of {paths[3]}"


def test_an_index_takes_eight_bytes_a_record(paths):
    starts = records.RecordFile(paths[3]).starts()
    assert starts.dtype == np.int64 and starts.nbytes == 8 * (7 + 1)


def test_with_known_counts_no_file_is_touched_before_a_record_of_it_is_read(paths):
    expected = streamed(paths)
    for path in (paths[0], paths[3]):
        path.rename(path.with_suffix(".away"))
    found = records_of(paths, [5, 0, 1, 7])
    assert len(found) == 13 and found.read(5) == expected[5]
    with pytest.raises(bit.DataError, match=rf"{paths[3]} cannot be read any more \(No such file.*Put it back"):
        found.read(6)


def test_another_count_than_the_data_set_says_names_the_file(paths):
    with pytest.raises(bit.DataError, match=rf"Expected 8 records in {paths[3]}.*Received: 7\. Prepare"):
        records_of(paths, [5, 0, 1, 8]).read(6)


def test_the_headers_of_a_file_are_read_once_however_many_threads_ask(paths, monkeypatch):
    read, original = [], records._starts

    def slow(path):
        read.append(path)
        time.sleep(0.05)
        return original(path)

    monkeypatch.setattr(records, "_starts", slow)
    expected, found, results = streamed(paths), records_of(paths, [5, 0, 1, 7]), {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: found.read(i)})) for i in range(6, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[index] for index in range(6, 13)] == expected[6:] and read == [str(paths[3])]


@pytest.mark.parametrize("place", ["record", "checksum"])
def test_a_changed_byte_is_found_by_the_checksum_of_the_record(tmp_path, place):
    path = write(tmp_path / "train", [b"first", b"second", b"third"])
    data = bytearray(path.read_bytes())
    data[data.index(b"second") + (2 if place == "record" else 6)] ^= 1
    path.write_bytes(data)
    with pytest.raises(bit.DataError, match=rf"{path} is damaged in its record 2: .*checksum.*Prepare the data set"):
        records_of([path]).read(1)
    assert records_of([path]).read(2) == b"third"


def test_a_wrong_checksum_in_a_graph_is_one_whole_sentence(tmp_path):
    path = write(tmp_path / "a file, of ours", [b"first", b"second"])
    path.write_bytes(path.read_bytes().replace(b"second", b"secund"))
    examples = record_examples(records_of([path]), lambda record: (record, tf.constant(0, tf.int64)))
    dataset = tf.data.Dataset.range(2).map(examples.read, tf.data.AUTOTUNE).batch(2).prefetch(1)
    with pytest.raises(bit.DataError) as caught, told("Close other programs."):
        list(dataset)
    sentence = f"{path} is damaged in its record 2: its checksum is another. Prepare the data set again."
    assert str(caught.value) == sentence


def test_a_changed_header_is_told_before_a_record_is_read(tmp_path):
    path = write(tmp_path / "train", [b"first", b"second"])
    data = bytearray(path.read_bytes())
    data[12 + 5 + 4] ^= 1
    path.write_bytes(data)
    with pytest.raises(bit.DataError, match=rf"{path} is damaged in the header of its record 2, or no TFRecord file"):
        records_of([path])


@pytest.mark.parametrize("writer", ["TensorFlow", "gzip"])
def test_a_gzipped_file_is_called_gzipped(tmp_path, writer):
    path = tmp_path / "train"
    item = np.random.default_rng(0).bytes(1_000_000)  # so long that a header read from it fits into the file
    if writer == "gzip":
        path.write_bytes(gzip.compress(write(path, [item]).read_bytes()))
    else:
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions("GZIP")) as file:
            file.write(item)
    with pytest.raises(bit.DataError, match=rf"TFRecord without compression in {path}\. Received: gzip\. Unpack"):
        records_of([path])


def test_a_record_whose_length_looks_like_gzip_is_read(tmp_path):
    item = bytes(0x8B1F)
    assert records_of([write(tmp_path / "train", [item])]).read(0) == item


def test_the_median_size_of_many_pictures_opens_few_files(tmp_path):
    paths = [write(tmp_path / f"{n}", [encoded(noise(5 + n % 3, 9), "png")] * 20) for n in range(60)]
    found = records_of(paths, [20] * 60)
    examples = record_examples(found, lambda record: (record, tf.constant(0, tf.int64)))
    assert sampled_size(examples, seed=0) == (6, 9)
    assert sum(file._starts is not None for file in found._files) <= 2 * 16
