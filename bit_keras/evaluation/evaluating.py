"""Exact accuracy and loss: every example counts once, on any number of replicas."""

from pathlib import Path

import keras
import tensorflow as tf
from tqdm import tqdm

from bit_keras.data.batches import evaluation_batches
from bit_keras.data.examples import SPLITS
from bit_keras.data.opening import open_data
from bit_keras.data.share import Share
from bit_keras.data.telling import told
from bit_keras.errors import DataError, UserError
from bit_keras.evaluation.classifier import label_indices, open_classifier
from bit_keras.weights.run_config import SPLIT, read_run_config


class Evaluator:
    """Measures one model again and again; its graph is traced once.

    Args:
        call: from [-1, 1] pictures and `training` to logits.
        strategy: a `tf.distribute.Strategy`; each batch is divided among its replicas, on all of its hosts.
        loss: from (targets, logits) to the loss of each example.
    """

    def __init__(self, call, strategy, loss=tf.nn.softmax_cross_entropy_with_logits):
        self.call = call
        self.strategy = strategy
        self.loss = loss

    def measure(self, examples, *, batch_size, indices=None, title="evaluating", quiet=False, **options):
        """Returns {"accuracy", "loss", "num_examples"} of `Examples`; accuracy from 0 to 1, loss in nats.

        Where a picture has several labels, the prediction is right if it is one of them. `indices` gives the model's
        class for each of the data's, where the two differ; `options` are those of `evaluation_batches`; `quiet` shows
        no bar.
        """
        table = None if indices is None else tf.constant(indices, tf.int64)

        def batches(context):
            made = evaluation_batches(examples, batch_size=batch_size, share=Share.of(context), **options)
            if table is None:
                return made
            return made.map(lambda images, labels, weights: (images, tf.gather(table, labels), weights))

        bar = tqdm(
            self.strategy.distribute_datasets_from_function(batches),
            total=-(-len(examples) // batch_size),
            desc=title,
            unit="batch",
            leave=False,
            disable=quiet,
        )
        sums = [0.0, 0.0, 0.0]
        with told("Evaluate in smaller batches."):
            for batch in bar:
                sums = [a + float(b) for a, b in zip(sums, self._batch_sums(*batch), strict=True)]
        correct, loss, weight = sums
        return {"accuracy": correct / weight, "loss": loss / weight, "num_examples": int(weight)}

    @tf.function
    def _batch_sums(self, images, labels, weights):
        sums = self.strategy.run(self._replica_sums, args=(images, labels, weights))
        return [self.strategy.reduce("SUM", value, axis=None) for value in sums]

    def _replica_sums(self, images, labels, weights):
        logits = tf.cast(self.call(images, training=False), tf.float32)
        targets = tf.one_hot(labels, logits.shape[-1]) if labels.shape.rank == 1 else labels
        losses = self.loss(targets, logits)
        correct = tf.gather(targets, tf.argmax(logits, axis=-1), batch_dims=1)
        return tf.reduce_sum(weights * correct), tf.reduce_sum(weights * losses), tf.reduce_sum(weights)


def evaluate(
    model,
    data,
    *,
    split: str | None = None,
    labels=None,
    image_size: int | None = None,
    batch_size: int = 32,
    seed: int | None = None,
    strict: bool = False,
) -> dict:
    """Returns {"accuracy", "loss", "num_examples", "split", "num_skipped"} of a model on data.

    Accuracy is from 0 to 1; the loss is the mean softmax cross-entropy in nats; `num_skipped` counts broken pictures.

    Args:
        model: a `keras.Model`, a run folder, a SavedModel folder, an `.npz` file or a preset.
        data: as for `bit.finetune`.
        split: "train", "validation", "test" or "all". None takes the test pictures of a run on the data that it was
            trained on, wherever that is now; the test split of data that has splits of its own, or what comes nearest;
            all of any other folder.
        labels: names of the model's classes or a file with them, where the model has none.
        image_size: side of the square that pictures are resized to; None takes the model's own, else 224.
        batch_size: pictures at a time; changes nothing but memory.
        seed: of the split, where there is one to make; None for the run's, else 0.
        strict: whether a broken picture stops the evaluation.

    Raises:
        UserError: for a split that the data has not, or a headless model.
        DataError: for data that cannot be used, or a label that the model does not know.
    """
    if batch_size < 1:
        raise UserError(f"Expected `batch_size` of at least 1. Received: batch_size={batch_size}.")
    if split not in (None, "all", *SPLITS):
        raise UserError(f"Expected `split` among {[*SPLITS, 'all']}. Received: split={split!r}.")
    classifier = open_classifier(model, labels=labels, image_size=image_size)
    if not classifier.num_classes:
        raise UserError(f"{model} has no head, so there is nothing to evaluate. Fine-tune it first.")
    opened, is_own = _opened(model, data, seed, strict)
    opened.require_one_label()
    indices = label_indices(classifier, opened.class_names, data)
    evaluator = Evaluator(classifier.call, tf.distribute.get_strategy())
    split = split or (_furthest(opened) if opened.is_split or is_own else "all")
    options = {"crop": classifier.image_size, "batch_size": batch_size, "indices": indices}
    parts = [evaluator.measure(examples, **options) for examples in _chosen(opened, split)]
    return _merged(parts) | {"split": split, "num_skipped": len(opened.problems)}


def _furthest(opened):
    """Returns the split furthest from training that there is."""
    return next(split for split in reversed(SPLITS) if split in opened.splits)


def _merged(parts):
    count = sum(part["num_examples"] for part in parts)
    means = {key: sum(part[key] * part["num_examples"] for part in parts) / count for key in ("accuracy", "loss")}
    return means | {"num_examples": count}


def _opened(model, data, seed, strict):
    """Returns the data, and whether it is what the run `model` was trained on: then its split is that of the run."""
    run = None if isinstance(model, keras.Model) else read_run_config(model)
    if run is None:
        return open_data(data, seed=seed or 0, strict=strict), False
    opened = open_data(data, seed=run["seed"], strict=strict)
    if opened.fingerprint == run["fingerprint"]:
        return opened, True
    table = Path(model) / SPLIT
    if _same_data(run["data"], data) and table.is_file():
        return open_data(table, strict=strict), True  # pictures came or went: the run's own keep their split
    return (opened if seed is None else open_data(data, seed=seed, strict=strict)), False


def _same_data(first, second):
    return str(first) == str(second) or (Path(first).exists() and Path(first).resolve() == Path(second).resolve())


def _chosen(opened, split):
    if split == "all":
        return list(opened.splits.values())
    if split not in opened.splits:
        raise DataError(f"{opened.name} has no {split} pictures. Choose a split of it: {list(opened.splits)}.")
    return [opened.splits[split]]
