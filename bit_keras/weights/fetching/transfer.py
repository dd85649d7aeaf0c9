"""Transfers a file over http or https: goes on where it broke off, and checks the whole against what was declared."""

import json
import shutil
import sys
import time
import urllib.parse
from contextlib import suppress
from dataclasses import asdict
from errno import ENOSPC

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from bit_keras.weights.fetching.declared import ALGORITHMS, Declared, declared, differences

TIMEOUT = 30  # seconds without a byte after which a connection counts as lost
TRIES = 4  # in a row without one byte more
PAUSE = 0.5  # seconds before the second try, doubled before each further one
REDIRECTS = 10
LARGEST = 8 << 30  # bytes; BiT-M-R152x4 has 4.4e9
CHUNK = 1 << 16  # bytes; of a connection that breaks off, less than this is lost
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PASSING = (408, 425, 429, 500, 502, 503, 504)  # what a server answers that may do better in a moment


class TransferError(Exception):
    """The file cannot be had from there; the text says why."""


class _LostError(Exception):
    """The connection broke off; what has come is good."""


class _WrongError(Exception):
    """The whole has come, and it is not what was declared."""


def transfer(url, part):
    """Fetches `url` into the file `part`, going on with what is there already; returns its SHA-256.

    Raises:
        OSError: if `part` cannot be written.
        TransferError: if it cannot be had. What has come stays for the next time, unless it is wrong.
    """
    lost, wrong, most = 0, 0, 0
    while True:
        try:
            return _attempt(url, part)
        except _WrongError as error:
            wrong += 1
            if wrong == 2:
                raise TransferError(f"what came is damaged: {error}") from error
        except _LostError as error:
            lost = lost + 1 if _size(part) <= most else 1
            most = max(most, _size(part))
            if lost == TRIES:
                raise TransferError(str(error)) from error
            time.sleep(PAUSE * 2 ** (lost - 1))


def _attempt(url, part):
    known = _noted(part, url)
    if known is None or known.length is None or _size(part) != known.length:
        known = _receive(url, part, known)
    digest, wrong = differences(part, known)
    if wrong:
        forget(part)
        raise _WrongError(wrong)
    return digest


def _receive(url, part, known):
    """Adds what lacks to `part`; returns what the server declares."""
    start = _size(part) if known and known.version else 0
    outside = sys.exception()  # what the caller is just handling is no cause
    headers = {"Accept-Encoding": "identity"} | (
        {"Range": f"bytes={start}-", "If-Range": known.version} if start else {}
    )
    try:
        with requests.Session() as session, _answer(session, url, headers) as response:
            _check_status(response, part)
            new = _accepted(url, response)
            if response.status_code == 206 and not _goes_on(response, start, new, known):
                forget(part)
                raise _LostError("the server has another version by now")
            if response.status_code != 206:
                forget(part)  # first, so that nothing of another version is ever taken for a part of this one
            _note(part, new)
            _write(response, part, start if response.status_code == 206 else 0, new.length)
    except requests.RequestException as error:
        raise _LostError(_reason(error, outside)) from error
    if new.length is not None and _size(part) < new.length:
        raise _LostError(f"the connection ended after {_size(part)} of {new.length} bytes")
    return new


def _answer(session, url, headers):
    """Follows redirects, but never from https to http on another machine."""
    for _ in range(REDIRECTS):
        response = _got(session, url, headers)
        if not response.is_redirect:
            return response
        response.close()
        url = _redirected(url, response.headers["Location"])
    raise TransferError(f"the server redirects more than {REDIRECTS} times")


def _got(session, url, headers):
    try:
        return session.get(url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
        raise TransferError(str(error)) from error
    except requests.RequestException:
        raise
    except (OSError, ValueError, HTTPError) as error:  # of the certificates' file, or an address that is none
        raise TransferError(str(error)) from error


def _redirected(url, location):
    try:
        target = urllib.parse.urljoin(url, location)
        parts = urllib.parse.urlsplit(target)
    except ValueError as error:
        raise TransferError(f"the server redirects to {location!r}") from error
    if parts.scheme not in ("https", "http"):
        raise TransferError(f"the server redirects to {target}")
    if url.startswith("https:") and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise TransferError(f"the server redirects from https to {target}")
    return target


def _check_status(response, part):
    status = response.status_code
    if status == 416:  # it has less than has come already
        forget(part)
    if status not in (200, 206):
        raise (_LostError if status in (*PASSING, 416) else TransferError)(f"{status} {response.reason}")


def _accepted(url, response):
    """Returns what the answer declares, if it is a file at all."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise TransferError("the server answers with a web page instead of the file; does a proxy ask to log in?")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise TransferError(f"the server sends it as {response.headers['Content-Encoding']}, not as it is")
    try:
        return declared(url, response)
    except ValueError as error:
        raise TransferError(str(error)) from error


def _goes_on(response, start, new, known):
    """Whether the answer is the rest, from `start`, of what is there already."""
    is_rest = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return is_rest and known is not None and (new.version, new.length) == (known.version, known.length)


def _write(response, part, start, length):
    if (length or 0) > LARGEST:
        raise TransferError(f"the server declares {length:,} bytes, more than any published file has")
    free = shutil.disk_usage(part.parent).free
    if length is not None and length - start > free:
        raise OSError(ENOSPC, f"the disk lacks {length - start - free:,} bytes")
    name = part.name.strip(".").removesuffix(".part")
    options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
    with open(part, "ab" if start else "wb") as file, tqdm(total=length, initial=start, desc=name, **options) as bar:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            if file.tell() > LARGEST:
                raise TransferError("the server sends more than any published file has")
            file.flush()
            bar.update(len(chunk))


def forget(part):
    """Removes what has come of a file, and what is noted of it."""
    for path in (part, _note_path(part)):
        path.unlink(missing_ok=True)


def _note(part, known):
    _note_path(part).write_text(json.dumps(asdict(known)), encoding="utf-8")


def _noted(part, url):
    """Returns what was declared when `part` was begun, if it was begun from `url`."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        known = Declared(**json.loads(_note_path(part).read_text(encoding="utf-8")))
        is_sound = known.hashes.keys() <= ALGORITHMS.keys() and isinstance(known.length, int | None)
        return known if known.url == url and is_sound and isinstance(known.version, str | None) else None
    return None


def _note_path(part):
    return part.with_name(f"{part.name}.json")


def _size(part):
    return part.stat().st_size if part.is_file() else 0


def _reason(error, outside):
    """The first cause within this module's work, without the layers of libraries around it."""
    while (cause := error.__cause__ or error.__context__) and cause is not outside:
        error = cause
    return " ".join((getattr(error, "strerror", None) or str(error)).split())
