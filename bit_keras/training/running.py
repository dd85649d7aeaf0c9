"""Carries a prepared run out: trains, looks, saves, and at the end tests, exports and tells."""

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras

from bit_keras.errors import DivergedError
from bit_keras.evaluation.evaluating import Evaluator
from bit_keras.exporting.exporting import export
from bit_keras.files import write_json
from bit_keras.training import checkpoints
from bit_keras.training.ending import ends_on_sigterm
from bit_keras.training.loop import train
from bit_keras.training.metrics_log import MetricsLog, NoLog, read_metrics
from bit_keras.training.watching import chief_watched, service_watched, silence_told
from bit_keras.weights.formats.table import is_saved_model
from bit_keras.weights.loading import load
from bit_keras.weights.run_config import read_object
from bit_keras.weights.saving import save_weights

SAVES, EVALUATIONS = 20, 5  # in a run, unless the user says otherwise; chosen so that little is lost
EVALUATION_BATCH = 64  # pictures on a replica at a time, or what it trains on at a time if that is less


@dataclass(frozen=True)
class Run:
    """A run that has ended. It stands for its folder wherever a path is expected.

    Args:
        workdir: the run folder.
        model: the trained `keras.Model`, [-1, 1] pictures in, logits out.
        class_names: in the order of the logits.
        metrics: "steps", "train_loss" of the last step, and "accuracy" and "loss" of "validation_" and "test_", as far
            as there are such pictures; "probe", {examples per class: median accuracy}, if there was one.
        export_dir: the SavedModel folder.
    """

    workdir: Path
    model: keras.Model
    class_names: tuple[str, ...]
    metrics: dict
    export_dir: Path

    def __fspath__(self):
        return os.fspath(self.workdir)


@ends_on_sigterm
def execute(session):
    """Carries out a prepared `Session` and returns the `Run`; in a cluster every host calls it, and the first writes.

    Raises:
        RunError: if the loss is no longer finite, a host has gone, or another process works in the folder.
        SaveError: if something cannot be written; the last snapshot stays.
    """
    with session.cluster.told(), chief_watched(session.cluster), service_watched(session.service):
        if not session.cluster.is_chief:
            return _execute(session)
        with session.folder.locked():
            return _execute(session)


def _execute(session):
    folder, is_chief = session.folder, session.cluster.is_chief
    if folder.result.is_file():
        print(f"The run in {folder.path} has ended already; nothing is left to do.")
        model = load(folder.path)
        if is_chief and not is_saved_model(folder.export):  # somebody has removed it
            _export(session, model)
        return _run(session, model, read_object(folder.result))
    if is_chief:
        folder.begin(session.config, session.data)
    log = MetricsLog(folder.metrics, session.start) if is_chief else NoLog()
    if session.note and is_chief:
        print(session.note)
        log.add([{"step": session.start, "note": session.note}])
    evaluator = Evaluator(session.step.model, session.step.strategy, session.step.loss)
    _train(session, evaluator, log)
    metrics = _finish(session, evaluator, log)
    return _run(session, session.step.model, metrics)


def _train(session, evaluator, log):
    step, rule, settings = session.step, session.rule, session.settings

    def save(_=None):
        if session.cluster.is_chief:
            checkpoints.save(session.folder.checkpoints, step)

    def look(at):
        if "validation" in session.data.splits:
            log.add([{"step": at, "split": "validation", **_measure(session, evaluator, "validation")}])
        if session.probe and session.cluster.is_chief:
            log.add([{"step": at, "probe": session.probe()}])

    train(
        step,
        session.batches(),
        rule=rule,
        start=session.start,
        pauses=[
            (settings.eval_every or max(1, rule.steps // EVALUATIONS), look),
            (settings.save_every or max(1, rule.steps // SAVES), save),
        ],
        log=log,
        save=save,
        cluster=session.cluster,
        waits=silence_told(session.service),
    )


def _finish(session, evaluator, log):
    """Tests once, writes weights, export and result, and drops the snapshots."""
    folder, steps = session.folder, session.rule.steps
    is_tested = any(entry.get("split") == "test" for entry in read_metrics(folder.metrics))
    if "test" in session.data.splits and session.cluster.gather(not is_tested)[0]:
        log.add([{"step": steps, "split": "test", **_measure(session, evaluator, "test")}])
    metrics = _final_metrics(read_metrics(folder.metrics), steps)
    if session.cluster.is_chief:
        save_weights(session.step.model, folder.weights)
        _export(session, session.step.model)
        write_json(folder.result, metrics)
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
    session.cluster.barrier()  # a host that leaves before the others ends them
    return metrics


def _export(session, model):
    names, size = session.data.class_names, session.rule.crop
    export(model, session.folder.export, class_names=names, image_size=size, overwrite=True)


def _measure(session, evaluator, split):
    metrics = evaluator.measure(
        session.data.splits[split],
        batch_size=min(EVALUATION_BATCH, session.plan.part) * session.step.strategy.num_replicas_in_sync,
        title=split,
        quiet=not session.cluster.is_chief,
        **session.evaluation,
    )
    if not math.isfinite(metrics["loss"]):  # the training's loss was finite, but nothing has looked at the last update
        raise DivergedError(f"The loss of the {split} pictures is {metrics['loss']}")
    return metrics


def _final_metrics(entries, steps):
    losses = [entry["loss"] for entry in entries if "learning_rate" in entry]
    metrics = {"steps": steps} | ({"train_loss": losses[-1]} if losses else {})
    for entry in entries:
        if "split" in entry:
            metrics |= {f"{entry['split']}_{key}": entry[key] for key in ("accuracy", "loss", "num_examples")}
        if "probe" in entry:
            metrics["probe"] = entry["probe"]
    return metrics


def _run(session, model, metrics):
    folder = session.folder
    return Run(folder.path, model, session.data.class_names, metrics, folder.export)
