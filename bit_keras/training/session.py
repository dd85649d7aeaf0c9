"""Brings data, rule, model, optimizer and run folder together: all that a run decides before its first step."""

import dataclasses
import math
from dataclasses import dataclass, field
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

from bit_keras.data.examples import Data
from bit_keras.data.opening import open_data
from bit_keras.errors import DataError, RunError, UserError
from bit_keras.evaluation.classifier import require_tensorflow
from bit_keras.exporting.saved_model import versions
from bit_keras.models.resnet_v2 import HEAD_LAYER
from bit_keras.optimizers import Schedule
from bit_keras.recipes.hyperrule import SETTINGS, SOURCES, HyperRule
from bit_keras.training import checkpoints
from bit_keras.training.memory import activation_bytes, default_micro_batches, free_bytes
from bit_keras.training.plan import Plan, timed_step
from bit_keras.training.run_folder import RunFolder
from bit_keras.training.starting_model import find_model, model_name, starting_model, stored_model, weights_digest
from bit_keras.training.step import ReducedMomentum, TrainStep, check_batch
from bit_keras.training.strategies import make_strategy
from bit_keras.weights.assigning import arrays_of
from bit_keras.weights.names import architecture_of

MOMENTUM = 0.9  # paper, section 3.3; bit_hyperrule.py's users
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class Settings:
    """What the user asked of a run: the arguments of `finetune`."""

    data: Any
    model: Any
    workdir: str
    rule: HyperRule | str | None = None
    seed: int = 0
    strategy: Any = "auto"
    precision: str = "float32"
    micro_batches: int | None = None
    strict: bool = False
    resume: bool = True
    save_every: int | None = None
    eval_every: int | None = None
    overrides: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Session:
    """A run that is ready to begin, or to go on."""

    settings: Settings
    data: Data
    rule: HyperRule
    step: TrainStep
    folder: RunFolder
    config: dict
    start: int
    plan: Plan


