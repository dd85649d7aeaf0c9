"""Layers with functions that wait for memory, which a compiler makes fast, and whose gradients are written down for it.

Run operation by operation, as TensorFlow does, such a function goes through memory once an operation; compiled, once or
twice. Layers know how to be compiled, and nothing of compilers. JAX compiles whole models by itself.
"""

import contextlib

import keras
from keras import ops

# Into how many strips a compiled mean is cut. XLA's CPU compiler makes fast loops of sums of numbers as they lie in
# memory, and slow ones of sums of something computed: so the strips are computed and added up, and what is left, a
# fourteenth, is summed. 14 divides the positions of all maps of a picture of 224 pixels but the last, of 7 x 7.
STRIPS = 14


class Compilable:
    """A layer, some of whose functions go through `compiler`: from a function of tensors to one that does the same."""

    compiler = None

    def compiled(self, forward, backward, *values):
        """Returns `forward`'s first result for the values; where there is a compiler, compiled, and so is the gradient.

        Args:
            forward: from tensors and `strips` to (result, what to keep for the gradient).
            backward: from (tensors, what was kept, the result's gradient) and `strips` to the tensors' gradients.
            *values: tensors or variables.
        """
        if not self.compiler:
            return forward(*values)[0]
        fast_forward, fast_backward = self.compiler(forward, strips=STRIPS), self.compiler(backward, strips=STRIPS)

        @ops.custom_gradient
        def function(*tensors):
            result, kept = fast_forward(*tensors)

            def gradient(*args, upstream=None):  # PyTorch names the gradient, the others give nothing else
                return fast_backward(tensors, kept, args[0] if upstream is None else upstream)

            return result, gradient

        return function(*map(_tensor, values))


def mean(function, *tensors, strips=0):
    """Returns the mean of function(*tensors) over axis 1 of (a, b, c), as (a, 1, c).

    Args:
        function: elementwise, but for what else it uses, which has length 1 at axis 1.
        *tensors: (a, b, c) each.
        strips: how many parts of the tensors are added up before the sum over what is left; 0 for the plain sum.
    """
    size = ops.shape(tensors[0])[1]
    length = size // max(1, strips)
    parts = [function(*(x[:, part * length : (part + 1) * length] for x in tensors)) for part in range(strips)]
    rest = function(*(x[:, strips * length :] for x in tensors))
    total = ops.sum(rest, axis=1, keepdims=True)
    if parts:
        total = total + ops.sum(sum(parts[1:], start=parts[0]), axis=1, keepdims=True)
    return total / ops.cast(size, total.dtype)


def _tensor(value):
    """Returns a tensor, also of a variable, which TensorFlow's custom gradients do not take."""
    return ops.reshape(value, value.shape) if isinstance(value, keras.Variable) else value  # a reshape copies nothing


@contextlib.contextmanager
def compiling(model, compiler):
    """Within it, whatever is traced of the model goes through the compiler, in all threads of a strategy."""
    layers = [layer for layer in model.layers if isinstance(layer, Compilable)]
    for layer in layers:
        layer.compiler = compiler
    try:
        yield
    finally:
        for layer in layers:
            layer.compiler = None
