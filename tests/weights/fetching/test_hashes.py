"""Hashes that servers declare, computed here by hashlib and google_crc32c from the content that is sent."""

import base64
import hashlib

import google_crc32c
import pytest

from bit_keras.errors import WeightsError
from bit_keras.weights.fetching.cache import cache_folder, fetched
from tests.weights.fetching.serving import CONTENT, serving

FILE = "BiT-S-R50x1.npz"
OTHER = b"something else"


def google(content):
    crc32c = google_crc32c.Checksum(content).digest()
    return ", ".join(
        f"{name}={base64.b64encode(digest).decode()}"
        for name, digest in (("crc32c", crc32c), ("md5", hashlib.md5(content).digest()))
    )


def test_known_value_of_crc32c():
    # RFC 3720, appendix B.4: 32 bytes of zeros.
    assert google_crc32c.Checksum(bytes(32)).digest().hex() == "8a9136aa"


DECLARATIONS = {
    "Google's": lambda content: {"x-goog-hash": google(content)},
    "Google's CRC32C alone": lambda content: {"x-goog-hash": google(content).split(", ")[0]},
    "S3's": lambda content: {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "x-amz-request-id": "1"},
}


@pytest.mark.parametrize("kind", DECLARATIONS)
def test_file_with_the_declared_hash_is_taken(kind, monkeypatch):
    with serving(monkeypatch, headers=DECLARATIONS[kind](CONTENT)):
        assert fetched(FILE).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", DECLARATIONS)
def test_file_with_another_hash_is_fetched_once_more_and_then_refused(kind, monkeypatch):
    with (
        serving(monkeypatch, headers=DECLARATIONS[kind](OTHER)) as script,
        pytest.raises(WeightsError, match=r"what came is damaged: (crc32c|md5) \w+ instead of \w+"),
    ):
        fetched(FILE)
    assert len(script.requests) == 2
    assert [name for name in cache_folder().iterdir() if not name.name.endswith(".lock")] == []


def test_resumed_file_is_checked_from_its_beginning(monkeypatch):
    headers = {"x-goog-hash": google(CONTENT), "ETag": '"version"'}
    with serving(monkeypatch, manners=("cut", 503), headers=headers) as script:
        with pytest.raises(WeightsError):
            fetched(FILE)
        script.manners = ("whole",)
        part = cache_folder() / f".{FILE}.part"
        part.write_bytes(bytes([part.read_bytes()[0] ^ 1]) + part.read_bytes()[1:2000])
        assert fetched(FILE).read_bytes() == CONTENT
    assert [asked for _, asked in script.requests[-2:]] == ["bytes=2000-", None]


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"5e1d9a0c-2dc6c0"'},  # nginx
        {"ETag": f'"{hashlib.md5(OTHER).hexdigest()}"'},  # Starlette: of time and size
        {"ETag": f'W/"{hashlib.md5(OTHER).hexdigest()}"', "x-amz-request-id": "1"},
        {"ETag": f'"{hashlib.md5(OTHER).hexdigest()}-3"', "x-amz-request-id": "1"},  # S3, stored in three pieces
        {
            "ETag": f'"{hashlib.md5(OTHER).hexdigest()}"',
            "x-amz-server-side-encryption-aws-kms-key-id": "key",
        },
    ],
)
def test_mark_that_is_no_hash_is_no_reason_to_refuse(headers, monkeypatch):
    with serving(monkeypatch, headers=headers):
        assert fetched(FILE).read_bytes() == CONTENT


def test_hash_that_is_none_is_told(monkeypatch):
    with serving(monkeypatch, headers={"x-goog-hash": "md5=?"}), pytest.raises(WeightsError, match="declares the hash"):
        fetched(FILE)
