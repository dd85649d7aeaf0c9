"""From pictures to names."""

import warnings
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from bit_keras.data.checking import describe
from bit_keras.data.pictures import PictureError, read_picture
from bit_keras.data.preprocessing import preprocess_eval
from bit_keras.errors import DataError, UserError, WeightsError
from bit_keras.evaluation.classifier import Classifier, open_classifier
from bit_keras.weights.catalogue import find_preset
from bit_keras.weights.class_names import SETS, class_names

_graphs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # {model: (its traced call, ids of its variables)}


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one picture, likeliest first.

    Args:
        source: the picture's path, or its place in what was given, as text.
        class_names: names of the classes.
        scores: their softmax probabilities, from 0 to 1.
    """

    source: str
    class_names: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def class_name(self):
        """The likeliest class."""
        return self.class_names[0]

    @property
    def score(self):
        """Its probability."""
        return self.scores[0]


def predict(
    model, images, *, labels=None, image_size: int | None = None, top: int = 5, batch_size: int = 32
) -> list[Prediction]:
    """Returns a `Prediction` for each picture, in the order given.

    Args:
        model: a `keras.Model`, a run folder, a SavedModel folder, an `.npz` file or a preset.
        images: one or a list of: the path of a picture; encoded bytes; a uint8 array (height, width, 3) or a Pillow
            picture in RGB. A uint8 array (number, height, width, 3) is a list.
        labels: names of the model's classes or a file with them, where the model has none; else they are numbers.
        image_size: side of the square that pictures are resized to; None takes the model's own, else 224.
        top: how many classes to name.
        batch_size: pictures at a time; changes nothing but memory.

    Raises:
        UserError: for a headless model.
        DataError: if pictures cannot be read; it names them all.
    """
    predictions, broken = predict_readable(
        model, images, labels=labels, image_size=image_size, top=top, batch_size=batch_size
    )
    if broken:
        raise DataError(f"{describe(broken)} Leave them out or mend them.")
    return predictions


def predict_readable(model, images, *, labels, image_size, top, batch_size):
    """Returns what `predict` does for the pictures that can be read, and {name: reason} of the others."""
    if top < 1 or batch_size < 1:
        raise UserError(f"Expected `top` and `batch_size` of at least 1. Received: top={top}, batch_size={batch_size}.")
    classifier = open_classifier(model, labels=labels, image_size=image_size)
    if not classifier.num_classes:
        raise UserError(f"{model} has no head, so it predicts features and no classes. Fine-tune it first.")
    named = [(_name(image, index), image) for index, image in enumerate(_listed(images))]
    names, call = np.array(_names(model, classifier)), _traced(classifier)
    predictions: list[Prediction] = []
    broken: dict[str, str] = {}
    for batch in tqdm(list(_batched(named, batch_size)), desc="predicting", unit="batch", leave=False, disable=None):
        read = _read_batch(batch, classifier.image_size, broken)
        if read:
            sources, pixels = zip(*read, strict=True)
            scores = tf.nn.softmax(call(tf.stack(pixels))).numpy()
            predictions += [_prediction(source, row, names, top) for source, row in zip(sources, scores, strict=True)]
    return predictions, broken


def _traced(classifier):
    """Returns the model's graph, from pictures to logits; of the same model the same one, as tracing takes seconds."""
    variables = tuple(map(id, classifier.model.variables))  # quantizing puts others into their place
    traced, traced_variables = _graphs.get(classifier.model, (None, None))
    if traced is None or variables != traced_variables:
        # Weakly, so that the graph does not keep its own key alive.
        model = weakref.ref(classifier.model)
        traced = tf.function(lambda images: Classifier(model(), None, 0).call(images, training=False))
        _graphs[classifier.model] = traced, variables
    return traced


def _names(source, classifier):
    """Names of the model's own; of a preset with the published classes, theirs; else numbers."""
    is_preset = isinstance(source, str) and not Path(source).exists() and find_preset(source) is not None
    if classifier.class_names is None and is_preset and classifier.num_classes in SETS:
        try:
            return [words for _, words in class_names(classifier.num_classes)]
        except WeightsError as error:
            warnings.warn(f"Classes are numbers, as their names are not at hand. {error}", stacklevel=4)
    return classifier.names()


def _read_batch(batch, size, broken):
    """Returns pairs (name, float32 (size, size, 3)); what cannot be read goes into `broken`."""
    read = []
    for name, image in batch:
        try:
            read.append((name, preprocess_eval(_pixels(image), crop=size)))
        except OSError as error:
            broken[name] = error.strerror or str(error)
        except PictureError as error:
            broken[name] = str(error)
    return read


def _listed(images):
    is_one = isinstance(images, (str, Path, bytes, bytearray, Image.Image))
    if is_one or (isinstance(images, np.ndarray) and images.ndim in (2, 3)):
        return [images]
    if not isinstance(images, Iterable):
        raise DataError(f"Expected pictures: a path, bytes, an array or a list of these. Received: {images!r}.")
    return list(images)


def _name(image, index):
    return str(image) if isinstance(image, (str, Path)) else f"picture {index}"


def _batched(items, size):
    return (items[start : start + size] for start in range(0, len(items), size))


def _pixels(image):
    if isinstance(image, (str, Path)):
        image = Path(image).read_bytes()
    if isinstance(image, (bytes, bytearray)):
        return read_picture(bytes(image))[1]
    array = np.asarray(image)  # of a Pillow picture too
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3 or not array.size:
        raise DataError(
            "Expected a path, encoded bytes or a uint8 array (height, width, 3). Received: "
            f"{type(image).__name__} that makes an array {array.shape} of {array.dtype}. Convert it to RGB, 8 bits."
        )
    return tf.constant(array)


def _prediction(source, probabilities, names, top):
    best = np.argsort(-probabilities, kind="stable")[:top]
    return Prediction(source, tuple(map(str, names[best])), tuple(map(float, probabilities[best])))
