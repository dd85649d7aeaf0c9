"""A user's mistake is one plain sentence on the error stream and exit code 1, never a traceback."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from bit_keras.cli.main import main
from tests.cli.conftest import FAST, command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "Expected a command among presets, finetune, .* Received: 'frobnicate'"),
        (["finetune"], "Expected DATA.*nothing"),
        (["finetune", "photos"], "Expected --workdir"),
        (["finetune", "photos", "more", "--workdir=w"], "no more than DATA.*more"),
        (["finetune", "photos", "--workdir=w", "--stepz=3"], "Unknown command line flag 'stepz'"),
        (["finetune", "photos", "--workdir=w", "--steps=many"], "--steps=many"),
        (["finetune", "photos", "--workdir=w", "--steps=0"], "--steps=0"),
        (["finetune", "photos", "--workdir=w", "--rule=mine"], "--rule=mine.*code.paper"),
        (["finetune", "photos", "--workdir=w", "--precision=float16"], "--precision=float16"),
        (["finetune", "nowhere", "--workdir=w", *FAST], "no data 'nowhere'"),
        (["finetune", "photos", "--workdir=w", "--model=R15x1"], "Expected a variant.*'R15x1'"),
        (["finetune", "photos", "--workdir=w", "--model=lost.npz"], r"no file or folder lost\.npz"),
        (["finetune", "photos", "--workdir=w", "--model=BiT-F-R14x0.5", "--strategy=all"], "`strategy`.*'all'"),
        (["evaluate", "model"], "Expected MODEL and DATA"),
        (["evaluate", "model", "photos", "--split=holdout"], "--split=holdout.*train.validation.test.all"),
        (["evaluate", "lost", "photos"], "no file or folder lost"),
        (["predict"], "Expected MODEL and PICTURE"),
        (["predict", "lost", "a.png", "--top=0"], "--top=0"),
        (["export", "model"], "Expected MODEL and OUT"),
        (["export", "model", "out", "--format=tflite"], "--format=tflite.*saved_model.onnx"),
        (["export", "model", "out", "--format=onnx"], r"Expected a file whose name ends in \.onnx"),
        (["presets", "a", "b"], "no more than PATTERN"),
        (["presets", "ResNet*"], r"No preset matches 'ResNet\*'"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_in_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = command(*arguments)
    assert outcome.code == 1 and outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    assert re.search(words, outcome.err)
    assert list(tmp_path.iterdir()) == []


def test_a_negative_seed_is_told_in_one_line(photos, tmp_path):
    outcome = command("finetune", photos, f"--workdir={tmp_path / 'run'}", "--seed=-1", *FAST)
    assert outcome.code == 1 and "seed" in outcome.message


def test_a_process_ends_with_the_exit_code_and_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "bit_keras", "evaluate", "lost", "photos"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("bit-keras: There is no file or folder lost") and "Traceback" not in done.stderr


def test_flags_of_an_earlier_call_in_the_same_process_are_forgotten(tmp_path, capsys):
    assert main(["finetune", "nowhere", f"--workdir={tmp_path / 'run'}", "--model=BiT-F-R14x0.5"]) == 1
    assert "no data 'nowhere'" in capsys.readouterr().err
    assert main(["finetune", "nowhere", "--model=BiT-F-R14x0.5"]) == 1
    assert "--workdir" in capsys.readouterr().err


def test_closed_error_stream_and_a_terminal_without_umlauts_are_no_errors(finished, tmp_path):
    (tmp_path / "labels.txt").write_text("blau\nröt\n", encoding="utf-8")
    arguments = [finished.workdir, finished.photos / "red" / "0.png", f"--labels={tmp_path / 'labels.txt'}"]
    line = subprocess.run(
        f"{shlex.join(map(str, [sys.executable, '-m', 'bit_keras', 'predict', *arguments]))} 2>&-",
        shell=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    ).stdout
    assert rb"r\xf6t" in line and b"blau" in line


def test_other_backends_than_tensorflow_are_told_to_predict_nothing(finished):
    arguments = [sys.executable, "-m", "bit_keras", "predict", finished.workdir, finished.photos / "red" / "0.png"]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    outcome = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    message = "needs the TensorFlow backend of Keras. Received: jax. Set KERAS_BACKEND=tensorflow"
    assert outcome.returncode == 1 and message in outcome.stderr and "Traceback" not in outcome.stderr
