"""Convolution with standardized kernels (Qiao et al., "Weight Standardization", arXiv 1903.10520)."""

import keras
from keras import ops

from bit_keras.layers.compiling import PLAIN, Compilable, having
from bit_keras.layers.precision import at_least_float32

EPSILON = 1e-10  # added to the kernel's variance; google-research/big_transfer, bit_tf2/models.py


@keras.saving.register_keras_serializable(package="bit_keras")
class StandardizedConv2D(Compilable, keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose kernel has mean 0 and variance 1 for each output channel.

    The kernel k (height, width, in, out) is applied as (k - mean) / sqrt(variance + 1e-10), mean and biased variance
    over height, width and in. Stored and standardized in at least float32 under every dtype policy, then rounded once
    to the compute dtype.

    Args:
        filters: output channels.
        kernel_size: height and width, an integer or a pair.
        **kwargs: as for `keras.layers.Conv2D`.

    Input and output: (batch, height, width, channels) of the compute dtype; height and width may be unknown.
    """

    is_standardized = False

    def add_weight(self, *args, **kwargs):
        # Keras hands a mixed policy's layer its variables already rounded to half precision: autocast=False does not.
        if kwargs.get("name") == "kernel":
            kwargs |= {"dtype": at_least_float32(self.variable_dtype), "autocast": False}
        return super().add_weight(*args, **kwargs)

    def convolution_op(self, inputs, kernel):
        kernel = kernel if self.is_standardized else self.standardized(kernel)
        return super().convolution_op(inputs, ops.cast(kernel, inputs.dtype))

    def standardized(self, kernel):
        """Returns the kernel as it is applied."""
        return self.compiled(standardize, standardize_gradient, kernel)


def standardized_before(model):
    """Returns a context in which the model's layers take their kernels as standardized already."""
    layers = [layer for layer in model.layers if isinstance(layer, StandardizedConv2D)]
    return having(layers, "is_standardized", True)


def standardize(kernel, by=PLAIN):
    """Returns `kernel` (height, width, in, out) with mean 0 and variance 1 over all but out.

    And, for the gradient, its mean and 1 / deviation, (1, 1, out).
    """
    k = _flat(kernel)
    centre, variance = by.moments(k)
    scale = ops.rsqrt(variance + EPSILON)
    return ops.reshape((k - centre) * scale, kernel.shape), (centre, scale)


def standardize_gradient(tensors, statistics, upstream, by=PLAIN):
    """Returns the gradient of the kernel from that of its standardized form."""
    (kernel,), (centre, scale) = tensors, statistics
    k, upstream = _flat(kernel), _flat(upstream)
    shift, stretch = by.means(lambda k, upstream: (upstream, upstream * (k - centre) * scale), k, upstream)
    return ops.reshape(scale * (upstream - shift - (k - centre) * scale * stretch), kernel.shape)


def _flat(kernel):
    return ops.reshape(kernel, (1, -1, kernel.shape[-1]))
