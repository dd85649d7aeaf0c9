"""Pre-training runs of a few steps: what they leave, what they refuse, and on what they run."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.training import strategies, upstream_checks
from bit_keras.training.metrics_log import read_metrics
from bit_keras.training.upstream import UpstreamSettings, prepare

DATA = "formula:6,glyph=1,side=16,pictures=8"
SMALL = {"steps": 4, "batch_size": 8, "crop": 32, "eval_resize": 36}


def pretrained(workdir, data=DATA, **options):
    return bit.pretrain(data, variant="R14x0.5", workdir=workdir, **SMALL | options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, with a probe. Tests must not change it."""
    return pretrained(tmp_path_factory.mktemp("pretrained") / "run", probe_data="digits", eval_every=2)


def weights(run):
    with np.load(run.workdir / "weights.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def assert_same(first, second, tolerance=0.0):
    ours, theirs = weights(first), weights(second)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=tolerance, err_msg=name)


def test_run_leaves_weights_export_log_and_numbers(run):
    config = json.loads((run.workdir / "config.json").read_text())
    assert config["rule"]["name"] == "BiT-S" and config["departures"]["batch_size"] == [8, 4096]
    assert config["model"] == "random weights (R14x0.5)" and config["seed"] == 0
    steps = [entry for entry in read_metrics(run.workdir / "metrics.jsonl") if "learning_rate" in entry]
    assert [entry["step"] for entry in steps] == [1, 2, 3, 4]
    assert len(run.class_names) == 6 and run.metrics["validation_num_examples"] == 6
    assert not (run.workdir / "checkpoints").exists()


def test_each_look_probes_the_downstream_data(run):
    probes = [entry for entry in read_metrics(run.workdir / "metrics.jsonl") if "probe" in entry]
    assert [entry["step"] for entry in probes] == [2, 4]
    assert set(run.metrics["probe"]) == {"1", "5", "10", "25"}
    expected = bit.probe(run.model, "digits", image_size=32)[5]
    assert run.metrics["probe"]["5"] == pytest.approx(np.median(expected), abs=1e-6)


def test_the_export_feeds_the_fine_tuner(run, tmp_path):
    tuned = bit.finetune(
        "digits", model=run.export_dir, workdir=tmp_path / "tuned", steps=1, batch_size=8, resize=32, crop=32
    )
    assert len(tuned.class_names) == 10
    assert bit.predict(run, [np.zeros((20, 20, 3), "uint8")])[0].class_name in run.class_names


def test_the_first_loss_is_that_of_equal_chances(run):
    # A zero head: log(6) whatever the pictures.
    assert read_metrics(run.workdir / "metrics.jsonl")[0]["loss"] == pytest.approx(np.log(6), abs=1e-5)


@pytest.mark.parametrize(("recipe", "bias"), [pytest.param("BiT-M", 0.0, marks=pytest.mark.slow), ("bit_i21k", -10.0)])
def test_sigmoid_recipes_begin_with_the_loss_of_their_head_bias(tmp_path, recipe, bias):
    pretrained(tmp_path / "run", recipe=recipe, steps=1)
    # One label and five others: log(1 + e^-bias) + 5 log(1 + e^bias).
    expected = np.log1p(np.exp(-bias)) + 5 * np.log1p(np.exp(bias))
    assert read_metrics(tmp_path / "run" / "metrics.jsonl")[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_pictures_with_several_labels_need_the_sigmoid(tmp_path, monkeypatch):
    data = prepare(UpstreamSettings(DATA, "R14x0.5", tmp_path / "x", overrides=SMALL)).data
    several = data.__class__(**{**data.__dict__, "is_multi_label": True})
    monkeypatch.setattr("bit_keras.training.upstream.open_data", lambda *_, **__: several)
    with pytest.raises(bit.UserError, match=r"one label a picture for the softmax loss.*Choose the recipe BiT-M"):
        pretrained(tmp_path / "run")


@pytest.mark.slow
def test_interrupted_run_goes_on_to_the_same_bits(run, tmp_path, monkeypatch):
    from bit_keras.training import checkpoints

    save = checkpoints.save

    def save_and_stop(folder, step):
        save(folder, step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "save", save_and_stop)
        pretrained(tmp_path / "parts", save_every=2)
    parts = pretrained(tmp_path / "parts", probe_data="digits", eval_every=2)
    assert_same(run, parts)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "micro_batches"), [("mirrored:2", 2)])
