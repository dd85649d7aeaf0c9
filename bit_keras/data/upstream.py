"""Batches for pre-training: a pure function of (seed, step), whichever host makes which rows."""

import tensorflow as tf

from bit_keras.data.batches import PICTURE, ahead, folded, shuffled, targets
from bit_keras.data.inception import decode_inception_crop
from bit_keras.data.share import WHOLE
from bit_keras.errors import DataError

READ_AHEAD = 8192  # records from which the next is drawn under `shard_files`; encoded, so about 1 GB of ImageNet


def upstream_batches(examples, recipe, *, num_classes, seed, start_step=0, share=WHOLE, service=None):
    """Returns an endless `tf.data.Dataset` of batches, from `start_step` on.

    Each is (images, targets): float32 (rows, crop, crop, 3) in [-1, 1] and float32 (rows, num_classes), 1 for each
    label. Every epoch is another permutation of all examples, without a seam between two. A host reads and decodes its
    own rows alone, and none of the steps before `start_step`.

    Args:
        examples: the training split.
        recipe: an `UpstreamRecipe`.
        num_classes: width of the targets.
        seed: of order and augmentation.
        start_step: the first batch is that of this 0-based step.
        share: the rows to make, and in how many parts.
        service: address of a tf.data service, "grpc://HOST:PORT", whose workers read and decode. With one worker the
            batches are the same; several make them of other examples.
    """

    def example(position):
        encoded, label = examples.read(shuffled(position, len(examples), seed))
        return _augmented(encoded, label, recipe, num_classes, folded(seed, PICTURE, position))

    positions = share.positions(recipe.batch_size, start_step, tf.int64.max // recipe.batch_size)
    pictures = positions.map(example, tf.data.AUTOTUNE, deterministic=True)
    batches = share.batched(pictures, recipe.batch_size)
    return ahead(_served(batches, service))


def sharded_batches(examples, recipe, *, num_classes, seed, start_step=0, share=WHOLE, service=None):
    """As `upstream_batches`, but each host reads files of its own, one after the other: for data beyond any cache.

    Host h of H has the files h, h + H, and so on; their records are shuffled among `READ_AHEAD`. What a resumed run
    reads follows from (seed, step, hosts), but is not what an uninterrupted run would have read.

    Raises:
        DataError: if the examples are not in files, or in fewer than there are hosts.
    """
    check_files(examples, share.hosts)
    files = examples.files[share.host :: share.hosts]
    rows = share.rows(recipe.batch_size)

    def example(number, record):
        encoded, label = examples.parse(record)
        place = (start_step * rows + number) * share.hosts + share.host
        return _augmented(encoded, label, recipe, num_classes, folded(seed, PICTURE, place))

    chosen = tf.data.Dataset.from_tensor_slices(list(files)).shuffle(len(files), seed + start_step)
    reading = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    records = chosen.interleave(tf.data.TFRecordDataset, cycle_length=min(16, len(files)), **reading)
    shuffled_records = records.shuffle(READ_AHEAD, seed + start_step).repeat()
    pictures = shuffled_records.enumerate().map(example, tf.data.AUTOTUNE, deterministic=True)
    return ahead(_served(share.batched(pictures, recipe.batch_size), service))


def check_files(examples, hosts):
    """Raises a `DataError` unless each of the hosts can have a record file of its own."""
    if not examples.parse or len(examples.files) < hosts:
        raise DataError(
            f"Expected at least {hosts} record files (TFDS or TFRecord) under shard_files, one for each host. "
            f"Received: {len(examples.files)}. Run without shard_files."
        )


def _served(batches, service):
    """Returns the batches as the workers of a tf.data service make them, if one is given."""
    if not service:
        return batches
    policy = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    return batches.apply(tf.data.experimental.service.distribute(policy, service))


def _augmented(encoded, label, recipe, num_classes, seed):
    options = {"crop": recipe.crop, "min_area": recipe.min_area, "flip": recipe.flip, "scale": recipe.scaled_decoding}
    return decode_inception_crop(encoded, tf.random.split(seed, 2), **options), targets(label, num_classes)
