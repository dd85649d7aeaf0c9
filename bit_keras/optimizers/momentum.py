"""Momentum SGD with the learning rate applied after accumulation."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bit_keras")
class Momentum(keras.optimizers.Optimizer):
    """v = momentum * v + g; w = w - learning_rate * v.

    As TensorFlow 1's MomentumOptimizer, flax and PyTorch have it, and so the code that trained BiT: a decay of the rate
    takes effect at once. `keras.optimizers.SGD` keeps the rate inside v, so a decay is felt only as v forgets.

    Args:
        learning_rate: a number, a `keras.optimizers.schedules.LearningRateSchedule` or a callable.
        momentum: from 0 up to but not including 1.
        **kwargs: as for `keras.optimizers.Optimizer`.
    """

    def __init__(self, learning_rate, momentum=0.9, name="momentum", **kwargs):
        if not 0 <= momentum < 1:
            raise ValueError(f"Expected `momentum` from 0 up to but not including 1. Received: momentum={momentum!r}.")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient, variable, learning_rate):
        velocity = self.velocities[self._get_variable_index(variable)]
        gradient = ops.cast(gradient, variable.dtype)
        accumulated = ops.cast(self.momentum, variable.dtype) * velocity + gradient
        self.assign(velocity, accumulated)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * accumulated)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}
