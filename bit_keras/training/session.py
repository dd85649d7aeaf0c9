"""Brings data, rule, model, optimizer and run folder together: all that a run decides before its first step."""

import dataclasses
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bit_keras.data.examples import Data
from bit_keras.data.opening import open_data
from bit_keras.errors import DataError, RunError, UserError
from bit_keras.evaluation.classifier import takes_pixels
from bit_keras.exporting.saved_model import versions
from bit_keras.models.resnet_v2 import build
from bit_keras.models.variant import Architecture, Variant
from bit_keras.optimizers import Schedule
from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.training import checkpoints
from bit_keras.training.memory import activation_bytes, default_micro_batches, free_bytes
from bit_keras.training.plan import Plan, timed_step
from bit_keras.training.run_folder import RunFolder
from bit_keras.training.step import ReducedMomentum, TrainStep
from bit_keras.training.strategies import make_strategy
from bit_keras.weights.assigning import arrays_of, digest, freeze_alike
from bit_keras.weights.loading import load, load_arrays, read_arrays, weights_path
from bit_keras.weights.names import architecture_of

MOMENTUM = 0.9  # paper, section 3.3; bit_hyperrule.py's users
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class Settings:
    """What the user asked of a run: the arguments of `finetune`, and whose rule to make if `rule` is None."""

    data: Any
    model: Any
    workdir: str
    rule: HyperRule | None = None
    rule_source: str = "code"
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
    folder = RunFolder(settings.workdir)
    stored = folder.stored_config()
    _find_model(settings)
    data = open_data(settings.data, seed=settings.seed, strict=settings.strict)
    if "train" not in data.splits:
        raise DataError(f"{data.name} has no pictures for training.")
    with strategy.scope():
        model = _model(settings, len(data.class_names), stored)
        architecture = architecture_of({n: a.shape for n, a in arrays_of(model).items()}, "the model")
        rule = _rule(settings, data, architecture.variant)
        optimizer = ReducedMomentum(Schedule(rule), MOMENTUM)
    _refuse_frozen(model)
    memory = _Memory.measured(architecture, rule, strategy, settings.precision)
    micro_batches = settings.micro_batches or (stored or {}).get("micro_batches") or memory.micro_batches
    step = TrainStep(model, optimizer, strategy, batch_size=rule.batch_size, micro_batches=micro_batches)
    config = _config(settings, data, rule, architecture, step)
    folder.check(config, resume=settings.resume)
    start = checkpoints.restore(folder.checkpoints, model, optimizer) if stored else 0
    return Session(
        data, rule, step, folder, config, start, _plan(settings, data, rule, architecture, step, memory, start)
    )


@dataclass(frozen=True)
class _Memory:
    """What a picture needs, what a replica has, and the micro-batches that follow."""

    picture_bytes: int
    free_bytes: int
    micro_batches: int

    @classmethod
    def measured(cls, architecture, rule, strategy, precision):
        replicas = strategy.num_replicas_in_sync
        picture = activation_bytes(architecture, crop=rule.crop, dtype=precision)
        # Logical CPUs share the machine's memory; GPUs have their own.
        free = free_bytes() // (1 if tf.config.list_physical_devices("GPU") else replicas)
        part = max(1, rule.batch_size // replicas)
        return cls(picture, free, default_micro_batches(picture, replica_batch=part, free=free))


def _plan(settings, data, rule, architecture, step, memory, start):
    return Plan(
        data=data.name,
        class_names=data.class_names,
        counts={split: len(examples) for split, examples in data.splits.items()},
        num_skipped=len(data.problems),
        model=f"BiT-{architecture.variant} from {_model_name(settings.model)}, {settings.precision}",
        rule=rule,
        backbone=_backbone_parameters(step.model),
        head=_count(step.model.get_layer("head-conv2d").trainable_variables),
        num_replicas=step.strategy.num_replicas_in_sync,
        micro_batches=step.micro_batches,
        picture_bytes=memory.picture_bytes,
        free_bytes=memory.free_bytes,
        step_seconds=timed_step(step, rule),
        start=start,
    )


def _check(settings):
    if settings.precision not in PRECISIONS:
        raise UserError(f"Expected `precision` among {PRECISIONS}. Received: precision={settings.precision!r}.")
    if settings.seed < 0:
        raise UserError(f"Expected `seed` of at least 0. Received: seed={settings.seed}.")
    for name in ("micro_batches", "save_every", "eval_every"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise UserError(f"Expected `{name}` of at least 1. Received: {name}={value}.")


def _rule(settings, data, variant):
    rule = settings.rule or HyperRule(
        len(data.splits["train"]), data.image_size, source=settings.rule_source, variant=str(variant)
    )
    return rule.override(**settings.overrides)


def _model(settings, num_classes, stored):
    """Returns a new model: of the stored run's architecture where weights follow, else from what the user named."""
    options = {"dtype": settings.precision}
    source = settings.model
    if stored and any(Path(settings.workdir, "checkpoints").glob("*.npz")):
        fields = dict(stored["architecture"])
        architecture = Architecture(Variant(**fields.pop("variant")), **fields)
        model = build(
            architecture.variant,
            num_classes=num_classes,
            normalization=architecture.normalization,
            weight_standardization=architecture.weight_standardization,
            kernel_initializer="zeros",
            **options,
        )
    elif isinstance(source, keras.Model):
        model = load_arrays(arrays_of(source), source.name, num_classes=num_classes, **options)
    elif _is_variant(source):
        return build(source, num_classes=num_classes, seed=settings.seed, **options)
    else:
        return load(source, num_classes=num_classes, **options)
    if isinstance(source, keras.Model):
        freeze_alike(model, source)
    return model


def _find_model(settings):
    """Looks for the model before all pictures are checked, which may take long."""
    if _is_variant(settings.model):
        Variant.parse(settings.model)
    elif not isinstance(settings.model, keras.Model):
        weights_path(settings.model)


def _is_variant(source):
    """Whether `source` has the form of a variant; one that does not exist is told where it is built."""
    has_form = isinstance(source, str) and re.fullmatch(r"R\d+x[\d.]+", source) and not Path(source).exists()
    return isinstance(source, Variant) or bool(has_form)


def _model_name(source):
    if isinstance(source, keras.Model):
        return f"keras.Model {source.name}{' (0..255)' if takes_pixels(source) else ''}"
    return f"random weights ({source})" if _is_variant(source) else str(source)


def _digest(source):
    """Tells whether a name still stands for the same weights; those of a variant follow from the seed."""
    if _is_variant(source):
        return None
    return digest(arrays_of(source) if isinstance(source, keras.Model) else read_arrays(source))


def _config(settings, data, rule, architecture, step):
    path = Path(str(settings.data))
    return {
        "data": str(path.resolve()) if path.exists() else str(settings.data),
        "fingerprint": data.fingerprint,
        "class_names": list(data.class_names),
        "counts": {split: len(examples) for split, examples in data.splits.items()},
        "model": _model_name(settings.model),
        "weights": _digest(settings.model),
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
    backbone = [layer for layer in model.layers if layer.name != "head-conv2d"]
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
