"""Whether a weights file computes what another computes, or what it did when that was recorded."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_sample_images

from bit_keras.data.preprocessing import preprocess_eval
from bit_keras.errors import UserError, WeightsError
from bit_keras.evaluation.classifier import DEFAULT_SIZE, require_tensorflow
from bit_keras.weights.catalogue import find_preset
from bit_keras.weights.fetching.cache import cache_folder
from bit_keras.weights.loading import load, read_arrays, weights_path
from bit_keras.weights.names import HEAD
from bit_keras.weights.record import check_content, measured, read_record, record_path

PICTURES = ("china.jpg", "flower.jpg")  # scikit-learn's sample images, in its order


@dataclass(frozen=True)
class Verification:
    """What two files compute of the same pictures, or one file now and when it was recorded.

    Args:
        outputs: float32 (pictures, classes) logits of the file; (pictures, 2048 * width) features where one of the two
            has no head or one of zeros.
        expected: the same of the other; None where a record has none.
        pictures: what the pictures are called.
        digest: SHA-256 of the file, where a record says the same; else None.
        origin: where the record says that the file was fetched from; else None.
    """

    outputs: np.ndarray
    expected: np.ndarray | None
    pictures: tuple[str, ...] = PICTURES
    digest: str | None = None
    origin: str | None = None

    @property
    def max_difference(self) -> float | None:
        """The largest absolute difference of two outputs; None where there is nothing to compare with."""
        return None if self.expected is None else float(np.abs(self.outputs - self.expected).max())


def verify(source: str | PathLike, against: str | PathLike | None = None) -> Verification:
    """Compares what `source` computes of two sample photos with what `against` does, or with its own record.

    The photos come with scikit-learn. A record lies beside a file, `NAME.record.json`: fetching writes one with the
    SHA-256, `record` one with the outputs too. For a copy of a preset without one, that in the cache counts. Whether
    the difference is small enough is for the caller to say.

    Args:
        source: what `bit.load` takes; where it is a folder, all of its files count for the SHA-256.
        against: the same, or None for the record.

    Raises:
        WeightsError: if there is nothing to compare with; if the file is not the one that was recorded; or if the two
            have other numbers of outputs.
    """
    require_tensorflow("Verifying")
    if against is not None:
        return _side_by_side(source, against)
    path = weights_path(source)
    record = _record_of(path)
    if record is None:
        raise WeightsError(
            f"There is no record of {path}: expected {record_path(path)}. Compare it with another file (against), or "
            "record what it computes while you trust it (record)."
        )
    check_content(record)
    expected = None if record.logits is None else np.array(record.logits, "float32")
    outputs = outputs_of(path, with_head=_has_telling_head(path))
    return _checked(Verification(outputs, expected, digest=record.sha256, origin=record.url), path, "its record")


def _side_by_side(source, against):
    """Compares logits where both have a head that says something, else features."""
    with_head = all(map(_has_telling_head, (source, against)))
    outputs, expected = (outputs_of(file, with_head=with_head) for file in (source, against))
    return _checked(Verification(outputs, expected), source, against)


def record(source: str | PathLike):
    """Records SHA-256 and outputs of `source` beside it, for `verify`; returns the path of the record.

    Raises:
        SaveError: if it cannot be written.
    """
    require_tensorflow("Verifying")
    path = weights_path(source)
    new, old = measured(path), read_record(path)
    origin = old.url if old and old.sha256 == new.sha256 else None
    # The shortest texts that read as the same float32.
    logits = [[float(str(number)) for number in row] for row in outputs_of(path, with_head=_has_telling_head(path))]
    replace(new, url=origin, logits=logits).save()
    return record_path(path)


def outputs_of(source, *, with_head):
    """Returns float32 (pictures, classes) logits, or features without the head."""
    model = load(source, num_classes=None if with_head else 0, dtype="float32")
    pictures = tf.stack([preprocess_eval(picture, crop=DEFAULT_SIZE) for picture in load_sample_images().images])
    outputs = model(pictures, training=False).numpy()
    if not np.isfinite(outputs).all():
        raise UserError(f"{source} computes infinite or undefined logits. It is damaged, or its training diverged.")
    return outputs


def _has_telling_head(source):
    """Whether there is a head, and one that is not all zeros, as a new one is."""
    arrays = read_arrays(source)
    return any(name in arrays and arrays[name].read().any() for name in HEAD)


def _record_of(path):
    found = read_record(path)
    if found is None and (known := find_preset(path.stem)) and path.name == Path(known.file).name:
        found = read_record(cache_folder() / known.file)
    return found and replace(found, path=path)


def _checked(verification, source, against):
    expected = verification.expected
    if expected is not None and expected.shape != verification.outputs.shape:
        raise WeightsError(
            f"{source} has {verification.outputs.shape[-1]} outputs, {against} {expected.shape[-1]}. Give two files of "
            "one network with heads of as many classes."
        )
    return verification
