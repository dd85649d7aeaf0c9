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
        index, dtype = self._get_variable_index(variable), variable.dtype
        gradient, rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        velocity = self.velocities[index]
        after = self._after(self._decays[index], gradient, velocity, variable, rate)
        for state, value in zip((velocity, variable), after, strict=True):
            self.assign(state, value)

    def _after(self, decay, gradient, velocity, weights, rate):
        """Returns velocity and weights after the step; `decay` is a Python number."""
        # Not `cast`, which would make float32 of a Python number first.
        decay, momentum = (ops.convert_to_tensor(number, weights.dtype) for number in (decay, self.momentum))
        if self.kernel_decay and not self.decoupled:
            gradient += decay * weights
        velocity = momentum * velocity + gradient
        change = rate * velocity
        if self.kernel_decay and self.decoupled:
            change += rate * decay * weights
        return velocity, weights - change

    def get_config(self):
        own = {"momentum": self.momentum, "kernel_decay": self.kernel_decay, "decoupled": self.decoupled}
        return {**super().get_config(), **own}
