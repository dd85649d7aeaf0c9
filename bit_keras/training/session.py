"""A run that is ready to begin, and what all kinds of runs decide alike."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Integral
from os import PathLike
from typing import Any, Protocol

from bit_keras.data.examples import Data
from bit_keras.errors import RunError, UserError
from bit_keras.evaluation.classifier import require_tensorflow
from bit_keras.models.resnet_v2 import HEAD_LAYER
from bit_keras.training import checkpoints
from bit_keras.training.cluster import Cluster
from bit_keras.training.memory import batches_bytes, cost_of, default_micro_batches
from bit_keras.training.plan import Plan, timed_step
from bit_keras.training.run_folder import RunFolder
from bit_keras.training.step import TrainStep
from bit_keras.training.xla import pays

MOMENTUM = 0.9  # paper, sections 3.2 and 3.3
MOST_SEED = 2**32 - 1  # of NumPy and scikit-learn
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


class Settings(Protocol):
    """What the settings of every kind of run have."""

    data: Any
    workdir: str
    seed: int
    strategy: Any
    precision: str
    micro_batches: int | None
    xla: bool | None
    remat: bool
    save_every: int | None
    eval_every: int | None
    resume: bool


@dataclass(frozen=True)
class Session:
    """A run that is ready to begin, or to go on.

    Args:
        settings: what the user asked for.
        data: the pictures.
        rule: the numbers of the run, with `steps`, `learning_rate`, `batch_size` and `crop`.
        step: a `TrainStep`.
        cluster: the hosts that take part.
        folder: the run folder.
        config: what is written into it.
        start: steps that are done.
        plan: what is printed.
        batches: makes the iterator of distributed batches, the first of which is that of step `start`.
        evaluation: options of `evaluation_batches`, but for the batch size.
        probe: measures the features, {examples per class: accuracies}; None for no probe.
        note: what is to be printed and logged as the run goes on, or None.
        service: address of the tf.data service that makes the batches, or None.
    """

    settings: Settings
    data: Data
    rule: Any
    step: TrainStep
    cluster: Cluster
    folder: RunFolder
    config: dict
    start: int
    plan: Plan
    batches: Callable[[], Iterator]
    evaluation: dict = field(default_factory=dict)
    probe: Callable[[], dict] | None = None
    note: str | None = None
    service: str | None = None


def stored_run(settings):
    """Returns the `RunFolder`, and the configuration of the run that is in it, or None.

    Raises:
        RunError: if there is one that may not go on.
    """
    folder = RunFolder(settings.workdir)
    stored = folder.stored_config()
    if stored and not settings.resume:
        raise RunError(f"{folder.path} holds a run already. Choose a new folder, or allow it to be resumed.")
    return folder, stored


def start_of(folder, stored, step, steps):
    """Returns how many of `steps` are done, with their state in the `TrainStep` `step`."""
    if folder.result.is_file():
        return steps
    return checkpoints.restore(folder.checkpoints, step) if stored else 0


def form_of(settings, stored, cost, rule, replicas, free):
    """Returns how a step is computed, as options of `TrainStep`: as asked for, as the run has had it, or new.

    Args:
        settings: what the user asked for.
        stored: the configuration of the run that goes on, or None.
        cost: the `Cost` of a picture.
        rule: of the run.
        replicas: devices that share a batch.
        free: bytes that a replica may use.
    """
    had = stored or {}
    parts = settings.micro_batches or had.get("micro_batches", 0)
    part_of = rule.batch_size // replicas
    if not parts or (not settings.micro_batches and part_of % parts):
        left = free - batches_bytes(part_of, rule.crop)
        parts = default_micro_batches(cost.held_bytes(settings.remat), replica_batch=part_of, free=left)
    xla = had.get("xla", pays(cost, rule)) if settings.xla is None else settings.xla
    return {"micro_batches": parts, "xla": bool(xla), "remat": bool(settings.remat)}


def picture_cost(architecture, rule, precision):
    """Returns the `Cost` of one picture."""
    return cost_of(architecture, crop=rule.crop, dtype=precision)


def plan_of(data, rule, model_text, step, cost, free, start, kept=0):
    """Returns the `Plan`."""
    return Plan(
        data=data.name,
        class_names=data.class_names,
        counts={split: len(examples) for split, examples in data.splits.items()},
        num_skipped=len(data.problems),
        image_size=data.image_size,
        model=model_text,
        rule=rule,
        backbone=_backbone_parameters(step.model),
        head=_count(step.model.get_layer(HEAD_LAYER).trainable_variables),
        num_replicas=step.strategy.num_replicas_in_sync,
        micro_batches=step.micro_batches,
        xla=step.xla,
        remat=step.remat,
        picture_bytes=cost.held_bytes(step.remat),
        free_bytes=free,
        step_seconds=timed_step(step, rule),
        start=start,
        kept_bytes=kept,
    )


def check_settings(settings):
    """Raises a `UserError` for what can be told of all settings before anything is read."""
    require_tensorflow("Training")
    if settings.precision not in PRECISIONS:
        raise UserError(f"Expected `precision` among {PRECISIONS}. Received: precision={settings.precision!r}.")
    if not isinstance(settings.workdir, (str, PathLike)) or not os.fspath(settings.workdir):
        raise UserError(f"Expected `workdir`, a path that is not empty. Received: workdir={settings.workdir!r}.")
    check_whole("seed", settings.seed, 0, MOST_SEED)
    for name in ("micro_batches", "save_every", "eval_every"):
        if getattr(settings, name) is not None:
            check_whole(name, getattr(settings, name), 1)


def check_whole(name, value, least, most=math.inf):
    """Raises a `UserError` unless `value` is a whole number of at least `least`, and at most `most`."""
    if not isinstance(value, Integral) or not least <= value <= most:
        limit = "" if most == math.inf else f" up to {most}"
        raise UserError(f"Expected `{name}` of at least {least}, a whole number{limit}. Received: {name}={value!r}.")


def _backbone_parameters(model):
    backbone = [layer for layer in model.layers if layer.name != HEAD_LAYER]
    trainable = sum(_count(layer.trainable_variables) for layer in backbone)
    return trainable, sum(_count(layer.variables) for layer in backbone)


def _count(variables):
    return sum(math.prod(variable.shape) for variable in variables)


def refuse_frozen(model):
    """Raises a `RunError` if nothing of the backbone would train."""
    trainable, total = _backbone_parameters(model)
    if not trainable:
        raise RunError(
            f"Expected a backbone that trains. Received: one with 0 of {total:,} parameters trainable. Set "
            "`model.trainable = True`, or give the path or preset instead of the frozen model."
        )
