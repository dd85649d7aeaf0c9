"""The reusable SavedModel: callable, trainable, and answering encoded pictures with names.

It follows the reusable-SavedModel interface of TensorFlow Hub, so `hub.load`, `hub.KerasLayer` of tf_keras,
`tf.saved_model.load`, TensorFlow Serving and `bit.load` all take it.
"""

import json
import platform
import tempfile
from os import PathLike
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import bit_keras
from bit_keras.data.pictures import decode_picture
from bit_keras.data.preprocessing import preprocess_eval
from bit_keras.errors import SaveError, UserError
from bit_keras.evaluation.classifier import ABOUT, FOLDED, open_classifier, takes_pixels
from bit_keras.exporting.twins import features, folded, servable
from bit_keras.exporting.xla import compiled
from bit_keras.files import atomic_folder, write_json
from bit_keras.weights.labels import labels_text
from bit_keras.weights.names import canonical_name
from bit_keras.weights.run_config import LABELS

# Largest difference between the folder's outputs and the model's, relative to their size if that is over 1; ten times
# what was seen (golden logits of R50x1, up to 1e-6).
TOLERANCE = 1e-5
MOVING = ("/moving_mean", "/moving_variance")
UNIT_PIXELS = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
ENCODED = tf.TensorSpec([None], tf.string, name="image_bytes")


