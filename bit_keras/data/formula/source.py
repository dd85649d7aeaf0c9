"""`formula:CLASSES`: a data set of pictures that formulas draw, each a function of (seed, index)."""

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from bit_keras.data.examples import SPLITS, Data, Examples
from bit_keras.data.formula import fractal, glyph, shape
from bit_keras.data.formula.painting import painted, random_grid
from bit_keras.errors import DataError

FAMILIES = {"fractal": fractal, "glyph": glyph, "shape": shape}
SIDE, PICTURES = 64, 1000  # pixels, and training pictures of a class, where not given
HELD_OUT = 10  # validation and test have this part of as many
FIRST = dict(zip(SPLITS, (0, 1 << 40, 1 << 41), strict=True))  # indices of the splits never meet
LEAST_SIDE, MOST_SIDE = 8, 4096
MOST = 1_000_000  # classes, pictures of a class, and shares; beyond, the tables of the formulas fill the memory
_RANGES = {"side": (LEAST_SIDE, MOST_SIDE), "pictures": (1, MOST)} | dict.fromkeys(FAMILIES, (0, MOST))
_KINDS: dict[str, Callable] = {"side": int, "pictures": int} | dict.fromkeys(FAMILIES, float)


def open_formula(text, *, seed):
    """Returns the `Data` that `text` describes: "CLASSES", then ",NAME=NUMBER" for each setting.

    The settings: `side` in pixels (64), `pictures` of a class for training (1,000; a tenth of it for validation and for
    test), and the shares of the families `fractal`, `glyph` and `shape`, of which those without a share have no
    classes; with none given all have the same.

    Raises:
        DataError: for anything else.
    """
    num_classes, settings = _parsed(text)
    side, pictures = settings.pop("side", SIDE), settings.pop("pictures", PICTURES)
    families = _families(num_classes, settings or dict.fromkeys(FAMILIES, 1.0))
    tables = _tables(families, seed)
    sizes = {"train": pictures, "validation": -(-pictures // HELD_OUT), "test": -(-pictures // HELD_OUT)}
    return Data(
        name=f"formula:{text}",
        class_names=tuple(f"{family}-{number:05d}" for number, family in enumerate(families)),
        splits={
            split: Examples(count * num_classes, _reader(families, tables, side, seed, FIRST[split]))
            for split, count in sizes.items()
        },
        image_size=(side, side),
        fingerprint=f"formula:{text}-{seed}",
    )


def _parsed(text):
    """Returns the number of classes and {name: number}."""
    first, *rest = text.split(",")
    try:
        pairs = [(name, _KINDS[name](number)) for name, number in (pair.split("=") for pair in rest)]
        num_classes, settings = int(first), dict(pairs)
    except (ValueError, KeyError):
        num_classes, pairs, settings = 0, [], {}
    in_range = all(_RANGES[name][0] <= number <= _RANGES[name][1] for name, number in pairs)
    shares = [number for name, number in pairs if name in FAMILIES]
    is_right = 2 <= num_classes <= MOST and in_range and len(settings) == len(pairs) and sum(shares or [1])
    if not is_right:
        raise DataError(
            f"Expected formula:CLASSES with 2 to {MOST:,} classes, and settings such as formula:600,fractal=1,glyph=1, "
            f"each once: side, {LEAST_SIDE} to {MOST_SIDE} pixels; pictures of a class, 1 to {MOST:,}; and the shares "
            f"of {', '.join(FAMILIES)}, 0 to {MOST:,}, at least one above 0. "
            f"Received: 'formula:{text}'."
        )
    return num_classes, settings


def _families(num_classes, shares):
    """Returns the family's name of each class: as many of each as its share says."""
    names, weights = list(shares), np.array(list(shares.values()))
    ends = np.cumsum(weights / weights.sum())
    return [names[np.searchsorted(ends, (number + 0.5) / num_classes)] for number in range(num_classes)]


def _tables(families, seed):
    """Returns {family: {what: array with a row for each of its classes, in their order}}."""
    kinds = sorted(set(families))
    rngs = {family: np.random.default_rng([seed, *family.encode()]) for family in kinds}
    return {family: FAMILIES[family].classes(rngs[family], families.count(family)) for family in kinds}


def _reader(families, tables, side, seed, first):
    """Returns a function from an index to (PNG, label); label k takes each index k, k + classes, and so on."""
    kinds = sorted(tables)
    kind_of = tf.constant([kinds.index(family) for family in families])
    counters = {family: itertools.count() for family in kinds}
    row_of = tf.constant([next(counters[family]) for family in families])
    constants = {family: {what: tf.constant(array) for what, array in tables[family].items()} for family in kinds}

    def read(index):
        label = index % len(families)
        seeds = tf.random.split(tf.random.fold_in([seed, 0], index + first), 3)
        grid, row = random_grid(side, seeds[0]), row_of[label]

        def drawing(family):
            formula = {what: table[row] for what, table in constants[family].items()}
            return lambda: FAMILIES[family].drawn(formula, grid, seeds[1])

        drawn = tf.switch_case(kind_of[label], [drawing(family) for family in kinds])
        return tf.io.encode_png(painted(drawn, seeds[2]), compression=1), label

    return read
