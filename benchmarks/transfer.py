"""Does pre-training help? One network, pre-trained and from random weights, fine-tuned on a few handwritten digits.

Takes 1, 5 and 10 real digits of each class (scikit-learn's 1,797 of 8 x 8 pixels), fine-tunes by one and the same
HyperRule, and tests on all the other digits; 5 seeds choose the digits, the order and the random weights. Prints the
median accuracies and writes benchmarks/transfer.json and benchmarks/transfer.png.

    python benchmarks/transfer.py [--model=BiT-F-R14x0.5] [--seeds=5] [--steps=500] [--batch_size=32]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import bit_keras as bit
from bit_keras.data.batches import evaluation_batches, training_batches
from bit_keras.data.digits import open_digits
from bit_keras.data.examples import Examples
from bit_keras.training.step import ReducedMomentum, TrainStep
from bit_keras.weights.loading import read_arrays
from bit_keras.weights.names import architecture_of

SHOTS = (1, 5, 10)
WANTED = {1: 0.10, 5: 0.05, 10: 0.02}  # by how much pre-training should be ahead
RESIZE, CROP = 40, 32  # pixels; a 128 px crop, as the rule has it, costs 16 times as much and the digits have 8 px
BATCH = 128  # pictures tested at a time


class Digits:
    """All digits in one list, and their pixels as evaluation sees them."""

    def __init__(self):
        read = [split.read(tf.constant(i)) for split in open_digits(seed=0).splits.values() for i in range(len(split))]
        self.encoded = tf.stack([encoded for encoded, _ in read])
        self.labels = np.array([int(label) for _, label in read])
        batches = evaluation_batches(self.examples(np.arange(len(read))), crop=CROP, batch_size=BATCH)
        self.pixels = np.concatenate([images.numpy() for images, *_ in batches])[: len(read)]

    def examples(self, indices):
        """Returns the `Examples` of some."""
        chosen, labels = tf.gather(self.encoded, indices), tf.constant(self.labels[indices], tf.int64)
        return Examples(len(indices), lambda index: (chosen[index], labels[index]))

    def few(self, count, seed):
        """Returns the indices of `count` digits of each class, and those of all others; more include fewer."""
        rng = np.random.default_rng(seed)
        order = [rng.permutation(np.flatnonzero(self.labels == label)) for label in range(10)]
        chosen = np.concatenate([indices[:count] for indices in order])
        return chosen, np.setdiff1d(np.arange(len(self.labels)), chosen)


class Tuner:
    """Fine-tunes one model again and again from the weights that it has now."""

    def __init__(self, model, digits, options):
        self.digits, self.model = digits, model
        own = bit.HyperRule(10, (8, 8))
        self.rule = own.override(
            steps=options.steps, batch_size=options.batch_size, resize=RESIZE, crop=CROP, flip=False
        )
        optimizer = ReducedMomentum(bit.Schedule(self.rule), 0.9)
        self.step = TrainStep(model, optimizer, tf.distribute.get_strategy(), batch_size=options.batch_size)
        self.logits = tf.function(lambda images: model(images, training=False))
        self.start = [(variable, variable.numpy()) for variable in self.step.state.values()]

    def accuracy(self, count, seed):
        """Returns the accuracy on the other digits after fine-tuning on `count` of each class."""
        for variable, value in self.start:
            variable.assign(value)
        self.step.optimizer.iterations.assign(0)
        chosen, others = self.digits.few(count, seed)
        batches = training_batches(self.digits.examples(chosen), self.rule, num_classes=10, seed=seed)
        self.step.run(iter(batches), np.int32(self.rule.steps))
        parts = np.array_split(others, -(-len(others) // BATCH))
        predicted = np.concatenate([self.logits(self.digits.pixels[part]).numpy().argmax(1) for part in parts])
        return float((predicted == self.digits.labels[others]).mean())


def compare(source, options):
    """Returns {"pre-trained", "random": {count: accuracies by seed}}."""
    arrays = {name: array.shape for name, array in read_arrays(source).items()}
    variant = architecture_of(arrays, source).variant
    digits = Digits()
    found = {}
    makers = {
        "pre-trained": lambda seed: bit.load(source, num_classes=10),
        "random": lambda seed: bit.build(variant, num_classes=10, seed=seed),
    }
    for name, make in makers.items():
        for seed in tqdm(range(options.seeds), desc=name):
            tuner = Tuner(make(seed), digits, options)
            for count in SHOTS:
                found.setdefault(name, {}).setdefault(count, []).append(tuner.accuracy(count, seed))
    return found


def draw(found, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for name, by_count in found.items():
        median = [100 * np.median(by_count[count]) for count in SHOTS]
        (line,) = axes.plot(SHOTS, median, marker="o", label=f"{name}, median")
        for count in SHOTS:
            axes.scatter(
                [count] * len(by_count[count]), [100 * a for a in by_count[count]], color=line.get_color(), s=9
            )
    axes.set(
        xlabel="digits of each class", ylabel="accuracy on the others, %", xscale="log", title="handwritten digits"
    )
    axes.set_xticks(SHOTS, SHOTS)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="BiT-F-R14x0.5")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500, help="the HyperRule's own number for a small task")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    found = compare(options.model, options)
    for count in SHOTS:
        ours, random = (float(np.median(found[name][count])) for name in ("pre-trained", "random"))
        print(
            f"{count:>2} of each class: {ours:.1%} pre-trained, {random:.1%} from random weights, "
            f"{100 * (ours - random):+.1f} points (wanted {100 * WANTED[count]:+.0f})"
        )
    about = {"model": options.model, "steps": options.steps, "batch_size": options.batch_size}
    options.out.write_text(json.dumps(about | {"accuracies": found}, indent=2) + "\n")
    draw(found, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