def test_replicas_and_micro_batches_give_the_same_weights(run, tmp_path, strategy, micro_batches):
    spread = pretrained(tmp_path / "run", strategy=strategy, micro_batches=micro_batches)
    assert_same(run, spread, tolerance=2e-6)  # float32 in another order of summation, after four steps
    assert run.metrics["validation_accuracy"] == spread.metrics["validation_accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_float32_weights_and_exports(tmp_path, precision):
    half = pretrained(tmp_path / "run", precision=precision, steps=2)
    assert all(array.dtype == np.float32 for array in weights(half).values())
    assert bit.predict(half.export_dir, [np.zeros((20, 20, 3), "uint8")])[0].class_name in half.class_names


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_snapshot(tmp_path):
    with pytest.raises(bit.RunError, match=r"loss is (nan|inf) at step \d+|is no longer finite after step"):
        pretrained(tmp_path / "run", rate_per_256=1e30, warmup_steps=0, steps=40, save_every=1)
    kept = sorted((tmp_path / "run" / "checkpoints").glob("[0-9]*.npz"))
    with np.load(kept[-1]) as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)


@pytest.mark.slow
def test_another_number_of_replicas_may_go_on_and_is_told(tmp_path, monkeypatch, capsys):
    from bit_keras.training import checkpoints

    save = checkpoints.save

    def save_and_stop(folder, step):
        save(folder, step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "save", save_and_stop)
        pretrained(tmp_path / "run", save_every=2)
    pretrained(tmp_path / "run", strategy="mirrored:2")
    assert "The run had 1 replicas on 1 host(s) and goes on with 2 on 1" in capsys.readouterr().out


MISTAKES = {
    "recipe": ({"recipe": "BiT-XL"}, "`recipe` among BiT-S"),
    "data": ({"data": "formula:none"}, "Expected formula:CLASSES"),
    "unprepared": ({"data": "tfds:mnist"}, "tfds|TFDS"),
    "batch": ({"batch_size": 10, "strategy": "mirrored:4"}, r"4 replicas times 1 micro-batches.*batch_size=10"),
    "parts": ({"micro_batches": 3}, r"1 replicas times 3 micro-batches.*batch_size=8"),
    "variant": ({"variant": "R51x1"}, "Expected a variant"),
    "precision": ({"precision": "float64"}, "`precision` among"),
    "number of examples": ({"num_examples": 5}, "the data tells it"),
    "text for a number": ({"batch_size": "8"}, "`batch_size`"),
    "half a picture": ({"crop": 32.5}, "`crop` as a whole number"),
    "decays": ({"decay_epochs": 30}, "`decay_epochs` as numbers"),
    "probe": ({"probe_data": "nowhere"}, "There is no data 'nowhere'"),
    "files": ({"shard_files": True}, "at least 1 record files"),
    "seed": ({"seed": 2**32}, "`seed` of at least 0, a whole number up to 4294967295"),
    "not a number of epochs": ({"epochs": float("nan"), "steps": None}, "`epochs` above 0"),
    "a number for a service": ({"data_service": 5}, "`data_service` as the address"),
    "time to join": ({"join_seconds": float("nan")}, "`join_seconds` as a finite number"),
    "no folder": ({"workdir": ""}, "Expected `workdir`"),
    "memory": ({"crop": 10**6, "eval_resize": 10**6}, "The memory did not suffice"),
    "setting": ({"colour": 3}, "settings of a recipe"),
    "absent service": ({"data_service": "grpc://localhost:1"}, r"a tf\.data service that runs.*grpc://localhost:1"),
    "service": ({"data_service": "grpc://localhost:1", "data": "TFRECORD"}, "cannot read .* by index"),
}


