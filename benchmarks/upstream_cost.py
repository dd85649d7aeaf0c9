"""What pre-training at the paper's scale needs: steps, hosts, input rate, checkpoint size and hours.

Steps and sizes follow from the recipe and the network. The speed of a training step (224 px, float32) and of decoding
(500 x 375 JPEG to a 224 px inception crop, one core) are measured on this machine; give `--pictures_per_second` for
what one device of yours does (any run prints it beside its progress bar). Prints a table, and writes it to
benchmarks/upstream_cost.md and the numbers to benchmarks/upstream_cost.json.

    python benchmarks/upstream_cost.py [--recipe=BiT-M] [--variants=R50x1,R101x1] [--days=7]
                                       [--devices_per_host=8] [--pictures_per_second=0]
"""

import argparse
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from machine import machine
from PIL import Image

from bit_keras.data.inception import decode_inception_crop
from bit_keras.models.variant import Architecture, Variant
from bit_keras.recipes.upstream import upstream_recipe
from bit_keras.training.upstream import UpstreamSettings, prepare
from bit_keras.weights.names import parameter_count, shapes_of

CLASSES = {"BiT-S": 1000, "bit_i1k": 1000, "BiT-M": 21_843, "bit_i21k": 21_843, "BiT-L": 18_291}  # paper
BATCH, ROUNDS, PICTURES = 8, 3, 200
DAY = 24 * 3600


def step_rate(variant, recipe):
    """Returns the pictures a second of a training step on this machine, the median of some."""
    with tempfile.TemporaryDirectory() as folder:
        settings = UpstreamSettings(
            f"formula:{CLASSES[recipe.name]},glyph=1,pictures=1",
            variant,
            f"{folder}/run",
            recipe=recipe.name,
            strategy="one",
            micro_batches=1,
            overrides={"batch_size": BATCH, "steps": 2, "warmup_steps": 0},
        )
        return float(np.median([BATCH / prepare(settings).plan.step_seconds for _ in range(ROUNDS)]))


def decode_rate(recipe):
    """Returns the pictures a second that one core decodes, cuts and resizes."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(file, "jpeg", quality=90)
    encoded = tf.constant(file.getvalue())
    cut = tf.function(
        lambda seeds: decode_inception_crop(encoded, seeds, crop=recipe.crop, min_area=recipe.min_area, flip=True)
    )
    cut(tf.zeros((2, 2), tf.int32))
    rates = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for number in range(PICTURES):
            cut(tf.fill((2, 2), number))
        rates.append(PICTURES / (time.process_time() - begin))
    return float(np.median(rates))


def row(name, recipe, options, decoding):
    """Returns the numbers of one network."""
    parameters = parameter_count(shapes_of(Architecture(Variant.parse(name), CLASSES[recipe.name])))
    rate = options.pictures_per_second or step_rate(name, recipe)
    pictures = recipe.steps * recipe.batch_size
    devices = -(-pictures // int(rate * options.days * DAY))
    hosts = -(-devices // options.devices_per_host)
    needed = rate * options.devices_per_host
    return {
        "network": name,
        "parameters": parameters,
        "steps": recipe.steps,
        "pictures": pictures,
        "checkpoint_gigabytes": 2 * 4 * parameters / 1e9,  # weights and velocities, float32
        "pictures_per_second_and_device": rate,
        "hours_on_one_device": pictures / rate / 3600,
        "devices": devices,
        "hosts": hosts,
        "input_pictures_per_second_and_host": needed,
        "input_cores_per_host": needed / decoding,
    }


def table(rows, options):
    """Returns the rows in Markdown."""
    heads = (
        "network",
        "steps",
        "checkpoint, GB",
        "pictures/s and device",
        "hours on one device",
        f"devices for {options.days:g} days",
        f"hosts of {options.devices_per_host}",
        "input pictures/s and host",
        "cores for it",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [
        f"| {r['network']} | {r['steps']:,} | {r['checkpoint_gigabytes']:.2f} | "
        f"{r['pictures_per_second_and_device']:.3g} "
        f"| {r['hours_on_one_device']:,.0f} | {r['devices']:,} | {r['hosts']:,} "
        f"| {r['input_pictures_per_second_and_host']:.3g} | {r['input_cores_per_host']:.2g} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="BiT-M", choices=sorted(CLASSES))
    parser.add_argument("--variants", default="R50x1,R101x1")
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--devices_per_host", type=int, default=8)
    parser.add_argument("--pictures_per_second", type=float, default=0, help="of one device; 0 to measure this machine")
    options = parser.parse_args()
    recipe = upstream_recipe(options.recipe)
    decoding = decode_rate(recipe)
    rows = [row(name, recipe, options, decoding) for name in options.variants.split(",")]
    text = f"{options.recipe}; one core decodes {decoding:.0f} pictures a second.\n\n{table(rows, options)}"
    print(text)
    Path(__file__).with_suffix(".md").write_text(text)
    about = {"measured": machine(), "recipe": options.recipe, "decoded_per_second_and_core": decoding}
    Path(__file__).with_suffix(".json").write_text(json.dumps(about | {"networks": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
