"""What a step and an answer cost against batch, resolution, width, depth, replicas and micro-batches.

Each network has a process of its own; the points of a series take turns (A B C A B C ...). Prints a table, and writes
benchmarks/scaling.json and .png, in which series of earlier runs stay that this one has not.

    python benchmarks/scaling.py [--rounds=5] [--series=batch,resolution,...]
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from argument_types import count
from forms import Keras, serve
from machine import machine
from throughput import Worker

VARIANT, BATCH, SIDE = "R26x1", 8, 128
# Series: {what varies: [(its value, what departs from the point above)]}.
SERIES = {
    "batch": [(count, {"batch": count}) for count in (1, 2, 4, 8, 16, 32)],
    "resolution": [(side, {"side": side}) for side in (64, 96, 128, 192, 256)],
    "width": [(width, {"variant": f"R26x{width:g}"}) for width in (0.5, 1, 1.5, 2)],
    "depth": [(depth, {"variant": f"R{depth}x1"}) for depth in (14, 26, 50, 101)],
    "replicas": [(count, {"replicas": count}) for count in (1, 2)],
    "micro-batches": [(parts, {"micro_batches": parts}) for parts in (1, 2, 4, 8)],
}


def compute(variant, replicas):
    """Computes what standard input asks for, on logical CPUs if there are several replicas."""
    network = Keras(variant, strategy=f"mirrored:{replicas}" if replicas > 1 else "one")
    serve(lambda line: getattr(network, line.pop("task"))(**line))


def asked(worker, line):
    """Returns the worker's answer, or ends all if there is none."""
    answer = worker.ask(line)
    if answer is None:
        sys.exit(f"The process for {line} has ended, perhaps for want of memory. Choose other --series.")
    return answer


def measured(points, task, rounds):
    """Returns {value: [seconds of each round]}."""
    workers = {}
    for value, point in points:
        command = [sys.executable, __file__, f"--worker={point.get('variant', VARIANT)}:{point.get('replicas', 1)}"]
        worker = Worker(command)
        request = {"task": task, "batch": point.get("batch", BATCH), "side": point.get("side", SIDE)}
        if "micro_batches" in point:
            request["micro_batches"] = point["micro_batches"]
        asked(worker, request)
        workers[value] = worker
    seconds = {value: [] for value in workers}
    for _ in range(rounds):
        for value, worker in workers.items():
            seconds[value].append(asked(worker, "go")["seconds"])
    for worker in workers.values():
        worker.close()
    return seconds


def rows(series, rounds):
    """Yields (task, value, median pictures a second)."""
    for task in ("inference", "training"):
        if task == "inference" and series in ("replicas", "micro-batches"):
            continue
        points = SERIES[series]
        pictures = {value: point.get("batch", BATCH) for value, point in points}
        for value, seconds in measured(points, task, rounds).items():
            yield task, value, pictures[value] / float(np.median(seconds))


def draw(results, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6))
    for axis, (series, tasks) in zip(axes.flat, results.items(), strict=False):
        for task, rates in tasks["pictures_per_second"].items():
            axis.plot([float(value) for value in rates], list(rates.values()), "o-", label=task)
        axis.set(xlabel=series, ylabel="pictures a second", ylim=(0, None))
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--series", default=",".join(SERIES), help="several with commas between them")
    parser.add_argument("--worker", help=argparse.SUPPRESS)  # variant:replicas of a process that computes
    options = parser.parse_args()
    if options.worker:
        variant, replicas = options.worker.split(":")
        compute(variant, int(replicas))
        return
    if unknown := set(options.series.split(",")) - set(SERIES):
        parser.error(f"no such series: {', '.join(unknown)}; there are {', '.join(SERIES)}")
    print(f"{VARIANT}, {BATCH} pictures of {SIDE} px but for what varies; pictures a second\n")
    print("| varies | value | inference | training |\n|---|---|---|---|")
    file = Path(__file__).with_suffix(".json")
    results = json.loads(file.read_text()) if file.exists() else {}
    for series in options.series.split(","):
        found = {}
        for task, value, rate in rows(series, options.rounds):
            found.setdefault(task, {})[str(value)] = rate
        results[series] = {"measured": machine(), "rounds": options.rounds, "pictures_per_second": found}
        for value in next(iter(found.values())):
            rates = [found.get(task, {}).get(value) for task in ("inference", "training")]
            print(
                f"| {series} | {value} | " + " | ".join(f"{rate:.1f}" if rate else "" for rate in rates) + " |",
                flush=True,
            )
        file.write_text(json.dumps(results, indent=2) + "\n")
    draw(results, file.with_suffix(".png"))


if __name__ == "__main__":
    main()
