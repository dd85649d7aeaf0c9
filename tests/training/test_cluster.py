"""Two and three real processes on this machine."""

import json
import signal
import time

import numpy as np
import pytest

from bit_keras.training.cluster import Members
from bit_keras.training.metrics_log import read_metrics
from bit_keras.training.rendezvous import meet
from tests.training import clusters
from tests.training.reference import largest_difference, reference_run

pytestmark = pytest.mark.slow

PRETRAIN = (
    *("-m", "bit_keras", "pretrain", "formula:6,glyph=1,side=16,pictures=16", "--variant=R14x0.5"),
    *("--batch_size=12", "--crop=32", "--eval_resize=36"),
)


def command(workdir, *flags, steps=6):
    return [*PRETRAIN, f"--workdir={workdir}", f"--steps={steps}", *flags]


def weights(workdir):
    with np.load(workdir / "weights.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def alone(workdir, *flags, **options):
    """Pre-trains in one process with one device."""
    process = clusters.start_one(command(workdir, *flags, **options), ["localhost:1"], 0)
    ((code, output),) = clusters.finish([process])
    assert code == 0, output
    return weights(workdir)


def snapshot_of(workdir, processes, step):
    """Waits until there is a snapshot of at least `step`."""
    while not any(int(path.stem) >= step for path in (workdir / "checkpoints").glob("[0-9]*.npz")):
        assert all(process.poll() is None for process in processes), [p.communicate()[0] for p in processes]
        time.sleep(0.05)


@pytest.mark.parametrize(("dtype", "micro_batches"), [("float64", 1), ("float32", 2), ("float32", 4)])
def test_two_processes_take_the_steps_of_the_reference(tmp_path, golden, dtype, micro_batches):
    worker = clusters.ROOT / "tests" / "training" / "reference_worker.py"
    results = clusters.finish(clusters.start([worker, tmp_path / "out", dtype, micro_batches], 2), seconds=400)
    assert [code for code, _ in results] == [0, 0], results
    losses, one = reference_run(dtype=dtype)
    bounds = {"float64": {1: 1e-12, 12: 1e-12}, "float32": {1: 2e-7, 24: 1e-4}}[dtype]  # design: the engine's equality
    outputs = list(tmp_path.glob("out.*.npz"))
    assert len(outputs) == 2
    for path in outputs:
        with np.load(path) as arrays:
            np.testing.assert_allclose(arrays["losses"], golden("train.json")["losses"]["0.003"], atol=1e-4)
            np.testing.assert_allclose(arrays["losses"], losses, atol=1e-4)
            for step, bound in bounds.items():
                found = [arrays[f"{step}/{index}"] for index in range(len(one[step]))]
                assert largest_difference(found, one[step]) < bound


@pytest.mark.parametrize("count", [2, 3])
def test_workers_end_with_the_weights_of_one_process_and_the_chief_writes(tmp_path, count):
    expected = alone(tmp_path / "one", "--strategy=one")
    results = clusters.finish(clusters.start(command(tmp_path / "many", "--strategy=multi_worker"), count))
    assert [code for code, _ in results] == [0] * count, results
    assert "SavedModel" in results[0][1] and all("SavedModel" not in output for _, output in results[1:])
    found = weights(tmp_path / "many")
    assert max(np.abs(found[name] - expected[name]).max() for name in expected) < 5e-6
    one, many = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "many"))
    assert many["validation_num_examples"] == one["validation_num_examples"] == 12
    assert many["validation_accuracy"] == one["validation_accuracy"]
    steps = [entry for entry in read_metrics(tmp_path / "many" / "metrics.jsonl") if "learning_rate" in entry]
    assert [entry["step"] for entry in steps] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("killed", [0, 1])
def test_killed_worker_ends_the_others_within_a_minute_and_a_restart_goes_on(tmp_path, killed):
    expected = alone(tmp_path / "one", "--strategy=one", steps=24)
    long = command(tmp_path / "many", "--strategy=multi_worker", "--save_every=5", steps=24)
    processes = clusters.start(long, 2)
    snapshot_of(tmp_path / "many", processes, 5)
    processes[killed].send_signal(signal.SIGKILL)
    begin = time.monotonic()
    code, output = clusters.finish([processes[1 - killed]], seconds=90)[0]
    assert time.monotonic() - begin < 60
    assert code == 1 and "has gone, so this one ends too" in output, output
    processes[killed].communicate()
    results = clusters.finish(clusters.start(long, 2))
    assert [code for code, _ in results] == [0, 0], results
    found = weights(tmp_path / "many")
    assert max(np.abs(found[name] - expected[name]).max() for name in expected) < 1e-4


def test_sigterm_to_one_worker_saves_and_ends_all_with_0(tmp_path):
    long = command(tmp_path / "run", "--strategy=multi_worker", "--save_every=5", steps=2000)
    processes = clusters.start(long, 2)
    snapshot_of(tmp_path / "run", processes, 5)
    processes[1].send_signal(signal.SIGTERM)
    results = clusters.finish(processes, seconds=90)
    assert [code for code, _ in results] == [0, 0], results
    assert "the run was saved after step" in results[0][1]
    last = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["step"]
    assert (tmp_path / "run" / "checkpoints" / f"{last:08d}.npz").is_file()


def test_another_cluster_size_may_go_on_and_is_told(tmp_path):
    long = command(tmp_path / "run", "--strategy=multi_worker", "--save_every=5", steps=2000)
    processes = clusters.start(long, 2)
    snapshot_of(tmp_path / "run", processes, 5)
    for process in processes:
        process.kill()
        process.communicate()
    single = clusters.start_one([*long[:-1], "--steps=2000", "--strategy=one"], ["localhost:1"], 0)
    newest = max(int(path.stem) for path in (tmp_path / "run" / "checkpoints").glob("[0-9]*.npz"))
    snapshot_of(tmp_path / "run", [single], newest + 5)
    single.send_signal(signal.SIGTERM)
    ((code, output),) = clusters.finish([single])
    assert code == 0 and "The run had 2 replicas on 2 host(s) and goes on with 1 on 1" in output, output


def test_worker_that_never_joins_is_named_with_its_address(tmp_path):
    workers = [f"localhost:{port}" for port in clusters.free_ports(2)]
    arguments = command(tmp_path / "run", "--strategy=multi_worker", "--join_seconds=2")
    ((code, output),) = clusters.finish([clusters.start_one(arguments, workers, 0)])
    assert code == 1
    assert f"worker 1 at {workers[1]}" in output and "Traceback" not in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("stays", [0, 1])
def test_worker_that_goes_before_tensorflow_has_connected_ends_the_other_with_a_sentence(tmp_path, stays):
    workers = tuple(f"localhost:{port}" for port in clusters.free_ports(2))
    script = f"""
import bit_keras as bit
from bit_keras.training import strategies
strategies.CONNECT_SECONDS = 5
bit.pretrain("formula:6", variant="R14x0.5", workdir={str(tmp_path / "run")!r}, strategy="multi_worker")
"""
    process = clusters.start_one(["-c", script], workers, stays)
    meet(Members(workers, 1 - stays), seconds=120)
    ((code, output),) = clusters.finish([process], seconds=60)
    assert code == -signal.SIGKILL and "one went before TensorFlow had connected them within 5 seconds" in output, (
        output
    )
