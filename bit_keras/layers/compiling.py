"""Layers with functions that wait for memory, which a compiler makes fast, and whose gradients are written down for it.

Run operation by operation, as TensorFlow does, such a function goes through memory once an operation; compiled, once or
twice. Layers know how to be compiled, and nothing of compilers. JAX compiles whole models by itself.
"""

import contextlib
import functools

import keras
from keras import ops


class Arithmetic:
    """Steps of such a function in the form that is best uncompiled; for a compiler there may be others.

    Statistics are over axis 1 of (a, b, c), and have length 1 there.
    """

    def means(self, function, *tensors):
        """Returns the means of the two results of function(*tensors), which is elementwise.

        What else the function uses has length 1 at axis 1.
        """
        return tuple(ops.mean(result, axis=1, keepdims=True) for result in function(*tensors))

    def moments(self, x):
        """Returns mean and biased variance."""
        mean = ops.mean(x, axis=1, keepdims=True)
        # Centred, because E[x^2] - E[x]^2 loses every digit where the mean is large. No gradient goes through the
        # centre: its share is the mean of what is centred, 0, and would cost one more pass over the large tensor.
        return mean, ops.mean(ops.square(x - ops.stop_gradient(mean)), axis=1, keepdims=True)

    def spread(self, groups, members):
        """Returns the last axis with each number repeated for the members of its group."""
        return ops.repeat(groups, members, axis=-1)

    def scaled(self, x, mean, factor, offset):
        """Returns (x - mean) * factor + offset."""
        return x * factor + (offset - mean * factor)  # because x - mean would be one more pass


PLAIN = Arithmetic()


class Compilable:
    """A layer, some of whose functions go through `compiler`.

    It makes of a function of tensors, which takes `by` too, its `Arithmetic`, one of the tensors alone. With
    `has_gradients` the gradients are those that are written down, compiled too; else what follows from the operations.
    """

    compiler = None
    has_gradients = True

    def compiled(self, forward, backward, *values):
        """Returns `forward`'s first result for the values; where there is a compiler, compiled.

        Args:
            forward: from tensors to (result, what to keep for the gradient).
            backward: from (tensors, what was kept, the result's gradient) to the tensors' gradients.
            *values: tensors or variables.
        """
        if not self.compiler:
            return forward(*values)[0]
        if not self.has_gradients:
            return self.compiler(_result_alone(forward))(*map(_tensor, values))
        fast_forward, fast_backward = self.compiler(forward), self.compiler(backward)

        @ops.custom_gradient
        def function(*tensors):
            result, kept = fast_forward(*tensors)

            def gradient(*args, upstream=None):  # PyTorch names the gradient, the others give nothing else
                return fast_backward(tensors, kept, args[0] if upstream is None else upstream)

            return result, gradient

        return function(*map(_tensor, values))


@functools.cache
def _result_alone(forward):
    """Returns the function without what is kept for the gradient, which a compiled one would write down."""

    def result(*tensors, by=PLAIN):
        return forward(*tensors, by=by)[0]

    return result


def _tensor(value):
    """Returns a tensor, also of a variable, which TensorFlow's custom gradients do not take."""
    return ops.reshape(value, value.shape) if isinstance(value, keras.Variable) else value  # a reshape copies nothing


@contextlib.contextmanager
def compiling(model, compiler, *, gradients=True):
    """Within it, whatever is traced of the model goes through the compiler, in all threads of a strategy.

    Without `gradients`, those that are written down are left out.
    """
    layers = [layer for layer in model.layers if isinstance(layer, Compilable)]
    with having(layers, "compiler", compiler), having(layers, "has_gradients", gradients):
        yield


@contextlib.contextmanager
def having(layers, name, value):
    """Within it, the layers have the attribute; then that of their class again."""
    for layer in layers:
        setattr(layer, name, value)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop(name, None)  # another replica's thread may have done it
