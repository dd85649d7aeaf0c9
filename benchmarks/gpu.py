"""A BiT on whatever accelerator JAX reaches: pictures a second and the share of the card's matrix rate that they take.

Needs keras, jax, numpy and this package, and no TensorFlow; with torch and transformers installed, Hugging Face's
`BitForImageClassification` of the same network runs beside it, eager and compiled. All take turns on one device in one
process. Inference, and a full training step (forward, backward, SGD with momentum), in bfloat16 with float32 weights
(torch: autocast). FLOPs are two for each multiply-add of convolutions and head, three times as many in training; the
matrix rate is measured with a square product in the same precision. Prints a table, writes benchmarks/gpu.json.

    python benchmarks/gpu.py [--variant=R50x1] [--side=224] [--batches=16,64,256] [--rounds=5] [--matrix=8192]
                             [--precision=mixed_bfloat16] [--out=benchmarks/gpu.json]
"""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs memory of the same card

import argparse
import functools
import json
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from argument_types import count, counts
from machine import machine

from bit_keras.models.cost import multiply_adds
from bit_keras.models.resnet_v2 import build
from bit_keras.models.variant import Variant
from bit_keras.optimizers import Momentum

CLASSES, RATE, MOMENTUM = 1000, 0.01, 0.9
TASKS = {"inference": 1, "training": 3}  # a backward pass is two forward passes
LEAST_SECONDS = 0.5  # of one measurement


def matrix_rate(size, dtype, rounds):
    """Returns the measured FLOP a second of a square matrix product."""
    keys = jax.random.split(jax.random.key(0))
    a, b = (jax.random.normal(key, (size, size), dtype) for key in keys)
    multiply = jax.jit(jnp.matmul)
    return 2 * size**3 / statistics.median(timed({"matrix": lambda: multiply(a, b)}, rounds)["matrix"])


def ours(model, images, labels):
    """Returns {task: function that computes it and returns something to wait for} of a Keras model on JAX."""
    trainable, others = (
        [v.value for v in values] for values in (model.trainable_variables, model.non_trainable_variables)
    )
    optimizer = Momentum(RATE, MOMENTUM)
    optimizer.build(model.trainable_variables)
    # Copies, as a step gives its own away.
    state = {"weights": [jnp.copy(value) for value in trainable], "slots": [v.value for v in optimizer.variables]}

    # The pictures are arguments: what is closed over becomes a constant of what is compiled.
    def loss(weights, images, labels):
        logits, _ = model.stateless_call(weights, others, images, training=True)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))

    @jax.jit
    def infer(weights, images):
        return model.stateless_call(weights, others, images, training=False)[0]

    @functools.partial(jax.jit, donate_argnums=(0, 1))  # as a training loop would
    def step(weights, slots, images, labels):
        value, gradients = jax.value_and_grad(loss)(weights, images, labels)
        return value, *optimizer.stateless_apply(slots, gradients, weights)

    def train():
        value, state["weights"], state["slots"] = step(state["weights"], state["slots"], images, labels)
        return value

    return {"inference": lambda: infer(trainable, images), "training": train}


