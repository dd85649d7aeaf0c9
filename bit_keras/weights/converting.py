"""From one weights format to another, and what a file holds."""

from collections import Counter
from pathlib import Path

from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.formats.table import read
from bit_keras.weights.labels import labels_of
from bit_keras.weights.loading import located, read_arrays, weights_path
from bit_keras.weights.names import architecture_of, parameter_count
from bit_keras.weights.saving import write_arrays


def convert(source, target, *, overwrite=False):
    """Writes the weights of `source`, which `load` takes, as `target`, in the format of its suffix; returns its path.

    Raises:
        SaveError: if it cannot be written; nothing is left half done.
        UserError: if `target` exists and is not to be overwritten, or has the suffix of a format that is read only.
        WeightsError: if `source` is no whole BiT.
    """
    target = Path(target)
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists already. Choose another file, or allow it to be overwritten (overwrite).")
    path = located(source)
    arrays = read_arrays(path)
    architecture_of(_shapes(arrays), source)
    write_arrays(arrays, target, labels_of(path) if target.suffix == ".safetensors" else None)
    return target


def describe(source):
    """Returns {what: text} of the network in `source`, or of what keeps it from being one.

    Raises:
        WeightsError: if the file is damaged or has no format that is known.
    """
    path = weights_path(source)
    stored = list(read(path))
    dtypes = Counter(array.dtype for array in stored)
    about = {
        "file": str(path),
        "arrays": f"{len(stored)}, {', '.join(dtypes)}",
        "parameters": f"{parameter_count({n: array.shape for n, array in enumerate(stored)}):,}",
    }
    try:
        found = architecture_of(_shapes(read_arrays(source)), source)
    except WeightsError as error:
        return about | {"network": f"none that is known. {error}"}
    kind = "" if found.weight_standardization else ", plain kernels"
    return about | {
        "network": f"BiT-{found.variant}, {found.normalization} normalization{kind}",
        "head": f"{found.num_classes:,} classes" if found.num_classes else "none; it gives features",
    }


def _shapes(arrays):
    return {name: array.shape for name, array in arrays.items()}
