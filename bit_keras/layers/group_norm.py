"""Group normalization (Wu and He, arXiv 1803.08494), its activation and its gradient in the form that costs least."""

import functools

import keras
from keras import ops

from bit_keras.layers.compiling import PLAIN, Compilable
from bit_keras.layers.precision import at_least_float32

GROUPS = 32  # at every layer of every BiT; google-research/big_transfer, bit_tf2/normalization.py
EPSILON = 1e-5  # added to the group's variance; the same file
ACTIVATIONS = (None, "relu")


@keras.saving.register_keras_serializable(package="bit_keras")
class GroupNorm(Compilable, keras.layers.Layer):
    """Normalizes each picture over height, width and the channels of a group, then scales and shifts each channel.

    The large tensor is read for the moments of each channel, and to be scaled, shifted and activated; what lies between
    is on (batch, 1, channels) tensors. Where a compiler is set, the gradient is the one written down here, which saves
    half of the passes that automatic differentiation makes.
    Statistics and parameters are at least float32 under every dtype policy.

    Args:
        groups: number of groups, a divisor of the channels.
        epsilon: added to the variance.
        activation: "relu" for max(0, .) of the result, in the same pass; None for none.
        **kwargs: as for `keras.layers.Layer`.

    Input and output: (batch, height, width, channels) of the compute dtype; height and width may be unknown.

    Raises:
        ValueError: if `groups` does not divide the channels, or for another activation.
    """

    def __init__(self, groups=GROUPS, epsilon=EPSILON, activation=None, **kwargs):
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(f"Expected `activation` 'relu' or None. Received: activation={activation!r}.")
        self.groups = groups
        self.epsilon = epsilon
        self.activation = activation

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
        forward, backward = passes(self.groups, self.epsilon, self.activation)
        return self.compiled(forward, backward, inputs, self.gamma, self.beta)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "groups": self.groups,
            "epsilon": self.epsilon,
            "activation": self.activation,
        }


@functools.cache
def passes(groups, epsilon, activation):
    """Returns the forward and the backward pass, functions of tensors; the same ones for the same arguments."""

    def flat(x, dtype):
        """Returns (batch, positions, channels) of (batch, height, width, channels): a mean is over one axis."""
        shape = ops.shape(x)
        return ops.cast(ops.reshape(x, (-1, shape[1] * shape[2], shape[3])), dtype)

    def of_groups(x):
        """Returns the mean of each group, (batch, 1, groups), of (batch, 1, channels)."""
        return ops.mean(ops.reshape(x, (-1, 1, groups, x.shape[-1] // groups)), axis=-1)

    def forward(x, gamma, beta, by=PLAIN):
        """Returns the output; and of each channel's group the mean and 1 / deviation, (batch, 1, channels)."""
        shape, dtype = ops.shape(x), x.dtype
        x = flat(x, gamma.dtype)
        members = x.shape[-1] // groups
        centre, variance = by.moments(x)
        group_mean = by.spread(of_groups(centre), members)
        group_variance = of_groups(variance + ops.square(centre - group_mean))
        scale = by.spread(ops.rsqrt(group_variance + epsilon), members)
        y = by.scaled(x, group_mean, gamma * scale, beta)
        return ops.reshape(ops.cast(ops.relu(y) if activation else y, dtype), shape), (group_mean, scale)

    def backward(tensors, statistics, upstream, by=PLAIN):
        """Returns the gradients of x, gamma and beta from that of the output."""
        (x, gamma, beta), (group_mean, scale) = tensors, statistics
        shape, dtype = ops.shape(x), x.dtype
        x, upstream = flat(x, gamma.dtype), flat(upstream, gamma.dtype)

        def active(x, upstream):
            y = by.scaled(x, group_mean, gamma * scale, beta)
            return ops.where(y > 0, upstream, ops.zeros_like(upstream)) if activation else upstream

        def normal(x):
            return (x - group_mean) * scale

        def shift_and_stretch(x, upstream):
            upstream = active(x, upstream)
            return upstream, upstream * normal(x)

        def over_groups(x):
            return by.spread(of_groups(x), x.shape[-1] // groups)

        shift, stretch = by.means(shift_and_stretch, x, upstream)
        # Of a picture and group: what changes its mean and its deviation has no effect, and is taken out.
        taken_out = over_groups(gamma * shift) + normal(x) * over_groups(gamma * stretch)
        gradient = scale * (gamma * active(x, upstream) - taken_out)
        positions = ops.cast(ops.shape(x)[1], gamma.dtype)
        of_pictures = [ops.sum(one, axis=(0, 1)) * positions for one in (stretch, shift)]
        return ops.reshape(ops.cast(gradient, dtype), shape), *of_pictures

    return forward, backward
