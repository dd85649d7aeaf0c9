"""What a run is going to do, told before its first step."""

import time
from dataclasses import dataclass

import tensorflow as tf

from bit_keras.data.telling import told
from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.training.loop import MORE_PARTS

LISTED = 12  # class names that the plan shows


@dataclass(frozen=True)
class Plan:
    """A run in numbers; `str(plan)` is the table that is printed.

    Args:
        data: the data's name.
        class_names: all of them.
        counts: {split: examples}.
        num_skipped: pictures that cannot be read and are left out.
        image_size: median (height, width) of the training pictures in pixels.
        model: the model's name and precision.
        rule: the settings.
        backbone: (trainable parameters, all parameters) before the head.
        head: trainable parameters of the head.
        num_replicas: devices that share a batch.
        micro_batches: parts of a replica's batch.
        picture_bytes: memory of one picture's activations.
        free_bytes: free memory for one replica.
        step_seconds: of one step, from a timed micro-batch.
        start: steps that are done already.
    """

    data: str
    class_names: tuple[str, ...]
    counts: dict[str, int]
    num_skipped: int
    image_size: tuple[int, int]
    model: str
    rule: HyperRule
    backbone: tuple[int, int]
    head: int
    num_replicas: int
    micro_batches: int
    picture_bytes: int
    free_bytes: int
    step_seconds: float
    start: int

    @property
    def part(self):
        """Pictures in a micro-batch."""
        return self.rule.batch_size // self.num_replicas // self.micro_batches

    @property
    def activation_bytes(self):
        """Memory of a replica's activations."""
        return self.picture_bytes * self.part

    @property
    def hours(self):
        """Estimated time of the steps that are left."""
        return self.step_seconds * (self.rule.steps - self.start) / 3600

    def __str__(self):
        rows = {
            "data": self._data(),
            "classes": self._classes(),
            "model": self._model(),
            "steps": self._steps(),
            "pictures": f"resize {self.rule.resize}, crop {self.rule.crop} px, {self._augmentation()}",
            "HyperRule": self._departures(),
            "batch": f"{self.rule.batch_size} on {self.num_replicas} device(s), each in {self.micro_batches} "
            f"micro-batch(es) of {self.part}",
            "memory": self._memory(),
            "time": f"about {_duration(self.hours)}, from a timed micro-batch ({self.step_seconds:.2f} s a step)",
        }
        return "\n".join(f"{name:<10} {text}" for name, text in rows.items())

    def _data(self):
        counts = ", ".join(f"{count:,} {split}" for split, count in self.counts.items())
        height, width = self.image_size
        skipped = f"; {self.num_skipped} broken, left out" if self.num_skipped else ""
        return f"{self.data}: {counts} pictures, median {height} x {width} px{skipped}"

    def _classes(self):
        more = f" and {len(self.class_names) - LISTED} more" if len(self.class_names) > LISTED else ""
        return f"{len(self.class_names)}: {', '.join(self.class_names[:LISTED])}{more}"

    def _model(self):
        trainable, total = self.backbone
        return f"{self.model}; trainable: {trainable:,} of {total:,} backbone parameters, {self.head:,} of the head"

    def _steps(self):
        resumed = f", {self.start:,} done" if self.start else ""
        decays = ", ".join(f"{boundary:,}" for boundary in self.rule.boundaries)
        return (
            f"{self.rule.steps:,}{resumed}; rate {self.rule.base_learning_rate:g}, warm-up {self.rule.warmup_steps:,}, "
            f"{f'a tenth after {decays}' if decays else 'no decay'}"
        )

    def _augmentation(self):
        mixup = f"mixup {self.rule.mixup_alpha:g}" if self.rule.mixup_alpha else "no mixup"
        return f"{'random flip' if self.rule.flip else 'no flip'}, {mixup}"

    def _memory(self):
        return f"{_gibibytes(self.activation_bytes)} of activations a device; free there: {_gibibytes(self.free_bytes)}"

    def _departures(self):
        departures = self.rule.departures()
        if not departures:
            return f"followed in everything (source: {self.rule.source})"
        return "but for " + ", ".join(f"{name} {ours} (rule: {own})" for name, (ours, own) in departures.items())


def timed_step(step, rule):
    """Returns the seconds of a step, from one timed micro-batch of `TrainStep` `step`; the weights stay.

    Replicas that share a processor, as logical CPUs do, wait for one another.
    """
    replicas = step.strategy.num_replicas_in_sync
    part = rule.batch_size // replicas // step.micro_batches
    images = tf.zeros((part, rule.crop, rule.crop, 3))
    labels = tf.one_hot(tf.zeros([part], tf.int64), step.model.output_shape[-1])
    kept = [(variable, variable.numpy()) for variable in step.model.non_trainable_variables]
    with told(MORE_PARTS):
        step.gradients(images, labels)  # builds the graph
        begin = time.perf_counter()
        step.gradients(images, labels)[0].numpy()
        seconds = time.perf_counter() - begin
    for variable, value in kept:
        variable.assign(value)
    shared = 1 if tf.config.list_physical_devices("GPU") else replicas
    return seconds * step.micro_batches * shared


def _gibibytes(size):
    return f"{size / 2**30:.2f} GiB"


def _duration(hours):
    return f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
