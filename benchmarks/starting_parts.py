"""Does a thing in a fresh process for `starting.py`, and prints what each part took as JSON.

`prepare` makes the files that `predict` reads.

python benchmarks/starting_parts.py prepare|predict|finetune MODEL FOLDER
"""

import json
import sys
import time
from pathlib import Path

from bit_keras.cli.process import end


class Clock:
    """Seconds by part, in the order in which they end."""

    def __init__(self):
        self.parts = {}
        self.last = time.perf_counter()

    def lap(self, name):
        now = time.perf_counter()
        self.parts[name], self.last = now - self.last, now

    def timed(self, module, function, name):
        """Has each call of a module's function timed; what it takes is not counted in the lap around it."""
        plain = getattr(module, function)

        def call(*arguments, **options):
            begin = time.perf_counter()
            try:
                return plain(*arguments, **options)
            finally:
                took = time.perf_counter() - begin
                self.parts[name] = self.parts.get(name, 0) + took
                self.last += took

        setattr(module, function, call)


def predict_one(clock, model, folder):
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    clock.lap("import of TensorFlow")
    from bit_keras.evaluation.classifier import open_classifier
    from bit_keras.evaluation.predicting import predict

    clock.lap("import of bit_keras and Keras")
    from bit_keras.weights import loading

    clock.timed(loading, "build", "building the model")
    weights, picture = _files(folder)
    opened = open_classifier(str(weights)).model
    clock.lap("opening the weights")
    for name in ("first prediction", "second prediction"):
        predict(opened, str(picture), image_size=32)
        clock.lap(name)


def prepare(clock, model, folder):
    """Writes weights with a random head, and pictures."""
    import bit_keras as bit
    from bit_keras.data.digits import write_digits

    weights, picture = _files(folder)
    write_digits(picture.parent.parent)
    bit.save_weights(bit.load(model, num_classes=10), weights)


def _files(folder):
    """Returns the paths of the weights and of a picture."""
    return Path(folder) / "weights.npz", Path(folder) / "digits" / "3" / "0003.png"


def finetune(clock, model, folder):
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    clock.lap("import of TensorFlow")
    import numpy as np

    from bit_keras.training import downstream, session

    clock.lap("import of bit_keras and Keras")
    clock.timed(downstream, "open_data", "data")
    clock.timed(downstream, "_model", "model")
    clock.timed(session, "cost_of", "estimate of memory")
    clock.timed(session, "timed_step", "timed micro-batch for the plan")
    overrides = {"resize": 40, "crop": 32, "steps": 60, "batch_size": 64, "flip": False}
    prepared = downstream.prepare(downstream.Settings("digits", model, f"{folder}/run", overrides=overrides))
    clock.lap("other preparations")
    batches = prepared.batches()
    clock.lap("starting the batches")
    for name in ("first step", "second step"):
        prepared.step.run(batches, np.int32(1)).numpy()
        clock.lap(name)


def main():
    task, model, folder = sys.argv[1:]
    clock = Clock()
    {"prepare": prepare, "predict": predict_one, "finetune": finetune}[task](clock, model, folder)
    print(json.dumps(clock.parts))
    end(0)  # as a command does


if __name__ == "__main__":
    main()
