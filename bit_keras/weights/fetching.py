"""Fetches published files into a cache, whole or not at all.

`BIT_KERAS_HOME` moves the cache from `~/.cache/bit_keras`; `BIT_KERAS_BASE_URL` names a mirror of the bucket.
"""

import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tqdm import tqdm

from bit_keras.errors import UserError, WeightsError
from bit_keras.files import atomic_file
from bit_keras.weights.catalogue import BUCKET

TIMEOUT = 60  # seconds without a byte after which a server counts as gone
CHUNK = 1 << 20  # bytes read at a time
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def cache_folder():
    """Returns the folder that fetched files are kept in."""
    return Path(os.environ.get("BIT_KERAS_HOME", "~/.cache/bit_keras")).expanduser()


def fetched(file):
    """Returns the path of the published `file` (such as "BiT-S-R50x1.npz"), fetching it if the cache lacks it.

    Raises:
        WeightsError: if it cannot be fetched; it says which file to put where.
        SaveError: if it cannot be written.
    """
    path = cache_folder() / file
    if path.is_file():
        return path
    url = f"{_base_url()}/{file}"
    try:
        _fetch(url, path)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"Could not fetch {url} ({reason}). Without a network, put that file at {path}, or give the path of a copy "
            "of weights instead of the preset's name."
        ) from error
    return path


def _base_url():
    mirror = os.environ.get("BIT_KERAS_BASE_URL")
    if mirror and urllib.parse.urlsplit(mirror).scheme not in ("https", "http"):
        raise UserError(f"Expected BIT_KERAS_BASE_URL to begin with https:// or http://. Received: {mirror!r}.")
    return (mirror or BUCKET).rstrip("/")


def _fetch(url, path):
    with urllib.request.build_opener(_NoDowngrade).open(url, timeout=TIMEOUT) as response:
        total = _declared_length(response)
        with atomic_file(path) as file, tqdm.wrapattr(response, "read", total=total, desc=path.name) as stream:
            while chunk := _received(stream):
                file.write(chunk)
            if total is not None and file.tell() != total:
                raise http.client.IncompleteRead(b"", total - file.tell())


def _declared_length(response):
    length = response.headers.get("Content-Length")
    if length is not None and not length.isdecimal():
        raise http.client.HTTPException(f"the server declares the length {length!r}")
    return None if length is None else int(length)


def _received(stream):
    """Reads some bytes. A connection that breaks is no fault of the disk, which `atomic_file` would take it for."""
    try:
        return stream.read(CHUNK)
    except OSError as error:
        raise http.client.HTTPException(str(error)) from error


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http on another machine."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        target = urllib.parse.urlsplit(newurl)
        if req.full_url.startswith("https:") and target.scheme != "https" and target.hostname not in LOOPBACK:
            raise urllib.error.URLError(f"the server redirects from https to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
