"""The paper's scale study in small: three networks times three upstream sets, as in its figures 5 and 6.

The sets are 50, 200 and 800 classes of glyphs (1:4:16), each with 100 pictures a class. Each cell is trained twice: for
the same number of steps, and for steps in proportion to the set; then a linear probe learns real digits from the
features. Prints the accuracies, writes benchmarks/scale.json and .png. About 50 minutes on one core; goes on where it
stopped.

    python benchmarks/scale.py [--steps=100] [--workdir=runs/scale]
"""

import argparse
import json
from pathlib import Path

from study import cell

VARIANTS = ("R14x0.5", "R26x0.5", "R14x1")
CLASSES = (50, 200, 800)
SHOT = "10"  # real digits of each class that the probe shown in the plot is trained on


def draw(rows, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
    for axis, length in zip(axes, ("same", "proportional"), strict=True):
        for variant in VARIANTS:
            points = [row for row in rows if row["variant"] == variant and row["length"] == length]
            accuracies = [100 * row["probe"][SHOT] for row in points]
            axis.plot([row["classes"] for row in points], accuracies, "o-", label=variant)
        axis.set(xlabel="upstream classes", xscale="log", title=f"{length} number of steps")
        axis.set_xticks(CLASSES, CLASSES)
        axis.minorticks_off()
    axes[0].set(ylabel=f"digits, {SHOT} a class, linear probe, %")
    axes[0].legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="of each cell, or of the smallest set's")
    parser.add_argument("--workdir", type=Path, default=Path("runs/scale"))
    options = parser.parse_args()
    rows = []
    for length in ("same", "proportional"):
        for classes in CLASSES:
            steps = options.steps * (classes // CLASSES[0] if length == "proportional" else 1)
            for variant in VARIANTS:
                data = f"formula:{classes},glyph=1,side=16,pictures=100"
                found = cell(options.workdir, f"{variant}-{classes}-{steps}", data, variant=variant, steps=steps)
                rows.append(
                    {"variant": variant, "classes": classes, "length": length, "steps": steps}
                    | {key: found[key] for key in ("accuracy", "probe")}
                )
                print(
                    f"{variant:<8} {classes:>3} classes, {steps:>5} steps: upstream {100 * found['accuracy']:.1f} %, "
                    f"digits {100 * found['probe'][SHOT]:.1f} %"
                )
    here = Path(__file__)
    here.with_suffix(".json").write_text(json.dumps({"steps": options.steps, "cells": rows}, indent=2) + "\n")
    draw(rows, here.with_suffix(".png"))


if __name__ == "__main__":
    main()
