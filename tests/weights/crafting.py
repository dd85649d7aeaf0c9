"""Makes weights files byte by byte, whole and broken ones, without the library's own writer."""

import io
import zipfile

import numpy as np

ROOT = "resnet/root_block/standardized_conv2d/kernel"
GAMMA = "resnet/block3/unit01/b/group_norm/gamma"  # (128,) in a BiT-R14x0.5
HEAD = ("resnet/head/conv2d/kernel", "resnet/head/conv2d/bias")


def npy(array, *, allow_pickle=False):
    """Returns the bytes of a `.npy` file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=allow_pickle)
    return file.getvalue()


def npy_header(shape, *, descr="'<f4'"):
    """Returns the bytes of a `.npy` file that claims `shape` and holds nothing."""
    return raw_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")


def raw_header(text):
    """Returns the bytes of a `.npy` file whose header is `text`."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def write_npz(path, arrays, *, compression=zipfile.ZIP_STORED):
    """Writes {name: array, or the bytes of its `.npy`} and returns the path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", array if isinstance(array, bytes) else npy(array))
    return path


def damage(path, name):
    """Inverts the last byte of the uncompressed member `name` and returns the path."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    with open(path, "r+b") as file:
        file.seek(member.header_offset + 26)
        lengths = file.read(4)
        start = (
            member.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        )
        file.seek(start + member.file_size - 1)
        last = file.read(1)[0]
        file.seek(-1, io.SEEK_CUR)
        file.write(bytes([last ^ 0xFF]))
    return path
