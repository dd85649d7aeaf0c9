"""The few-shot probe: how well a linear classifier does on a model's features, from a few pictures of each class.

That of google-research/big_vision, `evaluators/fewshot_lsr.py`, but for the pictures: they are prepared as everywhere
here (resized to a square, nothing cut off), where that cuts 224 out of 256 pixels.
"""

from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import Ridge
from tqdm import tqdm

from bit_keras.data.batches import evaluation_batches
from bit_keras.data.examples import Examples
from bit_keras.data.opening import open_data
from bit_keras.data.telling import told
from bit_keras.errors import DataError, UserError
from bit_keras.evaluation.classifier import open_classifier, require_tensorflow
from bit_keras.models.endpoints import endpoint

SHOTS = (1, 5, 10, 25)  # there
L2 = 1024.0  # 2 ** 10 there, whatever the data
EPSILON = 1e-5  # added to the standard deviations there
BIAS = 100.0  # a constant feature there, so large that its weight is hardly regularized


def probe(
    model,
    data,
    *,
    examples_per_class: tuple[int, ...] | None = None,
    repeats: int = 3,
    image_size: int | None = None,
    batch_size: int = 32,
    seed: int = 0,
    strict: bool = False,
) -> dict[int, list[float]]:
    """Returns {examples per class: accuracies from 0 to 1 on the test pictures, one for each repeat}.

    Each repeat draws its own pictures from the training split; more of a class include those that were fewer.

    Args:
        model: a `keras.Model`, or what `bit.load` takes; its head, if it has one, plays no part.
        data: as for `bit.finetune`, with a training and a test split, or divided into them.
        examples_per_class: numbers of pictures; None for those of 1, 5, 10 and 25 that every class has.
        repeats: how many subsets of each number are drawn.
        image_size: side of the square in pixels that pictures are resized to; None takes the model's own, else 224.
        batch_size: pictures at a time; changes nothing but memory.
        seed: of the split, where there is one to make.
        strict: whether a broken picture stops the probe.

    Raises:
        DataError: if a class has too few pictures, or there are no test pictures.
        UserError: for numbers under 1.
    """
    require_tensorflow("Probing")
    shots = _checked(examples_per_class, repeats, batch_size)
    classifier = open_classifier(model, image_size=image_size)
    opened = open_data(data, seed=seed, strict=strict)
    train_labels = check_probe_data(opened, data)
    train, test = opened.splits["train"], opened.splits["test"]
    orders = _orders(train_labels, len(opened.class_names), repeats)
    shots = _possible(shots, orders, opened.class_names)
    extract = _Extractor(classifier, batch_size)
    needed = np.unique([index for order in orders for indices in order for index in indices[: max(shots)]])
    features = dict(zip(needed, extract(_chosen(train, needed), "training pictures"), strict=True))
    test_features, test_labels = extract(test, "test pictures"), _labels(test)
    return {
        count: [_accuracy(features, order, count, test_features, test_labels) for order in orders] for count in shots
    }


def check_probe_data(opened, name):
    """Returns the labels of the training pictures of the `Data` called `name`.

    Raises:
        DataError: unless it has training pictures of each class, test pictures, and one label a picture.
    """
    opened.require_one_label()
    if not {"train", "test"} <= opened.splits.keys():
        raise DataError(
            f"Expected training and test pictures in {name}. Received: {list(opened.splits)}. Add them, or choose "
            "other data."
        )
    labels = _labels(opened.splits["train"])
    _possible(None, _orders(labels, len(opened.class_names), repeats=1), opened.class_names)
    return labels


class _Extractor:
    def __init__(self, classifier, batch_size):
        model = keras.Model(classifier.model.input, endpoint(classifier.model, "features"))
        call = replace(classifier, model=model).call
        self.call = tf.function(lambda images: call(images, training=False))
        self.options = {"crop": classifier.image_size, "batch_size": batch_size}

    def __call__(self, examples, title):
        """Returns float32 (examples, features)."""
        batches = evaluation_batches(examples, **self.options)
        total = -(-len(examples) // self.options["batch_size"])
        with told("Probe in smaller batches."):
            found = [self.call(images) for images, *_ in tqdm(batches, total=total, desc=title, leave=False)]
        return np.concatenate(found)[: len(examples)]


def _labels(examples):
    labels = tf.data.Dataset.range(len(examples)).map(lambda index: examples.read(index)[1], tf.data.AUTOTUNE)
    return np.array(list(labels.as_numpy_iterator()))


def _chosen(examples, indices):
    table = tf.constant(indices, tf.int64)
    return Examples(len(indices), lambda index: examples.read(table[index]))


def _orders(labels, num_classes, repeats):
    """Returns for each repeat, for each class, its indices in random order."""
    rngs = [np.random.default_rng(seed) for seed in range(repeats)]
    return [[rng.permutation(np.flatnonzero(labels == label)) for label in range(num_classes)] for rng in rngs]


def _checked(shots, repeats, batch_size):
    numbers = {"examples_per_class": min(shots or (1,)), "repeats": repeats, "batch_size": batch_size}
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"Expected `{name}` of at least 1. Received: {number}.")
    return shots


def _possible(shots, orders, class_names):
    fewest, name = min((len(indices), name) for indices, name in zip(orders[0], class_names, strict=True))
    possible = [count for count in shots or SHOTS if count <= fewest]
    if not possible or (shots and len(possible) < len(shots)):
        raise DataError(
            f"Expected at least {max(shots or (1,))} training pictures of each class. Received: {fewest} of {name!r}. "
            "Give more pictures, or smaller numbers with examples_per_class."
        )
    return possible


def _accuracy(features, order, count, test_features, test_labels):
    indices = [index for indices in order for index in indices[:count]]
    labels = np.repeat(np.arange(len(order)), count)
    train = np.stack([features[index] for index in indices])
    mean, deviation = train.mean(0), train.std(0) + EPSILON
    goals = np.where(labels[:, None] == np.arange(len(order)), 1.0, -1.0)
    ridge = Ridge(L2, fit_intercept=False, solver="svd").fit(_whitened(train, mean, deviation), goals)
    scores = ridge.predict(_whitened(test_features, mean, deviation))
    return float((scores.argmax(1) == test_labels).mean())


def _whitened(features, mean, deviation):
    scaled = (features.astype("float64") - mean) / deviation
    return np.concatenate([scaled, np.full((len(scaled), 1), BIAS)], 1)
