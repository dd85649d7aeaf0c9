"""`BiTR50x1` and its sisters, in the manner of `keras.applications`."""

from pathlib import Path

from bit_keras.errors import UserError
from bit_keras.models.resnet_v2 import build
from bit_keras.weights.catalogue import SIZES, find_preset
from bit_keras.weights.loading import load_arrays, read_arrays
from bit_keras.weights.names import architecture_of

# What `weights=` names, by the data that the weights were trained on.
UPSTREAM = {"imagenet": "BiT-S-{}", "imagenet21k": "BiT-M-{}", "imagenet21k-ilsvrc2012": "BiT-M-{}-ILSVRC2012"}


def _constructor(variant):
    def construct(
        include_top=True,
        weights="imagenet21k",
        input_tensor=None,
        input_shape=None,
        pooling=None,
        classes=None,
        classifier_activation=None,
        include_preprocessing=True,
    ):
        options = {
            "input_tensor": input_tensor,
            "input_shape": input_shape,
            "pooling": pooling,
            "classifier_activation": classifier_activation,
            "include_preprocessing": include_preprocessing,
        }
        if weights is None:
            return build(variant, num_classes=(1000 if classes is None else classes) if include_top else 0, **options)
        source = UPSTREAM[weights].format(variant) if weights in UPSTREAM else weights
        if not find_preset(str(source)) and not Path(source).exists():
            raise UserError(
                f"Expected `weights` as one of {list(UPSTREAM)}, a preset, a path that exists, or None. Received: "
                f"weights={weights!r}."
            )
        arrays = read_arrays(source)
        _check(arrays, source, variant, include_top, classes)
        return load_arrays(arrays, source, num_classes=None if include_top else 0, **options)

    construct.__name__ = construct.__qualname__ = f"BiT{variant}"
    construct.__doc__ = f"""Returns a BiT-{variant} as a functional `keras.Model`.

    Input: (batch, height, width, 3) pixels from 0 to 255, or [-1, 1] without `include_preprocessing`.

    Args:
        include_top: whether the model ends with the head and gives (batch, classes) logits.
        weights: "imagenet" (BiT-S), "imagenet21k" (BiT-M), "imagenet21k-ilsvrc2012", a preset, a path, or None for
            random weights. Names are fetched once into the cache.
        input_tensor: a Keras tensor to build on.
        input_shape: (height, width, 3) where they should be fixed.
        pooling: without the top: "avg" or "max" for (batch, channels) features, None for the feature map.
        classes: outputs of the head; None for the file's own number, or 1000 with `weights=None`.
        classifier_activation: for instance "softmax"; None for logits.
        include_preprocessing: whether the graph begins with the `Rescaling` named "pixels".

    Raises:
        UserError: if `classes` or the variant contradicts the file.
        WeightsError: if the file cannot be fetched or read.
    """
    return construct


def _check(arrays, source, variant, include_top, classes):
    found = architecture_of({name: array.shape for name, array in arrays.items()}, source)
    if str(found.variant) != variant:
        raise UserError(f"Expected the weights of a BiT-{variant}. Received: {source}, a BiT-{found.variant}.")
    if include_top and not found.num_classes:
        raise UserError(f"Expected weights with a head. Received: {source}, which has none. Use include_top=False.")
    if include_top and classes not in (None, found.num_classes):
        raise UserError(
            f"Expected classes={found.num_classes}, the head of {source}, or None. Received: classes={classes}. For a "
            f"new head use bit_keras.load({source!r}, num_classes={classes})."
        )


BiTR50x1, BiTR50x3, BiTR101x1, BiTR101x3, BiTR152x2, BiTR152x4 = map(_constructor, SIZES)
