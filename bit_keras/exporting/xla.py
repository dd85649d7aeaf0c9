"""Which parts of a network XLA compiles: the normalizations, for which TensorFlow goes through memory ten times."""

import contextlib
import functools

import tensorflow as tf

from bit_keras.layers.compiling import compiling


def compiled(outputs, model):
    """Returns a function like `outputs(images, training)` of the model, by XLA; it is traced once and has no gradient.

    All of it for one picture, where XLA's convolutions are faster than TensorFlow's; for more, where they are slower,
    the normalizations alone. benchmarks/NOTES.md has the figures.
    """

    @tf.function(jit_compile=True)
    def whole(images):
        with strips_alone(model):
            return outputs(images, False)

    def by_layers(images):
        with layers_by_xla(model, True):
            return outputs(images, False)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def fast(images):
        return tf.cond(tf.shape(images)[0] == 1, lambda: whole(images), lambda: by_layers(images))

    return lambda images, training: fast(images)


def layers_by_xla(model, is_on):
    """Returns a context in which the normalizations of the model, and their gradients, are traced for XLA."""
    return compiling(model, _compiled) if is_on else contextlib.nullcontext()


@functools.cache
def _compiled(function, strips):
    return tf.function(functools.partial(function, strips=strips), jit_compile=True, autograph=False)


def strips_alone(model):
    """Returns a context in which the model is traced in the form that XLA makes fast, for a caller who compiles all."""
    return compiling(model, lambda function, strips: functools.partial(function, strips=strips))
