"""Prepares a pre-training run: brings cluster, data, recipe, model, optimizer and run folder together."""

import dataclasses
import math
import statistics
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from bit_keras.data.examples import Data
from bit_keras.data.inception import preprocess_central
from bit_keras.data.opening import open_data
from bit_keras.data.share import Share
from bit_keras.data.upstream import sharded_batches, upstream_batches
from bit_keras.errors import DataError, UserError
from bit_keras.evaluation.probing import probe
from bit_keras.exporting.receipts import versions
from bit_keras.models.resnet_v2 import HEAD_LAYER, build
from bit_keras.models.variant import Architecture, Normalization, Variant
from bit_keras.optimizers import Schedule
from bit_keras.recipes.upstream import UpstreamRecipe, upstream_recipe
from bit_keras.training.cluster import Cluster
from bit_keras.training.ending import ends_on_sigterm
from bit_keras.training.losses import LOSSES
from bit_keras.training.memory import free_bytes
from bit_keras.training.session import (
    MOMENTUM,
    Session,
    check_settings,
    form_of,
    picture_cost,
    plan_of,
    start_of,
    stored_run,
)
from bit_keras.training.step import ReducedMomentum, TrainStep, check_batch
from bit_keras.training.strategies import JOIN_SECONDS, make_strategy
from bit_keras.training.upstream_checks import check_agreement, check_labels, check_service, check_sources


@dataclass(frozen=True)
class UpstreamSettings:
    """What the user asked of a pre-training run: the arguments of `pretrain`."""

    data: Any
    variant: str | Variant
    workdir: str
    recipe: str | UpstreamRecipe = "BiT-S"
    seed: int = 0
    strategy: Any = "auto"
    precision: str = "float32"
    micro_batches: int | None = None
    xla: bool | None = None
    remat: bool = False
    normalization: Normalization = "group"
    weight_standardization: bool = True
    strict: bool = False
    resume: bool = True
    save_every: int | None = None
    eval_every: int | None = None
    probe_data: Any = None
    shard_files: bool = False
    data_service: str | None = None
    join_seconds: float = JOIN_SECONDS
    overrides: dict = field(default_factory=dict)


@ends_on_sigterm
def prepare(settings):
    """Returns the `Session` of `UpstreamSettings`. Writes nothing.

    Raises:
        UserError: for whatever the user can mend; see `pretrain`.
    """
    check_settings(settings)
    seconds = settings.join_seconds
    if not isinstance(seconds, Real) or not 0 <= float(seconds) < math.inf:
        raise UserError(
            f"Expected `join_seconds` as a finite number of at least 0. Received: join_seconds={seconds!r}."
        )
    named = upstream_recipe(settings.recipe).scaled()
    if "num_examples" in settings.overrides:
        raise UserError("Expected no `num_examples`: the data tells it. Remove it.")
    variant = Variant.parse(settings.variant)
    strategy = make_strategy(settings.strategy, join_seconds=settings.join_seconds)
    cluster = Cluster(strategy)
    replicas = strategy.num_replicas_in_sync
    batch_size = named.scaled(batch_size=settings.overrides.get("batch_size")).batch_size
    check_batch(batch_size, replicas, settings.micro_batches or 1)
    with cluster.told():
        folder, stored = stored_run(settings)
        data = _data(settings)
        recipe = named.scaled(num_examples=len(data.splits["train"]), **settings.overrides)
        check_labels(data, recipe)
        check_sources(settings, data, cluster)
        # Before the model takes its part; the least of all hosts, so that they divide their batches alike.
        free = int(cluster.gather(free_bytes(cluster.local_replicas)).min())
        architecture = Architecture(
            variant, len(data.class_names), settings.normalization, settings.weight_standardization
        )
        cost = picture_cost(architecture, recipe, settings.precision)
        form = form_of(settings, stored, cost, recipe, replicas, free)
        step = _step(settings, architecture, recipe, strategy, form)
        config = _config(settings, data, recipe, architecture, step) | form
        check_agreement(cluster, config, settings)
        folder.check(config)
        start = _start(cluster, folder, stored, step, recipe.steps)
        text = f"BiT-{variant} from random weights, {settings.precision}"
        return Session(
            settings=settings,
            data=data,
            rule=recipe,
            step=step,
            cluster=cluster,
            folder=folder,
            config=config,
            start=start,
            plan=plan_of(data, recipe, text, step, cost, free, start),
            batches=lambda: _batches(settings, data, recipe, start, strategy),
            evaluation={
                "preprocess": partial(preprocess_central, resize=recipe.eval_resize, crop=recipe.crop),
                "num_classes": len(data.class_names),
            },
            probe=_probe(settings, step.model, recipe),
            note=_note(settings, stored, cluster),
            service=settings.data_service,
        )


