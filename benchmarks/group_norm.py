"""Compares forms of group normalization and ReLU inside R50x1 at 224 px: inference and a training step, here.

The forms take turns in one process, so that a machine that slows down slows them alike. Prints the median seconds of
each, and the median of the pairwise ratios with its quartiles; writes the same to benchmarks/group_norm.json.

    python benchmarks/group_norm.py [--rounds=7]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from argument_types import count
from forms import stock_group_norm
from machine import machine

import bit_keras as bit
from bit_keras.models import resnet_v2

SIDE = 224
BATCHES = {"inference": 16, "training": 8}


FORMS = {"per channel (ours)": bit.GroupNorm, "keras.layers.GroupNormalization": stock_group_norm}


def build(form):
    """Returns an R50x1 of 1,000 classes with that form of group normalization."""
    resnet_v2.GroupNorm = form
    return bit.build("R50x1", num_classes=1000, seed=0)


def inference(model):
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (BATCHES["inference"], SIDE, SIDE, 3)), tf.float32)
    call = tf.function(lambda: model(images, training=False))
    return lambda: call().numpy()


def training(model):
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (BATCHES["training"], SIDE, SIDE, 3)), tf.float32)
    labels = tf.range(BATCHES["training"])

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    return lambda: gradients()[0].numpy()


def seconds(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def compare(task, rounds):
    """Returns {form: [seconds of each round]}, the forms taking turns."""
    runs = {name: task(build(form)) for name, form in FORMS.items()}
    for run in runs.values():
        run()  # builds the graph
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=7)
    rounds = parser.parse_args().rounds
    results = {"measured": machine(), "rounds": rounds}
    ours, other = FORMS
    for task in (inference, training):
        times = compare(task, rounds)
        ratios = np.array(times[other]) / np.array(times[ours])
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        medians = {name: float(np.median(values)) for name, values in times.items()}
        results[task.__name__] = {"median_seconds": medians, "ratio": [float(q) for q in (low, middle, high)]}
        print(f"R50x1, {SIDE} px, batch {BATCHES[task.__name__]}, {task.__name__}")
        for name, median in medians.items():
            print(f"  {name:<34} {median:.3f} s")
        print(f"  ours is {middle:.2f} times as fast (quartiles {low:.2f} to {high:.2f})")
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
