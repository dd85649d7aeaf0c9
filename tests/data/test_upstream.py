"""Upstream batches: one order for all hosts, none of what is skipped is read, several labels, own files, a service."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.data.examples import Examples
from bit_keras.data.opening import open_data
from bit_keras.data.share import Share
from bit_keras.data.upstream import sharded_batches, upstream_batches
from tests.data.making import encoded, in_memory, noise

RECIPE = bit.UpstreamRecipe("BiT-S", 20, 100, (), "softmax", batch_size=8, warmup_steps=0, crop=6, eval_resize=8)


def examples(size=20):
    return in_memory([noise(12, 10, seed) for seed in range(size)], [number % 3 for number in range(size)])


def taken(made_of, count, make=upstream_batches, **options):
    settings = {"num_classes": 3, "seed": 0} | options
    return [(images.numpy(), labels.numpy()) for images, labels in make(made_of, RECIPE, **settings).take(count)]


def assert_equal(first, second):
    for ours, theirs in zip(first, second, strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)


def rows(batches):
    return [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]


@pytest.mark.parametrize("is_scaled", [False, True])
def test_large_jpegs_are_scaled_if_the_recipe_says_so(is_scaled):
    picture = np.stack([noise(64, 64)[..., 0]] * 3, -1)  # of pixels on their own, whose means are grey
    recipe = replace(RECIPE, min_area=0.8, scaled_decoding=is_scaled)
    made_of = in_memory([picture] * 3, [0, 1, 2], form="jpeg", quality=95)
    images, _ = next(iter(upstream_batches(made_of, recipe, num_classes=3, seed=0)))
    assert (images.numpy().std() < 0.2) == is_scaled  # of 64 pixels each 0.07, of 4 0.3


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_together_make_the_rows_of_one_host(hosts):
    whole = taken(examples(), 3)
    parts = [taken(examples(), 3, share=Share(host, hosts, 1)) for host in range(hosts)]
    for step in range(3):
        joined = rows([part[step] for part in parts])
        assert_equal([joined], [whole[step]])


def test_replicas_of_a_host_get_its_rows_one_part_after_the_other():
    halves = taken(examples(), 4, share=Share(1, 2, 2))
    own = taken(examples(), 2, share=Share(1, 2, 1))
    assert [images.shape for images, _ in halves] == [(2, 6, 6, 3)] * 4
    assert_equal([rows(halves)], [rows(own)])


@pytest.mark.parametrize("start_step", [1, 5])
def test_a_stream_from_a_step_on_equals_that_part_of_the_whole_stream(start_step):
    assert_equal(taken(examples(), 2, start_step=start_step), taken(examples(), 7)[start_step : start_step + 2])


def test_a_host_reads_its_own_rows_alone_and_nothing_of_the_steps_before():
    read = []

    def spy(index):
        read.append(int(index))
        return encoded(noise(12, 10), "png"), 0

    def reading(index):
        data, label = tf.numpy_function(spy, [index], (tf.string, tf.int64))
        return tf.ensure_shape(data, ()), tf.ensure_shape(label, ())

    batches = upstream_batches(
        Examples(1000, reading), RECIPE, num_classes=3, seed=0, start_step=100, share=Share(0, 2, 1)
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    for _ in batches.with_options(options).take(1):
        pass
    # Prefetching may read ahead, but far less than the 800 rows that were skipped, and no picture twice.
    assert 4 <= len(read) < 200 and max(Counter(read).values()) == 1


def test_every_epoch_is_a_permutation_of_all_examples():
    labels = [number // 8 for number in range(24)]
    found = taken(in_memory([noise(8, 8)] * 24, labels), 6)
    for epoch in (found[:3], found[3:]):
        assert rows(epoch)[1].sum(0).tolist() == [8, 8, 8]


def test_several_labels_become_several_ones():
    data = tf.constant(encoded(noise(8, 8), "png"))
    given = tf.ragged.constant([[0, 2], [], [1]], dtype=tf.int64)
    several = Examples(3, lambda index: (data, given[index]))
    _, labels = taken(several, 3)[0]
    # Eight rows of two epochs and a bit: each epoch has these three rows in some order.
    first = sorted(map(tuple, labels[:3]))
    assert first == [(0, 0, 0), (0, 1, 0), (1, 0, 1)]


def write_records(folder, sizes):
    """Writes `train-K` with so many examples each; the label of all of file K is K."""
    for number, size in enumerate(sizes):
        with tf.io.TFRecordWriter(str(folder / f"train-{number}")) as writer:
            for seed in range(size):
                feature = {
                    "image/encoded": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[encoded(noise(9, 7, seed), "png")])
                    ),
                    "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
    (folder / "labels.txt").write_text("a\nb\nc\n")
    return open_data(f"tfrecord:{folder}").splits["train"]


def test_under_shard_files_each_host_reads_its_own_files(tmp_path):
    records = write_records(tmp_path, [16, 16, 16])
    for host, labels in ((0, {0, 2}), (1, {1})):
        batches = taken(records, 6, sharded_batches, share=Share(host, 2, 1))
        assert set(rows(batches)[1].argmax(1)) == labels


def test_under_shard_files_an_epoch_has_every_record_once(tmp_path):
    records = write_records(tmp_path, [8, 8, 8])
    assert rows(taken(records, 3, sharded_batches))[1].sum(0).tolist() == [8, 8, 8]


def test_fewer_files_than_hosts_are_refused(tmp_path):
    records = write_records(tmp_path, [8])
    with pytest.raises(bit.DataError, match=r"at least 2 record files.*Received: 1"):
        sharded_batches(records, RECIPE, num_classes=3, seed=0, share=Share(1, 2, 1))


def test_examples_without_files_are_refused():
    with pytest.raises(bit.DataError, match="Run without shard_files"):
        sharded_batches(examples(), RECIPE, num_classes=3, seed=0)


@pytest.fixture(scope="module")
def service():
    """The address of a tf.data service with one worker, in this process."""
    dispatcher = tf.data.experimental.service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    worker = tf.data.experimental.service.WorkerServer(
        tf.data.experimental.service.WorkerConfig(dispatcher_address=address)
    )
    yield dispatcher.target
    worker._stop()
    dispatcher._stop()


def test_a_service_of_one_worker_makes_the_same_batches(service):
    assert_equal(taken(examples(), 3, service=service), taken(examples(), 3))


def test_a_service_reads_record_files(service, tmp_path):
    records = write_records(tmp_path, [16, 16, 16])
    batches = taken(records, 4, sharded_batches, service=service)
    assert [images.shape for images, _ in batches] == [(8, 6, 6, 3)] * 4
