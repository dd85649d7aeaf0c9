"""`safetensors` files, one or several with an index, as timm and Hugging Face publish them."""

import json
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bit_keras.errors import UserError, WeightsError
from bit_keras.files import atomic_file, write_json
from bit_keras.weights.dialects import HUGGING_FACE, OFFICIAL
from bit_keras.weights.names import HEAD, Array, architecture_of

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


def read_safetensors(path):
    """Yields an `Array` for each tensor of a file, of an index with its files, or of a folder with one of these.

    Raises:
        WeightsError: for a file that is damaged or holds anything but floating-point numbers.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE if (path / FILE).is_file() else path / INDEX
    for shard in _shards(path) if path.suffix == ".json" else [path]:
        yield from _read_file(shard)


def write_safetensors(path, arrays, class_names=None):
    """Writes {canonical name: `Array`} in Hugging Face's naming, and the `config.json` that transformers needs beside.

    The names of the classes, if given, go into that.

    Raises:
        SaveError: if they cannot be written.
        UserError: for a network that transformers does not have, or a folder with another `config.json`.
    """
    path = Path(path)
    architecture = architecture_of({name: array.shape for name, array in arrays.items()}, "the model")
    if architecture.normalization != "group" or not architecture.weight_standardization:
        raise UserError(
            "Expected a BiT with group normalization and standardized kernels, the only one that transformers has. "
            f"Received: {architecture.normalization} normalization. Write an .npz instead."
        )
    if path.name != FILE:
        raise UserError(f"Expected {path.with_name(FILE)}, the only name that transformers loads. Received: {path}.")
    config = path.with_name("config.json")
    if config.exists() and '"model_type": "bit"' not in config.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{config} is of something else. Choose a folder of its own for the safetensors file.")
    labels = _labels(class_names, architecture.num_classes)
    tensors = {HUGGING_FACE.name_of(OFFICIAL.place_of(name)): _as_torch(array) for name, array in arrays.items()}
    with atomic_file(path) as file:
        _save(tensors, file.name)
    write_json(config, _config(architecture) | labels)


def _as_torch(array):
    """Output channels first; the head as a matrix."""
    numbers = array.read().astype("float32")
    if numbers.ndim == 4:
        numbers = numbers.transpose(3, 2, 0, 1)
    if array.name == HEAD[0]:
        numbers = numbers.reshape(numbers.shape[:2])
    return np.ascontiguousarray(numbers)


def _save(tensors, name):
    try:
        save_file(tensors, name, metadata={"format": "pt"})  # transformers refuses files without it
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _config(architecture):
    """The fields of transformers' `BitConfig`."""
    channels = architecture.variant.root_filters
    return {
        "architectures": ["BitForImageClassification" if architecture.num_classes else "BitModel"],
        "model_type": "bit",
        "depths": list(architecture.variant.units),
        "embedding_size": channels,
        "hidden_sizes": [channels * 4 * 2**block for block in range(4)],
        "layer_type": "preactivation",
        "global_padding": None,
        "num_groups": 32,
        "num_labels": architecture.num_classes,
    }


def _labels(class_names, num_classes):
    """Names of the outputs in both directions, as transformers keeps them; no one can tell equal names apart."""
    if class_names is not None and len(class_names) != num_classes:
        raise UserError(f"Expected {num_classes} class names, one for each output. Received: {len(class_names)}.")
    if class_names is None or len(set(class_names)) != num_classes:
        return {}
    return {
        "id2label": {str(number): name for number, name in enumerate(class_names)},
        "label2id": {name: number for number, name in enumerate(class_names)},
    }


def _read_file(path):
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()  # the file is no dictionary
            found = [(name, file.get_slice(name)) for name in names]
            described = [(name, tuple(part.get_shape()), part.get_dtype()) for name, part in found]
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a complete safetensors file ({error}). Fetch or copy it again.") from error
    for name, shape, dtype in described:
        if dtype not in DTYPES:
            raise WeightsError(f"Expected floating-point numbers in {path}. {name} holds {dtype}.")
        yield Array(name, shape, partial(_numbers, path, name), DTYPES[dtype])


def _numbers(path, name):
    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_tensor(name)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{name} in {path} is damaged ({error}). Fetch or copy the file again.") from error


def _shards(index):
    """Returns the files that an index names; `with_name` refuses any in another folder."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        shards = [index.with_name(name) for name in names]
        if ".." in names:  # which `with_name` takes
            raise ValueError("it leads out of its folder")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{index} is no index of safetensors files ({error}). Fetch or copy it again.") from error
    return shards
