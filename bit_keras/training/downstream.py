"""Prepares a fine-tuning run: brings data, HyperRule, model, optimizer and run folder together."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bit_keras.data.batches import training_batches
from bit_keras.data.opening import open_data
from bit_keras.errors import DataError, UserError
from bit_keras.exporting.receipts import versions
from bit_keras.optimizers import Schedule
from bit_keras.recipes.hyperrule import SETTINGS, SOURCES, HyperRule
from bit_keras.training import checkpoints
from bit_keras.training.cluster import Cluster
from bit_keras.training.ending import ends_on_sigterm
from bit_keras.training.memory import free_bytes, machine_bytes, pictures_to_keep
from bit_keras.training.session import (
    MOMENTUM,
    Session,
    check_settings,
    form_of,
    picture_cost,
    plan_of,
    refuse_frozen,
    start_of,
    stored_run,
)
from bit_keras.training.starting_model import find_model, model_name, starting_model, stored_model, weights_digest
from bit_keras.training.step import ReducedMomentum, TrainStep, check_batch
from bit_keras.training.strategies import make_strategy, require_one_host
from bit_keras.weights.assigning import arrays_of
from bit_keras.weights.names import architecture_of


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
    xla: bool | None = None
    remat: bool = False
    strict: bool = False
    resume: bool = True
    save_every: int | None = None
    eval_every: int | None = None
    overrides: dict = field(default_factory=dict)


@ends_on_sigterm
def prepare(settings):
    """Returns the `Session` of `Settings`. Writes nothing.

    Raises:
        UserError: for whatever the user can mend; see `finetune`.
    """
    _check(settings)
    require_one_host(settings.strategy)
    strategy = make_strategy(settings.strategy)
    check_batch(_batch_size(settings), strategy.num_replicas_in_sync, settings.micro_batches or 1)
    folder, stored = stored_run(settings)
    find_model(settings.model)
    data = _data(settings)
    free = free_bytes(strategy.num_replicas_in_sync)  # before the model takes its part
    host_free = machine_bytes()
    with strategy.scope():
        model = _model(settings, len(data.class_names), stored, folder)
        architecture = architecture_of({n: a.shape for n, a in arrays_of(model).items()}, "the model")
        rule = _rule(settings, data, architecture.variant)
        optimizer = ReducedMomentum(Schedule(rule), MOMENTUM)
    refuse_frozen(model)
    cost = picture_cost(architecture, rule, settings.precision)
    form = form_of(settings, stored, cost, rule, strategy.num_replicas_in_sync, free)
    step = TrainStep(model, optimizer, strategy, batch_size=rule.batch_size, **form)
    config = _config(settings, data, rule, architecture, step) | form
    folder.check(config)
    start = start_of(folder, stored, step, rule.steps)
    kept = pictures_to_keep(len(data.splits["train"]), rule, start=start, free=host_free)
    text = f"BiT-{architecture.variant} from {model_name(settings.model)}, {settings.precision}"
    return Session(
        settings=settings,
        data=data,
        rule=rule,
        step=step,
        cluster=Cluster(strategy),
        folder=folder,
        config=config,
        start=start,
        plan=plan_of(data, rule, text, step, cost, free, start, kept),
        batches=lambda: _batches(data, rule, settings.seed, start, strategy, keep=kept > 0),
        evaluation={"crop": rule.crop},
    )


def _batches(data, rule, seed, start, strategy, *, keep):
    batches = training_batches(
        data.splits["train"], rule, num_classes=len(data.class_names), seed=seed, start_step=start, keep=keep
    )
    return iter(strategy.experimental_distribute_dataset(batches))


def _data(settings):
    data = open_data(settings.data, seed=settings.seed, strict=settings.strict)
    if "train" not in data.splits:
        raise DataError(f"{data.name} has no pictures for training. Add some, or choose other data.")
    data.require_one_label()
    return data


def _check(settings):
    """All that can be told before anything is read."""
    check_settings(settings)
    if settings.rule not in (None, *SOURCES) and not isinstance(settings.rule, HyperRule):
        raise UserError(f"Expected `rule` as a HyperRule, 'code', 'paper' or None. Received: rule={settings.rule!r}.")
    unknown = sorted(settings.overrides.keys() - SETTINGS)
    if unknown:
        raise UserError(f"Expected arguments of `finetune` or of HyperRule, {sorted(SETTINGS)}. Received: {unknown}.")


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
        "num_replicas": step.strategy.num_replicas_in_sync,
        "versions": versions(),
    }
