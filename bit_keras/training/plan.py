"""What a run is going to do, told before its first step."""

import time
from dataclasses import dataclass
from functools import singledispatch

import tensorflow as tf

from bit_keras.data.telling import told
from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.recipes.upstream import UpstreamRecipe
from bit_keras.training.forward import applied_weights
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
        xla: whether XLA compiles the normalizations and the optimizer's steps of kernels.
        remat: whether the interiors of the units are computed again for the gradient.
        picture_bytes: memory of one picture's activations.
        free_bytes: free memory for one replica.
        step_seconds: of one step, from a timed micro-batch.
        start: steps that are done already.
        kept_bytes: memory of the machine for resized pictures; 0 if they are not kept.
    """

    data: str
    class_names: tuple[str, ...]
    counts: dict[str, int]
    num_skipped: int
    image_size: tuple[int, int]
    model: str
    rule: HyperRule | UpstreamRecipe
    backbone: tuple[int, int]
    head: int
    num_replicas: int
    micro_batches: int
    xla: bool
    remat: bool
    picture_bytes: int
    free_bytes: int
    step_seconds: float
    start: int
    kept_bytes: int = 0

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
            **rule_rows(self.rule, self.start),
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
        by = ", normalizations and optimizer by XLA" * self.xla + ", units computed twice" * self.remat
        return f"{self.model}{by}; trainable: {trainable:,} of {total:,} backbone parameters, {self.head:,} of the head"

    def _memory(self):
        kept = f"; {_gibibytes(self.kept_bytes)} of the machine's for resized pictures" if self.kept_bytes else ""
        activations = f"{_gibibytes(self.activation_bytes)} of activations a device"
        return f"{activations}; free there: {_gibibytes(self.free_bytes)}{kept}"


@singledispatch
def rule_rows(rule, start):
    """Returns {name: text}: what the numbers mean for a run of which `start` steps are done."""
    raise TypeError(f"Expected a HyperRule or an UpstreamRecipe. Received: {rule!r}.")


@rule_rows.register
def _of_hyperrule(rule: HyperRule, start):
    mixup = f"mixup {rule.mixup_alpha:g}" if rule.mixup_alpha else "no mixup"
    own = f"followed in everything (source: {rule.source})"
    return {
        "steps": _steps(rule, start, _decays(rule)),
        "pictures": f"resize {rule.resize}, crop {rule.crop} px, {_flip(rule)}, {mixup}",
        "HyperRule": _departures(rule, "rule") or own,
    }


@rule_rows.register
def _of_recipe(rule: UpstreamRecipe, start):
    decay = "half a cosine to 0" if rule.schedule == "cosine" else _decays(rule)
    clip = f"gradients clipped to {rule.clip_norm:g}" if rule.clip_norm else "no clipping"
    return {
        "steps": f"{_steps(rule, start, decay)}; {rule.epochs:g} epochs",
        "pictures": f"random part of {rule.min_area:.0%} at least, {rule.crop} px, {_flip(rule)}",
        "training": f"{rule.loss} loss, {rule.decay} weight decay {rule.weight_decay:g} of kernels, {clip}",
        "recipe": f"{rule.name}, {_departures(rule, rule.name) or 'followed in everything'}",
    }


def _steps(rule, start, decay):
    resumed = f", {start:,} done" if start else ""
    return f"{rule.steps:,}{resumed}; rate {rule.base_learning_rate:g}, warm-up {rule.warmup_steps:,}, {decay}"


def _decays(rule):
    decays = ", ".join(f"{boundary:,}" for boundary in rule.boundaries)
    return f"a tenth after {decays}" if decays else "no decay"


def _flip(rule):
    return "random flip" if rule.flip else "no flip"


def _departures(rule, whose):
    pairs = [(name, *map(_shown, pair)) for name, pair in rule.departures().items()]
    return "but for " + ", ".join(f"{name} {ours} ({whose}: {own})" for name, ours, own in pairs) if pairs else ""


def _shown(value):
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def timed_step(step, rule):
    """Returns the seconds of a step's micro-batches, from a timed one of `TrainStep` `step`; the weights stay.

    Replicas that share a processor, as logical CPUs do, wait for one another.
    """
    replicas = step.strategy.num_replicas_in_sync
    part = rule.batch_size // replicas // step.micro_batches
    kept = [(variable, variable.numpy()) for variable in step.model.non_trainable_variables]
    with told(MORE_PARTS):
        images = tf.zeros((part, rule.crop, rule.crop, 3))
        labels = tf.one_hot(tf.zeros([part], tf.int64), step.model.output_shape[-1])
        weights = applied_weights(step.model)
        step.part(weights, images, labels)  # builds the graph
        begin = time.perf_counter()
        step.part(weights, images, labels)[0].numpy()
        seconds = time.perf_counter() - begin
    for variable, value in kept:
        variable.assign(value)
    shared = 1 if tf.config.list_physical_devices("GPU") else replicas
    return seconds * step.micro_batches * shared


def _gibibytes(size):
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


def _duration(hours):
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{hours * 60:.1f} minutes" if hours >= 1 / 60 else f"{hours * 3600:.0f} seconds"
