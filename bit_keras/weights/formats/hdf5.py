"""HDF5 files that Keras 2 wrote with `save_weights` or `save`, such as the published TensorFlow 2 ones.

Root attribute `layer_names`, a group for each layer, attribute `weight_names` in the order that Keras loads by. The
layout is the one that tf_keras writes; none of the published files has been at hand.
"""

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.hdf5_process import open_hdf5

WHOLE = "model_weights"  # the group that holds them in a file with a whole model


def read_hdf5(path):
    """Yields an `Array` for each weight, in the order of the file.

    Raises:
        WeightsError: for a file that is damaged, refers to other files, or holds anything but floating-point numbers.
    """
    file = open_hdf5(path)
    root = f"{WHOLE}/" if WHOLE in file.groups else ""
    layers = _once(file, root.rstrip("/"), "layer_names")
    yield from file.arrays(
        [
            (weight, f"{root}{layer}/{weight}")
            for layer in layers
            for weight in _once(file, f"{root}{layer}", "weight_names")
        ]
    )


def _once(file, group, attribute):
    """Returns the names in an attribute. Twice the same would be wrong, and could make a long list of a small file."""
    found = file.groups.get(group, {}).get(attribute)
    if not isinstance(found, list):
        hint = (
            "Keras 3 wrote it, without the layers' names: save the model as .keras" if "layers" in file.groups else ""
        )
        raise WeightsError(
            f"{file.path} is no weights file of Keras 2: {group or 'its root'} has no {attribute}. "
            f"{hint or 'Give another file'}."
        )
    if len(set(found)) != len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise WeightsError(f"{file.path} names {twice} twice in {group or 'its root'}. Give a file with each once.")
    return found
