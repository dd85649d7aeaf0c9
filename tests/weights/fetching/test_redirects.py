"""Where a server may send the client, with real certificates."""

import pytest
import trustme

from bit_keras.errors import WeightsError
from bit_keras.weights.fetching.cache import fetched
from tests.weights.fetching.serving import CONTENT, serving

FILE = "BiT-S-R50x1.npz"


@pytest.fixture
def certificate(monkeypatch, tmp_path):
    """Of an authority that this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return authority.issue_cert("127.0.0.1")


def test_https_is_fetched(certificate, monkeypatch):
    with serving(monkeypatch, certificate=certificate) as script:
        assert script.address.startswith("https:")
        assert fetched(FILE).read_bytes() == CONTENT


def test_certificate_that_nobody_trusts_is_refused(monkeypatch):
    certificate = trustme.CA().issue_cert("127.0.0.1")
    with serving(monkeypatch, certificate=certificate), pytest.raises(WeightsError, match=r"(?i)certificate"):
        fetched(FILE)


def test_redirect_is_followed(monkeypatch):
    with serving(monkeypatch, manners=(f"/mirror/{FILE}?again", "whole")) as script:
        assert fetched(FILE).read_bytes() == CONTENT
    assert [path for path, _ in script.requests] == [f"/mirror/{FILE}", f"/mirror/{FILE}?again"]


def test_endless_redirection_is_an_error(monkeypatch):
    with serving(monkeypatch, manners=("/mirror/round",)) as script, pytest.raises(WeightsError, match="more than 10"):
        fetched(FILE)
    assert len(script.requests) == 10


def test_redirect_from_https_to_http_is_refused_unasked(certificate, monkeypatch):
    elsewhere = ("http://bit.invalid/BiT-S-R50x1.npz",)
    with (
        serving(monkeypatch, certificate=certificate, manners=elsewhere) as script,
        pytest.raises(WeightsError, match=r"redirects from https to http://bit\.invalid/BiT-S-R50x1\.npz"),
    ):
        fetched(FILE)
    assert len(script.requests) == 1


def test_redirect_from_https_to_this_machine_is_followed(certificate, monkeypatch):
    with (
        serving(monkeypatch) as plain,
        serving(monkeypatch, certificate=certificate, manners=(f"{plain.address}/{FILE}",)),
    ):
        assert fetched(FILE).read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://[x"])
def test_redirect_to_what_is_no_address_is_refused(target, monkeypatch):
    with (
        serving(monkeypatch, manners=(target,)),
        pytest.raises(WeightsError, match=r"redirects to file:///|Invalid IPv6"),
    ):
        fetched(FILE)


def test_authority_that_is_not_there_is_told_as_such(certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    with (
        serving(monkeypatch, certificate=certificate),
        pytest.raises(WeightsError, match=r"Could not fetch .*/nonexistent\.pem"),
    ):
        fetched(FILE)
