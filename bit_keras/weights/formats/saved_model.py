"""The weights of a SavedModel folder, read without running, or even loading, its graph.

A graph can hold any operation, reading and writing files among them; the variables are numbers and nothing else.
"""

import re
from functools import partial
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.limits import check_expansion
from bit_keras.weights.formats.tensor_bundle import DTYPES, BundleError, numbers_of, read_index, text_of
from bit_keras.weights.names import Array

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# What is no weight: a checkpoint's counter, and what tf_keras keeps of an optimizer and of metrics. By the keys that
# tf_keras 2.21 writes, and by the names of optimizers' variables in older files.
BOOKKEEPING_NAMES = re.compile(r"save_counter|(training/)?(SGD|Adam\w*|RMSprop|Adagrad|Nadam|Ftrl)/.*")
BOOKKEEPING_KEYS = re.compile(r"(.*/)?(optimizer/.*|keras_api/metrics/.*|\.OPTIMIZER_SLOT/.*)")


def read_saved_model(path):
    """Yields an `Array` for each weight of the SavedModel folder, by the names in its object graph.

    Raises:
        WeightsError: if `variables/` is missing or damaged, or a weight holds anything but floating-point numbers.
    """
    try:
        entries = read_index(Path(path) / "variables" / "variables")
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(text_of(entries[GRAPH]))
    except (BundleError, DecodeError, KeyError, OSError) as error:
        raise WeightsError(f"{path} is not a complete SavedModel folder ({error}). Export or copy it again.") from error
    weights = _weights(graph)
    for key, name in weights.items():
        if key not in entries:
            raise WeightsError(f"{path} lacks the numbers of {name}. Export or copy the folder again.")
        if entries[key].dtype not in DTYPES.values():
            raise WeightsError(f"Expected floating-point numbers in {path}. {name} holds {entries[key].dtype}.")
    shards = {entry.shard for entry in entries.values()}
    claimed = sum(entries[key].size for key in weights)
    check_expansion(claimed, sum(shard.stat().st_size for shard in shards), path)
    for key, name in weights.items():
        yield Array(name, entries[key].shape, partial(_numbers, entries[key], name, path), entries[key].dtype)


def _weights(graph):
    """Returns {key in the checkpoint: name} of all variables but the trainer's."""
    attributes = [attribute for node in graph.nodes for attribute in node.attributes]
    found = {attribute.checkpoint_key: attribute.full_name for attribute in attributes if attribute.full_name}
    return {
        key: name
        for key, name in found.items()
        if not BOOKKEEPING_NAMES.fullmatch(name) and not BOOKKEEPING_KEYS.fullmatch(key)
    }


def _numbers(entry, name, path):
    try:
        return numbers_of(entry)
    except (BundleError, EOFError, OSError) as error:
        raise WeightsError(f"{name} in {path} is damaged ({error}). Export or copy the folder again.") from error
