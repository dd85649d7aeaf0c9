"""A run that stops anywhere goes on to the same weights."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.training import checkpoints
from bit_keras.training.metrics_log import MetricsLog, read_metrics

COMMAND = [
    *(sys.executable, "-m", "bit_keras", "finetune", "digits", "--model=BiT-F-R14x0.5", "--steps=40"),
    *("--batch_size=16", "--resize=36", "--crop=32", "--mixup_alpha=0.1", "--save_every=3", "--micro_batches=2"),
    "--eval_every=20",
]


def finetune(workdir, **options):
    """Runs the command in a process of its own."""
    return subprocess.Popen([*COMMAND, f"--workdir={workdir}"], stderr=subprocess.PIPE, text=True, **options)


def assert_same(first, second):
    """Both runs end with the same bits and the same log."""
    with np.load(first / "weights.npz") as ours, np.load(second / "weights.npz") as theirs:
        for name in ours.files:
            np.testing.assert_array_equal(ours[name], theirs[name])
    assert read_metrics(first / "metrics.jsonl") == read_metrics(second / "metrics.jsonl")


def wait_for_snapshots(workdir, process, step):
    """Waits until a snapshot of at least `step` is there."""
    while process.poll() is None:
        if any(int(path.stem) >= step for path in (workdir / "checkpoints").glob("[0-9]*.npz")):
            return
        time.sleep(0.02)
    raise AssertionError(f"The run ended before step {step}: {process.stderr.read()}")


def test_interrupted_run_goes_on_to_the_same_bits(photos, tmp_path, monkeypatch):
    settings = {"model": "BiT-F-R14x0.5", "steps": 6, "batch_size": 8, "resize": 36, "crop": 32, "save_every": 2}
    whole = bit.finetune(photos, workdir=tmp_path / "whole", **settings)
    save = checkpoints.save

    def save_and_stop(folder, step):
        save(folder, step)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        bit.finetune(photos, workdir=tmp_path / "parts", **settings)
    monkeypatch.setattr(checkpoints, "save", save)
    parts = bit.finetune(photos, workdir=tmp_path / "parts", **settings)
    assert_same(whole.workdir, parts.workdir)


def test_log_of_a_killed_run_is_cut_to_the_snapshot(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    MetricsLog(path, 2).add([{"step": 3}])
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'


def test_unfinished_run_cannot_be_loaded_and_says_why(photos, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        bit.finetune(photos, model="BiT-F-R14x0.5", workdir=tmp_path / "run", steps=2, batch_size=8, resize=36, crop=32)
    with pytest.raises(bit.WeightsError, match="has not ended"):
        bit.load(tmp_path / "run")


@pytest.mark.slow
def test_run_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert finetune(whole).wait() == 0
    rng = np.random.default_rng(0)
    for step in (3, 12, 30):
        process = finetune(parts)
        wait_for_snapshots(parts, process, step)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert finetune(parts).wait() == 0
    assert_same(whole, parts)


@pytest.mark.slow
def test_ctrl_c_saves_and_tells_how_to_go_on(tmp_path):
    process = finetune(tmp_path / "run")
    wait_for_snapshots(tmp_path / "run", process, 3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "Run the same command again to go on" in stderr
    assert "Traceback" not in stderr
    last = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["step"]
    assert (tmp_path / "run" / "checkpoints" / f"{last:08d}.npz").is_file()


@pytest.mark.slow
def test_full_disk_at_a_snapshot_is_one_sentence_and_loses_nothing(tmp_path):
    workdir = tmp_path / "run"
    process = finetune(workdir)
    wait_for_snapshots(workdir, process, 3)
    process.kill()
    process.wait()
    before = sorted(path.name for path in (workdir / "checkpoints").glob("[0-9]*.npz"))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    process = finetune(workdir, preexec_fn=small_files)
    _, stderr = process.communicate()
    assert process.returncode == 1
    assert "Could not write" in stderr and "Free some space" in stderr
    assert "Traceback" not in stderr
    assert sorted(os.listdir(workdir / "checkpoints")) == before
    assert finetune(workdir).wait() == 0
