"""Group normalization (Wu and He, arXiv 1803.08494) in the form that costs least."""

import keras
from keras import ops

from bit_keras.layers.precision import at_least_float32

GROUPS = 32  # at every layer of every BiT; google-research/big_transfer, bit_tf2/normalization.py
EPSILON = 1e-5  # added to the group's variance; the same file


@keras.saving.register_keras_serializable(package="bit_keras")
class GroupNorm(keras.layers.Layer):
    """Normalizes each picture over height, width and the channels of a group, then scales and shifts each channel.

    The large tensor is read three times and never reshaped: mean and centred variance of each channel; these are
    combined to groups on (batch, channels) tensors; and the result is applied as one scale and one shift per channel.
    Statistics and parameters are at least float32 under every dtype policy.

    Args:
        groups: number of groups, a divisor of the channels.
        epsilon: added to the variance.
        **kwargs: as for `keras.layers.Layer`.

    Input and output: (batch, height, width, channels) of the compute dtype; height and width may be unknown.

    Raises:
        ValueError: if `groups` does not divide the channels.
    """

    def __init__(self, groups=GROUPS, epsilon=EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise ValueError(
                f"Expected channels (the last axis) that {self.groups} groups divide. "
                f"Received: input_shape={tuple(input_shape)}. Choose another `groups` or another width."
            )
        parameter = {"shape": (channels,), "dtype": at_least_float32(self.variable_dtype), "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **parameter)
        self.beta = self.add_weight(name="beta", initializer="zeros", **parameter)
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, at_least_float32(self.compute_dtype))
        scale, shift = self._scale_and_shift(x)
        return ops.cast(x * scale[:, None, None, :] + shift[:, None, None, :], self.compute_dtype)

    def _scale_and_shift(self, x):
        """Returns what makes `x` normal: two (batch, channels) tensors."""
        mean = ops.mean(x, axis=(1, 2))
        # Centred, because E[x^2] - E[x]^2 loses every digit where the mean is large. No gradient goes through the
        # centre: its share is the mean of what is centred, 0, and would cost one more pass over the large tensor.
        centre = ops.stop_gradient(mean)[:, None, None, :]
        variance = ops.mean(ops.square(x - centre), axis=(1, 2))
        group_mean = self._mean_of_groups(mean)
        group_variance = self._mean_of_groups(variance + ops.square(mean - group_mean))
        scale = self.gamma * ops.rsqrt(group_variance + self.epsilon)
        return scale, self.beta - group_mean * scale

    def _mean_of_groups(self, x):
        """Returns the mean over each group, (batch, channels) with the same number for all channels of a group."""
        members = x.shape[-1] // self.groups
        means = ops.mean(ops.reshape(x, (-1, self.groups, members)), axis=-1)
        return ops.repeat(means, members, axis=-1)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "groups": self.groups, "epsilon": self.epsilon}
