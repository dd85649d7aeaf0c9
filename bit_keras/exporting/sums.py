"""The sum of shortcut and branch within the branch's last convolution, where oneDNN does it without another pass.

TensorFlow's graph optimizer (Grappler's remapper) makes one operation of a convolution, its bias and a sum, on CPUs.
BiT's convolutions have no bias.
"""

import contextlib

import keras
import tensorflow as tf

from bit_keras.layers.compiling import having


@contextlib.contextmanager
def sums_within_convolutions(model):
    """Within it, a folded model is traced so that its sums become part of convolutions. The result is the same."""
    with contextlib.ExitStack() as changed:
        for add in [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]:
            last = model.get_layer(f"{add.name}-c-conv2d")
            changed.enter_context(having([last], "call", _with_bias(last)))
            changed.enter_context(having([add], "call", tf.add_n))  # for `+` the optimizer would have to know the sizes
        yield


def _with_bias(convolution):
    """Returns the layer's call with a bias of zeros, in a placeholder: constant ones the optimizer would take out."""
    plain, filters = convolution.call, convolution.filters

    def call(inputs):
        zeros = tf.raw_ops.PlaceholderWithDefault(input=tf.zeros(filters), shape=[filters])
        return tf.nn.bias_add(plain(inputs), zeros)

    return call
