"""Backpropagation that keeps the outputs of the units alone, and computes what is inside them a second time.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174.
"""

import itertools
import re

import keras
import tensorflow as tf

from bit_keras.errors import UserError
from bit_keras.training.forward import called

UNIT = re.compile(r"block\d-unit\d+")


def recomputing(model):
    """Returns a function like `forward.called` of the model, whose gradient recomputes the units.

    Raises:
        UserError: for a model with batch normalization, whose statistics would move twice.
    """
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        raise UserError("Expected a model with group normalization under `remat`. Received: batch normalization.")
    units = [layer.output for layer in model.layers if UNIT.fullmatch(layer.name)]
    places = [model.input, model.get_layer("root_block").output, *units, model.output]
    root, *inner, head = (keras.Model(start, end) for start, end in itertools.pairwise(places))

    def call(weights, images):
        x = called(root, weights, images)
        for part in inner:
            x = _recomputed(part, weights, x)
        return called(head, weights, x)

    return call


def _recomputed(part, weights, x):
    paths = [variable.path for variable in part.variables if variable.path in weights]

    def outputs(x, values):
        return called(part, dict(zip(paths, values, strict=True)), x)

    @tf.custom_gradient
    def function(x, *values):
        def gradient(upstream):
            with tf.control_dependencies(
                [upstream]
            ):  # else TensorFlow would find both computations equal and merge them
                again = tf.identity(x)
            with tf.GradientTape() as tape:
                tape.watch([again, *values])
                y = outputs(again, values)
            return tape.gradient(y, [again, *values], output_gradients=upstream)

        return outputs(x, values), gradient

    return function(x, *(weights[path] for path in paths))
