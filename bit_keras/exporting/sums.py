"""The sum of shortcut and branch within the branch's last convolution, where oneDNN does it without another pass.

TensorFlow's graph optimizer makes one operation of a convolution, its bias and a sum. BiT's convolutions have no bias.
"""

import contextlib

import keras
import tensorflow as tf


@contextlib.contextmanager
def sums_within_convolutions(model):
    """Within it, a folded model is traced so that its sums become part of convolutions. The result is the same."""
    with contextlib.ExitStack() as changed:
        for add in [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]:
            last = model.get_layer(f"{add.name}-c-conv2d")
            changed.enter_context(_calling(last, _with_bias(last)))
            changed.enter_context(_calling(add, tf.add_n))  # for `+` the optimizer would have to know the sizes
        yield


def _with_bias(convolution):
    """Returns the layer's call with a bias of zeros, which the optimizer would take out if it saw that they are."""
    plain, filters = convolution.call, convolution.filters

    def call(inputs):
        zeros = tf.raw_ops.PlaceholderWithDefault(input=tf.zeros(filters), shape=[filters])
        return tf.nn.bias_add(plain(inputs), zeros)

    return call


@contextlib.contextmanager
def _calling(layer, function):
    layer.call = function
    try:
        yield
    finally:
        del layer.call  # that of its class again
