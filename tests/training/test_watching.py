"""What a run says of a data service that goes and comes back."""

import socket
import time

import pytest

from bit_keras.training import watching


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(watching, "PAUSE", 0.02)


def listening(port=0):
    """Returns a socket to which others can connect."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(100)
    return server


def said(capfd, seconds=10.0):
    """Returns what is written to standard error first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if text := capfd.readouterr().err:
            return text
        time.sleep(0.02)
    return ""


def test_a_data_service_that_goes_and_comes_back_is_told_of(quick, capfd):
    server = listening()
    port = server.getsockname()[1]
    with watching.service_watched(f"grpc://127.0.0.1:{port}"):
        assert said(capfd, 0.3) == ""
        server.close()
        assert f"service at grpc://127.0.0.1:{port} does not answer, and the run waits for it" in said(capfd)
        with listening(port):
            assert f"grpc://127.0.0.1:{port} answers again" in said(capfd)


def test_without_a_data_service_nothing_is_watched(quick, capfd):
    with watching.service_watched(None):
        assert said(capfd, 0.2) == ""


def test_a_call_that_waits_for_the_workers_of_a_data_service_is_told_of(monkeypatch, capfd):
    monkeypatch.setattr(watching, "SILENCE", 0.05)
    with watching.silence_told("grpc://there:1")(0.0):
        text = said(capfd)
    assert "The steps under way have not ended" in text
    assert "workers of the tf.data service at grpc://there:1" in text


def test_a_call_that_returns_and_one_without_a_data_service_say_nothing(monkeypatch, capfd):
    monkeypatch.setattr(watching, "SILENCE", 0.2)
    with watching.silence_told("grpc://there:1")(0.0):
        pass
    with watching.silence_told(None)(0.0):
        assert said(capfd, 0.4) == ""


def test_a_call_is_long_only_beside_what_it_should_take(monkeypatch, capfd):
    monkeypatch.setattr(watching, "SILENCE", 0.05)
    with watching.silence_told("grpc://there:1")(1.0):
        assert said(capfd, 0.3) == ""
