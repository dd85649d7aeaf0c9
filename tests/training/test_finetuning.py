"""Whole runs of a few steps: what they leave, what they refuse, and where they may start from."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.data.opening import open_data
from bit_keras.evaluation.evaluating import Evaluator
from bit_keras.training import run_folder, running
from bit_keras.training.downstream import Settings, prepare
from bit_keras.training.metrics_log import read_metrics
from bit_keras.training.run_folder import RunFolder
from tests.conftest import write_photos
from tests.data.making import noise, save

SMALL = {"steps": 4, "batch_size": 8, "resize": 36, "crop": 32}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures that no test of this file changes."""
    return write_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def printed_run(photos, tmp_path_factory):
    """A run of four steps on the photos, and what it printed."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        run = bit.finetune(
            photos, model="BiT-F-R14x0.5", workdir=tmp_path_factory.mktemp("runs") / "run", flip=False, **SMALL
        )
    return run, text.getvalue()


@pytest.fixture(scope="module")
def run(printed_run):
    return printed_run[0]


def again(run, photos, **changes):
    """Gives the run's own command once more, with changes."""
    return bit.finetune(photos, **{"model": "BiT-F-R14x0.5", "workdir": run.workdir, "flip": False, **SMALL, **changes})


def weights(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_run_folder_explains_itself(run):
    config = json.loads((run.workdir / "config.json").read_text())
    assert (run.workdir / "labels.txt").read_text() == "blue\nred\n"
    assert config["seed"] == 0
    assert config["rule"]["steps"] == 4
    assert config["counts"] == {"train": 16, "validation": 2, "test": 2}
    assert config["versions"]["tensorflow"] == tf.__version__
    assert len((run.workdir / "split.csv").read_text().splitlines()) == 21


def test_log_has_a_line_for_each_step_and_each_look(run):
    entries = read_metrics(run.workdir / "metrics.jsonl")
    assert [entry["step"] for entry in entries if "learning_rate" in entry] == [1, 2, 3, 4]
    assert [entry["split"] for entry in entries if "split" in entry] == 4 * ["validation"] + ["test"]  # once
    # A zero head gives both classes one half: the loss before the first step is log 2.
    assert entries[0]["loss"] == pytest.approx(np.log(2), abs=1e-6)


def test_backbone_trains(run):
    start = bit.build("R14x0.5", num_classes=2, seed=0)
    end = bit.load(run.workdir)
    changed = [(a.numpy() != b.numpy()).any() for a, b in zip(start.variables, end.variables, strict=True)]
    assert all(changed)


def test_metrics_are_those_of_evaluate_on_the_test_pictures(run, photos):
    metrics = bit.evaluate(run, photos)
    assert metrics["num_examples"] == 2
    assert metrics["loss"] == pytest.approx(run.metrics["test_loss"], rel=1e-5)


def test_the_plan_says_what_trains_and_what_departs_from_the_rule(printed_run):
    plan = printed_run[1]
    # 2,007,328: the recorded network's 2,017,578 parameters with 10 classes, less its head's 1024 * 10 + 10.
    assert "2,007,328 of 2,007,328 backbone parameters, 2,050 of the head" in plan
    assert "2: blue, red" in plan
    assert "16 train, 2 validation, 2 test pictures, median 24 x 20 px" in plan
    for departure in ("steps 4 (rule: 500)", "crop 32 (rule: 128)", "flip False (rule: True)", "resize 36 (rule: 160)"):
        assert departure in plan


def test_finished_run_is_not_trained_again(run, photos, capsys):
    before = (run.workdir / "weights.npz").stat().st_mtime_ns
    assert again(run, photos).metrics == run.metrics
    assert "has ended already" in capsys.readouterr().out
    assert (run.workdir / "weights.npz").stat().st_mtime_ns == before


def test_run_of_another_configuration_is_refused(run, photos):
    with pytest.raises(bit.RunError, match=r"another configuration: .*seed is 0 there and 1 here"):
        again(run, photos, seed=1)


def test_only_the_settings_of_the_rule_that_differ_are_told(run, photos):
    with pytest.raises(bit.RunError) as told:
        again(run, photos, flip=True)
    assert "another configuration: rule.flip is false there and true here. Choose" in str(told.value)


def test_lost_export_of_an_ended_run_is_made_again(run, photos, tmp_path):
    copy = shutil.copytree(run.workdir, tmp_path / "copy")
    shutil.rmtree(copy / "saved_model")
    pictures = tf.random.stateless_uniform((2, 32, 32, 3), [0, 1])
    exported = tf.saved_model.load(str(again(run, photos, workdir=copy).export_dir))
    np.testing.assert_allclose(exported(pictures), tf.saved_model.load(str(run.export_dir))(pictures), atol=1e-5)


def test_damaged_result_is_told(run, photos, tmp_path):
    copy = shutil.copytree(run.workdir, tmp_path / "copy")
    (copy / "result.json").write_text("{")
    with pytest.raises(bit.RunError, match=r"result\.json is damaged"):
        again(run, photos, workdir=copy)


def test_run_from_other_weights_of_the_same_name_is_refused(photos, tmp_path):
    first, second = (bit.build("R14x0.5", num_classes=2, seed=seed) for seed in (0, 1))
    bit.finetune(photos, model=first, workdir=tmp_path / "run", **SMALL | {"steps": 1})
    with pytest.raises(bit.RunError, match=r"another configuration: weights is"):
        bit.finetune(photos, model=second, workdir=tmp_path / "run", **SMALL | {"steps": 1})


def test_run_with_other_frozen_layers_is_refused(run, photos):
    model = bit.build("R14x0.5", num_classes=2, seed=0)
    model.get_layer("group_norm").trainable = False
    with pytest.raises(bit.RunError, match=r"frozen is \[\] there and \[\"group_norm\"\] here"):
        again(run, photos, model=model)


def test_run_is_tested_on_its_test_pictures_wherever_they_are_now(run, photos, tmp_path):
    moved = shutil.copytree(photos, tmp_path / "moved")
    metrics = bit.evaluate(run, moved)
    assert (metrics["split"], metrics["num_examples"]) == ("test", 2)
    assert metrics["loss"] == pytest.approx(run.metrics["test_loss"], rel=1e-5)


OTHER_TYPES = '{"data": "a", "fingerprint": "b", "seed": 0, "rule": 5}'


@pytest.mark.parametrize("text", ['{"rule": {"cr', "{}", "[1]", OTHER_TYPES])
def test_damaged_or_foreign_configuration_is_told(run, photos, tmp_path, text):
    copy = shutil.copytree(run.workdir, tmp_path / "copy")
    (copy / "config.json").write_text(text)
    with pytest.raises(bit.RunError, match=r"config\.json is (damaged|not of a bit_keras run)"):
        bit.evaluate(copy, photos)
    with pytest.raises(bit.RunError, match=r"config\.json is (damaged|not of a bit_keras run)"):
        again(run, photos, workdir=copy)


def test_run_that_stopped_at_its_export_is_not_tested_twice(photos, tmp_path, monkeypatch):
    arguments = {"model": "BiT-F-R14x0.5", "workdir": tmp_path / "run", **SMALL, "steps": 1}

    def fail(*_, **__):
        raise bit.SaveError("full")

    with monkeypatch.context() as patch, pytest.raises(bit.SaveError, match="full"):
        patch.setattr(running, "export", fail)
        bit.finetune(photos, **arguments)
    finished = bit.finetune(photos, **arguments)
    entries = read_metrics(finished.workdir / "metrics.jsonl")
    assert [entry["split"] for entry in entries if "split" in entry] == ["validation", "test"]


def test_picture_that_vanishes_during_the_run_is_named(tmp_path):
    photos = write_photos(tmp_path / "photos")
    session = prepare(Settings(photos, "BiT-F-R14x0.5", tmp_path / "run", overrides=SMALL))
    for path in photos.rglob("*.png"):
        path.unlink()
    with pytest.raises(
        bit.DataError, match=rf"The picture {photos}/\w+/\d\.png has gone since it was checked\. Put it"
    ):
        running.execute(session)


@pytest.mark.parametrize(
    ("form", "end", "message"),
    [
        ("webp", lambda path: path.unlink(), r"The picture .*/test/red/0.webp has gone"),
        ("png", lambda path: path.write_bytes(b"other"), "A picture is damaged, or has changed since it was checked"),
    ],
)
def test_picture_that_is_lost_before_an_evaluation_is_told(tmp_path, small_model, form, end, message):
    for top in ("train", "test"):
        for label in ("blue", "red", "green"):
            save(tmp_path / top / label / f"0.{form}", noise(24, 20))
    examples = open_data(tmp_path).splits["test"]
    for path in (tmp_path / "test").rglob(f"0.{form}"):
        if path.parent.name == "red":
            end(path)
    with pytest.raises(bit.DataError, match=message):
        Evaluator(small_model, tf.distribute.get_strategy()).measure(examples, crop=32, batch_size=3)


def test_class_name_of_two_lines_is_refused_before_the_first_step(tmp_path):
    photos = write_photos(tmp_path / "photos")
    (photos / "red").rename(photos / "re\nd")
    with pytest.raises(bit.UserError, match="Expected class names of one line"):
        bit.finetune(photos, model="BiT-F-R14x0.5", workdir=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_run_killed_while_it_began_can_be_begun_again(photos, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    arguments = {"model": "BiT-F-R14x0.5", "workdir": tmp_path / "run", **SMALL, "steps": 1}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_folder, "write_text", killed)
        bit.finetune(photos, **arguments)
    assert bit.finetune(photos, **arguments).metrics["steps"] == 1


def test_run_goes_on_where_its_pictures_are_now(run, photos, tmp_path, capsys):
    assert again(run, shutil.copytree(photos, tmp_path / "moved")).metrics == run.metrics
    assert "has ended already" in capsys.readouterr().out


def test_plan_of_an_ended_run_has_nothing_left_to_do(run, photos):
    session = prepare(Settings(photos, "BiT-F-R14x0.5", run.workdir, overrides={**SMALL, "flip": False}))
    assert session.start == 4 and "4, 4 done" in str(session.plan) and session.plan.hours == 0


def test_plan_tells_the_size_of_the_pictures_whatever_the_rule_was_made_for(photos, tmp_path):
    rule = bit.HyperRule(10, (500, 400), boundaries=())
    plan = str(prepare(Settings(photos, "BiT-F-R14x0.5", tmp_path / "run", rule=rule, overrides=SMALL)).plan)
    assert "median 24 x 20 px" in plan and "no decay" in plan


def test_second_process_in_a_run_folder_is_refused(run, photos):
    with RunFolder(run.workdir).locked(), pytest.raises(bit.RunError, match=r"Another process works in .*run"):
        again(run, photos)


def test_micro_batches_of_before_are_dropped_where_they_do_not_divide(photos, tmp_path):
    first = bit.finetune(
        photos, model="BiT-F-R14x0.5", workdir=tmp_path / "run", micro_batches=8, **SMALL | {"steps": 1}
    )
    session = prepare(
        Settings(photos, "BiT-F-R14x0.5", first.workdir, strategy="mirrored:2", overrides=SMALL | {"steps": 1})
    )
    assert session.step.micro_batches == 1


def test_weights_that_the_last_step_lost_are_no_result(photos, tmp_path):
    with pytest.raises(bit.RunError, match=r"loss of the validation pictures is nan, so the weights are lost\. Lower"):
        bit.finetune(
            photos,
            model="BiT-F-R14x0.5",
            workdir=tmp_path / "run",
            rule=bit.HyperRule(16, (24, 20), warmup_steps=0, steps=1, boundaries=(), base_learning_rate=3e38),
            batch_size=8,
            resize=36,
            crop=32,
        )
    assert not (tmp_path / "run" / "weights.npz").exists()


def test_run_on_changed_pictures_is_refused(run, photos, tmp_path):
    changed = shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(changed / "red" / "1.png", changed / "red" / "new.png")
    with pytest.raises(bit.RunError, match="fingerprint"):
        again(run, changed)


def test_run_is_refused_where_resuming_is_not_allowed(run, photos):
    with pytest.raises(bit.RunError, match="holds a run already"):
        again(run, photos, resume=False)


def test_folder_with_something_else_in_it_is_refused(run, photos):
    with pytest.raises(bit.RunError, match="not empty and holds no run"):
        again(run, photos, workdir=photos)


def test_frozen_backbone_is_refused(photos, tmp_path):
    model = bit.build("R14x0.5", num_classes=2, seed=0)
    model.trainable = False
    with pytest.raises(bit.RunError, match="0 of 2,007,328 parameters trainable"):
        bit.finetune(photos, model=model, workdir=tmp_path / "run", **SMALL)


def test_layers_that_the_user_froze_stay_as_they_are(photos, tmp_path):
    model = bit.build("R14x0.5", num_classes=2, seed=0)
    frozen = model.get_layer("root_block-standardized_conv2d")
    frozen.trainable = False
    kernel = frozen.kernel.numpy()
    run = bit.finetune(photos, model=model, workdir=tmp_path / "run", **SMALL)
    after = weights(run.workdir / "weights.npz")
    np.testing.assert_array_equal(after["resnet/root_block/standardized_conv2d/kernel"], kernel)
    assert (after["resnet/group_norm/gamma"] != 1).any()


def test_new_head_of_a_model_trains_though_the_old_one_was_frozen(photos, tmp_path):
    model = bit.build("R14x0.5", num_classes=2, seed=0)
    for layer in model.layers:
        layer.trainable = layer.name.startswith("block4")
    run = bit.finetune(photos, model=model, workdir=tmp_path / "run", **SMALL)
    after = weights(run.workdir / "weights.npz")
    assert after["resnet/head/conv2d/kernel"].any()
    assert (after["resnet/block4/unit01/a/group_norm/gamma"] != 1).any()


def test_a_model_that_is_given_is_not_changed(photos, tmp_path):
    model = bit.build("R14x0.5", num_classes=7, seed=0)
    before = [variable.numpy() for variable in model.variables]
    bit.finetune(photos, model=model, workdir=tmp_path / "run", **SMALL)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("kind", ["npz", "saved_model", "run"])
def test_training_starts_from_a_file_an_export_or_a_run(run, photos, tmp_path, kind):
    source = {"npz": run.workdir / "weights.npz", "saved_model": run.export_dir, "run": run.workdir}[kind]
    # One step at a rate of 0 (the warm-up's first): the backbone is the source's, to the bit.
    next_run = bit.finetune(photos, model=source, workdir=tmp_path / "next", **SMALL | {"steps": 1}, seed=3)
    before, after = weights(run.workdir / "weights.npz"), weights(next_run.workdir / "weights.npz")
    assert next_run.metrics["train_loss"] == pytest.approx(np.log(2), abs=1e-6)  # a new zero head
    for name in before.keys() - {"resnet/head/conv2d/kernel", "resnet/head/conv2d/bias"}:
        np.testing.assert_allclose(after[name], before[name], atol=1e-3)


def test_mixed_bfloat16_trains_and_keeps_float32_weights(photos, tmp_path, run):
    half = again(run, photos, workdir=tmp_path / "half", precision="mixed_bfloat16")
    assert {array.dtype.name for array in weights(half.workdir / "weights.npz").values()} == {"float32"}
    assert half.metrics["train_loss"] == pytest.approx(run.metrics["train_loss"], abs=0.1)
    assert half.metrics["train_loss"] != run.metrics["train_loss"]


def test_two_replicas_make_the_run_of_one_device(photos, tmp_path, run):
    two = again(run, photos, workdir=tmp_path / "two", strategy="mirrored:2")
    first, second = weights(run.workdir / "weights.npz"), weights(two.workdir / "weights.npz")
    assert max(np.abs(first[name] - second[name]).max() for name in first) < 1e-4
    assert two.metrics["test_num_examples"] == 2


def test_broken_picture_is_left_out_and_named_in_the_run_folder(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos")
    (photos / "red" / "1.png").write_bytes(b"not a picture")
    run = bit.finetune(photos, model="BiT-F-R14x0.5", workdir=tmp_path / "run", **SMALL | {"steps": 1})
    assert "1 broken, left out" in capsys.readouterr().out
    assert list(json.loads((run.workdir / "problems.json").read_text())) == [str(photos / "red" / "1.png")]


def test_broken_picture_stops_a_strict_run_before_anything_is_written(tmp_path):
    photos = write_photos(tmp_path / "photos")
    (photos / "red" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(bit.BrokenPicturesError, match=r"1 picture cannot be read: .*1\.png"):
        bit.finetune(photos, model="BiT-F-R14x0.5", workdir=tmp_path / "run", strict=True, **SMALL)
    assert not (tmp_path / "run").exists()


def test_loss_that_is_not_finite_stops_the_run_and_names_the_step(photos, tmp_path):
    arguments = {"model": "BiT-F-R14x0.5", "workdir": tmp_path / "run", "base_learning_rate": 3e38, "eval_every": 4}
    with pytest.raises(bit.RunError, match=r"The loss is (nan|inf) at step \d"):
        bit.finetune(photos, **arguments, **SMALL)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"precision": "float8"}, "Expected `precision` among"),
        ({"micro_batches": 3}, "micro-batches divide.*Choose a multiple of 3"),
        ({"save_every": 0}, "Expected `save_every` of at least 1"),
        ({"model": "R51x1"}, "Expected a variant such as"),
        ({"model": "BiT-X"}, "no preset of that name"),
        ({"crop": 64}, r"`crop` from 1 to `resize`\. Received: crop=64, resize=36\."),
        ({"strategy": "cloud"}, "Expected `strategy`"),
        ({"strategy": None}, "Expected `strategy`"),
        ({"seed": None}, "`seed` of at least 0, a whole number.*None"),
        ({"model": None}, "Expected `model`"),
        ({"workdir": None}, "Expected `workdir`"),
        ({"rule": "mine"}, "`rule` as a HyperRule, 'code', 'paper' or None"),
        ({"epochs": 3}, r"arguments of `finetune` or of HyperRule.*\['epochs'\]"),
    ],
)
def test_bad_setting_is_told(photos, tmp_path, setting, message):
    arguments = {"model": "BiT-F-R14x0.5", "workdir": tmp_path / "run", **SMALL, **setting}
    with pytest.raises(bit.UserError, match=message):
        bit.finetune(photos, **arguments)
