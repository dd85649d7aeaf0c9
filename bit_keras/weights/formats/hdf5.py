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
    places = [
        (weight, f"{root}{layer}/{weight}")
        for layer in _texts(file, root.rstrip("/"), "layer_names")
        for weight in _texts(file, f"{root}{layer}", "weight_names")
    ]
    yield from file.arrays(places)


def _texts(file, group, attribute):
    found = file.groups.get(group, {}).get(attribute)
    if not isinstance(found, list):
        raise WeightsError(
            f"{file.path} is no weights file of Keras 2: {group or 'its root'} has no {attribute}. Give another file."
        )
    return found
