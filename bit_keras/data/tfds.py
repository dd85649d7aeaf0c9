"""A prepared TensorFlow Datasets data set, its TFRecord files read by index.

TFDS itself streams; a run that resumes at any step needs the k-th record at once. So the headers of the files are read
once (12 bytes a record), after which a record is one seek.
"""

import struct
from pathlib import Path

import numpy as np
import tensorflow as tf

from bit_keras.data.examples import SPLITS, Data, Examples, median_size
from bit_keras.data.pictures import decode_picture
from bit_keras.errors import DataError

HELD_OUT = 0.02  # for validation, without a split of that name; as the released code has it for CIFAR, train[:98%]
HEADER_BYTES, FOOTER_BYTES = 12, 4  # TFRecord: length (8) and its checksum (4), the record, its checksum (4)
SIZE_SAMPLE = 256  # pictures looked at for the median size, where TFDS does not know it


def open_tfds(name, *, seed):
    """Returns the `Data` of the TFDS data set `name`, which may have a config and a version ("a/b:1.0.0").

    Its test split is the test; without one, its validation split is. What is missing then is taken from train: the
    last 2 % for validation. It must have been prepared: nothing is downloaded here.

    Raises:
        DataError: if TFDS does not know it or it is not prepared (the message says how), if it is not stored as
            TFRecord, or has no feature "image" of pictures and "label" of classes.
    """
    import tensorflow_datasets as tfds

    builder = _builder(tfds, name)
    features = builder.info.features
    _check_features(tfds, name, features)
    splits = _splits(builder, _parser(features, tfds.decode.SkipDecoding()))
    return Data(
        name=f"tfds:{name}",
        class_names=tuple(features["label"].names),
        splits=splits,
        image_size=_image_size(features["image"].shape, next(iter(splits.values())), seed),
        fingerprint=f"{builder.info.full_name}-{[len(split) for split in splits.values()]}",
    )


def _builder(tfds, name):
    prepare = (
        f"Prepare it with: python -c \"import tensorflow_datasets as t; t.builder('{name}').download_and_prepare()\""
    )
    try:
        builder = tfds.builder(name, try_gcs=False)
    # What TFDS raises for names, versions and configs that it does not know: these were seen.
    except (tfds.core.DatasetNotFoundError, AssertionError, ImportError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"TFDS knows no data set {name!r} ({reason}). Choose one of its catalogue, or a "
            "prepared one in TFDS_DATA_DIR."
        ) from error
    files = [str(file) for split in builder.info.splits.values() for file in split.filepaths]
    if any("://" in file for file in files):
        raise DataError(f"Expected {name} on a local disk. Received: {files[0]}. Copy it and set TFDS_DATA_DIR.")
    if not files or not all(Path(file).is_file() for file in files):
        raise DataError(f"The TFDS data set {name} is not prepared in {builder.data_dir}. {prepare}")
    if not {"train", "validation", "test"} & set(builder.info.splits):
        raise DataError(
            f"Expected a split train, validation or test in {name}. Received: {list(builder.info.splits)}. Choose "
            "another data set."
        )
    if builder.info.file_format.value != "tfrecord":
        raise DataError(
            f"Expected {name} to be stored as TFRecord. Received: {builder.info.file_format.value}. Prepare it with "
            "file_format='tfrecord'."
        )
    return builder


def _check_features(tfds, name, features):
    kinds = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    found = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
    if not all(isinstance(found.get(feature), kind) for feature, kind in kinds.items()):
        raise DataError(
            f"Expected the features image and label in the TFDS data set {name}. Received: {list(found) or features}. "
            "Choose a data set of one label a picture."
        )


def _parser(features, skip_decoding):
    def parse(serialized):
        example = features.deserialize_example(serialized, decoders={"image": skip_decoding})
        return example["image"], tf.cast(example["label"], tf.int64)

    return parse


def _splits(builder, parse):
    """Train, validation and test, as far as there are any."""
    found = {name: _records(builder.info.splits[name].filepaths) for name in SPLITS if name in builder.info.splits}
    train, validation = found.get("train"), found.get("validation")
    test = found.get("test", validation)
    if test is validation:
        validation = None
    if train and validation is None:
        kept = len(train) - max(1, round(HELD_OUT * len(train)))
        train, validation = train[:kept], train[kept:]
    splits = {"train": train, "validation": validation, "test": test}
    return {name: _examples(records, parse) for name, records in splits.items() if records}


def _records(paths):
    """Returns (path, offset, length) of each record."""
    records = []
    for path in map(str, paths):
        size = Path(path).stat().st_size
        with open(path, "rb") as file:
            while file.tell() < size:
                header = file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\xff")  # of a cut header, no length at all
                (length,) = struct.unpack("<Q4x", header)
                records.append((path, file.tell(), length))
                if file.tell() + length + FOOTER_BYTES > size:
                    raise DataError(f"{path} is cut off in its record {len(records)}. Prepare the data set again.")
                file.seek(length + FOOTER_BYTES, 1)
    return records


def _examples(records, parse):
    def record(index):
        path, offset, length = records[index]
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def read(index):
        return parse(tf.ensure_shape(tf.numpy_function(record, [index], tf.string), ()))

    return Examples(len(records), read)


def _image_size(shape, examples, seed):
    """The median (height, width), of a sample where the pictures differ."""
    height, width, _ = shape
    if height and width:
        return height, width
    sample = np.random.default_rng(seed).permutation(len(examples))[:SIZE_SAMPLE]
    sizes = [decode_picture(examples.read(tf.constant(index))[0]).shape[:2] for index in sample]
    return median_size(sizes)
