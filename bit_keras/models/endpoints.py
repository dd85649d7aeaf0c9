"""Named places inside a BiT."""

import re

import keras

from bit_keras.errors import UserError
from bit_keras.models.resnet_v2 import HEAD_LAYER


def endpoint(model: keras.Model, name: str) -> keras.KerasTensor:
    """Returns the symbolic output of a block, for `keras.Model(model.input, ...)`.

    Args:
        model: a BiT.
        name: "root_block", "block1" to "block4", a unit such as "block3-unit06", "features" (pooled) or "head".

    Raises:
        UserError: if the model has no such place.
    """
    names = _endpoints(model)
    if name not in names:
        raise UserError(f"Expected an endpoint among {sorted(names)}. Received: {name!r}.")
    return model.get_layer(names[name]).output


def pyramid(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns {"P1": the root convolution, "P2" to "P5": blocks 1 to 4} as symbolic outputs.

    P1 is at half of the picture's height and width, P5 at a 32nd. `keras.Model(model.input, bit.pyramid(model))` gives
    them all.

    Raises:
        UserError: if the model is no BiT.
    """
    roots = [layer for layer in model.layers if layer.name.startswith("root_block-") and layer.weights]
    if not roots:
        raise UserError(f"Expected a BiT, with a layer root_block-... Received: the model {model.name}.")
    return {"P1": roots[0].output} | {f"P{block + 1}": endpoint(model, f"block{block}") for block in range(1, 5)}


def _endpoints(model):
    """Returns {endpoint: layer name}; a block's own name stands for its last unit."""
    layers = {layer.name for layer in model.layers}
    units = sorted((name for name in layers if re.fullmatch(r"block\d-unit\d+", name)), key=_numbers)
    blocks = {unit.split("-")[0]: unit for unit in units}
    places = {"root_block": "root_block", "features": "features", "head": HEAD_LAYER} | blocks
    return {name: layer for name, layer in places.items() if layer in layers} | {unit: unit for unit in units}


def _numbers(name):
    return [int(number) for number in re.findall(r"\d+", name)]
