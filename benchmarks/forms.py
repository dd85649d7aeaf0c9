"""The networks that `throughput.py` compares, each in a process of its own, which computes when it is told to.

Reads lines of JSON: {"task", "batch", "side"} prepares, "go" computes for a second, at least once; answers each with a
line of JSON.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time

import numpy as np

CLASSES, RATE, MOMENTUM = 1000, 0.01, 0.9
TURN_SECONDS = 1.0  # so that a short call is not measured with caches that the others have filled


def pictures(batch, side):
    """Returns random pictures in [-1, 1] and labels."""
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (batch, side, side, 3)).astype("float32"), np.arange(batch) % CLASSES


class Keras:
    """A Keras model on TensorFlow, by `strategy`; `change` puts other layers in the place of ours."""

    def __init__(self, variant, dtype="float32", change=None, strategy="one"):
        import bit_keras as bit
        from bit_keras.models import resnet_v2
        from bit_keras.training.strategies import make_strategy

        if change:
            change(resnet_v2)
        self.strategy = make_strategy(strategy)
        with self.strategy.scope():
            self.model = bit.build(variant, num_classes=CLASSES, seed=0, dtype=dtype)

    def inference(self, batch, side):
        import tensorflow as tf

        images = tf.constant(pictures(batch, side)[0])
        call = tf.function(lambda pixels: self.model(pixels, training=False))
        return lambda: call(images).numpy()

    def training(self, batch, side, **options):
        import tensorflow as tf

        from bit_keras.training.step import ReducedMomentum, TrainStep

        images, labels = pictures(batch, side)
        with self.strategy.scope():
            optimizer = ReducedMomentum(RATE, MOMENTUM)
        step = TrainStep(self.model, optimizer, self.strategy, batch_size=batch, **options)
        examples = tf.data.Dataset.from_tensor_slices((images, np.eye(CLASSES, dtype="float32")[labels]))
        repeated = examples.batch(batch, drop_remainder=True).cache().repeat()
        batches = iter(self.strategy.experimental_distribute_dataset(repeated))
        return lambda: step.run(batches, np.int32(1)).numpy()


class Compiled(Keras):
    """A model whose normalizations and optimizer XLA compiles, as it does in long runs."""

    inference = None

    def training(self, batch, side, **options):
        return super().training(batch, side, xla=True, **options)


class Folded:
    """Our folded SavedModel."""

    def __init__(self, variant, xla=False):
        import tensorflow as tf

        self.module = exported(variant, tf.saved_model.load, fold=True, xla=xla)

    def inference(self, batch, side):
        import tensorflow as tf

        images = tf.constant((pictures(batch, side)[0] + 1) / 2)
        return lambda: self.module(images).numpy()


class OnnxRuntime:
    """Our ONNX file in ONNX Runtime, on the CPU."""

    def __init__(self, variant):
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        self.session = exported(
            variant, lambda file: onnxruntime.InferenceSession(file, providers=providers), format="onnx"
        )

    def inference(self, batch, side):
        images = (pictures(batch, side)[0] + 1) / 2
        return lambda: self.session.run(["logits"], {"images": images})[0]


class OpenVino:
    """Our ONNX file in OpenVINO, on the CPU; in float32, as that CPU may have it compute in bfloat16 unasked."""

    def __init__(self, variant):
        import openvino

        precision = {"INFERENCE_PRECISION_HINT": "f32"}
        self.compiled = exported(
            variant, lambda file: openvino.Core().compile_model(file, "CPU", precision), format="onnx"
        )

    def inference(self, batch, side):
        images = (pictures(batch, side)[0] + 1) / 2
        return lambda: self.compiled(images)[0]


def exported(variant, read, **options):
    """Returns what `read` makes of the path of our export.

    Another process writes it, whose memory is not counted and whose TensorFlow has no threads here.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/out{'.onnx' if options.get('format') == 'onnx' else ''}"
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(variant, path), kwargs=options)
        writer.start()
        writer.join()
        return read(path)


def write(variant, path, **options):
    import bit_keras as bit

    bit.export(bit.build(variant, num_classes=CLASSES, seed=0), path, **options)


