"""Pictures a second that one core makes ready for training, beside decoding alone and a plain pipeline.

The pictures are JPEGs of 500 x 375 at quality 90, cut from scikit-learn's two photographs, so that they cost to decode
what photographs cost. The process keeps to one processor (where it can be told to: Linux) and counts processor time;
the pipelines take turns, and each turn lasts until nothing is being made ahead any more. Then the same network is
trained on batches from the pipeline and on one batch in memory, on all processors, in turns: the difference is what
the steps wait. Prints tables and writes benchmarks/input.json.

    python benchmarks/input.py [--rounds=7] [--step_rounds=5]
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf
from argument_types import count
from machine import machine
from pipelines import (
    BATCH,
    BOUND,
    PHOTOS,
    PLAIN,
    decoded,
    plain_evaluation,
    plain_finetuning,
    plain_pretraining,
    write_photos,
)

import bit_keras as bit
from bit_keras.data.batches import evaluation_batches, training_batches
from bit_keras.data.examples import Examples
from bit_keras.data.opening import open_data
from bit_keras.data.upstream import upstream_batches
from bit_keras.recipes.upstream import upstream_recipe
from bit_keras.training.step import ReducedMomentum, TrainStep

BATCHES = 16  # in a turn
OURS, KEPT, SCALED = "ours", "ours, kept in memory", "ours, scaled decoding"
SHARED = ("crop", "min_area", "flip", "scaled_decoding")  # settings of a recipe that its pictures follow from
STEPS = {  # network: (resize, crop, batch, steps in a turn)
    "R50x1": (160, 128, 32, 2),
    "R14x0.5": (40, 32, 64, 10),
}


def finetuning_rule(resize, crop, batch, scaled_decoding=False):
    sizes = {"batch_size": batch, "resize": resize, "crop": crop}
    return SimpleNamespace(**sizes, flip=True, mixup_alpha=0.0, scaled_decoding=scaled_decoding)


def cases(examples, files):
    """Returns {case: {pipeline: dataset}}."""
    endless = Examples(tf.int64.max // 2, lambda index: examples.read(index % len(examples)))
    published = upstream_recipe("BiT-S")
    recipe = SimpleNamespace(batch_size=BATCH, **{k: getattr(published, k) for k in SHARED})
    found = {}
    for resize, crop in ((160, 128), (512, 480)):
        rule = finetuning_rule(resize, crop, BATCH)
        found[f"fine-tuning, {resize} to {crop} px"] = {
            PLAIN: plain_finetuning(files, resize, crop),
            OURS: training_batches(examples, rule, num_classes=2, seed=0),
            KEPT: training_batches(examples, rule, num_classes=2, seed=0, keep=True),
        }
    rule = finetuning_rule(160, 128, BATCH, scaled_decoding=True)  # the one case whose pictures are twice as large
    found["fine-tuning, 160 to 128 px"][SCALED] = training_batches(examples, rule, num_classes=2, seed=0)
    found[f"pre-training, {recipe.crop} px"] = {
        PLAIN: plain_pretraining(files, recipe.crop),
        OURS: upstream_batches(examples, recipe, num_classes=2, seed=0),
    }
    for crop in (128, 480):
        evaluation = evaluation_batches(endless, batch_size=BATCH, crop=crop)
        found[f"evaluation, {crop} px"] = {PLAIN: plain_evaluation(files, crop), OURS: evaluation}
    return found


def wait_until_idle():
    """Returns when what is made ahead has been made."""
    while True:
        before = time.process_time()
        time.sleep(0.05)
        if time.process_time() - before < 0.003:
            return


def turn(iterator):
    """Returns pictures a second of processor time."""
    begin = time.process_time()
    for _ in itertools.islice(iterator, BATCHES):
        pass
    wait_until_idle()
    return BATCH * BATCHES / (time.process_time() - begin)


def rates(datasets, rounds):
    """Returns {pipeline: pictures a second of each round}, the pipelines taking turns."""
    iterators = {name: iter(dataset) for name, dataset in datasets.items()}
    for iterator in iterators.values():
        turn(iterator)  # builds the graph; an epoch and more, so that what is kept is there
    found = {name: [] for name in iterators}
    for _ in range(rounds):
        for name, iterator in iterators.items():
            found[name].append(turn(iterator))
    return found


def waiting(examples, network, rounds):
    """Returns seconds of a step for batches in memory, and for those of the pipeline with and without keeping."""
    resize, crop, batch, steps = STEPS[network]
    rule = finetuning_rule(resize, crop, batch)
    model = bit.build(network, num_classes=2, seed=0)
    step = TrainStep(model, ReducedMomentum(0.001, 0.9), tf.distribute.get_strategy(), batch_size=batch)
    first = next(iter(training_batches(examples, rule, num_classes=2, seed=0)))
    feeds = {
        "one batch in memory": iter(tf.data.Dataset.from_tensors(first).repeat()),
        OURS: iter(training_batches(examples, rule, num_classes=2, seed=0)),
        KEPT: iter(training_batches(examples, rule, num_classes=2, seed=0, keep=True)),
    }
    seconds = {name: [] for name in feeds}
    for number in range(rounds + 1):
        for name, feed in feeds.items():
            wait_until_idle()
            begin = time.perf_counter()
            step.run(feed, np.int32(steps if number else PHOTOS // batch + 1)).numpy()
            if number:  # the first builds the graph, and goes through all pictures
                seconds[name].append((time.perf_counter() - begin) / steps)
    return seconds


def quartiles(ratios):
    return [float(ratio) for ratio in np.quantile(ratios, [0.25, 0.5, 0.75])]


def told(low, middle, high):
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def opened(folder):
    """Returns the training pictures of a data set, and the paths of all pictures."""
    files = tf.constant(sorted(map(str, Path(folder).rglob("*.jpg"))))
    return open_data(folder, seed=0, strict=False).splits["train"], files


def measure_rates(folder, rounds):
    """Prints and returns {case: {pipeline: {"pictures_per_second", "of_bound"}}}; in a process of its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(
            0, {max(os.sched_getaffinity(0))}
        )  # before TensorFlow starts its threads, which inherit it
    examples, files = opened(folder)
    encoded = tf.constant([Path(file).read_bytes() for file in files.numpy().astype(str)])
    print(f"| pictures/s on one core | pipeline | pictures/s | of {BOUND} |\n|---|---|---|---|")
    results = {}
    for case, datasets in cases(examples, files).items():
        found = rates({BOUND: decoded(encoded)} | datasets, rounds)
        rows = results[case] = {
            name: {
                "pictures_per_second": float(np.median(values)),
                "of_bound": quartiles(np.array(values) / found[BOUND]),
            }
            for name, values in found.items()
        }
        for name, row in rows.items():
            print(f"| {case} | {name} | {row['pictures_per_second']:.0f} | {told(*row['of_bound'])} |", flush=True)
    return results


