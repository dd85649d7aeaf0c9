"""Pictures that tests make: seeded, encoded by Pillow, and EXIF blocks packed by hand."""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

from bit_keras.data.examples import Examples

ORIENTATION = 0x0112


def noise(height, width, seed=0):
    """Returns uint8 (height, width, 3), every pixel on its own."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height, width, seed=0):
    """Returns uint8 (height, width, 3) without sharp edges, which JPEG keeps well."""
    return np.asarray(Image.fromarray(noise(4, 5, seed)).resize((width, height), Image.Resampling.BICUBIC))


def encoded(picture, form, **options):
    """Returns the bytes of an array or Pillow image in Pillow's format `form`."""
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, form, **options)
    return file.getvalue()


def save(path, picture, **options):
    """Writes a picture as the suffix of `path` says; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)
    return path


def exif(orientation):
    """Returns Pillow's EXIF data with an orientation."""
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def tiff_block(orientation, *, byte_order=">", kind=3):
    """Returns a TIFF block whose one directory has some other tag and the orientation, a SHORT (3) or LONG (4)."""
    mark = {">": b"MM", "<": b"II"}[byte_order]
    entry = struct.pack(byte_order + "HHI", ORIENTATION, kind, 1)
    value = struct.pack(byte_order + ("HH" if kind == 3 else "I"), *([orientation, 0] if kind == 3 else [orientation]))
    width = struct.pack(byte_order + "HHII", 0x0100, 4, 1, 7)
    return mark + struct.pack(byte_order + "HIH", 42, 8, 2) + width + entry + value + bytes(4)


def jpeg_with_exif(jpeg, block, *, after_jfif=True):
    """Returns the JPEG with an APP1 segment of EXIF, behind the JFIF segment or instead of it."""
    (length,) = struct.unpack(">H", jpeg[4:6])
    head, rest = (jpeg[: 4 + length], jpeg[4 + length :]) if after_jfif else (jpeg[:2], jpeg[4 + length :])
    return head + b"\xff\xe1" + struct.pack(">H", 8 + len(block)) + b"Exif\0\0" + block + rest


def png_with_exif(png, block):
    """Returns the PNG with an eXIf chunk behind its header."""
    chunk = b"eXIf" + block
    return png[:33] + struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def in_memory(pictures, labels, form="png", **options):
    """Returns `Examples` of arrays, kept in Pillow's format `form`."""
    files = tf.constant([encoded(picture, form, **options) for picture in pictures])
    labels = tf.constant(labels, tf.int64)
    return Examples(len(pictures), lambda index: (files[index], labels[index]))


def write_photos(folder, *, classes=("blue", "red"), number=10, size=(24, 20)):
    """Writes noisy pictures, `number` of each class; class k is bright in channel 2 - 2k."""
    rng = np.random.default_rng(0)
    for index, label in enumerate(classes):
        for count in range(number):
            pixels = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
            pixels[..., (2 - 2 * index) % 3] += 150
            save(folder / label / f"{count}.png", pixels)
    return folder
