"""scikit-learn's 1,797 real handwritten digits of 8 x 8 pixels (UCI "Optical Recognition of Handwritten Digits")."""

import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from bit_keras.data.examples import SPLITS, Data, Examples
from bit_keras.data.splitting import stratified_split

WHITE = 16  # largest grey value of the data set


def open_digits(*, seed):
    """Returns the `Data` of the digits, split 80/10/10 %, stratified and seeded."""
    pictures, labels = _digits()
    split = stratified_split(labels, seed)
    return Data(
        name="digits",
        class_names=tuple("0123456789"),
        splits={name: _examples(pictures, labels, np.flatnonzero(split == name)) for name in SPLITS},
        image_size=(8, 8),
        fingerprint=f"digits-{seed}",
    )


def write_digits(folder):
    """Writes the digits as grey PNG files, FOLDER/LABEL/NUMBER.png; for trying things on a real folder."""
    for number, (encoded, label) in enumerate(zip(*_digits(), strict=True)):
        path = Path(folder) / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded)


def _digits():
    from sklearn.datasets import load_digits  # here, because importing scikit-learn takes a second

    digits = load_digits()
    greys = np.round(digits.images * (255 / WHITE)).astype(np.uint8)
    return [_png(grey) for grey in greys], digits.target


def _png(grey):
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "png")
    return file.getvalue()


def _examples(pictures, labels, members):
    encoded = tf.constant([pictures[member] for member in members])
    labels = tf.constant(labels[members], tf.int64)
    return Examples(len(members), lambda index: (encoded[index], labels[index]))
