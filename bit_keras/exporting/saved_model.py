"""The reusable SavedModel: callable, trainable, and answering encoded pictures with names.

It follows the reusable-SavedModel interface of TensorFlow Hub, so `hub.load`, `hub.KerasLayer` of tf_keras,
`tf.saved_model.load`, TensorFlow Serving and `bit.load` all take it.
"""

import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import bit_keras
from bit_keras.data.pictures import decode_picture
from bit_keras.data.preprocessing import preprocess_eval
from bit_keras.errors import SaveError, UserError
from bit_keras.evaluation.classifier import ABOUT, FOLDED, is_folded, open_classifier
from bit_keras.exporting.receipts import make_receipt
from bit_keras.exporting.twins import features, folded, scale_and_offset, servable
from bit_keras.exporting.xla import compiled
from bit_keras.files import atomic_folder, write_json
from bit_keras.models.resnet_v2 import MOVING
from bit_keras.weights.labels import labels_text
from bit_keras.weights.names import canonical_name
from bit_keras.weights.run_config import LABELS

# Largest difference between the folder's outputs and the model's, relative to their size if that is over 1. XLA sums in
# another order, and the deeper the network, the more it matters (seeded weights: R50x1 0.7e-5, R101x1 1.9e-5, R152x1
# 4.5e-5, R152x2 7.3e-5), so it is four times what was seen.
TOLERANCE, TOLERANCE_OF_XLA = 1e-5, 3e-4
# With `xla`, weights of up to so many bytes (R50x1: 102 MB, R101x1: 178) are constants of the graph, which convolutions
# keep in a layout of their own. TensorFlow makes tens of copies of constants (benchmarks/NOTES.md), so no larger ones.
CONSTANT_BYTES = 2**28
UNIT_PIXELS = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
ENCODED = tf.TensorSpec([None], tf.string, name="image_bytes")


def write_saved_model(folder, source, *, class_names, image_size, fold, xla, overwrite):
    """Writes the folder and returns it; `bit_keras.exporting.exporting.export` tells all."""
    _check_place(folder, source, overwrite)
    classifier = open_classifier(source, labels=class_names, image_size=image_size)
    fold = fold or is_folded(source)  # kernels once standardized are so in each copy
    model = servable(classifier.model)
    with atomic_folder(folder) as partial:
        _save(folder, partial, folded(model) if fold else model, classifier, fold, xla)
        _write_receipt(partial, model, classifier.image_size, fold, xla)
    return folder


def _save(folder, partial, model, classifier, fold, xla):
    """Writes what is to become `folder` into `partial`."""
    with tempfile.TemporaryDirectory() as assets:
        module = _module(model, xla)
        module.assets = _assets(classifier, Path(assets), fold)
        try:
            tf.saved_model.save(module, str(partial), _signatures(module, classifier))
        except tf.errors.OpError as error:
            # Around the reason, TensorFlow tells which operation and which of its temporary files.
            reason = error.message.split(" [Op:")[0].split("; ")[-1]
            raise SaveError(f"Could not write {folder}: {reason}. Free some space and export again.") from error


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
    constant_weights = xla and 4 * model.count_params() <= CONSTANT_BYTES
    weights = {path: v.numpy() for path, v in variables.items()} if constant_weights else variables
    both = keras.Model(model.inputs, {"features": features(model).output, "outputs": model.output})
    scale, offset = scale_and_offset(model)

    def outputs(images, training):
        trainable = [tf.convert_to_tensor(weights[v.path]) for v in both.trainable_variables]
        others = [tf.convert_to_tensor(weights[v.path]) for v in both.non_trainable_variables]
        result, updated = both.stateless_call(trainable, others, images * scale + offset, training=training)
        if training:  # batch normalization's moving statistics; nothing else is updated
            for v, value in zip(both.non_trainable_variables, updated, strict=True):
                if v.path.endswith(MOVING):
                    variables[v.path].assign(value)
        return result

    outputs = compiled(outputs, both, constant_weights) if xla else tf.function(outputs)

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


def _write_receipt(folder, model, size, fold, xla):
    """Reads the folder back and compares."""

    def read_back(pixels):
        module = tf.saved_model.load(str(folder))
        return np.concatenate([module(pixels[:1]), module(pixels)[1:]])  # by XLA, one may go a way of its own

    tolerance = TOLERANCE_OF_XLA if xla else TOLERANCE
    receipt = make_receipt(read_back, model, size, tolerance=tolerance, fold=fold)
    write_json(folder / "receipt.json", receipt | {"xla": xla})
