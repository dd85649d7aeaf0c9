"""The paper's optimization findings in small: weight decay 1e-4 against 1e-5, and an early decay of the rate.

The paper (section 4.2): with 1e-5 a run looks better early and ends worse; a rate that falls early looks better early
and ends worse too. What decay does grows with rate x decay x steps, of which the paper's runs have hundreds of times as
much as these: so 1e-2, which brings the product near the paper's, and 1e-3 run beside them. Each runs on glyphs, 3
seeds; a linear probe learns real digits from the features. Prints the medians, writes benchmarks/schedule.json and .png
with the curves. About an hour on one core; goes on where it stopped.

    python benchmarks/schedule.py [--steps=1000] [--seeds=3] [--workdir=runs/schedule]
"""

import argparse
import json
from pathlib import Path

import numpy as np
from study import cell, medians

DATA = "formula:200,glyph=1,side=16,pictures=300"
RUNS = {
    "weight decay 1e-4, full schedule": {},
    "weight decay 1e-5, full schedule": {"weight_decay": 1e-5},
    "weight decay 1e-4, early decay": {"early": True},
    "weight decay 1e-2, full schedule": {"weight_decay": 1e-2},
    "weight decay 1e-3, full schedule": {"weight_decay": 1e-3},
}
EARLY = (1 / 9, 2 / 9, 8 / 27)  # of the run: a third of where the recipe has its decays, 30, 60 and 80 of 90 epochs


def changes_of(run, steps):
    """Returns the settings of a run; epochs are what the decays are counted in."""
    changes = {key: value for key, value in run.items() if key != "early"} | {"warmup_steps": steps // 20}
    if run.get("early"):
        epochs = steps * 64 / (200 * 300)  # batch, classes and pictures of each
        changes["decay_epochs"] = tuple(share * epochs for share in EARLY)
    return changes


def draw(curves, path):
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.8))
    for name, points in curves.items():
        axis.plot(*zip(*points, strict=True), label=name, linewidth=1)
    axis.set(xlabel="step", ylabel="training loss (nats), median of the seeds")
    axis.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workdir", type=Path, default=Path("runs/schedule"))
    options = parser.parse_args()
    table, curves = {}, {}
    for number, (name, run) in enumerate(RUNS.items()):
        changes = changes_of(run, options.steps)
        cells = [
            cell(options.workdir, f"{number}-{seed}", DATA, seed=seed, steps=options.steps, **changes)
            for seed in range(options.seeds)
        ]
        table[name] = medians(cells)
        losses = np.median([[loss for _, loss in one["losses"]] for one in cells], axis=0)
        curves[name] = [[step, float(loss)] for (step, _), loss in zip(cells[0]["losses"], losses, strict=True)]
        probe = ", ".join(f"{100 * value:.1f} from {count}" for count, value in table[name]["probe"].items())
        print(f"{name:<34} upstream {100 * table[name]['accuracy']:.1f} %, digits {probe}")
    here = Path(__file__)
    about = {"data": DATA, "steps": options.steps, "seeds": options.seeds}
    here.with_suffix(".json").write_text(json.dumps(about | {"medians": table, "curves": curves}, indent=2) + "\n")
    draw(curves, here.with_suffix(".png"))


if __name__ == "__main__":
    main()
