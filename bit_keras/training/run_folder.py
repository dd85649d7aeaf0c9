"""A run folder: what is in it, and whether it is of the run that is asked for.

config.json     all settings, versions and the seed    labels.txt      class names in the order of the logits
metrics.jsonl   a line a step and a line a split       split.csv       which picture is in which split
problems.json   pictures that cannot be read           checkpoints/    snapshots, until the run has ended
weights.npz     the weights at the end                 saved_model/    their export
result.json     the metrics at the end
"""

import contextlib
import json
from pathlib import Path

from filelock import FileLock, Timeout

from bit_keras.data.table import write_csv
from bit_keras.errors import RunError, SaveError
from bit_keras.files import write_json, write_text
from bit_keras.weights.labels import labels_text
from bit_keras.weights.run_config import CONFIG, LABELS, SPLIT, WEIGHTS, read_run_config

# What may differ when a run goes on: where it computes, with what, and where its pictures are; the fingerprint and the
# digest of the weights tell whether they are the same. The departures follow from the rule.
FREE = ("versions", "num_replicas", "num_hosts", "micro_batches", "xla", "remat", "data", "departures")


class RunFolder:
    """The paths of a run."""

    def __init__(self, path):
        self.path = Path(path)
        self.config = self.path / CONFIG
        self.metrics = self.path / "metrics.jsonl"
        self.labels = self.path / LABELS
        self.split = self.path / SPLIT
        self.problems = self.path / "problems.json"
        self.checkpoints = self.path / "checkpoints"
        self.weights = self.path / WEIGHTS
        self.export = self.path / "saved_model"
        self.result = self.path / "result.json"

    def stored_config(self):
        """Returns the configuration of the run that is there, or None.

        Raises:
            RunError: if the folder holds something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"Expected a folder for the run. Received the file {self.path}.")
        if stored := read_run_config(self.path):
            return stored
        if self.path.is_dir() and any(entry for entry in self.path.iterdir() if not entry.name.startswith(".")):
            raise RunError(f"{self.path} is not empty and holds no run. Choose a new folder.")
        return None

    def check(self, config):
        """Raises a `RunError` unless the folder is new or its run has the same configuration."""
        stored = self.stored_config()
        if stored is None:
            return
        differences = _differences(stored, json.loads(json.dumps(config)))
        if differences:
            raise RunError(
                f"The run in {self.path} has another configuration: {'; '.join(differences)}. Choose a new folder, or "
                "give the settings of that run."
            )

    @contextlib.contextmanager
    def locked(self):
        """Keeps other processes out; the lock goes with the process, however that ends.

        Raises:
            RunError: if one is in already.
            SaveError: if the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise RunError(f"Another process works in {self.path}. Wait for it, or choose another folder.") from error
        except OSError as error:
            raise SaveError(f"Could not write {self.path}: {error.strerror}. Choose a place that can.") from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, config, data):
        """Writes what is known before the first step; the configuration first, by which the folder is known as a run's.

        Raises:
            SaveError: if that cannot be done.
        """
        write_json(self.config, config)
        write_text(self.labels, labels_text(data.class_names))
        if data.table:
            write_csv(self.split, [(str(Path(path).resolve()), label, split) for path, label, split in data.table])
        if data.problems:
            write_json(self.problems, data.problems)


def _differences(stored, config):
    # A digest says more than the name under which the weights were found.
    free = (*FREE, "model") if config.get("weights") else FREE
    stored, config = ({k: v for k, v in _flat(c).items() if k.split(".")[0] not in free} for c in (stored, config))
    keys = sorted({*stored, *config})
    return [
        f"{key} is {_short(stored.get(key))} there and {_short(config.get(key))} here"
        for key in keys
        if stored.get(key) != config.get(key)
    ]


def _flat(config):
    """Returns {"rule.crop": ...} for {"rule": {"crop": ...}}."""
    inner = {k: v for k, v in config.items() if isinstance(v, dict)}
    dotted = {f"{key}.{name}": value for key, part in inner.items() for name, value in part.items()}
    return {key: value for key, value in config.items() if key not in inner} | dotted


def _short(value, limit=200):
    text = json.dumps(value)
    return text if len(text) <= limit else text[:limit] + "..."
