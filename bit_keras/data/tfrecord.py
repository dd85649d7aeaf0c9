"""TFRecord files of `tf.train.Example`, with the features that ImageNet scripts have.

One folder with `train*`, `validation*` and `test*`, and `labels.txt` with the name of a class a line. Each example has
`image/encoded` (bytes) and `image/class/label` (one int64, from 0), or `image/class/labels` (several) in all of them.
"""

import numpy as np
import tensorflow as tf

from bit_keras.data.examples import SPLITS, Data
from bit_keras.data.records import record_examples, records_of, sampled_size
from bit_keras.data.telling import told
from bit_keras.errors import DataError
from bit_keras.weights.labels import read_labels

LABEL_SAMPLE = 2048  # records whose labels are looked at
IMAGE, LABEL, LABELS = "image/encoded", "image/class/label", "image/class/labels"


def open_tfrecord(folder, *, seed):
    """Returns the `Data` of the files in `folder`; a split without files lacks.

    Raises:
        DataError: for a folder without such files, without labels.txt, or with examples that hold something else.
        UserError: if labels.txt is not text.
    """
    found = {split: _files(folder, split) for split in SPLITS}
    if not any(found.values()) or not (folder / "labels.txt").is_file():
        raise DataError(
            f"Expected TFRecord files called train*, validation* or test* in {folder}, and labels.txt with a class "
            "name a line. Rename or add them."
        )
    class_names = _class_names(folder / "labels.txt")
    records = {split: records_of(files) for split, files in found.items() if files}
    is_multi_label, parse = _parser(folder, next(filter(None, records.values()), []))
    splits = {split: record_examples(of_split, parse) for split, of_split in records.items() if of_split}
    for examples in splits.values():
        _check_labels(folder, examples, len(class_names), seed)
    return Data(
        name=f"tfrecord:{folder}",
        class_names=class_names,
        splits=splits,
        image_size=sampled_size(next(iter(splits.values())), seed),
        # What changes with the records, short of reading them.
        fingerprint=f"tfrecord-{[(split, len(of_split), of_split.length) for split, of_split in records.items()]}",
        is_multi_label=is_multi_label,
    )


def _files(folder, split):
    return sorted(path for path in folder.glob(f"{split}*") if path.is_file()) if folder.is_dir() else []


def _class_names(path):
    class_names = read_labels(path)
    if not any(map(str.strip, class_names)):
        raise DataError(f"Expected a class name a line in {path}. Received: no name at all. Write them, label 0 first.")
    return class_names


def _parser(folder, records):
    """Returns whether pictures have several labels, by the first example, and the function that reads one."""
    if not records:
        raise DataError(f"The TFRecord files in {folder} are empty. Write them again.")
    first, path = records.read(0), records.paths[0]
    try:
        features = set(tf.train.Example.FromString(first).features.feature)
    except Exception as error:  # protobuf's DecodeError, which each of its versions has elsewhere
        raise DataError(f"The first record of {path} is no tf.train.Example. Write the files again.") from error
    if IMAGE not in features or not features & {LABEL, LABELS}:
        raise DataError(
            f"Expected {IMAGE} and {LABEL} or {LABELS} in {path}. Received: {sorted(features)}. See README.md."
        )
    is_multi_label = LABELS in features
    of_label = (
        {LABELS: tf.io.VarLenFeature(tf.int64)} if is_multi_label else {LABEL: tf.io.FixedLenFeature([], tf.int64)}
    )

    def parse(serialized):
        example = tf.io.parse_single_example(serialized, {IMAGE: tf.io.FixedLenFeature([], tf.string)} | of_label)
        return example[IMAGE], example[LABELS].values if is_multi_label else example[LABEL]

    return is_multi_label, parse


def _check_labels(folder, examples, num_classes, seed):
    """Looks at some labels, as many writers count from 1."""
    sample = np.random.default_rng(seed).choice(len(examples), min(len(examples), LABEL_SAMPLE), replace=False)
    with told("Close other programs."):
        labels = [np.ravel(examples.read(tf.constant(index))[1]) for index in sample]
    found = np.concatenate(labels) if labels else np.zeros(0)
    if found.size and (found.min() < 0 or found.max() >= num_classes):
        raise DataError(
            f"Expected labels from 0 to {num_classes - 1} in {folder}, as labels.txt has {num_classes} lines. "
            f"Received: {found.min()} to {found.max()}. If they count from 1, put a line for 0 on top of labels.txt."
        )
