"""The forward pass of a step, with kernels that were standardized before: once for all its micro-batches."""

import keras
import tensorflow as tf

from bit_keras.layers import StandardizedConv2D
from bit_keras.layers.standardized_conv2d import standardized_before
from bit_keras.models.resnet_v2 import MOVING


def applied_weights(model):
    """Returns {path: tensor} of the weights as the layers apply them: kernels standardized, all else as it is.

    Gradients flow from the tensors to the model's variables. Moving statistics are left out, as they change in a step.
    """
    layers = {layer.kernel.path: layer for layer in model.layers if isinstance(layer, StandardizedConv2D)}
    kernels = {path: layer.standardized(layer.kernel) for path, layer in layers.items()}
    others = (variable for variable in model.variables if not variable.path.endswith(MOVING))
    return {variable.path: tf.identity(variable.value) for variable in others} | kernels


def called(model, weights, images):
    """Returns what the model gives for the images in training, with `applied_weights`; moving statistics move."""
    given = [(variable, weights[variable.path]) for variable in model.variables if variable.path in weights]
    with standardized_before(model), keras.StatelessScope(given) as scope:
        outputs = model(images, training=True)
    for variable in model.non_trainable_variables:
        value = scope.get_current_value(variable)
        if variable.path not in weights and value is not None:
            variable.assign(value)
    return outputs
