"""The help names everything, costs nothing and exits with 0."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import command

FLAGS = {
    "presets": "",
    "finetune": "model rule workdir seed strategy precision micro_batches [no]xla [no]remat [no]strict [no]resume "
    "save_every eval_every [no]dry_run resize crop batch_size steps base_learning_rate [no]flip mixup_alpha "
    "[no]scaled_decoding",
    "pretrain": "variant recipe workdir seed strategy precision micro_batches [no]xla [no]remat [no]strict [no]resume "
    "save_every eval_every [no]dry_run normalization [no]weight_standardization probe_data [no]shard_files "
    "data_service join_seconds batch_size steps warmup_steps crop eval_resize epochs rate_per_256 weight_decay "
    "head_bias clip_norm min_area loss schedule decay decay_epochs [no]flip [no]scaled_decoding",
    "evaluate": "split labels image_size batch_size seed [no]strict",
    "probe": "examples_per_class repeats image_size batch_size seed [no]strict",
    "predict": "labels image_size top batch_size [no]json [no]strict",
    "export": "format labels image_size [no]fold [no]xla [no]overwrite",
    "convert": "[no]describe [no]overwrite",
    "verify": "against tolerance [no]record",
}


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "flags"), FLAGS.items())
def test_the_help_of_a_command_names_each_of_its_flags_once(name, flags):
    outcome = command(name, "--help")
    named = [line.strip() for line in outcome.out.splitlines() if line.startswith("  --")]
    assert outcome.code == 0 and outcome.err == ""
    assert named == [f"--{flag}" for flag in [*flags.split(), "cache_dir"]]


@pytest.mark.parametrize("name", FLAGS)
def test_the_help_of_a_command_begins_with_its_usage(name):
    assert command(name, "--help").out.startswith(f"usage: bit-keras {name} ")


def test_cache_dir_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    outcome = command("convert", "BiT-S-R50x1", "--describe", f"--cache_dir={tmp_path / 'here'}")
    assert outcome.code == 1 and f"put that file at {tmp_path / 'here' / 'BiT-S-R50x1.npz'}" in outcome.err


@pytest.mark.parametrize("spelling", ["--help", "-h", "-help"])
def test_help_is_answered_wherever_it_stands(spelling):
    assert command("finetune", "photos", "--steps=3", spelling).out == command("finetune", "--help").out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_the_help_of_the_program_names_every_command(arguments):
    outcome = command(*arguments)
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines() if line.startswith("  ")] == list(FLAGS)


@pytest.mark.parametrize("name", FLAGS)
def test_help_loads_neither_tensorflow_nor_keras_nor_numpy(name):
    done = python(
        "-c",
        f"import sys; from bit_keras.cli.main import main; assert main(['{name}', '--help']) == 0; "
        "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))",
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_console_script_and_the_module_are_the_same():
    script = Path(sys.executable).with_name("bit-keras")
    for arguments in (["--help"], ["finetune", "--help"], ["nonsense"]):
        by_module = python("-m", "bit_keras", *arguments)
        by_script = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
        assert (by_script.returncode, by_script.stdout, by_script.stderr) == (
            by_module.returncode,
            by_module.stdout,
            by_module.stderr,
        )