def prepare(settings):
    """Returns the `Session` of `Settings`. Writes nothing.

    Raises:
        UserError: for whatever the user can mend; see `finetune`.
    """
    _check(settings)
    strategy = make_strategy(settings.strategy)
    check_batch(_batch_size(settings), strategy.num_replicas_in_sync, settings.micro_batches or 1)
    folder = RunFolder(settings.workdir)
    stored = folder.stored_config()
    if stored and not settings.resume:
        raise RunError(f"{folder.path} holds a run already. Choose a new folder, or allow it to be resumed.")
    find_model(settings.model)
    data = open_data(settings.data, seed=settings.seed, strict=settings.strict)
    if "train" not in data.splits:
        raise DataError(f"{data.name} has no pictures for training. Add some, or choose other data.")
    free = free_bytes(strategy.num_replicas_in_sync)  # before the model takes its part
    with strategy.scope():
        model = _model(settings, len(data.class_names), stored, folder)
        architecture = architecture_of({n: a.shape for n, a in arrays_of(model).items()}, "the model")
        rule = _rule(settings, data, architecture.variant)
        optimizer = ReducedMomentum(Schedule(rule), MOMENTUM)
    _refuse_frozen(model)
    picture = activation_bytes(architecture, crop=rule.crop, dtype=settings.precision)
    micro_batches = _micro_batches(settings, stored, picture, rule.batch_size // strategy.num_replicas_in_sync, free)
    step = TrainStep(model, optimizer, strategy, batch_size=rule.batch_size, micro_batches=micro_batches)
    config = _config(settings, data, rule, architecture, step)
    folder.check(config)
    start = _start(folder, stored, rule, model, optimizer)
    plan = _plan(settings, data, rule, architecture, step, picture, free, start)
    return Session(settings, data, rule, step, folder, config, start, plan)


def _start(folder, stored, rule, model, optimizer):
    """Returns how many steps are done, with their weights in `model`."""
    if folder.result.is_file():
        return rule.steps
    return checkpoints.restore(folder.checkpoints, model, optimizer) if stored else 0


def _micro_batches(settings, stored, picture, replica_batch, free):
    """Returns what was asked for; else what the run has had so far, if it divides the batch; else what memory needs."""
    had = (stored or {}).get("micro_batches", 0)
    if settings.micro_batches:
        return settings.micro_batches
    if had and replica_batch % had == 0:
        return had
    return default_micro_batches(picture, replica_batch=replica_batch, free=free)


def _plan(settings, data, rule, architecture, step, picture, free, start):
    return Plan(
        data=data.name,
        class_names=data.class_names,
        counts={split: len(examples) for split, examples in data.splits.items()},
        num_skipped=len(data.problems),
        image_size=data.image_size,
        model=f"BiT-{architecture.variant} from {model_name(settings.model)}, {settings.precision}",
        rule=rule,
        backbone=_backbone_parameters(step.model),
        head=_count(step.model.get_layer(HEAD_LAYER).trainable_variables),
        num_replicas=step.strategy.num_replicas_in_sync,
        micro_batches=step.micro_batches,
        picture_bytes=picture,
        free_bytes=free,
        step_seconds=timed_step(step, rule),
        start=start,
    )


def _check(settings):
    """All that can be told before anything is read."""
    require_tensorflow("Training")
    if settings.precision not in PRECISIONS:
        raise UserError(f"Expected `precision` among {PRECISIONS}. Received: precision={settings.precision!r}.")
    if not isinstance(settings.workdir, (str, PathLike)):
        raise UserError(f"Expected `workdir`, a path. Received: workdir={settings.workdir!r}.")
    if settings.rule not in (None, *SOURCES) and not isinstance(settings.rule, HyperRule):
        raise UserError(f"Expected `rule` as a HyperRule, 'code', 'paper' or None. Received: rule={settings.rule!r}.")
    _check_whole("seed", settings.seed, 0)
    for name in ("micro_batches", "save_every", "eval_every"):
        if getattr(settings, name) is not None:
            _check_whole(name, getattr(settings, name), 1)
    unknown = sorted(settings.overrides.keys() - SETTINGS)
    if unknown:
        raise UserError(f"Expected arguments of `finetune` or of HyperRule, {sorted(SETTINGS)}. Received: {unknown}.")


def _check_whole(name, value, least):
    if not isinstance(value, Integral) or value < least:
        raise UserError(f"Expected `{name}` of at least {least}, a whole number. Received: {name}={value!r}.")


def _batch_size(settings):
    """Returns the batch of the run, which no rule makes depend on the data."""
    rule = settings.rule if isinstance(settings.rule, HyperRule) else HyperRule(1, (1, 1))
    return settings.overrides.get("batch_size") or rule.batch_size


def _rule(settings, data, variant):
    if isinstance(settings.rule, HyperRule):
        return settings.rule.override(**settings.overrides)
    own = HyperRule(len(data.splits["train"]), data.image_size, source=settings.rule or "code", variant=str(variant))
    return own.override(**settings.overrides)


def _model(settings, num_classes, stored, folder):
    """Returns a new model: of the stored run's architecture where weights follow, else from what the user named."""
    options = {"num_classes": num_classes, "precision": settings.precision}
    if stored and checkpoints.exist(folder.checkpoints):
        return stored_model(stored, settings.model, **options)
    return starting_model(settings.model, seed=settings.seed, **options)


def _config(settings, data, rule, architecture, step):
    path = Path(str(settings.data))
    return {
        "data": str(path.resolve()) if path.exists() else str(settings.data),
        "fingerprint": data.fingerprint,
        "class_names": list(data.class_names),
        "counts": {split: len(examples) for split, examples in data.splits.items()},
        "model": model_name(settings.model),
        "weights": weights_digest(settings.model),
        "frozen": sorted(layer.name for layer in step.model.layers if layer.weights and not layer.trainable),
        "architecture": dataclasses.asdict(architecture),
        "rule": dataclasses.asdict(rule),
        "seed": settings.seed,
        "precision": settings.precision,
        "micro_batches": step.micro_batches,
        "num_replicas": step.strategy.num_replicas_in_sync,
        "versions": versions(),
    }


def _backbone_parameters(model):
    backbone = [layer for layer in model.layers if layer.name != HEAD_LAYER]
    trainable = sum(_count(layer.trainable_variables) for layer in backbone)
    return trainable, sum(_count(layer.variables) for layer in backbone)


def _count(variables):
    return sum(math.prod(variable.shape) for variable in variables)


def _refuse_frozen(model):
    trainable, total = _backbone_parameters(model)
    if not trainable:
        raise RunError(
            f"Expected a backbone that trains. Received: one with 0 of {total:,} parameters trainable. Set "
            "`model.trainable = True`, or give the path or preset instead of the frozen model."
        )
