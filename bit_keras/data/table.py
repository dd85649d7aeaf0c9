"""Files on disk as a data set: from rows (path, label, split) to checked splits."""

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import tensorflow as tf

from bit_keras.data.checking import check_pictures, raise_if_strict
from bit_keras.data.examples import SPLITS, Data, Examples, median_size
from bit_keras.data.pictures import as_decodable
from bit_keras.data.splitting import stratified_split
from bit_keras.errors import DataError
from bit_keras.files import write_text

COLUMNS = ("path", "label", "split")
ALIASES = {"val": "validation"}  # as a folder may be called


def open_csv(path, *, seed, strict):
    """Returns the `Data` of a CSV file with the columns path and label and, if you like, split.

    Relative paths start at the file's folder. Without a split column, the split is that of a folder.

    Raises:
        DataError: for a missing column, an unknown split, a picture in two rows or fewer than two classes.
        BrokenPicturesError: for broken pictures, if `strict`.
    """
    path = Path(path)
    rows = [(str(path.parent / row["path"]), row["label"], _split_of(row)) for row in _read_csv(path)]
    unknown = sorted({split for *_, split in rows} - {"", *SPLITS})
    if unknown:
        raise DataError(
            f"Expected the split in {path} to be among {SPLITS} or empty. Received: {unknown}. Rename these."
        )
    repeated = [file for file, count in Counter(file for file, *_ in rows).items() if count > 1]
    if repeated:
        raise DataError(
            f"Expected each picture once in {path}. Received several rows for {', '.join(repeated[:5])}"
            f"{' and others' if len(repeated) > 5 else ''}. Keep one row for each."
        )
    return open_rows(str(path), rows, seed=seed, strict=strict)


def _split_of(row):
    split = row.get("split") or ""
    return ALIASES.get(split, split)


def _read_csv(path):
    try:
        # The -sig, because Excel begins its files with a byte order mark.
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or (), list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 ({error}). Save it as one.") from error
    if not {"path", "label"} <= set(columns):
        raise DataError(
            f"Expected the columns path and label in {path}. Received: {list(columns)}. Name them in its first line."
        )
    for number, row in enumerate(rows, 2):
        if not row["path"] or not row["label"]:
            raise DataError(
                f"Expected a path and a label in line {number} of {path}. Received: {row}. Mend or remove it."
            )
    return rows


def write_csv(path, table):
    """Writes rows (path, label, split), atomically."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *table])
    write_text(path, text.getvalue())


def open_rows(name, rows, *, seed, strict, class_names=None):
    """Returns the `Data` of rows (path, label, split or ""); rows without a split are divided."""
    good, problems = check_pictures([path for path, *_ in rows])
    raise_if_strict(problems, strict)
    is_for_training = any(split in ("", "train") for *_, split in rows)
    rows = [row for row in rows if row[0] in good]
    names = tuple(class_names or sorted({label for _, label, _ in rows}))
    _check_classes(name, names, rows, problems, is_for_training)
    is_split = all(split for *_, split in rows)
    rows = _with_splits(rows, seed)
    sizes = [good[path].size for path, *_ in _of(rows, "train") or rows]
    return Data(
        name=name,
        class_names=names,
        splits={split: _examples(rows, split, names, good) for split in SPLITS if _of(rows, split)},
        image_size=median_size(sizes),
        fingerprint=_fingerprint(rows, good),
        is_split=is_split,
        problems=problems,
        table=tuple(rows),
    )


def _check_classes(name, names, rows, problems, is_for_training):
    if not rows:
        broken = f" ({len(problems)} broken ones)" if problems else ""
        raise DataError(f"{name} holds no readable pictures{broken}. Put pictures into it, one folder for each class.")
    if len(names) < 2:
        raise DataError(f"Expected at least two classes in {name}. Received: {list(names)}. Add a folder or label.")
    needed = [row for row in rows if row[2] in ("", "train")] if is_for_training else rows
    empty = sorted(set(names) - {label for _, label, _ in needed})
    if empty:
        raise DataError(
            f"The classes {empty} of {name} have no readable picture to train on. Add some, or remove them."
        )


def _with_splits(rows, seed):
    """Divides rows without a split; where only "validation" lacks, it is taken from "train"."""
    given = {split for *_, split in rows}
    if "" in given:
        part, held_out = "", ["test", "validation"]
    elif "validation" not in given:
        part, held_out = "train", ["validation"]
    else:
        return rows
    labels = [label for _, label, split in rows if split == part]
    divided = iter(stratified_split(labels, seed, held_out))
    return [(path, label, next(divided) if split == part else split) for path, label, split in rows]


def _of(rows, split):
    return [row for row in rows if row[2] == split]


def _examples(rows, split, class_names, checked):
    rows = _of(rows, split)
    paths = tf.constant([path for path, *_ in rows])
    number = {name: index for index, name in enumerate(class_names)}
    labels = tf.constant([number[label] for _, label, _ in rows], tf.int64)
    is_native = [checked[path].is_native for path, *_ in rows]

    def read(index):
        path = paths[index]
        if all(is_native):
            return tf.io.read_file(path), labels[index]
        encoded = tf.cond(
            tf.constant(is_native)[index],
            lambda: tf.io.read_file(path),
            lambda: tf.ensure_shape(tf.numpy_function(_read_foreign, [path], tf.string), ()),
        )
        return encoded, labels[index]

    return Examples(len(rows), read, is_portable=all(is_native))


def _read_foreign(path):
    return as_decodable(Path(path.decode()).read_bytes())


def _fingerprint(rows, checked):
    """Names, contents, labels and splits; not the folder, which may move."""
    digest = hashlib.sha256()
    for path, label, split in rows:
        digest.update(f"{Path(path).name}\0{checked[path].digest}\0{label}\0{split}\n".encode())
    return digest.hexdigest()
