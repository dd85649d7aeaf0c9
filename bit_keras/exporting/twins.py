"""What is written in a model's place: its float32 twin for pictures of any size, and its folded twin."""

from dataclasses import replace

import keras

from bit_keras.errors import UserError
from bit_keras.evaluation.classifier import takes_pixels
from bit_keras.layers.standardized_conv2d import standardize
from bit_keras.weights.assigning import arrays_of, freeze_alike
from bit_keras.weights.loading import load_arrays
from bit_keras.weights.names import architecture_of

STANDARDIZED, PLAIN = "/standardized_conv2d/kernel", "/conv2d/kernel"


def servable(model):
    """Returns the model itself, or its float32 twin for any size where a dtype or a size would be fixed.

    Raises:
        UserError: if it has other than average pooling.
    """
    arrays = arrays_of(model)
    architecture_of({name: array.shape for name, array in arrays.items()}, f"the model {model.name}")
    if not isinstance(features(model), keras.layers.GlobalAveragePooling2D):
        raise UserError("Expected a model with average pooling. Received: one with pooling='max'. Build it with 'avg'.")
    is_float32 = all(layer.compute_dtype == "float32" for layer in model.layers)
    if is_float32 and model.input_shape[1:3] == (None, None):
        return model
    twin = _twin(model, arrays)
    freeze_alike(twin, model)
    return twin


def folded(model):
    """Returns a twin with plain convolutions whose kernels are those that the model's layers apply.

    Standardizing costs as much for one picture as for many, in each call. The twin does not train: its kernels could
    become others than standardized ones.
    """
    twin = _twin(model, {array.name: array for array in map(_folded, arrays_of(model).values())})
    twin.trainable = False
    return twin


def scale_and_offset(model):
    """Returns what pixels in [0, 1] are multiplied by, and what is then added, to become the model's."""
    return (255.0, 0.0) if takes_pixels(model) else (2.0, -1.0)


def features(model):
    """Returns the layer that pools the features.

    Raises:
        UserError: if there is none.
    """
    try:
        return model.get_layer("features")
    except ValueError as error:
        raise UserError("Expected a model with pooled features. Received: one built with pooling=None.") from error


def _twin(model, arrays):
    return load_arrays(arrays, model.name, dtype="float32", include_preprocessing=takes_pixels(model))


def _folded(array):
    if not array.name.endswith(STANDARDIZED):
        return array
    return replace(
        array,
        name=array.name.removesuffix(STANDARDIZED) + PLAIN,
        read=lambda: keras.ops.convert_to_numpy(standardize(keras.ops.cast(array.read(), "float32"))[0]),
    )
