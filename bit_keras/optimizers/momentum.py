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
        kernel_decay: weight decay of the variables named "kernel" and of no other, at least 0. Times the kernel, it is
            added to the gradient: the coupled decay of classic SGD.
        decoupled: whether it is taken from the kernel instead, times the learning rate, beside the momentum.
        **kwargs: as for `keras.optimizers.Optimizer`.
    """

    def __init__(self, learning_rate, momentum=0.9, kernel_decay=0.0, decoupled=False, name="momentum", **kwargs):
        if not 0 <= momentum < 1:
            raise ValueError(f"Expected `momentum` from 0 up to but not including 1. Received: momentum={momentum!r}.")
        if not kernel_decay >= 0:
            raise ValueError(f"Expected `kernel_decay` of at least 0. Received: kernel_decay={kernel_decay!r}.")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.kernel_decay = kernel_decay
        self.decoupled = decoupled

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")
        self._decays = [self.kernel_decay if variable.name == "kernel" else 0.0 for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        velocity, accumulated, change = self._next(gradient, variable, learning_rate)
        self.assign(velocity, accumulated)
        self.assign_sub(variable, change)

    def _next(self, gradient, variable, learning_rate):
        """Returns the variable of the velocity, its next value, and what is to be taken from `variable`."""
        index = self._get_variable_index(variable)
        velocity, decay = self.velocities[index], ops.cast(self._decays[index], variable.dtype)
        gradient, rate = ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype)
        if self._decays[index] and not self.decoupled:
            gradient += decay * variable
        accumulated = ops.cast(self.momentum, variable.dtype) * velocity + gradient
        change = rate * accumulated
        if self._decays[index] and self.decoupled:
            change += rate * decay * variable
        return velocity, accumulated, change

    def get_config(self):
        own = {"momentum": self.momentum, "kernel_decay": self.kernel_decay, "decoupled": self.decoupled}
        return {**super().get_config(), **own}
