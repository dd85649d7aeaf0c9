"""The README's code runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bit_keras.cli.main import COMMANDS

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_python_blocks_and_commands_run_in_order(tmp_path):
    for block in blocks("python"):
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
    lines = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    commands = [line[1:] for line in lines if line and line[0] == "bit-keras"]
    assert {command[0] for command in commands} == set(COMMANDS)
    for command in commands:
        subprocess.run([sys.executable, "-m", "bit_keras", *command], cwd=tmp_path, check=True)


def test_readme_shows_both_set_up_commands():
    assert "make demo" in README
    assert "make test" in README