def peers(variant, batch, side, precision):
    """Returns {name: {task: function}} of Hugging Face's BiT on PyTorch; nothing where that is not installed."""
    try:
        import torch
        from transformers import BitConfig, BitForImageClassification
    except ImportError as error:
        print(f"Without transformers beside ours ({error}).")
        return {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    config = BitConfig(
        depths=list(variant.units),
        hidden_sizes=[int(256 * 2**block * variant.width) for block in range(4)],
        embedding_size=int(64 * variant.width),
        num_labels=CLASSES,
    )
    network = BitForImageClassification(config).to(device, memory_format=torch.channels_last)
    images = torch.rand(batch, 3, side, side, device=device).to(memory_format=torch.channels_last) * 2 - 1
    labels = torch.arange(batch, device=device) % CLASSES
    half = torch.autocast(device, torch.bfloat16, enabled=precision != "float32")
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def tasks(module):
        optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)

        def infer():
            with torch.inference_mode(), half:
                module(images)
            wait()

        def train():
            with half:
                loss = torch.nn.functional.cross_entropy(module(images).logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            wait()

        return {"inference": infer, "training": train}

    return {"transformers, eager": tasks(network), "transformers, torch.compile": tasks(torch.compile(network))}


def timed(runs, rounds):
    """Returns {name: seconds of a call, for each round}, the runs taking turns; each is warmed up before."""
    counts = {}
    for name, run in runs.items():
        for _ in range(2):
            jax.block_until_ready(run())
        begin = time.perf_counter()
        jax.block_until_ready(run())
        counts[name] = max(1, round(LEAST_SECONDS / (time.perf_counter() - begin)))
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            results = [run() for _ in range(counts[name])]
            jax.block_until_ready(results)
            seconds[name].append((time.perf_counter() - begin) / counts[name])
    return seconds


def measured(options, batch, peak):
    """Yields a row for each task and network."""
    variant = Variant.parse(options.variant)
    shape = (options.side, options.side, 3)
    model = build(variant, num_classes=CLASSES, seed=0, dtype=options.precision, input_shape=shape)
    images = np.random.default_rng(0).uniform(-1, 1, (batch, *shape)).astype("float32")
    networks = {"bit_keras": ours(model, jnp.asarray(images), jnp.arange(batch) % CLASSES)}
    networks |= peers(variant, batch, options.side, options.precision)
    for task, passes in TASKS.items():
        seconds = timed({name: tasks[task] for name, tasks in networks.items()}, options.rounds)
        for name, values in seconds.items():
            rate = batch / statistics.median(values)
            flops = 2 * passes * multiply_adds(model) * rate
            ratios = np.quantile(np.array(values) / np.array(seconds["bit_keras"]), [0.25, 0.5, 0.75])
            yield {
                "network": name,
                "task": task,
                "batch": batch,
                "pictures_per_second": rate,
                "utilization": flops / peak,
                "ours_is_faster": [float(ratio) for ratio in ratios],
            }


def told(row):
    """Returns a row in words."""
    low, middle, high = row["ours_is_faster"]
    return (
        f"{row['task']:<9} batch {row['batch']:>4}  {row['network']:<28} {row['pictures_per_second']:>8.1f} pictures/s,"
        f" {row['utilization']:.1%} of the matrix rate; ours {middle:.2f} times as fast ({low:.2f} to {high:.2f})"
    )


def arguments():
    """Returns the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="R50x1")
    parser.add_argument("--side", type=count, default=224)
    parser.add_argument("--batches", type=counts, default="16,64,256")
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--matrix", type=count, default=8192, help="side of the square matrices")
    parser.add_argument("--precision", default="mixed_bfloat16", choices=["mixed_bfloat16", "float32"])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    if not options.out.parent.is_dir():
        parser.error(f"expected --out in a folder that exists, received {options.out}")
    try:
        Variant.parse(options.variant)
    except ValueError as error:
        parser.error(str(error))
    return options


def main():
    options = arguments()
    device = jax.devices()[0]
    dtype = jnp.bfloat16 if options.precision == "mixed_bfloat16" else jnp.float32
    peak = matrix_rate(options.matrix, dtype, options.rounds)
    print(f"{device.device_kind} ({device.platform}): {peak / 1e12:.3g} TFLOP/s, product of {options.matrix} squared")
    about = {
        "device": device.device_kind,
        "measured": machine(),
        "matrix_flop_per_second": peak,
        **{name: getattr(options, name) for name in ("variant", "side", "precision", "rounds", "matrix")},
    }
    rows = []
    for batch in options.batches:
        for row in measured(options, batch, peak):
            rows.append(row)
            print(told(row))
            options.out.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n")  # the next may not fit


if __name__ == "__main__":
    main()
