"""The model that a run starts from: random weights, a file, or a model of the user's."""

import re
from pathlib import Path

import keras

from bit_keras.errors import UserError
from bit_keras.evaluation.classifier import is_folded, takes_pixels
from bit_keras.models.resnet_v2 import HEAD_LAYER, build
from bit_keras.models.variant import Architecture, Variant
from bit_keras.weights.assigning import arrays_of, digest, freeze_alike
from bit_keras.weights.loading import load, load_arrays, read_arrays


def find_model(source):
    """Looks for the model before all pictures are checked, which may take long.

    Raises:
        UserError: if there is none of that name.
    """
    if isinstance(source, keras.Model):
        return
    if is_variant(source):
        Variant.parse(source)
    elif source is None:
        raise UserError(
            "Expected `model`: a preset, a path, a variant such as 'R50x1', or a keras.Model. Received: None."
        )
    elif is_folded(source):
        raise UserError(
            f"Expected weights that train. Received: {source}, a SavedModel that was folded for inference, whose "
            "kernels are not standardized any more. Give the run or the weights that it was exported from."
        )


def starting_model(source, *, num_classes, seed, precision):
    """Returns a new model with the backbone of `source` and a zero head that trains.

    What is frozen in a `keras.Model` is frozen in the new one, but for the head, which is another.
    """
    options = {"num_classes": num_classes, "dtype": precision}
    if is_variant(source):
        return build(source, seed=seed, **options)
    if not isinstance(source, keras.Model):
        return load(source, **options)
    model = load_arrays(arrays_of(source), source.name, **options)
    freeze_alike(model, source)
    model.get_layer(HEAD_LAYER).trainable = True
    return model


def stored_model(config, source, *, num_classes, precision):
    """Returns an empty model of a stored run's architecture, frozen like `source`; its weights are in a snapshot."""
    fields = dict(config["architecture"])
    architecture = Architecture(Variant(**fields.pop("variant")), **fields)
    model = build(
        architecture.variant,
        num_classes=num_classes,
        normalization=architecture.normalization,
        weight_standardization=architecture.weight_standardization,
        kernel_initializer="zeros",
        dtype=precision,
    )
    if isinstance(source, keras.Model):
        freeze_alike(model, source)
        model.get_layer(HEAD_LAYER).trainable = True
    return model


def model_name(source):
    """Returns what the plan and the configuration call the model."""
    if isinstance(source, keras.Model):
        return f"keras.Model {source.name}{' (0..255)' if takes_pixels(source) else ''}"
    return f"random weights ({source})" if is_variant(source) else str(source)


def weights_digest(source):
    """Tells whether a name still stands for the same weights; None for a variant, whose follow from the seed."""
    if is_variant(source):
        return None
    return digest(arrays_of(source) if isinstance(source, keras.Model) else read_arrays(source))


def is_variant(source):
    """Whether `source` has the form of a variant; one that does not exist is told where it is built."""
    has_form = isinstance(source, str) and re.fullmatch(r"R\d+x[\d.]+", source) and not Path(source).exists()
    return isinstance(source, Variant) or bool(has_form)
