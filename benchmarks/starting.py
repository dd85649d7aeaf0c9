"""How long one waits for something to begin: import, `--help`, the first training step, a prediction from a cold start.

Each is measured in fresh processes that take turns; medians of wall time. Prints tables and writes
benchmarks/starting.json.

    python benchmarks/starting.py [--runs=5]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from argument_types import count
from machine import machine

from bit_keras.cli.main import COMMANDS

PARTS = Path(__file__).with_name("starting_parts.py")
MODEL = "BiT-F-R14x0.5"


def seconds(*arguments):
    """Returns the seconds of a Python process."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - begin


def medians(rounds):
    """Returns {name: median} of a list of {name: seconds}."""
    return {name: float(np.median([one[name] for one in rounds])) for name in rounds[0]}


def measure_import(runs):
    """Returns {name: seconds}; what the import adds is the median of the differences within a round."""
    rounds = [
        {"python": seconds("-c", "pass"), "import bit_keras": seconds("-c", "import bit_keras")} for _ in range(runs)
    ]
    added = [one["import bit_keras"] - one["python"] for one in rounds]
    return medians(rounds) | {"added": float(np.median(added))}


def measure_help(runs):
    """Returns {command: seconds}."""
    calls = {"bit_keras": (), **{name: (name,) for name in COMMANDS}}
    return medians(
        [{name: seconds("-m", "bit_keras", *call, "--help") for name, call in calls.items()} for _ in range(runs)],
    )


def measure_parts(task, runs, *arguments):
    """Returns {part: seconds}, with all of the process as `in all`."""
    rounds = []
    for _ in range(runs):
        begin = time.perf_counter()
        parts = parts_of(task, *arguments)
        whole = time.perf_counter() - begin
        rounds.append(parts | {"start and end of Python": whole - sum(parts.values()), "in all": whole})
    return medians(rounds)


def parts_of(*arguments):
    """Returns what `starting_parts.py` prints."""
    run = subprocess.run([sys.executable, str(PARTS), *arguments], check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def told(title, found):
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in found.items())
    return f"| {title} | seconds |\n|---|---|\n{rows}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=count, default=5)
    runs = parser.parse_args().runs
    results = {"import": measure_import(4 * runs), "--help": measure_help(runs)}
    with tempfile.TemporaryDirectory() as folder:
        parts_of("prepare", MODEL, folder)
        results[f"predict, {MODEL}"] = measure_parts("predict", runs, MODEL, folder)
        results[f"finetune digits, {MODEL}"] = measure_parts("finetune", runs, MODEL, folder)
    for title, found in results.items():
        print(told(title, found))
    Path(__file__).with_suffix(".json").write_text(
        json.dumps({"measured": machine(), "runs": runs} | results, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
