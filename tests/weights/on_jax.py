"""Run by test_jax.py under KERAS_BACKEND=jax: computes with the arrays of a folder; TensorFlow must stay out."""

import json
import sys
from pathlib import Path

import jax
import keras
import numpy as np

import bit_keras as bit
import bit_keras.layers
import bit_keras.models
import bit_keras.optimizers

folder = Path(sys.argv[1])
given = np.load(folder / "given.npz")
results = {}

for name, layer in {"conv": bit.StandardizedConv2D(8, 3, use_bias=False), "norm": bit.GroupNorm()}.items():
    layer.build(given["x"].shape)
    for weight in layer.weights:
        weight.assign(given[f"{name}-{weight.name}"])
    results[name] = layer(given["x"])

model = bit.load(folder / "small.npz")
results["logits"] = jax.jit(model)(given["pictures"])

built = bit.build("R14x0.5", num_classes=3, seed=0)
built.set_weights(model.get_weights())
results["built"] = jax.jit(built)(given["pictures"])
bit.save_weights(built, folder / "saved-on-jax.npz")

variable = keras.Variable(given["weight"])
optimizer = bit.Momentum(bit.Schedule(bit.HyperRule(100, (32, 32), source="paper", variant="R50x1")))
for gradient in given["gradients"]:
    optimizer.apply([gradient], [variable])
results["weight"] = variable.numpy()

np.savez(folder / "results.npz", **{name: np.asarray(value) for name, value in results.items()})
(folder / "modules.json").write_text(json.dumps([keras.backend.backend(), "tensorflow" in sys.modules]))
