"""What the studies share: cells that are pre-trained, probed on real digits, and kept until a study is whole."""

import json
import statistics
from pathlib import Path

import numpy as np

import bit_keras as bit
from bit_keras.files import write_json
from bit_keras.training.metrics_log import read_metrics

SHOTS = (5, 10)  # real digits of each class that the probe is trained on
# Small enough for two cores; the trainer's, and those of BiT-F-R14x0.5 but for its length.
SETTINGS = {
    "variant": "R14x0.5",
    "recipe": "BiT-S",
    "strategy": "one",
    "micro_batches": 1,
    "batch_size": 64,
    "rate_per_256": 0.16,
    "crop": 32,
    "eval_resize": 36,
    "min_area": 0.6,
    "flip": False,
    "eval_every": 10**9,
    "save_every": 200,
}


def cell(folder, name, data, **changes):
    """Returns {"accuracy" upstream, "probe": {shots: accuracy}, "losses"} of a run, made or remembered."""
    kept, settings = Path(folder) / f"{name}.json", {"data": data, **SETTINGS, **changes}
    if kept.is_file():
        result = json.loads(kept.read_text())
        if result["settings"] != settings:
            raise SystemExit(f"{kept} is of other settings. Choose another --workdir, or remove it.")
        return result
    run = bit.pretrain(data, workdir=Path(folder) / name, **SETTINGS | changes)
    probed = bit.probe(run.model, "digits", examples_per_class=SHOTS, image_size=SETTINGS["crop"], repeats=5)
    losses = [entry["loss"] for entry in read_metrics(run.workdir / "metrics.jsonl") if "learning_rate" in entry]
    result = {
        "accuracy": run.metrics["validation_accuracy"],
        "probe": {str(count): statistics.median(accuracies) for count, accuracies in probed.items()},
        "losses": smoothed(losses),
        "settings": settings,
    }
    write_json(kept, result)
    return result


def smoothed(losses, every=50):
    """Returns [step, mean of the `every` losses up to it]."""
    return [[end, float(np.mean(losses[end - every : end]))] for end in range(every, len(losses) + 1, every)]


def medians(cells):
    """Returns the median over the seeds of what the cells measured."""
    probes = {count: statistics.median(one["probe"][count] for one in cells) for count in cells[0]["probe"]}
    return {"accuracy": statistics.median(one["accuracy"] for one in cells), "probe": probes}
