"""`save_weights`: a model's arrays into a file, in the format that its suffix says."""

import shutil
import tempfile
from os import PathLike
from pathlib import Path

import keras

from bit_keras.errors import UserError
from bit_keras.files import atomic_file
from bit_keras.weights.assigning import arrays_of
from bit_keras.weights.formats.npz import write_npz
from bit_keras.weights.loading import load_arrays
from bit_keras.weights.names import architecture_of

WRITTEN = (".npz", ".safetensors", ".keras")


def save_weights(model: keras.Model, path: str | PathLike) -> None:
    """Writes the weights of a BiT as float32; an older file is replaced once the new one is whole.

    Args:
        model: a BiT of this package.
        path: `.npz` for the official layout, which the 2020 code, timm and big_vision load; `.safetensors` for Hugging
            Face's naming, with the `config.json` beside it that transformers needs; `.keras` for
            `keras.saving.load_model`.

    Raises:
        SaveError: if the file cannot be written.
        UserError: for any other suffix.
        WeightsError: for a model that is no BiT.
    """
    arrays = arrays_of(model)
    architecture_of({name: array.shape for name, array in arrays.items()}, f"the model {model.name}")
    write_arrays(arrays, path)


def write_arrays(arrays, path, class_names=None):
    """Writes {canonical name: `Array`} as float32 in the format of the suffix of `path`; see `save_weights`.

    Only the `config.json` of Hugging Face has a place for `class_names`.
    """
    path = Path(path)
    if path.suffix not in WRITTEN:
        raise UserError(f"Expected a file that ends with .npz, .safetensors or .keras. Received: {path}.")
    if path.suffix == ".safetensors":
        from bit_keras.weights.formats.safetensors import write_safetensors

        write_safetensors(path, arrays, class_names)
    elif path.suffix == ".keras":
        _write_keras(path, arrays)
    else:
        write_npz(path, ((name, array.read().astype("float32")) for name, array in arrays.items()))


def _write_keras(path, arrays):
    """Keras insists on the suffix, which a file that is not yet whole must not have."""
    with tempfile.TemporaryDirectory() as folder, atomic_file(path) as file:
        whole = Path(folder) / "whole.keras"
        load_arrays(arrays, path, dtype="float32").save(whole)
        with open(whole, "rb") as source:
            shutil.copyfileobj(source, file)
