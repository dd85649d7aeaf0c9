"""Momentum SGD as the paper's code has it, and the HyperRule as a Keras schedule."""

from bit_keras.optimizers.momentum import Momentum
from bit_keras.optimizers.schedule import Schedule

__all__ = ["Momentum", "Schedule"]
