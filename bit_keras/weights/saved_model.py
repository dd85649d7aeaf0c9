"""Reads the weights of a SavedModel folder of ours without running, or even loading, its graph."""

from functools import partial
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from bit_keras.errors import WeightsError
from bit_keras.weights.names import Array, repaired

BOOKKEEPING = ("save_counter",)  # what tf.train.Checkpoint adds of its own


def is_saved_model(path):
    """Whether `path` is a SavedModel folder."""
    return (Path(path) / "saved_model.pb").is_file()


def read_saved_model(path):
    """Yields an `Array` for each variable of the SavedModel folder, by the names in its object graph.

    Raises:
        WeightsError: if `variables/` is missing or damaged.
    """
    try:
        reader = tf.train.load_checkpoint(str(Path(path) / "variables" / "variables"))
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
            reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
        )
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise WeightsError(
            f"{path} is not a complete SavedModel folder ({str(error).splitlines()[0]}). Export or copy it again."
        ) from error
    shapes = reader.get_variable_to_shape_map()
    for attribute in (attribute for node in graph.nodes for attribute in node.attributes):
        if attribute.full_name and attribute.full_name not in BOOKKEEPING:
            key = attribute.checkpoint_key
            yield Array(repaired(attribute.full_name), tuple(shapes[key]), partial(_numbers, reader, key, path))


def _numbers(reader, key, path):
    try:
        return reader.get_tensor(key)
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        raise WeightsError(f"{key} in {path} is damaged. Export or copy the folder again.") from error
