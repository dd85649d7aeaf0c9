"""Backpropagation that keeps the outputs of the units alone, and computes what is inside them a second time.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174.
"""

import itertools
import re

import keras
import tensorflow as tf

from bit_keras.errors import UserError

UNIT = re.compile(r"block\d-unit\d+")


def recomputing(model):
    """Returns a function from pictures to what `model` gives for them in training, whose gradient recomputes the units.

    Raises:
        UserError: for a model with batch normalization, whose statistics would move twice.
    """
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        raise UserError("Expected a model with group normalization under `remat`. Received: batch normalization.")
    units = [layer.output for layer in model.layers if UNIT.fullmatch(layer.name)]
    places = [model.input, model.get_layer("root_block").output, *units, model.output]
    parts = [keras.Model(start, end) for start, end in itertools.pairwise(places)]
    root, *inner, head = parts
    inner = [_recomputed(part) for part in inner]

    def call(images):
        x = root(images, training=True)
        for part in inner:
            x = part(x)
        return head(x, training=True)

    return call


def _recomputed(part):
    def outputs(x, weights):
        others = [tf.convert_to_tensor(variable) for variable in part.non_trainable_variables]
        return part.stateless_call(weights, others, x, training=True)[0]

    @tf.custom_gradient
    def function(x, *weights):
        def gradient(upstream):
            with tf.control_dependencies(
                [upstream]
            ):  # else TensorFlow would find both computations equal and merge them
                again = tf.identity(x)
            with tf.GradientTape() as tape:
                tape.watch([again, *weights])
                y = outputs(again, weights)
            return tape.gradient(y, [again, *weights], output_gradients=upstream)

        return outputs(x, weights), gradient

    return lambda x: function(x, *map(tf.convert_to_tensor, part.trainable_variables))
