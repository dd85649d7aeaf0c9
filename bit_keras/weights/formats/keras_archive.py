"""`.keras` archives of a native BiT: a zip with an HDF5 file, whose groups carry the names of the layers.

Neither the configuration in it is read nor any object made from it: the names and shapes tell the network.
"""

import zipfile

from bit_keras.errors import WeightsError
from bit_keras.weights.formats.hdf5_process import open_hdf5
from bit_keras.weights.formats.zip_members import ERRORS, first_byte, opened_zip

WEIGHTS = "model.weights.h5"
CHUNK = 1 << 20  # bytes read at a time while the checksum is compared
# Parameters in the order in which Keras numbers them.
PARAMETERS = {"conv2d": ("kernel", "bias"), "norm": ("gamma", "beta", "moving_mean", "moving_variance")}


def read_keras(path):
    """Yields an `Array` for each weight.

    Raises:
        WeightsError: for an archive that is damaged or compressed, or holds another model.
    """
    file = open_hdf5(path, *_checked_place(path))
    layers = {group.removesuffix("/vars"): about for group, about in file.groups.items() if _is_layer(group)}
    yield from file.arrays(
        (f"resnet/{name.replace('-', '/')}/{parameter}", f"{layer}/vars/{number}")
        for layer, about in layers.items()
        for name in [str(about.get("name", ""))]
        for number, parameter in enumerate(_parameters(name))
        if f"{layer}/vars/{number}" in file.datasets
    )


def _is_layer(group):
    return group.startswith("layers/") and group.count("/") == 2 and group.endswith("/vars")


def _parameters(layer):
    return next((names for end, names in PARAMETERS.items() if layer.endswith(end)), ())


def _checked_place(path):
    """Returns where the HDF5 part begins and its size, after comparing its checksum: HDF5 itself has none."""
    try:
        with opened_zip(path) as archive, open(path, "rb") as file:
            member = archive.getinfo(WEIGHTS)
            if member.compress_type != zipfile.ZIP_STORED:
                raise WeightsError(f"{path} is compressed, as Keras never does it. Save the model again.")
            with archive.open(member) as content:
                while content.read(CHUNK):
                    pass
            return first_byte(file, member), member.file_size
    except WeightsError:  # which is a ValueError
        raise
    except (*ERRORS, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is not a complete .keras file ({error}). Save or copy it again.") from error
