"""The two layers that make a BiT, for every Keras backend."""

from bit_keras.layers.group_norm import GroupNorm
from bit_keras.layers.standardized_conv2d import StandardizedConv2D

__all__ = ["GroupNorm", "StandardizedConv2D"]
