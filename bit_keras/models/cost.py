"""What a network computes, counted from its layers."""

import math


def multiply_adds(model):
    """Returns those of the convolutions and the head for one picture, of a model whose picture size is known."""
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return sum(math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape) for layer in kernels)
