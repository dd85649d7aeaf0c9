"""The commands called in this process, and one finished run that they work on."""

import contextlib
import importlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from bit_keras.cli.main import COMMANDS, main
from tests.data.making import write_photos

FAST = ("--model=BiT-F-R14x0.5", "--steps=4", "--batch_size=8", "--resize=32", "--crop=32")


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def message(self):
        """The last line of the error stream; progress bars may stand before it."""
        return self.err.replace("\r", "\n").strip().split("\n")[-1]


def command(*arguments):
    """Calls `bit-keras ARGUMENTS` as in a new process, with every flag at its default."""
    for name in COMMANDS:
        flags = importlib.import_module(f"bit_keras.cli.{name}").FLAGS
        for flag in flags:
            flags[flag].unparse()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class FinishedRun:
    """A run folder, the pictures that it was trained on, and what the command said."""

    workdir: Path
    photos: Path
    outcome: Outcome


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    photos = write_photos(folder / "photos")
    outcome = command("finetune", photos, f"--workdir={folder / 'run'}", *FAST)
    return FinishedRun(folder / "run", photos, outcome)
