"""What others than the trainer need of a run folder: the names of its files, and its `config.json`."""

import json
from pathlib import Path

from bit_keras.errors import RunError
from bit_keras.weights.formats.table import is_safetensors_folder

CONFIG, LABELS, SPLIT, WEIGHTS = "config.json", "labels.txt", "split.csv", "weights.npz"
NEEDED = {"data": str, "fingerprint": str, "rule": dict, "seed": int}


def read_run_config(folder):
    """Returns the configuration of the run in `folder`, or None if there is no such file.

    Raises:
        RunError: if the file is damaged, or of another program.
    """
    path = Path(folder) / CONFIG
    if not path.is_file() or is_safetensors_folder(folder):  # Hugging Face calls its own so too
        return None
    config = read_object(path)
    is_ours = all(isinstance(config.get(key), kind) for key, kind in NEEDED.items())
    if not is_ours or not isinstance(config["rule"].get("crop"), int):
        raise RunError(f"{path} is not of a bit_keras run: it lacks {list(NEEDED)}. Give a run folder or a file.")
    return config


def read_object(path):
    """Returns the JSON object in the file `path` as a dictionary.

    Raises:
        RunError: if there is something else in it.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({error}). Copy its folder again, or make it anew.") from error
    if not isinstance(value, dict):
        raise RunError(
            f"{path} is damaged: expected an object, received {type(value).__name__}. Copy its folder again."
        )
    return value
