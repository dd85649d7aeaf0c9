"""`bit-keras finetune` prints the plan, trains, tests once and exports."""

import csv
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.cli.conftest import FAST, command
from tests.data.making import write_photos


def row(outcome, name):
    return next(line for line in outcome.out.splitlines() if line.startswith(name))


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planned")
    write_photos(folder / "photos")
    return folder, command("finetune", folder / "photos", f"--workdir={folder / 'run'}", *FAST, "--dry_run")


def test_a_dry_run_writes_nothing(planned):
    folder, outcome = planned
    assert outcome.code == 0
    assert [path.name for path in folder.iterdir()] == ["photos"]


def test_the_plan_tells_classes_counts_and_sizes(planned):
    _, outcome = planned
    assert "2: blue, red" in row(outcome, "classes")
    assert "16 train, 2 validation, 2 test pictures, median 24 x 20 px" in row(outcome, "data")
    assert "resize 32, crop 32 px" in row(outcome, "pictures")


def test_the_plan_tells_how_many_parameters_train(planned):
    # By hand: a head of 1,024 features for 2 classes and 2 biases.
    backbone, total, head = re.search(
        r"trainable: ([\d,]+) of ([\d,]+) .* ([\d,]+) of the head", planned[1].out
    ).groups()
    assert backbone == total and head == "2,050"


def test_the_plan_tells_steps_memory_and_time(planned):
    _, outcome = planned
    assert re.search(r"4; rate 0\.003, warm-up 1,", row(outcome, "steps"))
    assert re.search(r"[GM]iB .*free", row(outcome, "memory"))
    assert re.search(r"seconds|minutes|hours", row(outcome, "time"))


def test_every_departure_from_the_rule_is_printed_beside_the_rules_own_number(planned):
    departures = row(planned[1], "HyperRule")
    for words in ("steps 4 (rule: 500)", "batch_size 8 (rule: 512)", "resize 32 (rule: 160)", "crop 32 (rule: 128)"):
        assert words in departures
    assert "base_learning_rate" not in departures and "flip" not in departures


def test_a_finished_run_prints_the_accuracy_on_validation_and_test(finished):
    outcome = finished.outcome
    assert outcome.code == 0
    for split in ("validation", "test"):
        percent, right = re.search(
            rf"{split} +accuracy ([\d.]+)% \((\d) of 2 right\), loss [\d.]+", outcome.out
        ).groups()
        assert float(percent) == int(right) * 50
    assert f"SavedModel {finished.workdir / 'saved_model'}" in outcome.out


def test_a_run_folder_explains_itself(finished):
    workdir = finished.workdir
    config = json.loads((workdir / "config.json").read_text())
    assert (workdir / "labels.txt").read_text() == "blue\nred\n"
    assert config["rule"]["steps"] == 4 and config["seed"] == 0 and "tensorflow" in config["versions"]
    with open(workdir / "split.csv", newline="") as file:
        assert len({line["path"] for line in csv.DictReader(file)}) == 20
    with np.load(workdir / "weights.npz") as weights:
        assert weights["resnet/head/conv2d/bias"].shape == (2,)


def test_a_finished_run_is_not_trained_again(finished):
    before = (finished.workdir / "weights.npz").stat().st_mtime_ns
    outcome = command("finetune", finished.photos, f"--workdir={finished.workdir}", *FAST)
    assert outcome.code == 0 and "ended already" in outcome.out
    assert (finished.workdir / "weights.npz").stat().st_mtime_ns == before


def test_another_setting_in_the_folder_of_a_run_is_refused(finished):
    outcome = command("finetune", finished.photos, f"--workdir={finished.workdir}", *FAST, "--seed=1")
    assert outcome.code == 1 and "another configuration" in outcome.message and "seed" in outcome.message


def test_without_resume_a_folder_with_a_run_is_refused(finished):
    outcome = command("finetune", finished.photos, f"--workdir={finished.workdir}", *FAST, "--noresume")
    assert outcome.code == 1 and "holds a run already" in outcome.message


def test_under_strict_a_broken_picture_ends_with_exit_code_two(photos, tmp_path):
    (photos / "red" / "3.png").write_bytes(b"broken")
    outcome = command("finetune", photos, f"--workdir={tmp_path / 'run'}", *FAST, "--strict")
    assert outcome.code == 2 and re.search(r"1 picture cannot be read: .*3\.png", outcome.message)
    assert not (tmp_path / "run").exists()


def test_the_plan_counts_the_broken_pictures_that_are_left_out(photos, tmp_path):
    (photos / "red" / "3.png").write_bytes(b"broken")
    outcome = command("finetune", photos, f"--workdir={tmp_path / 'run'}", *FAST, "--dry_run")
    assert outcome.code == 0 and "1 broken, left out" in row(outcome, "data")


@pytest.mark.slow
def test_an_interrupted_run_ends_with_exit_code_130_and_says_how_to_go_on(photos, tmp_path):
    arguments = ["finetune", photos, f"--workdir={tmp_path / 'run'}", *FAST[:1], *FAST[2:], "--steps=5000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bit_keras", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while "training:" not in seen and process.poll() is None:
        seen += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted. Run the same command again" in err and "Traceback" not in err
