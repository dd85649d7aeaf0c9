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
import platform
import re
import shutil
import time
import uuid
from pathlib import Path

import psutil

from bit_keras.errors import SaveError

# Process numbers come again, in a container that restarts always the same one; the token does not. Of a writer on
# another machine that shares the disk nobody can tell whether it lives, but after a day it does not.
HOST = re.sub(r"\W", "_", platform.node()) or "unnamed"
TOKEN = uuid.uuid4().hex
DAY = 24 * 3600  # seconds


@contextlib.contextmanager
def atomic_file(path):
    """Yields a binary file open for writing that takes the name `path` when the block ends without an error."""
    path = Path(path).resolve()  # a link stays, and what it leads to is replaced
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
        raise save_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


@contextlib.contextmanager
def atomic_folder(path):
    """Yields the path of a new folder that takes the name `path`, in place of any older one, when the block ends."""
    path = Path(path).resolve()
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        partial.mkdir()
        yield partial
        for entry in (*partial.rglob("*"), partial):
            (_sync_folder if entry.is_dir() else sync)(entry)
        _swap_in(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise save_error(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path, text):
    """Writes `text` as UTF-8."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json(path, value):
    """Writes `value` as indented JSON; NaN and infinity, which JSON does not know, raise `ValueError`."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


_COUNTER = itertools.count()


def _beside(path):
    return path.with_name(f".{path.name}.partial-{HOST}-{os.getpid()}-{TOKEN}-{next(_COUNTER)}")


def _remove_leftovers(path):
    """Removes what writers of `path` left that were killed; a folder that had only stepped aside comes back first."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.partial-*"):
        writer = re.fullmatch(r".*\.partial-(\w+)-(\d+)-(\w+)-\d+(-old)?", leftover.name)
        if not writer or _is_alive(leftover, writer[1], int(writer[2]), writer[3]):
            continue
        if writer[4] and not path.exists():
            os.replace(leftover, path)
        elif leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def _is_alive(leftover, host, pid, token):
    """Whether the process that writes `leftover` may still be at it."""
    if host != HOST:
        return time.time() - leftover.stat().st_mtime < DAY
    return token == TOKEN if pid == os.getpid() else psutil.pid_exists(pid)


def _swap_in(partial, path):
    """Renames `partial` to `path`. Folders cannot replace one another, so an older one steps aside first."""
    if not path.exists():
        os.replace(partial, path)
        return
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file has that name")
    old = partial.with_name(partial.name + "-old")
    os.replace(path, old)
    try:
        os.replace(partial, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def sync(file):
    """Returns when `file` is on the disk."""
    with open(file, "rb+") as opened:  # Windows syncs only what is open for writing
        os.fsync(opened.fileno())


def _sync_folder(folder):
    if os.name != "posix":
        return  # Windows cannot open a folder; there the rename alone has to do
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_error(path, error):
    """Returns the `SaveError` that tells the `OSError` that kept `path` from being written."""
    return SaveError(
        f"Could not write {path}: {error.strerror or error}. What was there before is intact. "
        "Free some space (or choose a place that can be written) and run the same again."
    )
