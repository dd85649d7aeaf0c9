"""Big Transfer (BiT, arXiv 1912.11370) for Keras 3 and TensorFlow.

Importing this package loads nothing else; each name below loads what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "recipes.hyperrule": ["HyperRule"],
    "recipes.upstream": ["UpstreamRecipe"],
    "layers": ["GroupNorm", "StandardizedConv2D"],
    "optimizers": ["Momentum", "Schedule"],
    "models.variant": ["Variant"],
    "models.resnet_v2": ["build"],
    "models.endpoints": ["endpoint", "pyramid"],
    "weights.catalogue": ["Accuracy", "Preset", "list_presets", "preset"],
    "weights.loading": ["load"],
    "weights.saving": ["save_weights"],
    "weights.class_names": ["decode_predictions"],
    "weights.saved_model_layer": ["SavedModelLayer"],
    "weights.applications": ["BiTR50x1", "BiTR50x3", "BiTR101x1", "BiTR101x3", "BiTR152x2", "BiTR152x4"],
    "evaluation.evaluating": ["evaluate"],
    "evaluation.predicting": ["Prediction", "predict"],
    "evaluation.probing": ["probe"],
    "evaluation.verifying": ["Verification", "verify"],
    "exporting.exporting": ["export"],
    "training.fitting": ["Fit", "fit_to"],
    "training.running": ["Run"],
    "training.finetuning": ["finetune"],
    "training.pretraining": ["pretrain"],
    "errors": ["DataError", "BrokenPicturesError", "RunError", "SaveError", "UserError", "WeightsError"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from bit_keras.errors import BrokenPicturesError, DataError, RunError, SaveError, UserError, WeightsError
    from bit_keras.evaluation.evaluating import evaluate
    from bit_keras.evaluation.predicting import Prediction, predict
    from bit_keras.evaluation.probing import probe
    from bit_keras.evaluation.verifying import Verification, verify
    from bit_keras.exporting.exporting import export
    from bit_keras.layers import GroupNorm, StandardizedConv2D
    from bit_keras.models.endpoints import endpoint, pyramid
    from bit_keras.models.resnet_v2 import build
    from bit_keras.models.variant import Variant
    from bit_keras.optimizers import Momentum, Schedule
    from bit_keras.recipes.hyperrule import HyperRule
    from bit_keras.recipes.upstream import UpstreamRecipe
    from bit_keras.training.finetuning import finetune
    from bit_keras.training.fitting import Fit, fit_to
    from bit_keras.training.pretraining import pretrain
    from bit_keras.training.running import Run
    from bit_keras.weights.applications import BiTR50x1, BiTR50x3, BiTR101x1, BiTR101x3, BiTR152x2, BiTR152x4
    from bit_keras.weights.catalogue import Accuracy, Preset, list_presets, preset
    from bit_keras.weights.class_names import decode_predictions
    from bit_keras.weights.loading import load
    from bit_keras.weights.saved_model_layer import SavedModelLayer
    from bit_keras.weights.saving import save_weights

__all__ = list(_HOME_OF)


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__():
    return [*globals(), *_HOME_OF]
