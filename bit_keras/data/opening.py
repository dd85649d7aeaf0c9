"""`open_data`: from what the user names to a data set."""

import os
from pathlib import Path

from bit_keras.data.digits import open_digits
from bit_keras.data.folder import open_folder
from bit_keras.data.formula.source import open_formula
from bit_keras.data.table import open_csv
from bit_keras.data.tfds import open_tfds
from bit_keras.data.tfrecord import open_tfrecord
from bit_keras.errors import DataError

TFDS, TFRECORD, FORMULA = "tfds:", "tfrecord:", "formula:"


def open_data(data, *, seed=0, strict=False, whole_train=False):
    """Returns the `Data` that `data` names.

    Args:
        data: a folder with one folder for each class; a `.csv` with path and label; "tfds:NAME", or "tfds:FOLDER" of a
            prepared one; "tfrecord:FOLDER" (see `bit_keras.data.tfrecord`); "digits"; or "formula:CLASSES" (see
            `bit_keras.data.formula.source`).
        seed: of the split.
        strict: whether a broken picture stops the run; otherwise it is left out, named in `Data.problems`.
        whole_train: whether a TFDS data set keeps all of its training split, and its validation split as what it is,
            where two of the three splits are given.

    Raises:
        DataError: if there is no such data, or none that can be used.
        BrokenPicturesError: for broken pictures, if `strict`.
    """
    if not isinstance(seed, int) or seed < 0:
        raise DataError(f"Expected `seed` as a whole number of at least 0. Received: seed={seed!r}.")
    if not isinstance(data, (str, os.PathLike)):
        raise DataError(f"Expected data as a path or a name. Received: {type(data).__name__}. See bit.finetune.")
    if str(data).startswith(TFDS):
        return open_tfds(str(data).removeprefix(TFDS), seed=seed, whole_train=whole_train)
    if str(data).startswith(TFRECORD):
        return open_tfrecord(Path(str(data).removeprefix(TFRECORD)), seed=seed)
    if str(data).startswith(FORMULA):
        return open_formula(str(data).removeprefix(FORMULA), seed=seed)
    path = Path(data)
    if str(data) and path.is_dir():
        return open_folder(path, seed=seed, strict=strict)
    if path.is_file() and path.suffix.lower() == ".csv":
        return open_csv(path, seed=seed, strict=strict)
    if str(data) == "digits":
        return open_digits(seed=seed)
    raise DataError(
        f"There is no data {str(data)!r}. Expected a folder with one folder of pictures for each class, a .csv with "
        "the columns path and label, 'tfds:NAME', 'tfrecord:FOLDER', 'digits', or 'formula:CLASSES'."
    )