def export(
    model_or_run,
    out: str | PathLike,
    *,
    class_names=None,
    image_size: int | None = None,
    fold: bool = False,
    xla: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes a BiT as a SavedModel folder, float32, and returns its path.

    Load it with `obj = tf.saved_model.load(out)` or `hub.load(out)`:

    - `obj(images, training=False)`: float32 (batch, height, width, 3) in [0, 1], any size, to logits (batch, classes),
      or to features (batch, 2048 * width) of a headless model. `obj.trainable_variables` have the canonical names.
    - `obj.signatures["serving_default"](image_bytes=...)`: encoded JPEG, PNG, BMP or GIF pictures (batch,) to
      "class_names" and "scores" (batch, classes), likeliest first; of a headless model to "features".
    - `obj.signatures["features"](images=...)`: as the call, to "features".

    `assets/labels.txt` has the class names in the order of the logits; `receipt.json` says how far the folder's logits,
    read back, are from the model's.

    Args:
        model_or_run: a `keras.Model`, a `Run`, or what `bit.load` takes.
        out: the folder, which must not exist yet or be empty.
        class_names: one for each output; None takes the run's, else numbers.
        image_size: side of the square in pixels that encoded pictures are resized to; None takes the run's, else 224.
        fold: writes the kernels as they are applied, standardized once instead of in each call: faster, most of all for
            single pictures, but nothing of it is trainable, and `bit.finetune` refuses it. `receipt.json` and
            `assets/bit_keras.json` say which it is.
        xla: has XLA compile the folded network when it is first called with pictures of a size and a batch, which takes
            seconds: faster where these are few, as on a CPU that answers single pictures. Needs `fold`.
        overwrite: replaces an older SavedModel, once the new one is whole; any other folder is never replaced.

    Raises:
        UserError: if `out` is in use, `xla` comes without `fold`, the class names are too few or too many, or a headless model has other than
            average pooling, which a SavedModel of features could not be told apart from.
        SaveError: if the folder cannot be written; nothing is left half done.
    """
    if xla and not fold:
        raise UserError("Expected `fold` with `xla`, as compiled kernels do not train. Received: xla=True, fold=False.")
    folder = Path(out)
    _check_place(folder, model_or_run, overwrite)
    classifier = open_classifier(model_or_run, labels=class_names, image_size=image_size)
    model = servable(classifier.model)
    with atomic_folder(folder) as partial, tempfile.TemporaryDirectory() as assets:
        module = _module(folded(model) if fold else model, xla)
        module.assets = _assets(classifier, Path(assets), fold)
        try:
            tf.saved_model.save(module, str(partial), signatures=_signatures(module, classifier))
        except tf.errors.OpError as error:
            # Around the reason, TensorFlow tells which operation and which of its temporary files.
            reason = error.message.split(" [Op:")[0].split("; ")[-1]
            raise SaveError(f"Could not write {folder}: {reason}. Free some space and export again.") from error
        _write_receipt(partial, model, classifier.image_size, fold)
    return folder


def _check_place(folder, source, overwrite):
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        raise UserError(f"{folder} exists already. Choose another folder, or allow it to be overwritten (overwrite).")
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder} holds something other than a SavedModel, which is not overwritten. Choose another.")
    if not isinstance(source, keras.Model) and folder.resolve() in Path(source).resolve().parents:
        raise UserError(f"{folder} holds what is to be exported, {source}. Choose another folder.")


def _module(model, xla):
    """Returns the trackable object: the call and the variables."""
    variables = {v.path: tf.Variable(v.numpy(), name=canonical_name(v), trainable=v.trainable) for v in model.variables}
    both = keras.Model(model.inputs, {"features": features(model).output, "outputs": model.output})
    scale, offset = (255.0, 0.0) if takes_pixels(model) else (2.0, -1.0)

    def outputs(images, training):
        trainable = [tf.convert_to_tensor(variables[v.path]) for v in both.trainable_variables]
        others = [tf.convert_to_tensor(variables[v.path]) for v in both.non_trainable_variables]
        result, updated = both.stateless_call(trainable, others, images * scale + offset, training=training)
        if training:  # batch normalization's moving statistics; nothing else is updated
            for v, value in zip(both.non_trainable_variables, updated, strict=True):
                if v.path.endswith(MOVING):
                    variables[v.path].assign(value)
        return result

    outputs = compiled(outputs, both) if xla else tf.function(outputs)

    @tf.function
    def call(inputs, training=False):
        return outputs(inputs, training)["outputs"]

    for training in (False, True):
        call.get_concrete_function(UNIT_PIXELS, training=training)
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.features = tf.function(lambda images: {"features": outputs(images, False)["features"]}, [UNIT_PIXELS])
    # Set before `variables`: the first attribute that reaches a variable names it in the file.
    module.params = {canonical_name(v): variables[v.path] for v in model.variables}
    module.variables = list(variables.values())
    module.trainable_variables = [v for v in variables.values() if v.trainable]
    module.regularization_losses = []
    return module


def _assets(classifier, folder, fold):
    about = {
        "image_size": classifier.image_size,
        "num_classes": classifier.num_classes,
        FOLDED: fold,
        "bit_keras": bit_keras.__version__,
    }
    (folder / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")
    (folder / LABELS).write_text(labels_text(classifier.names()), encoding="utf-8")
    return [tf.saved_model.Asset(str(folder / name)) for name in (ABOUT, LABELS)]


def _signatures(module, classifier):
    """Encoded pictures to names and scores, with the pixels of training and prediction."""
    names = tf.constant(classifier.names() or [""])

    @tf.function(input_signature=[ENCODED])
    def serve(image_bytes):
        size = classifier.image_size
        images = tf.map_fn(
            lambda encoded: preprocess_eval(decode_picture(encoded), crop=size),
            image_bytes,
            fn_output_signature=tf.TensorSpec((size, size, 3), tf.float32),
        )
        images = (images + 1) / 2
        if not classifier.num_classes:
            return module.features(images)
        scores = tf.nn.softmax(module.__call__(images))
        order = tf.argsort(scores, direction="DESCENDING", stable=True)
        return {"class_names": tf.gather(names, order), "scores": tf.gather(scores, order, batch_dims=1)}

    return {"serving_default": serve, "features": module.features}


def _write_receipt(folder, model, size, fold):
    """Reads the folder back and compares; an export that differs from its model is no export."""
    pixels = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    scale, offset = (255.0, 0.0) if takes_pixels(model) else (2.0, -1.0)
    with tf.device("CPU"):  # accelerators round in ways of their own, eager code and graphs in different ones
        expected = np.asarray(model(pixels * scale + offset, training=False))
        module = tf.saved_model.load(str(folder))
        found = np.concatenate([module(pixels[:1]), module(pixels)[1:]])  # by XLA, one picture goes a way of its own
    if not np.isfinite(expected).all():
        raise UserError(f"Expected finite outputs. The model {model.name} gives NaN or infinity. Train it anew.")
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise SaveError(
            f"The exported graph differs from the model by {difference:.1e}. Nothing was kept; report this."
        )
    write_json(
        folder / "receipt.json",
        {
            "max_difference": difference,
            "compared": f"outputs of 2 random pictures of {size} px (numpy default_rng(0)), to the model in float32",
            "parameters": model.count_params(),
            FOLDED: fold,
            "versions": versions(),
        },
    )


def versions():
    """Returns what an artifact was made with."""
    return {
        "bit_keras": bit_keras.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
