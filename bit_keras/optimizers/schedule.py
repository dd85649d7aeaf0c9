"""A recipe's learning rate as a Keras schedule."""

import math
from types import SimpleNamespace

import keras
from keras import ops

from bit_keras.recipes.hyperrule import DECAY


@keras.saving.register_keras_serializable(package="bit_keras")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of `rule` at each step: a linear warm-up from 0, then a tenth at each boundary, or half a cosine to 0.

    Where the rule has ended (`rule.learning_rate` gives None there) the last rate goes on.

    Args:
        rule: a `HyperRule` or an `UpstreamRecipe`, or anything with `base_learning_rate`, `warmup_steps` and
            `boundaries`; with a `schedule` of "cosine" its `steps` count too.
    """

    def __init__(self, rule):
        self.base_learning_rate = rule.base_learning_rate
        self.warmup_steps = rule.warmup_steps
        self.boundaries = tuple(rule.boundaries)
        self.cosine_steps = rule.steps if getattr(rule, "schedule", None) == "cosine" else None

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = self._cosine(step) if self.cosine_steps else ops.convert_to_tensor(self.base_learning_rate, "float32")
        for boundary in self.boundaries:
            rate = ops.where(step > boundary, rate * DECAY, rate)
        if self.warmup_steps:
            rate = ops.where(step < self.warmup_steps, self.base_learning_rate * step / self.warmup_steps, rate)
        return rate

    def _cosine(self, step):
        progress = ops.clip((step - self.warmup_steps) / (self.cosine_steps - self.warmup_steps), 0, 1)
        return self.base_learning_rate * 0.5 * (1 + ops.cos(math.pi * progress))

    def get_config(self):
        return {
            "base_learning_rate": self.base_learning_rate,
            "warmup_steps": self.warmup_steps,
            "boundaries": list(self.boundaries),
            "cosine_steps": self.cosine_steps,
        }

    @classmethod
    def from_config(cls, config):
        steps = config.get("cosine_steps")
        return cls(SimpleNamespace(**config, steps=steps, schedule="cosine" if steps else "steps"))
