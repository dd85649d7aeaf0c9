"""The numbers of the papers, with their sources. Imports neither TensorFlow nor Keras."""

from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.recipes.upstream import UpstreamRecipe

__all__ = ["HyperRule", "UpstreamRecipe"]
