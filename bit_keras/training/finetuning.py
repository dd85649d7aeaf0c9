"""`finetune`: from pictures to a served classifier."""

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import keras

from bit_keras.data.batches import training_batches
from bit_keras.errors import RunError
from bit_keras.evaluation.evaluating import Evaluator
from bit_keras.exporting.saved_model import export
from bit_keras.files import write_json
from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.training import checkpoints
from bit_keras.training.loop import train
from bit_keras.training.metrics_log import MetricsLog, read_metrics
from bit_keras.training.session import Settings, prepare
from bit_keras.weights.formats.table import is_saved_model
from bit_keras.weights.loading import load
from bit_keras.weights.run_config import read_object
from bit_keras.weights.saving import save_weights

SAVES, EVALUATIONS = 20, 5  # in a run, unless the user says otherwise; chosen so that little is lost
EVALUATION_BATCH = 64  # pictures on a replica at a time, or what it trains on at a time if that is less


class Overrides(TypedDict, total=False):
    """The settings of the HyperRule that a call may change by name; see `HyperRule`."""

    warmup_steps: int | None
    boundaries: tuple[int, ...] | None
    resize: int | None
    crop: int | None
    batch_size: int | None
    steps: int | None
    base_learning_rate: float | None
    flip: bool | None
    mixup_alpha: float | None


@dataclass(frozen=True)
class Run:
    """A run that has ended. It stands for its folder wherever a path is expected.

    Args:
        workdir: the run folder.
        model: the fine-tuned `keras.Model`, [-1, 1] pictures in, logits out.
        class_names: in the order of the logits.
        metrics: "steps", "train_loss" of the last step, and "accuracy" and "loss" of "validation_" and "test_", as far
            as there are such pictures.
        export_dir: the SavedModel folder.
    """

    workdir: Path
    model: keras.Model
    class_names: tuple[str, ...]
    metrics: dict
    export_dir: Path

    def __fspath__(self):
        return os.fspath(self.workdir)


def finetune(
    data,
    *,
    model,
    workdir,
    rule: HyperRule | str | None = None,
    seed: int = 0,
    strategy="auto",
    precision: str = "float32",
    micro_batches: int | None = None,
    strict: bool = False,
    resume: bool = True,
    save_every: int | None = None,
    eval_every: int | None = None,
    **overrides: Unpack[Overrides],
) -> Run:
    """Fine-tunes a BiT on pictures by the HyperRule, tests it once, exports it, and returns the `Run`.

    Prints the plan first and shows a progress bar. Killed at any moment, the same call goes on from the last snapshot;
    on one device the weights at the end are the same to the last bit.

    Args:
        data: a folder with one folder of pictures for each class, or with `train`, `val`, `test` on top; a `.csv` with
            path, label and perhaps split; "tfds:NAME"; or "digits".
        model: a preset, a path (`.npz`, SavedModel, run folder), a variant such as "R50x1" for random weights, or a
            `keras.Model`, which is not changed itself.
        workdir: the run folder: new, or one to go on with.
        rule: a `HyperRule`; or "code" or "paper", whose rule to make from the training pictures' number and median
            size. None is "code".
        seed: of the split, the order, the augmentation and random weights.
        strategy: "auto", "one", "mirrored", "mirrored:N" or a `tf.distribute.Strategy` of one machine.
        precision: "float32" or "mixed_bfloat16".
        micro_batches: equal parts that each device's batch is computed in; None for the smallest power of two whose
            activations fit half the free memory.
        strict: whether a broken picture stops the run; otherwise it is named and left out.
        resume: whether a run in `workdir` may go on.
        save_every: steps between snapshots; None for a twentieth of the run.
        eval_every: steps between looks at the validation pictures; None for a fifth of the run.
        **overrides: settings of the `HyperRule` where they should depart from it; the plan says so.

    Raises:
        DataError: for data that cannot be used; `BrokenPicturesError` for broken pictures if `strict`.
        WeightsError: for a model that cannot be read.
        RunError: for a folder that holds another run or in which another process works, a frozen backbone, or a loss
            that is no longer finite.
        SaveError: if something cannot be written; the last snapshot stays.
        UserError: for a setting outside its range.
    """
    session = prepare(
        Settings(
            data=data,
            model=model,
            workdir=workdir,
            rule=rule,
            seed=seed,
            strategy=strategy,
            precision=precision,
            micro_batches=micro_batches,
            strict=strict,
            resume=resume,
            save_every=save_every,
            eval_every=eval_every,
            overrides=dict(overrides),
        )
    )
    print(session.plan)
    return execute(session)


