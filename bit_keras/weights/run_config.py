"""What others than the trainer need of a run folder: the names of its files, and its `config.json`."""

import json
from pathlib import Path

from bit_keras.errors import RunError

CONFIG, LABELS, SPLIT, WEIGHTS = "config.json", "labels.txt", "split.csv", "weights.npz"
NEEDED = ("data", "fingerprint", "rule", "seed")


def read_run_config(folder):
    """Returns the configuration of the run in `folder`, or None if there is no such file.

    Raises:
        RunError: if the file is damaged, or of another program.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}). Copy the run folder again, or begin a new run.") from error
    if not isinstance(config, dict) or not set(NEEDED) <= config.keys() or "crop" not in config["rule"]:
        raise RunError(f"{path} is not of a bit_keras run: it lacks some of {NEEDED}. Give a run folder or a file.")
    return config
