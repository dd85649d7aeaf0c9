"""Trains an exported folder for one step as a `hub.KerasLayer` of tf_keras; prints what came out as JSON.

A program of its own: TF_USE_LEGACY_KERAS is read when TensorFlow is imported. Usage: python -m ... FOLDER
"""

import json
import sys

import numpy as np
import tensorflow_hub as hub
import tf_keras


def main(folder):
    """Trains on four pictures of random labels and compares the variables before and after."""
    layer = hub.KerasLayer(folder, trainable=True)
    model = tf_keras.Sequential([tf_keras.Input((32, 32, 3)), layer])
    model.compile(tf_keras.optimizers.SGD(0.1), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    pictures, labels = rng.random((4, 32, 32, 3), np.float32), np.array([0, 1, 2, 0])
    logits = model.predict(pictures, verbose=0)
    before = {variable.name: variable.numpy() for variable in layer.trainable_variables}
    model.fit(pictures, labels, batch_size=4, epochs=1, verbose=0)
    unchanged = [v.name for v in layer.trainable_variables if (v.numpy() == before[v.name]).all()]
    return {
        "trainable": len(layer.trainable_variables),
        "all": len(layer.variables),
        "unchanged": unchanged,
        "logits": logits.tolist(),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
