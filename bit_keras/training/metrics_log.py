"""`metrics.jsonl`: one JSON object a line, appended as things happen."""

import json
from pathlib import Path

from bit_keras.errors import SaveError
from bit_keras.files import write_text


class MetricsLog:
    """Appends to the file at `path`; entries after `step`, which a killed run left, are removed first."""

    def __init__(self, path, step):
        self.path = Path(path)
        kept = [entry for entry in read_metrics(self.path) if entry["step"] <= step]
        write_text(self.path, "".join(map(_line, kept)))

    def add(self, entries):
        """Appends `entries`, each with its "step"."""
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(map(_line, entries)))
        except OSError as error:
            raise SaveError(
                f"Could not write {self.path}: {error.strerror}. Free some space and run the same again; it goes on "
                "from the last snapshot."
            ) from error


class NoLog:
    """The log of a host that leaves writing to another."""

    def add(self, entries):
        """Keeps nothing."""


def read_metrics(path):
    """Returns the entries of a `metrics.jsonl`; a last line that a kill cut short is left out."""
    if not Path(path).is_file():
        return []
    entries = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries


def _line(entry):
    return json.dumps(entry) + "\n"
