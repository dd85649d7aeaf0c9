"""Fine-tunes an exported folder in tf_keras as users did, and saves it again: a hub layer and a dense head of its own.

A program of its own: TF_USE_LEGACY_KERAS is read when TensorFlow is imported. Usage: python -m ... FOLDER OUT OPTIMIZER
"""

import sys

import numpy as np
import tensorflow_hub as hub
import tf_keras

OPTIMIZERS = {
    "momentum": lambda: tf_keras.optimizers.SGD(0.01, momentum=0.9),
    "old adam": lambda: tf_keras.optimizers.legacy.Adam(1e-3),
}


def main(folder, out, optimizer):
    """Trains one step and saves; the logits of seeded pictures go into OUT/logits.npy."""
    head = tf_keras.layers.Dense(3, name="my_head")
    model = tf_keras.Sequential([tf_keras.Input((32, 32, 3)), hub.KerasLayer(folder, trainable=True), head])
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[optimizer](), loss, metrics=["accuracy"])
    pictures = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    model.fit(pictures, np.array([0, 1, 2, 0]), verbose=0)
    model.save(out, save_format="tf")
    np.save(f"{out}/logits.npy", model(pictures))


if __name__ == "__main__":
    main(*sys.argv[1:])
