"""Writes files and folders that are whole or absent, whatever happens meanwhile.

Everything is written beside its place, synced to the disk and renamed. A full disk or a missing permission becomes a
`SaveError`; what stood there before stays.
"""

import contextlib
import errno
import glob
import itertools
import json
import os
import re
import shutil
import uuid
from pathlib import Path

from bit_keras.errors import SaveError


@contextlib.contextmanager
def atomic_file(path):
    """Yields a binary file open for writing that takes the name `path` when the block ends without an error."""
    path = Path(path)
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _save_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


@contextlib.contextmanager
def atomic_folder(path):
    """Yields the path of a new folder that takes the name `path`, in place of any older one, when the block ends."""
    path = Path(path)
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        partial.mkdir()
        yield partial
        for file in filter(Path.is_file, partial.rglob("*")):
            _sync(file)
        _swap_in(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _save_error(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path, text):
    """Writes `text` as UTF-8."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json(path, value):
    """Writes `value` as indented JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


# Process numbers come again, in a container that restarts always the same one; the token does not.
_TOKEN = uuid.uuid4().hex
_COUNTER = itertools.count()


def _beside(path):
    return path.with_name(f".{path.name}.partial-{os.getpid()}-{_TOKEN}-{next(_COUNTER)}")


def _remove_leftovers(path):
    """Removes what writers of `path` left that were killed; a folder that had only stepped aside comes back first."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.partial-*"):
        writer = re.fullmatch(r".*\.partial-(\d+)-(\w+)-\d+(-old)?", leftover.name)
        if not writer or _is_alive(int(writer[1]), writer[2]):
            continue
        if writer[3] and not path.exists():
            os.replace(leftover, path)
        elif leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def _is_alive(pid, token):
    if pid == os.getpid():
        return token == _TOKEN
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _swap_in(partial, path):
    """Renames `partial` to `path`. Folders cannot replace one another, so an older one steps aside first."""
    if not path.exists():
        os.replace(partial, path)
        return
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file has that name")
    old = partial.with_name(partial.name + "-old")
    os.replace(path, old)
    os.replace(partial, path)
    shutil.rmtree(old)


def _sync(file):
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder):
    # Windows cannot open a folder; there the rename alone has to do.
    if os.name == "posix":
        _sync(folder)


def _save_error(path, error):
    return SaveError(
        f"Could not write {path}: {error.strerror or error}. What was there before is intact. "
        "Free some space (or choose a place that can be written) and run the same again."
    )
