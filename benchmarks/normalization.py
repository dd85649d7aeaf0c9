"""The paper's normalization table in small: batch or group normalization, plain or standardized convolutions.

Each network learns glyphs at a large and at a very small batch per device, 3 seeds; then a linear probe learns real
digits from its features. The small batch is that of micro-batches: statistics of batch normalization are theirs, while
the step stays that of 64 pictures; with group normalization the two are the same by construction, so that is trained
once. The moving averages of batch normalization follow each part, so at the small batch they are those of the last few
dozen pictures. Prints the medians, writes benchmarks/normalization.json and .png. About 40 minutes on one core; goes on
where it stopped.

    python benchmarks/normalization.py [--steps=300] [--seeds=3] [--workdir=runs/normalization]
"""

import argparse
import json
from pathlib import Path

from study import cell, medians

DATA = "formula:50,glyph=1,side=16,pictures=300"  # so few classes that a few hundred steps learn them
BATCH = 64
LARGE, SMALL = 1, 16  # micro-batches of it: 64 or 4 pictures at a time


def networks():
    """Yields (name, settings, parts) of the cells."""
    for normalization in ("batch", "group"):
        for standardized in (False, True):
            settings = {"normalization": normalization, "weight_standardization": standardized}
            name = f"{'BN' if normalization == 'batch' else 'GN'}{' + WS' if standardized else ''}"
            for parts in (LARGE, SMALL) if normalization == "batch" else (LARGE,):
                yield name, settings, parts


def draw(table, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
    names = list(dict.fromkeys(row["network"] for row in table))
    for axis, key, title in ((axes[0], "accuracy", "upstream validation"), (axes[1], "probe", "digits, 10 a class")):
        for offset, size in ((-0.2, BATCH // LARGE), (0.2, BATCH // SMALL)):
            rows = {row["network"]: row for row in table if row["batch"] == size}
            values = [100 * (rows[n]["probe"]["10"] if key == "probe" else rows[n]["accuracy"]) for n in names]
            axis.bar([i + offset for i in range(len(names))], values, 0.4, label=f"{size} pictures a device")
        axis.set_xticks(range(len(names)), names)
        axis.set(title=title, ylabel="accuracy, %")
    axes[0].legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workdir", type=Path, default=Path("runs/normalization"))
    options = parser.parse_args()
    table = []
    for name, settings, parts in networks():
        label = name.replace(" ", "")
        cells = [
            cell(
                options.workdir,
                f"{label}-{parts}-{seed}",
                DATA,
                seed=seed,
                steps=options.steps,
                micro_batches=parts,
                **settings,
            )
            for seed in range(options.seeds)
        ]
        # Group normalization looks at one picture at a time: tests show that micro-batches change nothing.
        for size in {"BN": (BATCH // parts,), "GN": (BATCH // LARGE, BATCH // SMALL)}[name[:2]]:
            table.append({"network": name, "batch": size, **medians(cells)})
            probe = ", ".join(f"{100 * value:.1f} from {count}" for count, value in table[-1]["probe"].items())
            print(
                f"{name:<8} {size:>3} pictures a device: upstream {100 * table[-1]['accuracy']:.1f} %, digits {probe}"
            )
    here = Path(__file__)
    about = {"data": DATA, "steps": options.steps, "seeds": options.seeds}
    here.with_suffix(".json").write_text(json.dumps(about | {"medians": table}, indent=2) + "\n")
    draw(table, here.with_suffix(".png"))


if __name__ == "__main__":
    main()
