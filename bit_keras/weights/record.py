"""What is known of a weights file or folder from before, in a JSON file beside it: `NAME.record.json`.

{"sha256", "size" in bytes, "modified" in ns, "url" that it was fetched from or null, "logits" on the sample pictures or
null}.
"""

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bit_keras.errors import RunError, SaveError, WeightsError
from bit_keras.files import write_json
from bit_keras.weights.run_config import read_object

CHUNK = 1 << 20  # bytes read at a time
LARGE = 1 << 28  # bytes; reading this much takes long enough to show how far it is


@dataclass(frozen=True)
class Record:
    """What was true of `path` when it was recorded."""

    path: Path
    sha256: str
    size: int
    modified: int
    url: str | None = None
    logits: list[list[float]] | None = None

    def save(self):
        """Writes the record beside its file.

        Raises:
            SaveError: if it cannot be written.
        """
        about = asdict(self)
        del about["path"]
        write_json(record_path(self.path), about)


def record_path(path):
    """Returns where the record of `path` is."""
    path = Path(path).absolute()
    return path.with_name(f"{path.name}.record.json")


def measured(path, digest=None, url=None):
    """Returns the `Record` of `path` as it is now; `digest` is its SHA-256 where that is known."""
    path = Path(path)
    size, modified = _state(path)
    return Record(path, digest or sha256(path), size, modified, url)


def read_record(path):
    """Returns the `Record` of `path`, or None if there is none.

    Raises:
        WeightsError: if it is damaged.
    """
    place = record_path(path)
    if not place.is_file():
        return None
    try:
        record = Record(Path(path), **read_object(place))
        _check(record)
    except (RunError, TypeError, ValueError) as error:
        raise WeightsError(f"{place} is no record of a weights file ({error}). Remove it.") from error
    return record


def _check(record):
    """Raises a `ValueError` or `TypeError` unless the fields are what they should be."""
    is_sound = isinstance(record.sha256, str) and isinstance(record.url, str | None)
    if not is_sound or not isinstance(record.size, int) or not isinstance(record.modified, int):
        raise ValueError("a field of another kind")
    if record.logits is not None and np.array(record.logits, "float32").ndim != 2:
        raise ValueError("logits of another shape")


def check_unchanged(path):
    """Raises a `WeightsError` if `path` is not what its record says; if size and time are, that is believed."""
    record = read_record(path)
    if record is None or (record.size, record.modified) == _state(Path(path)):
        return
    check_content(record)
    size, modified = _state(Path(path))
    with suppress(SaveError):  # a cache that cannot be written is only slower
        replace(record, size=size, modified=modified).save()


def check_content(record):
    """Raises a `WeightsError` unless the file has the SHA-256 of its `record`."""
    found = sha256(record.path)
    if found != record.sha256:
        raise WeightsError(
            f"{record.path} is not what was {'fetched from ' + record.url if record.url else 'recorded'}: expected "
            f"SHA-256 {record.sha256}, received {found}. Remove it and fetch or copy it again; or remove its record "
            "(.record.json) if you mean it to be another."
        )


def sha256(path):
    """Returns the SHA-256 of a file, or of a folder's files with their names, as hexadecimal digits."""
    path = Path(path)
    if not path.is_dir():
        return digests(path, {"sha256": hashlib.sha256()})["sha256"]
    total = hashlib.sha256()
    for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\0".encode())
    return total.hexdigest()


def digests(path, algorithms):
    """Returns {name: hexadecimal digits} of the file; `algorithms` are {name: an object like hashlib's}."""
    size = path.stat().st_size
    with open(path, "rb") as file, _bar(path, size) as bar:
        while chunk := file.read(CHUNK):
            for algorithm in algorithms.values():
                algorithm.update(chunk)
            bar.update(len(chunk))
    return {name: algorithm.digest().hex() for name, algorithm in algorithms.items()}


def _bar(path, size):
    options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "leave": False}
    return tqdm(total=size, desc=f"checking {path.name}", disable=True if size < LARGE else None, **options)


def _state(path):
    """Returns size in bytes and time of the last change in ns; of a folder the sum and the latest."""
    stats = [entry.stat() for entry in path.rglob("*") if entry.is_file()] if path.is_dir() else [path.stat()]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)