class Transformers:
    """Hugging Face's `BitForImageClassification` on PyTorch, channels last."""

    def __init__(self, variant, compiled=False):
        import torch
        from transformers import BitConfig, BitForImageClassification

        from bit_keras.models.variant import Variant

        network = Variant.parse(variant)
        config = BitConfig(
            depths=list(network.units),
            hidden_sizes=[int(256 * 2**block * network.width) for block in range(4)],
            embedding_size=int(64 * network.width),
            num_labels=CLASSES,
        )
        self.network = BitForImageClassification(config).to(memory_format=torch.channels_last)
        self.module = torch.compile(self.network) if compiled else self.network

    def inference(self, batch, side):
        import torch

        images, _ = self._pictures(batch, side)
        self.network.eval()

        def run():
            with torch.inference_mode():
                return self.module(images).logits.numpy()

        return run

    def training(self, batch, side):
        import torch

        images, labels = self._pictures(batch, side)
        optimizer = torch.optim.SGD(self.network.parameters(), RATE, MOMENTUM)
        self.network.train()

        def run():
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.module(images).logits, labels)
            loss.backward()
            optimizer.step()
            return loss.item()

        return run

    def _pictures(self, batch, side):
        import torch

        images, labels = pictures(batch, side)
        images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return images, torch.from_numpy(labels)


def stock(resnet_v2):
    """Keras's own group normalization, and a standardization as one would write it first."""
    from keras import layers, ops

    class StandardizedConv2D(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            mean, variance = ops.moments(kernel, axes=(0, 1, 2), keepdims=True)
            return super().convolution_op(inputs, (kernel - mean) / ops.sqrt(variance + 1e-10))

    resnet_v2.StandardizedConv2D, resnet_v2.GroupNorm = StandardizedConv2D, stock_group_norm


def stock_group_norm(activation, *, dtype, **options):
    """Keras's own layers in the place of our `GroupNorm`."""
    from keras import layers

    norm = layers.GroupNormalization(32, epsilon=1e-5, dtype=dtype, **options)
    return lambda x: layers.Activation(activation, dtype=dtype)(norm(x))


def bound(resnet_v2):
    """Convolutions and ReLU alone: what no normalization can be faster than."""
    from keras import layers

    resnet_v2.StandardizedConv2D = layers.Conv2D
    resnet_v2.GroupNorm = layers.Activation


FORMS = {
    "convolutions and ReLU alone": (Keras, {"change": bound}),
    "ours, as trained": (Keras, {}),
    "ours, trained with XLA": (Compiled, {}),
    "ours, folded export": (Folded, {}),
    "ours, folded export with XLA": (Folded, {"xla": True}),
    "ours, in ONNX Runtime": (OnnxRuntime, {}),
    "ours, in OpenVINO": (OpenVino, {}),
    "ours, mixed_bfloat16": (Keras, {"dtype": "mixed_bfloat16"}),
    "ours, mixed_bfloat16, trained with XLA": (Compiled, {"dtype": "mixed_bfloat16"}),
    "stock Keras layers": (Keras, {"change": stock}),
    "transformers, eager": (Transformers, {}),
    "transformers, torch.compile": (Transformers, {"compiled": True}),
}


def doing(task):
    """Returns the names of the forms that can do "inference" or "training"."""
    return [name for name, (kind, _) in FORMS.items() if getattr(kind, task, None)]


def answer(line):
    print(json.dumps(line), flush=True)


def turn(run):
    """Returns the mean seconds of the calls of a turn."""
    begin, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - begin < TURN_SECONDS:
        run()
        calls += 1
    return (time.perf_counter() - begin) / calls


def serve(prepare):
    """Says that it is ready, then computes what each line asks for; `prepare` makes a function of a line."""
    answer("ready")
    run = None
    for line in map(json.loads, sys.stdin):
        if line == "go":
            seconds = turn(run)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer({"seconds": seconds, "peak_bytes": peak})
            continue
        run = prepare(line)
        for _ in range(2):  # builds the graph, then finds its memory
            run()
        answer("ready")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("variant")
    options = parser.parse_args()
    kind, settings = FORMS[options.form]
    network = kind(options.variant, **settings)
    serve(lambda line: getattr(network, line.pop("task"))(**line))


if __name__ == "__main__":
    main()
