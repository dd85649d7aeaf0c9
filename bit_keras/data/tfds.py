"""A prepared TensorFlow Datasets data set, its TFRecord files read by index."""

import re
from pathlib import Path

import tensorflow as tf

from bit_keras.data.examples import SPLITS, Data
from bit_keras.data.records import record_examples, records_of, sampled_size
from bit_keras.data.telling import told
from bit_keras.errors import DataError

HELD_OUT = 0.02  # for validation, without a split of that name; as the released code has it for CIFAR, train[:98%]
# Names for which TFDS goes to the network: those of a community ("huggingface:mnist"; a version begins with a digit),
# and those with an address in them.
REMOTE = r"^[\w\-]+:(?![\d*])|://"


def open_tfds(name, *, seed, whole_train=False):
    """Returns the `Data` of the TFDS data set `name`: "a", "a/config:1.0.0", or the folder of a prepared one.

    Its test split is the test; without one, its validation split is. What is missing then is taken from train: the
    last 2 % for validation; with `whole_train` the splits stay as they are. A split without labels (-1, as ImageNet's
    test) is left out. The data set must have been prepared: nothing is downloaded here.

    Raises:
        DataError: if TFDS does not know it or it is not prepared (the message says how), if it is not stored as
            TFRecord, or has no feature "image" of pictures and "label" of classes, or "labels" of several a picture.
    """
    import tensorflow_datasets as tfds

    builder = _builder(tfds, name)
    features = builder.info.features
    label = _label_feature(tfds, name, features)
    splits = _splits(builder, _parser(features, label, tfds.decode.SkipDecoding()), whole_train)
    return Data(
        name=f"tfds:{name}",
        class_names=tuple(getattr(features[label], "feature", features[label]).names),
        splits=splits,
        image_size=_image_size(features["image"].shape, next(iter(splits.values())), seed),
        fingerprint=f"{builder.info.full_name}-{[len(split) for split in splits.values()]}",
        is_multi_label=label == "labels",
    )


def _builder(tfds, name):
    is_folder = (Path(name) / "dataset_info.json").is_file()
    if not is_folder and re.search(REMOTE, name):
        raise DataError(
            f"Expected a data set of the TFDS catalogue, or the folder of a prepared one. Received: {name!r}, which "
            "TFDS would look for on the network; nothing is downloaded here. Prepare it elsewhere and name its folder."
        )
    try:
        builder = tfds.builder_from_directory(name) if is_folder else tfds.builder(name, try_gcs=False)
    # What TFDS raises for names, versions and configs that it does not know: these were seen.
    except (tfds.core.DatasetNotFoundError, AssertionError, ImportError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"TFDS knows no data set {name!r} ({reason}). Choose one of its catalogue, or a prepared one in "
            "TFDS_DATA_DIR."
        ) from error
    files = [str(file) for split in builder.info.splits.values() for file in split.filepaths]
    if any("://" in file for file in files):
        raise DataError(f"Expected {name} on a local disk. Received: {files[0]}. Copy it and set TFDS_DATA_DIR.")
    if not files or not all(Path(file).is_file() for file in files):
        raise DataError(f"The TFDS data set {name} is not prepared in {builder.data_dir}. {_how(tfds, builder, name)}")
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


def _how(tfds, builder, name):
    """Says how a data set is prepared."""
    command = f"python -c \"import tensorflow_datasets as t; t.builder('{name}').download_and_prepare()\""
    if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        return f"Prepare it with: {command}"
    by_hand = Path(tfds.core.constants.DATA_DIR, "downloads", "manual")
    return f"First put the files that TFDS cannot fetch into {by_hand} by hand, then prepare it with: {command}"


def _label_feature(tfds, name, features):
    """Returns the name of the feature that holds the classes: "label", or "labels" where a picture may have several."""
    found = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
    if isinstance(found.get("image"), tfds.features.Image):
        if isinstance(found.get("label"), tfds.features.ClassLabel):
            return "label"
        if isinstance(getattr(found.get("labels"), "feature", None), tfds.features.ClassLabel):
            return "labels"
    raise DataError(
        f"Expected the features image and label (or labels, a sequence) in the TFDS data set {name}. Received: "
        f"{list(found) or features}. Choose another data set."
    )


def _parser(features, label, skip_decoding):
    def parse(serialized):
        example = features.deserialize_example(serialized, decoders={"image": skip_decoding})
        return example["image"], tf.cast(example[label], tf.int64)

    return parse


def _splits(builder, parse, whole_train):
    """Train, validation and test, as far as there are any."""
    infos = {name: builder.info.splits[name] for name in SPLITS if name in builder.info.splits}
    given = {name: records_of(info.filepaths, info.shard_lengths) for name, info in infos.items()}
    found = {name: records for name, records in given.items() if _has_labels(records, parse)}
    if whole_train:
        return {name: record_examples(records, parse) for name, records in found.items() if records}
    train, validation = found.get("train"), found.get("validation")
    test = found.get("test", validation)
    if test is validation:
        validation = None
    if train and validation is None:
        kept = len(train) - max(1, round(HELD_OUT * len(train)))
        train, validation = train[:kept], train[kept:]
    splits = {"train": train, "validation": validation, "test": test}
    return {name: record_examples(records, parse) for name, records in splits.items() if records}


def _has_labels(records, parse):
    """Whether the first record has: TFDS writes -1 where labels are kept back."""
    if not records:
        return True
    with told("Close other programs."):
        _, label = record_examples(records[:1], parse).read(tf.constant(0))
    return bool(tf.reduce_all(label >= 0))


def _image_size(shape, examples, seed):
    """The median (height, width), of a sample where the pictures differ."""
    height, width, _ = shape
    if height and width:
        return height, width
    return sampled_size(examples, seed)