def test_a_program_that_is_no_data_service_is_refused_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(upstream_checks, "SERVICE_SECONDS", 1)
    with socket.create_server(("localhost", 0)) as other:
        address = f"grpc://localhost:{other.getsockname()[1]}"
        with pytest.raises(bit.UserError, match=rf"{address}' \(no answer within 1 seconds\)"):
            upstream_checks.check_service(address)


def test_a_data_service_that_answers_is_taken():
    dispatcher = tf.data.experimental.service.DispatchServer()
    config = tf.data.experimental.service.WorkerConfig(dispatcher.target.split("://")[1], heartbeat_interval_ms=100)
    worker = tf.data.experimental.service.WorkerServer(config)
    upstream_checks.check_service(dispatcher.target)
    worker.stop()


def test_probe_data_without_test_pictures_is_refused_before_the_run(tmp_path, photos):
    (tmp_path / "probe").mkdir()
    for split in ("train", "val"):
        shutil.copytree(photos, tmp_path / "probe" / split)
    with pytest.raises(bit.DataError, match=r"training and test pictures in .*probe.*\['train', 'validation'\]"):
        pretrained(tmp_path / "run", probe_data=tmp_path / "probe")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_sentence(mistake, tmp_path, monkeypatch):
    changes, text = MISTAKES[mistake]
    if changes.get("data") == "TFRECORD":
        from tests.data.test_tfrecord import pictures, write

        write(tmp_path / "r" / "train", pictures([0, 1] * 8))
        (tmp_path / "r" / "labels.txt").write_text("a\nb\n")
        changes = changes | {"data": f"tfrecord:{tmp_path / 'r'}"}
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    arguments = {"data": DATA, "variant": "R14x0.5", "workdir": tmp_path / "run"} | SMALL | changes
    with pytest.raises(bit.UserError, match=text) as caught:
        bit.pretrain(arguments.pop("data"), **arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_folder_of_another_model_is_refused_by_what_differs(run):
    with pytest.raises(bit.RunError, match=r"another configuration.*architecture.*variant"):
        bit.pretrain(DATA, variant="R14x1", workdir=run.workdir, **SMALL)


def test_plan_tells_what_scaling_changed(tmp_path):
    plan = str(prepare(UpstreamSettings(DATA, "R14x0.5", tmp_path / "run", overrides=SMALL)).plan)
    assert "BiT-S, but for" in plan and "batch_size 8 (BiT-S: 4096)" in plan and "48 train" in plan


TPU = """
import sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 8
)
import bit_keras as bit
from bit_keras.training import strategies
devices = [f"CPU:{number}" for number in range(8)]
strategies.connect_tpu = lambda: tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
run = bit.pretrain(sys.argv[1], variant="R14x0.5", workdir=sys.argv[2], strategy="tpu", steps=4, batch_size=8, crop=32,
                   eval_resize=36)
"""


@pytest.mark.slow
def test_the_tpu_path_with_eight_devices_gives_the_weights_of_one(run, tmp_path):
    command = [sys.executable, "-c", TPU, DATA, str(tmp_path / "run")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["num_replicas"] == 8
    eight = run.__class__(tmp_path / "run", None, (), {}, None)
    assert_same(run, eight, tolerance=2e-6)


def test_tpu_is_reached_by_one_function(monkeypatch):
    chosen = tf.distribute.OneDeviceStrategy("CPU:0")
    monkeypatch.setattr(strategies, "connect_tpu", lambda: chosen)
    assert strategies.make_strategy("tpu") is chosen