def _data(settings) -> Data:
    """Returns the data; of a TFDS set all of its training split, as the looks at the others decide nothing."""
    data = open_data(settings.data, seed=settings.seed, strict=settings.strict, whole_train=True)
    if "train" not in data.splits:
        raise DataError(f"{data.name} has no pictures for training. Add some, or choose other data.")
    examples = data.splits["train"]
    if settings.data_service and not (settings.shard_files or examples.is_portable):
        raise DataError(
            f"The workers of a data service cannot read {data.name} by index, as that is done in this process. Add "
            "shard_files for record files, or do without the service."
        )
    if settings.data_service:
        check_service(settings.data_service)
    return data


def _step(settings, architecture, recipe, strategy, form):
    decay = recipe.weight_decay
    if recipe.decay == "decoupled":
        decay /= recipe.base_learning_rate  # big_vision multiplies it by the schedule alone, Momentum by the rate
    with strategy.scope():
        model = build(
            architecture.variant,
            num_classes=architecture.num_classes,
            normalization=architecture.normalization,
            weight_standardization=architecture.weight_standardization,
            seed=settings.seed,
            dtype=settings.precision,
        )
        bias = model.get_layer(HEAD_LAYER).bias
        bias.assign([recipe.head_bias] * architecture.num_classes)
        optimizer = ReducedMomentum(
            Schedule(recipe), MOMENTUM, kernel_decay=decay, decoupled=recipe.decay == "decoupled"
        )
    return TrainStep(
        model,
        optimizer,
        strategy,
        batch_size=recipe.batch_size,
        loss=LOSSES[recipe.loss],
        clip_norm=recipe.clip_norm,
        **form,
    )


def _start(cluster, folder, stored, step, steps):
    """Returns how many steps are done; the same on all hosts, or an error."""
    start = start_of(folder, stored, step, steps)
    starts = cluster.gather(start)
    if len(set(starts)) > 1:
        raise UserError(
            f"Expected {folder.path} to be one folder that all workers share. Received: snapshots of the steps "
            f"{[int(number) for number in starts]}. Put it on a shared disk."
        )
    return start


def _note(settings, stored, cluster):
    """Returns what is to be logged of a run that goes on elsewhere, or None."""
    now = {"num_replicas": cluster.strategy.num_replicas_in_sync, "num_hosts": cluster.hosts}
    before = {name: (stored or now).get(name, now[name]) for name in now}
    if before == now:
        return None
    effect = "the order of its pictures changes" if settings.shard_files else "its batches stay the same"
    return (
        f"The run had {before['num_replicas']} replicas on {before['num_hosts']} host(s) and goes on with "
        f"{now['num_replicas']} on {now['num_hosts']}; {effect}."
    )


def _batches(settings, data, recipe, start, strategy):
    make = sharded_batches if settings.shard_files else upstream_batches
    options = {"num_classes": len(data.class_names), "seed": settings.seed, "start_step": start}

    def of_host(context):
        return make(data.splits["train"], recipe, share=Share.of(context), service=settings.data_service, **options)

    return iter(strategy.distribute_datasets_from_function(of_host))


def _probe(settings, model, recipe):
    if settings.probe_data is None:
        return None

    def measured():
        found = probe(model, settings.probe_data, image_size=recipe.crop, seed=settings.seed)
        return {str(count): statistics.median(accuracies) for count, accuracies in found.items()}

    return measured


def _config(settings, data, recipe, architecture, step):
    path = Path(str(settings.data))
    return {
        "data": str(path.resolve()) if path.exists() else str(settings.data),
        "fingerprint": data.fingerprint,
        "class_names": list(data.class_names),
        "counts": {split: len(examples) for split, examples in data.splits.items()},
        "model": f"random weights ({architecture.variant})",
        "weights": None,
        "architecture": dataclasses.asdict(architecture),
        "rule": {name: value for name, value in dataclasses.asdict(recipe).items() if name != "origin"},
        "departures": {name: list(pair) for name, pair in recipe.departures().items()},
        "seed": settings.seed,
        "precision": settings.precision,
        "shard_files": settings.shard_files,
        "num_replicas": step.strategy.num_replicas_in_sync,
        "num_hosts": Cluster(step.strategy).hosts,
        "versions": versions(),
    }
