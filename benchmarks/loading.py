"""Compares `bit.load` of the largest BiT with `np.load` of all its arrays: seconds, and memory at most.

Makes an R152x4 with 1,000 classes as an official .npz (3.7 GB, in a temporary folder unless --file says where). Each
way runs in a process of its own that has imported everything before, in turn, so that a machine that slows down slows
them alike. `np.load` is measured twice: keeping the arrays, as a model has to, and letting each go at once, where the
same memory serves all. Prints medians and the median of the ratios within a round; writes benchmarks/loading.json.

    python benchmarks/loading.py [--rounds=5] [--variant=R152x4] [--num_classes=1000] [--file=FILE]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from argument_types import count
from machine import machine

import bit_keras as bit
from bit_keras.models.variant import Architecture, Variant
from bit_keras.weights.formats.npz import write_npz
from bit_keras.weights.names import shapes_of

UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what getrusage counts memory in


def write_file(path, variant, num_classes):
    rng = np.random.default_rng(0)
    shapes = shapes_of(Architecture(Variant.parse(variant), num_classes))
    write_npz(path, ((name, rng.standard_normal(shape, "float32")) for name, shape in shapes.items()))


def keep_arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def drop_arrays(path):
    with np.load(path) as file:
        for name in file.files:
            file[name]


WAYS = {"bit.load": bit.load, "np.load, kept": keep_arrays, "np.load, let go": drop_arrays}


def measure(way, path):
    """Prints seconds, and bytes at most above those of the imported process."""
    bit.build("R14x0.5", num_classes=1)  # whatever Keras and TensorFlow load when they are first used
    before, begin = psutil.Process().memory_info().rss, time.perf_counter()
    kept = WAYS[way](path)
    seconds = time.perf_counter() - begin
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT - before]))
    return kept


def compare(path, rounds):
    """Returns {way: array of (seconds, bytes) a round}."""
    found = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, figures in found.items():
            arguments = [sys.executable, __file__, f"--measure={way}", f"--file={path}"]
            done = subprocess.run(arguments, check=True, capture_output=True, text=True)
            figures.append(json.loads(done.stdout.splitlines()[-1]))
    return {way: np.array(figures) for way, figures in found.items()}


def report(found, size):
    """Prints and returns the medians, and the median and quartiles of the ratios."""
    results = {}
    for way, figures in found.items():
        seconds, memory = np.median(figures, axis=0)
        ratios = np.quantile(found["bit.load"][:, 0] / figures[:, 0], [0.25, 0.5, 0.75])
        results[way] = {
            "median_seconds": seconds,
            "peak_of_weights": memory / size,
            "seconds_of_bit_load_to_this": ratios.tolist(),
        }
        print(f"{way:<16} {seconds:6.2f} s   memory {memory / size:.3f} x weights   bit.load / this {ratios[1]:.2f}")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--variant", default="R152x4")
    parser.add_argument("--num_classes", type=count, default=1000)
    parser.add_argument("--file", help="where the file is, or is written; it stays")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(options.file or Path(folder) / "weights.npz")
        if not path.exists():
            write_file(path, options.variant, options.num_classes)
        size = path.stat().st_size
        print(f"BiT-{options.variant}, {options.num_classes} classes: {size / 1e9:.2f} GB")
        results = report(compare(path, options.rounds), size)
    about = {"measured": machine(), "variant": options.variant, "num_classes": options.num_classes, "bytes": size}
    about["rounds"] = options.rounds
    Path(__file__).with_suffix(".json").write_text(json.dumps(about | results, indent=2) + "\n")


if __name__ == "__main__":
    main()