def execute(session):
    """Carries out a prepared `Session` and returns the `Run`."""
    with session.folder.locked():
        return _execute(session)


def _execute(session):
    folder = session.folder
    if folder.result.is_file():
        print(f"The run in {folder.path} has ended already; nothing is left to do.")
        model = load(folder.path)
        if not is_saved_model(folder.export):  # somebody has removed it
            _export(session, model)
        return _run(session, model, read_object(folder.result))
    folder.begin(session.config, session.data)
    log = MetricsLog(folder.metrics, session.start)
    evaluator = Evaluator(session.step.model, session.step.strategy)
    _train(session, evaluator, log)
    metrics = _finish(session, evaluator, log)
    return _run(session, session.step.model, metrics)


def _train(session, evaluator, log):
    step, rule, settings = session.step, session.rule, session.settings
    batches = training_batches(
        session.data.splits["train"],
        rule,
        num_classes=len(session.data.class_names),
        seed=session.config["seed"],
        start_step=session.start,
    )

    def save(_=None):
        checkpoints.save(session.folder.checkpoints, step.model, step.optimizer)

    def look(at):
        if "validation" in session.data.splits:
            log.add([{"step": at, "split": "validation", **_measure(session, evaluator, "validation")}])

    train(
        step,
        iter(step.strategy.experimental_distribute_dataset(batches)),
        rule=rule,
        start=session.start,
        pauses=[
            (settings.eval_every or max(1, rule.steps // EVALUATIONS), look),
            (settings.save_every or max(1, rule.steps // SAVES), save),
        ],
        log=log,
        save=save,
    )


def _finish(session, evaluator, log):
    """Tests once, writes weights, export and result, and drops the snapshots."""
    folder, steps = session.folder, session.rule.steps
    is_tested = any(entry.get("split") == "test" for entry in read_metrics(folder.metrics))
    if "test" in session.data.splits and not is_tested:
        log.add([{"step": steps, "split": "test", **_measure(session, evaluator, "test")}])
    metrics = _final_metrics(read_metrics(folder.metrics), steps)
    save_weights(session.step.model, folder.weights)
    _export(session, session.step.model)
    write_json(folder.result, metrics)
    shutil.rmtree(folder.checkpoints, ignore_errors=True)
    return metrics


def _export(session, model):
    names, size = session.data.class_names, session.rule.crop
    export(model, session.folder.export, class_names=names, image_size=size, overwrite=True)


def _measure(session, evaluator, split):
    metrics = evaluator.measure(
        session.data.splits[split],
        crop=session.rule.crop,
        batch_size=min(EVALUATION_BATCH, session.plan.part) * session.step.strategy.num_replicas_in_sync,
        title=split,
    )
    if not math.isfinite(metrics["loss"]):  # the training's loss was finite, but nothing has looked at the last update
        raise RunError(
            f"The loss of the {split} pictures is {metrics['loss']}, so the weights are lost. Lower base_learning_rate "
            "and start a new run."
        )
    return metrics


def _final_metrics(entries, steps):
    losses = [entry["loss"] for entry in entries if "learning_rate" in entry]
    metrics = {"steps": steps} | ({"train_loss": losses[-1]} if losses else {})
    for entry in entries:
        if "split" in entry:
            metrics |= {f"{entry['split']}_{key}": entry[key] for key in ("accuracy", "loss", "num_examples")}
    return metrics


def _run(session, model, metrics):
    folder = session.folder
    return Run(folder.path, model, session.data.class_names, metrics, folder.export)
