"""What a server declares of a file: its length, its hashes, and the mark by which it knows this version again."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import google_crc32c

from bit_keras.weights.record import digests

ALGORITHMS: dict[str, Callable[[], Any]] = {
    "md5": partial(hashlib.md5, usedforsecurity=False),
    "crc32c": google_crc32c.Checksum,
}
# The ETag of S3 and of Google Cloud Storage is the MD5 of a file that was stored in one piece. Other servers have other
# digests there; these two are known by their headers.
OBJECT_STORES = ("x-amz-", "x-goog-")
# Where S3 encrypts with keys of the customer's, its ETag is no MD5 (Amazon S3 API, "Object").
ENCRYPTED = ("x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-customer-algorithm")


@dataclass(frozen=True)
class Declared:
    """`length` in bytes or None; `hashes` as {algorithm: hexadecimal digits}; `version` fits the header If-Range."""

    url: str
    length: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None


def declared(url, response):
    """Returns what the `requests.Response` declares.

    Raises:
        ValueError: for a length that is no number.
    """
    headers = response.headers
    etag = headers.get("ETag", "")
    strong = etag if etag.startswith('"') else None
    return Declared(url, _length(headers), _hashes(headers, strong), strong or headers.get("Last-Modified"))


def differences(path, known):
    """Returns the SHA-256 of the file and a text of what differs from `known`, which is empty if nothing does."""
    found = digests(path, {name: ALGORITHMS[name]() for name in known.hashes} | {"sha256": hashlib.sha256()})
    size = path.stat().st_size
    wrong = [f"{name} {found[name]} instead of {said}" for name, said in known.hashes.items() if found[name] != said]
    if known.length not in (None, size):
        wrong.insert(0, f"{size} bytes instead of {known.length}")
    return found["sha256"], ", ".join(wrong)


def _length(headers):
    """The length of the whole file, of which a resumed answer is a part."""
    text = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length")
    if text is None or text == "*":
        return None
    if not text.isdecimal():
        raise ValueError(f"the server declares the length {text!r}")
    return int(text)


def _hashes(headers, etag):
    stated = [part.strip().partition("=") for part in headers.get("x-goog-hash", "").split(",")]
    found = {name: _hexadecimal(text) for name, _, text in stated if name in ALGORITHMS}
    digits = re.fullmatch('"([0-9a-f]{32})"', etag or "")
    is_stored_plainly = any(header.lower().startswith(OBJECT_STORES) for header in headers)
    if digits and is_stored_plainly and not any(header in headers for header in ENCRYPTED):
        found.setdefault("md5", digits[1])
    return found


def _hexadecimal(base64_text):
    try:
        return base64.b64decode(base64_text, validate=True).hex()
    except binascii.Error as error:
        raise ValueError(f"the server declares the hash {base64_text!r}") from error