def measure_waiting(folder, rounds):
    """Prints and returns {network: {feed: {"seconds_a_step", "waited"}}}; in a process of its own."""
    examples, _ = opened(folder)
    print("\n| training step | batches | seconds | share of it waited |\n|---|---|---|---|")
    results = {}
    for network, (resize, crop, batch, _) in STEPS.items():
        seconds = {name: np.array(values) for name, values in waiting(examples, network, rounds).items()}
        memory = next(iter(seconds.values()))
        rows = results[f"{network}, {resize} to {crop} px, batch {batch}"] = {
            name: {"seconds_a_step": float(np.median(values)), "waited": quartiles(1 - memory / values)}
            for name, values in seconds.items()
        }
        for name, row in rows.items():
            case = f"{network}, {crop} px, batch {batch}"
            print(f"| {case} | {name} | {row['seconds_a_step']:.3f} | {told(*row['waited'])} |", flush=True)
    return results


def in_a_process(function, *arguments):
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=7)
    parser.add_argument("--step_rounds", type=count, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_photos(folder)
        rated = in_a_process(measure_rates, folder, options.rounds)
        waited = in_a_process(measure_waiting, folder, options.step_rounds)
    about = {"measured": machine(), "rounds": options.rounds}
    results = about | {"one_core": rated, "training_steps": waited}
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
