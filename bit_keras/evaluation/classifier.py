"""A model together with the names of its classes and the size of its pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import keras
import tensorflow as tf

from bit_keras.errors import DataError, RunError, UserError
from bit_keras.models.resnet_v2 import HEAD_LAYER, PIXELS
from bit_keras.weights.labels import labels_of, read_labels
from bit_keras.weights.loading import load, located, weights_path
from bit_keras.weights.run_config import read_object, read_run_config

ABOUT = "bit_keras.json"  # asset of a SavedModel: {"image_size", "num_classes", FOLDED, "bit_keras"}
FOLDED = "folded"  # whether its kernels are standardized already
DEFAULT_SIZE = 224  # pixels; what BiT was pre-trained at (paper, section 3.2)


@dataclass(frozen=True)
class Classifier:
    """`class_names` is None where nobody has said them; pictures are resized to `image_size` pixels square."""

    model: keras.Model
    class_names: tuple[str, ...] | None
    image_size: int

    @property
    def num_classes(self):
        """Outputs of the head; 0 if the model is headless."""
        return self.model.output_shape[-1] if has_head(self.model) else 0

    @property
    def call(self) -> Callable[..., tf.Tensor]:
        """The model as a function of [-1, 1] pictures, whatever range its graph takes."""
        if not takes_pixels(self.model):
            return self.model
        return lambda images, **options: self.model((images + 1) * 127.5, **options)

    def names(self):
        """Returns the class names, or numbers where there are none."""
        return self.class_names or tuple(map(str, range(self.num_classes)))


def require_tensorflow(work):
    """Raises a `UserError` where Keras runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"{work} needs the TensorFlow backend of Keras. Received: {keras.backend.backend()}. Set "
            "KERAS_BACKEND=tensorflow and start anew; weights saved on one backend load on the others."
        )


def has_head(model):
    """Whether the BiT ends with its head."""
    return any(layer.name == HEAD_LAYER for layer in model.layers)


def takes_pixels(model):
    """Whether the graph takes 0..255; every other takes [-1, 1]."""
    return any(layer.name == PIXELS for layer in model.layers)


def open_classifier(source, *, labels=None, image_size=None):
    """Returns the `Classifier` in `source`.

    Args:
        source: a `keras.Model`, or what `bit.load` takes.
        labels: names of the classes, or the path of a text file with one in each line. None takes those of the run
            folder or SavedModel, or `labels.txt` beside the weights file.
        image_size: side of the square in pixels; None takes that of the run folder or SavedModel, else 224.

    Raises:
        UserError: if there are not as many names as classes, or the head has an activation.
    """
    require_tensorflow("Predicting, evaluating and exporting")
    if image_size is not None and not (isinstance(image_size, Integral) and int(image_size) >= 1):
        raise UserError(f"Expected `image_size` in whole pixels, at least 1. Received: image_size={image_size!r}.")
    folder = None if isinstance(source, keras.Model) else located(source)
    model = source if folder is None else load(folder, dtype="float32")
    names = labels_of(folder) if labels is None else _given(labels)
    names = names if has_head(model) else None
    classifier = Classifier(model, names, int(image_size or _image_size_of(folder) or DEFAULT_SIZE))
    _check(classifier)
    return classifier


def label_indices(classifier, class_names, source):
    """Returns the model's index for each of the data's `class_names`.

    Raises:
        DataError: if the model does not know one of them, or has two classes of that name; or, of a model without
            names, if the numbers differ.
    """
    if classifier.class_names is None:
        if len(class_names) != classifier.num_classes:
            raise DataError(
                f"Expected {classifier.num_classes} classes in {source}, as many as the model has. Received: "
                f"{len(class_names)}. Give the model's class names with labels."
            )
        return list(range(len(class_names)))
    unknown = sorted(set(class_names) - set(classifier.class_names))
    if unknown:
        raise DataError(
            f"The model does not know the labels {unknown[:10]} of {source}. It knows {len(classifier.class_names)}, "
            f"such as {list(classifier.class_names[:10])}. Rename or remove those classes."
        )
    repeated = [name for name in class_names if classifier.class_names.count(name) > 1]
    if repeated:
        raise DataError(f"The model has several classes called {repeated[:10]}. Give names that differ with labels.")
    return [classifier.class_names.index(name) for name in class_names]


def is_folded(source):
    """Whether `source`, a `keras.Model` or what `bit.load` takes, is a SavedModel that was exported with `fold`."""
    return not isinstance(source, keras.Model) and bool(_about(weights_path(source)).get(FOLDED))


def _about(folder):
    """Returns what a SavedModel of ours says of itself; nothing of anything else."""
    path = folder / "assets" / ABOUT
    return read_object(path) if path.is_file() else {}


def _check(classifier):
    head = classifier.model.layers[-1]
    if classifier.class_names is not None and len(classifier.class_names) != classifier.num_classes:
        raise UserError(
            f"Expected {classifier.num_classes} class names, one for each output of the model. Received: "
            f"{len(classifier.class_names)}, {list(classifier.class_names[:3])} and so on. Give others with labels."
        )
    if isinstance(head, keras.layers.Dense) and head.activation is not keras.activations.linear:
        raise UserError(
            "Expected a model that gives logits. Received: one with `classifier_activation`; build it without."
        )


def _given(labels):
    return read_labels(labels) if isinstance(labels, (str, Path)) else tuple(labels)


def _image_size_of(folder):
    """The size that a run was trained at, or that a SavedModel was exported for."""
    if folder is None or not folder.is_dir():
        return None
    if run := read_run_config(folder):
        return run["rule"]["crop"]
    size = _about(folder).get("image_size")
    if size is not None and (not isinstance(size, int) or size < 1):
        raise RunError(
            f"{folder / 'assets' / ABOUT} is damaged: its image_size is {size!r}. Export or copy the folder again."
        )
    return size
