"""The cache of published files.

`BIT_KERAS_HOME` moves it from `~/.cache/bit_keras`; `BIT_KERAS_BASE_URL` names a mirror of the bucket.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from bit_keras.errors import UserError, WeightsError
from bit_keras.files import save_error, sync
from bit_keras.weights.catalogue import BUCKET
from bit_keras.weights.fetching.transfer import TransferError, forget, transfer
from bit_keras.weights.record import check_unchanged, measured


def cache_folder():
    """Returns the folder that fetched files are kept in."""
    home = os.environ.get("BIT_KERAS_HOME", "~/.cache/bit_keras")
    try:
        return Path(home).expanduser()
    except RuntimeError as error:
        raise UserError(f"Expected BIT_KERAS_HOME as a folder. Received: {home!r} ({error}).") from error


def is_cached(file):
    """Whether the published `file` needs no network."""
    return (cache_folder() / file).is_file()


def fetched(file):
    """Returns the path of the published `file` (such as "BiT-S-R50x1.npz"), fetching it if the cache lacks it.

    What has come of a file stays when the connection, or the process, breaks off; the next call goes on with it.

    Raises:
        WeightsError: if it cannot be fetched, and says which file to put where; or if it has changed in the cache.
        SaveError: if it cannot be written.
    """
    path = cache_folder() / file
    if not path.is_file():
        try:
            _fetch(f"{_base_url()}/{file}", path)
        except OSError as error:
            raise save_error(path, error) from error
    check_unchanged(path)
    return path


def _fetch(url, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):  # another process that fetches it is waited for
        if path.is_file():
            return
        part = path.with_name(f".{path.name}.part")
        try:
            digest = transfer(url, part)
        except TransferError as error:
            raise WeightsError(
                f"Could not fetch {url} ({error}). Run the same again to go on, or put that file at {path}; or give "
                "the path of a copy of weights instead of the preset's name."
            ) from error
        sync(part)
        # First, so that a file that is there has a record, whenever the process ends.
        replace(measured(part, digest, url), path=path).save()
        os.replace(part, path)
        forget(part)


def _base_url():
    mirror = os.environ.get("BIT_KERAS_BASE_URL")
    if mirror and not re.match(r"https?://[^/]", mirror):
        raise UserError(f"Expected BIT_KERAS_BASE_URL to begin with https:// or http://. Received: {mirror!r}.")
    return (mirror or BUCKET).rstrip("/")
