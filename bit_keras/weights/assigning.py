"""Assigns arrays to a model totally: every array is used once, every variable is assigned once."""

import hashlib
import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.memory import is_aligned, untouched
from bit_keras.weights.names import HEAD, Array, canonical_name, check_shapes

READERS = 2  # threads; while one takes a checksum another waits for the disk
# What NumPy and TensorFlow both have, so that one takes over the memory of the other.
SHARED_DTYPES = ("float16", "float32", "float64")


def assign(model, arrays, source, *, keep_head=True):
    """Gives each variable of `model` its array; in memory are, beside the model, the few that are just being read.

    Args:
        model: a BiT.
        arrays: {canonical name: `Array`}.
        source: where they are from, for messages.
        keep_head: False leaves the model's own head, if any, and the arrays' head alone: the one exception.

    Raises:
        WeightsError: before anything is assigned, if names or shapes differ; later, if an array cannot be read.
    """
    variables = named_variables(model.variables)
    if not keep_head:
        variables = {name: variable for name, variable in variables.items() if name not in HEAD}
        arrays = {name: array for name, array in arrays.items() if name not in HEAD}
    expected = {name: file_shape(name, variable) for name, variable in variables.items()}
    check_shapes({name: array.shape for name, array in arrays.items()}, expected, source, f"the model {model.name}")
    # The largest first, while the memory for the others is not taken yet.
    order = sorted(variables, key=lambda name: -math.prod(arrays[name].shape))
    for name, tensor in zip(
        order, _read_ahead(order, lambda name: _tensor(arrays[name].read(), variables[name])), strict=True
    ):
        variables[name].assign(tensor)


def _read_ahead(names, read):
    """Yields `read(name)` for each name in turn, while the next few are read in other threads."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[Future] = deque()
        try:
            for name in names:
                waiting.append(pool.submit(read, name))
                if len(waiting) > READERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _tensor(numbers, variable):
    """Returns `numbers` in the shape and dtype of `variable`, and such that `assign` need not copy them again.

    TensorFlow copies what NumPy has, at a fraction of the speed of reading it; through DLPack it takes the memory over.
    """
    if keras.backend.backend() != "tensorflow" or variable.dtype not in SHARED_DTYPES:
        return numbers.reshape(variable.shape)
    import tensorflow as tf

    if numbers.dtype != variable.dtype or not is_aligned(numbers):
        copy = untouched(numbers.shape, variable.dtype)
        copy[...] = numbers
        numbers = copy
    return tf.experimental.dlpack.from_dlpack(numbers.reshape(variable.shape).__dlpack__())


class Untouched(keras.initializers.Initializer):
    """Zeros for variables that `assign` fills; on TensorFlow they take no memory until then."""

    def __call__(self, shape, dtype=None):
        """Returns the tensor."""
        if keras.backend.backend() != "tensorflow" or dtype not in SHARED_DTYPES:
            return keras.ops.zeros(shape, dtype)
        import tensorflow as tf

        return tf.experimental.dlpack.from_dlpack(untouched(shape, dtype).__dlpack__())


def arrays_of(model):
    """Returns {canonical name: `Array`} of a BiT's own variables, in the shapes that a file has."""
    return {name: _array(name, variable) for name, variable in named_variables(model.variables).items()}


def digest(arrays):
    """Returns a SHA-256 of {canonical name: `Array`} without the head: it tells one backbone from another."""
    total = hashlib.sha256()
    for name in sorted(arrays.keys() - set(HEAD)):
        total.update(name.encode())
        total.update(np.ascontiguousarray(arrays[name].read(), "float32").tobytes())
    return total.hexdigest()


def named_variables(variables):
    """Returns {canonical name: `keras.Variable`}."""
    return {canonical_name(variable): variable for variable in variables}


def file_shape(name, variable):
    """Returns the shape that `variable` has in a file of the official layout, where the head is a 1x1 convolution."""
    shape = tuple(variable.shape)
    return (1, 1, *shape) if name == HEAD[0] else shape


def _array(name, variable):
    shape = file_shape(name, variable)
    return Array(name, shape, lambda: variable.numpy().reshape(shape))


def by_name(arrays, source):
    """Returns {canonical name: array} of `arrays`.

    Raises:
        WeightsError: if two arrays have one name.
    """
    named = {}
    for array in arrays:
        if array.name in named:
            raise WeightsError(f"{source} holds the array {array.name} twice. Give a file that holds each array once.")
        named[array.name] = array
    return named


def freeze_alike(model, source):
    """Freezes the layers of `model` that are frozen in `source`, a model with layers of the same names."""
    trainable = {layer.name: source.trainable and layer.trainable for layer in source.layers}
    for layer in model.layers:
        layer.trainable = trainable.get(layer.name, True)
