"""The weights of a SavedModel folder, read without running, or even loading, its graph.

A graph can hold any operation, reading and writing files among them; the variables are numbers and nothing else.
"""

import math
import re
import threading
from functools import partial
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.limits import check_expansion
from bit_keras.weights.names import Array

# What is no weight: a checkpoint's counter, and what tf_keras keeps of an optimizer and of metrics. By the keys that
# tf_keras 2.21 writes, and by the names of optimizers' variables in older files.
BOOKKEEPING_NAMES = re.compile(r"save_counter|(training/)?(SGD|Adam\w*|RMSprop|Adagrad|Nadam|Ftrl)/.*")
BOOKKEEPING_KEYS = re.compile(r"(.*/)?(optimizer/.*|keras_api/metrics/.*|\.OPTIMIZER_SLOT/.*)")


def read_saved_model(path):
    """Yields an `Array` for each weight of the SavedModel folder, by the names in its object graph.

    Raises:
        WeightsError: if `variables/` is missing or damaged.
    """
    try:
        reader = tf.train.load_checkpoint(str(Path(path) / "variables" / "variables"))
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
            reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
        )
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, DecodeError, ValueError, RuntimeError, IndexError) as error:
        raise WeightsError(
            f"{path} is not a complete SavedModel folder ({str(error).splitlines()[0]}). Export or copy it again."
        ) from error
    kept = _weights(graph)
    for key, name in kept.items():
        if key not in shapes:
            raise WeightsError(f"{path} lacks the numbers of {name}. Export or copy the folder again.")
        if not dtypes[key].is_floating:
            raise WeightsError(f"Expected floating-point numbers in {path}. {name} holds {dtypes[key].name}.")
    claimed = sum(math.prod(shapes[key]) * dtypes[key].size for key in kept)
    check_expansion(claimed, sum(file.stat().st_size for file in (Path(path) / "variables").iterdir()), path)
    lock = threading.Lock()
    for key, name in kept.items():
        yield Array(name, tuple(shapes[key]), partial(_numbers, reader, lock, key, path), dtypes[key].name)


def _weights(graph):
    """Returns {key in the checkpoint: name} of all variables but the trainer's."""
    attributes = [attribute for node in graph.nodes for attribute in node.attributes]
    found = {attribute.checkpoint_key: attribute.full_name for attribute in attributes if attribute.full_name}
    return {
        key: name
        for key, name in found.items()
        if not BOOKKEEPING_NAMES.fullmatch(name) and not BOOKKEEPING_KEYS.fullmatch(key)
    }


def _numbers(reader, lock, key, path):
    try:
        with lock:  # TensorFlow's reader is for one thread at a time (tensor_bundle.h)
            return reader.get_tensor(key)
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        raise WeightsError(f"{key} in {path} is damaged. Export or copy the folder again.") from error
