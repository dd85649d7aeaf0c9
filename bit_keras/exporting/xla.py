"""Which parts of a network XLA compiles: the normalizations, for which TensorFlow goes through memory ten times."""

import contextlib
import functools

import tensorflow as tf
from keras import ops

from bit_keras.exporting.sums import sums_within_convolutions
from bit_keras.layers.compiling import Arithmetic, compiling

# Into how many strips a mean is cut: XLA's CPU compiler makes fast loops of sums of numbers as they lie in memory, and
# slow ones of sums of something computed. So the strips are computed and added up, and what is left is summed, which up
# to 32 positions may be done together with what computes them.
STRIPS, MANY_STRIPS, ALONE = 4, 8, 33
PARTS = 32  # of a tensor, the first of which says around where its numbers are


class CompiledArithmetic(Arithmetic):
    """Both means in one pass over the tensors, mean and variance too; and nothing computed twice."""

    def means(self, function, *tensors):
        """Returns what `Arithmetic.means` does.

        XLA would make a pass for each, so both are one tensor with one more axis, before that of the channels: the
        second is computed of numbers that the caches still hold.
        """
        size = ops.shape(tensors[0])[1]
        are_enough = isinstance(size, int) and size >= MANY_STRIPS * ALONE  # an export does not know it
        strips = MANY_STRIPS if are_enough else STRIPS
        length = size // strips

        def both(begin, end=None):
            results = function(*(x[:, begin:end] for x in tensors))
            return tf.where([[True], [False]], *(result[:, :, None] for result in results))

        added_up = sum(both(strip * length, (strip + 1) * length) for strip in range(strips))
        total = sum(tf.reduce_sum(part, axis=1) for part in (added_up, both(strips * length)))
        means = total / tf.cast(size, total.dtype)
        return means[:, :1], means[:, 1:]

    def moments(self, x):
        """Returns mean and biased variance, by distances from the mean of a first part of x.

        Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983. The square of how far that is
        from the true mean is at most PARTS - 1 times the variance, so that five of 24 bits are lost at worst. Compiled,
        more are lost where the mean is over 1e4 deviations (relative error of the variance: 6e-5 at 1e5).
        """
        start = tf.reduce_mean(x[:, : 1 + ops.shape(x)[1] // PARTS], axis=1, keepdims=True)

        def around(x):
            return x - start, tf.square(x - start)

        shift, squares = self.means(around, x)
        return start + shift, tf.maximum(squares - tf.square(shift), 0)  # rounded, the difference may be negative

    def spread(self, groups, members):
        """Returns what `Arithmetic.spread` does, as a product with zeros and ones.

        XLA would compute anything else again for each number of the large tensor that it goes into. What is no number
        in one group is then none in all of a picture.
        """
        if any(device.device_type != "CPU" for device in tf.config.list_physical_devices()):
            return super().spread(groups, members)  # GPUs and TPUs round what they multiply
        ones = tf.repeat(tf.eye(groups.shape[-1], dtype=groups.dtype), members, axis=1)
        return tf.matmul(groups[:, 0], ones)[:, None]

    def scaled(self, x, mean, factor, offset):
        """Returns what `Arithmetic.scaled` does, rounded less where the mean is large; in one pass anyway."""
        return (x - mean) * factor + offset


COMPILED = CompiledArithmetic()


def compiled(outputs, model, constant_weights):
    """Returns a function like `outputs(images, training)` of the model, by XLA, which is traced once.

    The normalizations are compiled alone. But where the weights are not constants, TensorFlow's convolutions bring them
    into a layout of their own in each call; XLA's are slower and do not, so for one picture it compiles all.
    benchmarks/NOTES.md has the figures. The gradients that are written down for training are left out of it, as nothing
    of it trains and each would be traced for each layer; those of pictures follow from the operations.
    """

    @tf.function(jit_compile=True)
    def whole(images):
        with fast_means(model):
            return outputs(images, False)

    def by_layers(images):
        with compiling(model, _compiled, gradients=False), sums_within_convolutions(model):
            return outputs(images, False)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def fast(images):
        if constant_weights:
            return by_layers(images)
        return tf.cond(tf.shape(images)[0] == 1, lambda: whole(images), lambda: by_layers(images))

    return lambda images, training: fast(images)


def layers_by_xla(model, is_on):
    """Returns a context in which the normalizations of the model, and their gradients, are traced for XLA."""
    return compiling(model, _compiled) if is_on else contextlib.nullcontext()


@functools.cache
def _compiled(function):
    return tf.function(functools.partial(function, by=COMPILED), jit_compile=True, autograph=False)


def fast_means(model):
    """Returns a context in which the model is traced in the form that XLA makes fast, for a caller who compiles all."""
    return compiling(model, lambda function: functools.partial(function, by=COMPILED), gradients=False)
