"""What every source gives: splits of examples that can be read by index, in any order."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from bit_keras.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """One split.

    Args:
        size: number of examples.
        read: from an int64 scalar tensor below `size` to (encoded bytes, int64 label), in TensorFlow ops; the label is
            a vector where a picture may have several.
        files: the TFRecord files that the examples come from, if they do.
        parse: from a record of these to what `read` returns.
        is_portable: whether `read` runs in any process; Python code in it does not.
    """

    size: int
    read: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    files: tuple[str, ...] = ()
    parse: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None = None
    is_portable: bool = True

    def __len__(self):
        return self.size


@dataclass(frozen=True)
class Data:
    """A data set.

    Args:
        name: as the user gave it.
        class_names: label k is `class_names[k]`.
        splits: {"train", "validation", "test": Examples}; a split may lack.
        image_size: median (height, width) of the training pictures in pixels.
        fingerprint: changes with the examples, their labels and their split; of a data set that never changes under its
            name, that name.
        is_split: whether the data came divided; if not, it was divided here.
        problems: {path: reason} of the pictures left out.
        table: rows (path, label, split) where the examples are files, for `split.csv`.
        is_multi_label: whether a picture may have several labels.
    """

    name: str
    class_names: tuple[str, ...]
    splits: dict[str, Examples]
    image_size: tuple[int, int]
    fingerprint: str
    is_split: bool = True
    problems: dict[str, str] = field(default_factory=dict)
    table: tuple[tuple[str, str, str], ...] = ()
    is_multi_label: bool = False

    def require_one_label(self):
        """Raises a `DataError` if a picture may have several labels."""
        if self.is_multi_label:
            raise DataError(
                f"Expected one label a picture. Received: {self.name}, with several, which is for pre-training with "
                "the sigmoid loss. Choose other data."
            )


def median_size(sizes):
    """Returns the median (height, width) of a list of them, in whole pixels."""
    height, width = np.median(np.array(sizes), axis=0)
    return int(height), int(width)
