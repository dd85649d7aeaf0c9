"""Measures how many formula-driven pictures of 64 x 64 a core draws, and shows some of each family.

Prints pictures a second of processor time, encoding as PNG included, in one thread; writes the same to
benchmarks/formula.json, and four pictures of each of twelve classes a family to benchmarks/formula.jpg.

    python benchmarks/formula.py [--pictures=3000] [--rounds=5]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from argument_types import count
from machine import machine
from PIL import Image

from bit_keras.data.formula.source import FAMILIES, SIDE, open_formula

CLASSES, SHOWN = 12, 4


def rate(read, pictures):
    """Returns pictures a second of processor time."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    drawn = tf.data.Dataset.range(pictures).map(read, num_parallel_calls=1).with_options(options)
    begin = time.process_time()
    for _ in drawn:
        pass
    return pictures / (time.process_time() - begin)


def sheet(read):
    """Returns uint8 (rows, columns, 3): a class a column, a picture of it a row."""
    rows = [
        [tf.io.decode_png(read(tf.constant(number * CLASSES + label, tf.int64))[0]) for label in range(CLASSES)]
        for number in range(SHOWN)
    ]
    return np.concatenate([np.concatenate(row, 1) for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=count, default=3000)
    parser.add_argument("--rounds", type=count, default=5)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    readers = {f: open_formula(f"{CLASSES},{f}=1", seed=0).splits["train"].read for f in FAMILIES}
    rates = {family: [] for family in readers}
    for _ in range(options.rounds):
        for family, read in readers.items():
            rates[family].append(rate(read, options.pictures))
    medians = {family: float(np.median(values)) for family, values in rates.items()}
    for family, median in medians.items():
        print(f"{family:<8} {median:6.0f} pictures of {SIDE} x {SIDE} a second and core")
    about = {"measured": machine(), "pictures": options.pictures, "rounds": options.rounds}
    Path(__file__).with_suffix(".json").write_text(
        json.dumps(about | {"pictures_per_second": medians}, indent=2) + "\n"
    )
    Image.fromarray(np.concatenate([sheet(read) for read in readers.values()])).save(
        Path(__file__).with_suffix(".jpg"), quality=85
    )


if __name__ == "__main__":
    main()
