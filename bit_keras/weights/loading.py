"""`load`: from a preset, a file or a folder to a native model."""

import operator
import os
from os import PathLike
from pathlib import Path

import keras

from bit_keras.errors import WeightsError
from bit_keras.models.resnet_v2 import build
from bit_keras.weights.assigning import Untouched, assign
from bit_keras.weights.catalogue import SHIPPED, find_preset, nearest, preset
from bit_keras.weights.fetching.cache import fetched, is_cached
from bit_keras.weights.fetching.hubs import HUGGING_FACE, hub_folder, hugging_face_folder, is_hub_handle
from bit_keras.weights.formats.table import read
from bit_keras.weights.matching import canonical
from bit_keras.weights.names import architecture_of
from bit_keras.weights.run_config import WEIGHTS, read_run_config

MISTAKEN = ("BiT-S-R50x3.h5", "BiT-S-R101x1.h5")


def load(source: str | PathLike, *, num_classes: int | None = None, dtype=None) -> keras.Model:
    """Returns the BiT in `source` as a functional `keras.Model`: [-1, 1] float32 pictures in, logits or features out.

    Depth, width, head and kind of normalization are read off the arrays.

    Args:
        source: a preset (`bit.list_presets()`) or its name at timm, Hugging Face, TF-Hub or Kaggle; a file `.npz`,
            `.h5`, `.safetensors` or `.keras`; a SavedModel or TF-Hub folder, a Hugging Face folder, or a run folder of
            `bit.finetune`; `hf://OWNER/REPOSITORY`; the https address of a TF-Hub model.
        num_classes: None gives what the file holds, with its head if it has one; a number gives its backbone with a new
            zero head of that many classes; 0 gives no head, so the output is the (batch, 2048 * width) features.
        dtype: a Keras dtype policy or its name; None for the global one.

    Raises:
        UserError: if there is no such preset or path.
        WeightsError: unless every array of the file is used once and every variable is assigned once; or if it cannot
            be fetched.
    """
    return load_arrays(read_arrays(source), source, num_classes=num_classes, dtype=dtype)


def read_arrays(source):
    """Returns {canonical name: `Array`} of what `load` takes; the numbers are read when asked for."""
    path = weights_path(source)
    arrays = canonical(read(path), path)
    _refuse_mistaken(path, arrays)
    return {name: array.checked(path) for name, array in arrays.items()}


def load_arrays(arrays, source, *, num_classes=None, **options):
    """Returns the model that {canonical name: `Array`} make; `options` are those of `build`."""
    found = architecture_of({name: array.shape for name, array in arrays.items()}, source)
    model = build(
        found.variant,
        num_classes=found.num_classes if num_classes is None else operator.index(num_classes),
        normalization=found.normalization,
        weight_standardization=found.weight_standardization,
        kernel_initializer=Untouched(),
        **options,
    )
    assign(model, arrays, source, keep_head=num_classes is None)
    for layer in model.layers:  # whose configurations are to be those of any model
        if isinstance(getattr(layer, "kernel_initializer", None), Untouched):
            layer.kernel_initializer = keras.initializers.Zeros()
    return model


def weights_path(source):
    """Returns the file or folder with the weights of what `load` takes; of a run folder the file in it."""
    path = located(source)
    return _of_run(path) if path.is_dir() and read_run_config(path) else path


def located(source):
    """Returns the path of what `load` takes, fetched if it is somewhere else."""
    if not isinstance(source, (str, PathLike)):
        raise WeightsError(f"Expected a preset, a file or a folder. Received: {source!r}.")
    path, name = Path(source), str(source)
    if os.path.exists(path):  # which, other than the method, takes a name that is too long for one that is not there
        return path
    if name.startswith(HUGGING_FACE):
        return hugging_face_folder(name.removeprefix(HUGGING_FACE))
    if is_hub_handle(name):
        return hub_folder(name)
    if found := find_preset(name):
        if found.is_shipped:
            return SHIPPED / found.file
        is_elsewhere = name in found.aliases and name.count("/") == 1  # Hugging Face's names have two parts
        return hugging_face_folder(name) if is_elsewhere and not is_cached(found.file) else _fetched(found)
    raise WeightsError(
        f"There is no file or folder {source}, and no preset of that name. Give a path that exists, or a preset. "
        f"{nearest(source)}"
    )


def _fetched(entry):
    """Returns the file of a `Preset` after a look at whether it is what the catalogue says."""
    path = fetched(entry.file)
    try:
        shapes = {name: array.shape for name, array in canonical(read(path), path).items()}
        found = architecture_of(shapes, path)
    except WeightsError as error:
        raise WeightsError(f"{error} Remove {path}, and it is fetched again.") from error
    if (found.variant, found.num_classes) != (entry.variant, entry.num_classes):
        raise WeightsError(
            f"Expected the preset {entry.name} in {path}, a BiT-{entry.variant} with {entry.num_classes} classes. "
            f"Received: a BiT-{found.variant} with {found.num_classes}. Remove it, and the right one is fetched."
        )
    return path


def _refuse_mistaken(path, arrays):
    """Two published files hold other networks than their names say (google-research/big_transfer, issue 47)."""
    if path.name not in MISTAKEN:
        return
    name = path.stem
    found = architecture_of({name: array.shape for name, array in arrays.items()}, path).variant
    if found != preset(name).variant:
        raise WeightsError(
            f"{path} holds a BiT-{found}, not what its name says: the published {path.name} is known to be wrong. Use "
            f"the preset {name}, whose .npz is right."
        )


def _of_run(folder):
    if not (folder / WEIGHTS).is_file():
        raise WeightsError(
            f"The run in {folder} has not ended: it has no {WEIGHTS} yet. Run its command again; it goes on where "
            "it stopped."
        )
    return folder / WEIGHTS
