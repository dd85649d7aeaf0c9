"""Makes BiT-F-R14x0.5, the model that ships with this package, with the trainer of this package.

A BiT-R14x0.5 learns 1,000 glyphs of random strokes at 32 px by the recipe BiT-S, scaled; nothing but formulas, so the
weights are free of any licence. Writes it as float16 to bit_keras/weights/shipped/, and the command, the numbers and
the curve to benchmarks/shipped.json and benchmarks/shipped.png. Half an hour on two cores; stopped, it goes on where
it was.

    python benchmarks/shipped.py [--workdir=runs/shipped]
"""

import argparse
import json
from pathlib import Path

import numpy as np

import bit_keras as bit
from bit_keras.files import write_text
from bit_keras.training.metrics_log import read_metrics
from bit_keras.weights.assigning import arrays_of
from bit_keras.weights.catalogue import SHIPPED
from bit_keras.weights.formats.npz import write_npz
from bit_keras.weights.labels import labels_text

NAME, LIMIT = "BiT-F-R14x0.5", 8_000_000  # bytes
DATA = "formula:1000,glyph=1,side=16"
SETTINGS = {
    "variant": "R14x0.5",
    "recipe": "BiT-S",
    "seed": 0,
    "strategy": "one",
    "micro_batches": 1,
    "steps": 12_000,
    "batch_size": 64,
    "rate_per_256": 0.16,  # 0.04 for this batch: small networks at low resolution take more than the paper's rate
    "crop": 32,
    "eval_resize": 36,
    "min_area": 0.6,
    "flip": False,  # a mirrored glyph is another glyph
    "probe_data": "digits",
    "eval_every": 12_000,
    "save_every": 500,
}


def curve(entries, every=100):
    """Returns [step, mean loss of the `every` steps up to it]."""
    losses = [entry["loss"] for entry in entries if "learning_rate" in entry]
    return [[end, float(np.mean(losses[end - every : end]))] for end in range(every, len(losses) + 1, every)]


def draw(points, looks, path):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2))
    left.plot(*zip(*points, strict=True), linewidth=0.9)
    left.set(xlabel="step", ylabel="loss, mean of 100 steps (nats)", title="upstream")
    for count in ("1", "5", "10"):
        right.plot(
            [look["step"] for look in looks], [look["probe"][count] for look in looks], "o-", label=f"{count} a class"
        )
    right.set(xlabel="step", ylabel="probe accuracy", title="handwritten digits, linear probe")
    right.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, default=Path("runs/shipped"))
    options = parser.parse_args()
    run = bit.pretrain(DATA, workdir=options.workdir, **SETTINGS)
    path = SHIPPED / NAME / "weights.npz"
    write_text(path.with_name("labels.txt"), labels_text(run.class_names))
    write_npz(path, ((name, array.read().astype("float16")) for name, array in arrays_of(run.model).items()))
    size = path.stat().st_size
    if size > LIMIT:
        raise SystemExit(f"{path} has {size:,} bytes, more than the {LIMIT:,} that may ship.")
    entries = read_metrics(run.workdir / "metrics.jsonl")
    looks = [entry for entry in entries if "probe" in entry]
    here = Path(__file__)
    about = {
        "data": DATA,
        **SETTINGS,
        "bytes": size,
        "versions": json.loads((run.workdir / "config.json").read_text())["versions"],
    }
    result = about | {"metrics": run.metrics, "looks": looks, "loss_by_step": curve(entries)}
    here.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    draw(curve(entries), looks, here.with_suffix(".png"))
    print(f"{path}: {size:,} bytes; validation accuracy {run.metrics['validation_accuracy']:.1%}")


if __name__ == "__main__":
    main()
