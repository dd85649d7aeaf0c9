"""The reference run of tests/golden/train.json on our trainer, on any number of replicas and micro-batches."""

import numpy as np
import tensorflow as tf

import bit_keras as bit
from bit_keras.data.share import Share
from bit_keras.training.step import ReducedMomentum, TrainStep
from bit_keras.training.strategies import make_strategy
from bit_keras.weights.assigning import named_variables
from tests.golden.seeded import seeded

BATCH, STEPS = 16, 24


def reference_run(strategy="one", *, dtype="float32", calls=(1, 11, 12), **options):
    """Returns the losses, and {steps taken: all arrays} after each of `calls`; `options` of `TrainStep`."""
    strategy = make_strategy(strategy)
    with strategy.scope():
        model = bit.build("R14x1", num_classes=10, dtype=dtype)
        for name, variable in named_variables(model.variables).items():
            if "head" not in name:
                variable.assign(seeded(name, tuple(variable.shape)))
        optimizer = ReducedMomentum(0.003, 0.9)
    step = TrainStep(model, optimizer, strategy, batch_size=BATCH, **options)
    iterator = iter(strategy.distribute_datasets_from_function(_batches))
    losses, snapshots = [], {}
    for count in calls:
        losses.extend(step.run(iterator, np.int32(count)).numpy())
        snapshots[len(losses)] = [variable.numpy() for variable in model.variables]
    return np.array(losses), snapshots


def largest_difference(first, second):
    """Returns the largest difference between two lists of arrays."""
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


def _batches(context):
    """The order that the recording used: rows (16 * step) % 64 and the next 15."""
    rng = np.random.default_rng(7)
    pictures = rng.uniform(-1, 1, (64, 64, 48, 3)).astype("float32")
    labels = tf.one_hot(rng.integers(0, 10, 64), 10)
    share = Share.of(context)
    rows = share.positions(BATCH, 0, STEPS).map(lambda row: (tf.constant(pictures)[row % 64], labels[row % 64]))
    return share.batched(rows, BATCH)
