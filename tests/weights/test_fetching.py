"""Fetching from a real server on this machine, and doing without one."""

import contextlib
import http.server
import os
import socket
import struct
import threading

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.fetching import cache_folder, fetched

PRESET = bit.preset("BiT-S-R50x1")
CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content` as BiT-S-R50x1.npz: whole, cut off, or cut off by a reset of the connection."""

    content = CONTENT
    manner = "whole"
    length = None  # the true one

    def do_GET(self):
        if self.path != "/mirror/BiT-S-R50x1.npz":
            return self.send_error(404)
        if self.manner == "moved":
            self.send_response(302)
            self.send_header("Location", "/mirror/BiT-S-R50x1.npz?again")
            return self.end_headers()
        self.send_response(200)
        self.send_header("Content-Length", self.length or str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content if self.manner == "whole" else self.content[:100_000])
        if self.manner == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_):
        """Says nothing."""


@contextlib.contextmanager
def serving(monkeypatch, **options):
    """Starts a server, makes it the mirror, and yields its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Server,), options))
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/mirror"
    monkeypatch.setenv("BIT_KERAS_BASE_URL", address)
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def offline(monkeypatch):
    """No server: nothing listens at port 9."""
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")


def test_whole_file_is_cached_under_its_name(monkeypatch):
    with serving(monkeypatch):
        path = fetched(PRESET.file)
    assert path == cache_folder() / "BiT-S-R50x1.npz"
    assert path.read_bytes() == CONTENT and os.listdir(cache_folder()) == ["BiT-S-R50x1.npz"]


def test_second_time_needs_no_server(monkeypatch):
    with serving(monkeypatch):
        first = fetched(PRESET.file)
    assert fetched(PRESET.file) == first and first.read_bytes() == CONTENT


def test_mirror_may_end_with_a_slash(monkeypatch):
    with serving(monkeypatch) as address:
        monkeypatch.setenv("BIT_KERAS_BASE_URL", address + "/")
        assert fetched(PRESET.file).read_bytes() == CONTENT


@pytest.mark.parametrize("manner", ["cut", "reset"])
def test_cut_connection_is_an_error_and_leaves_nothing_in_the_cache(manner, monkeypatch):
    with serving(monkeypatch, manner=manner), pytest.raises(WeightsError, match=r"Could not fetch http.*R50x1\.npz"):
        fetched(PRESET.file)
    assert not cache_folder().exists() or os.listdir(cache_folder()) == []


def test_fetch_works_after_one_that_was_cut(monkeypatch):
    with serving(monkeypatch, manner="cut"), pytest.raises(WeightsError):
        fetched(PRESET.file)
    with serving(monkeypatch):
        assert fetched(PRESET.file).read_bytes() == CONTENT


def test_length_that_is_no_number_is_an_error(monkeypatch):
    with serving(monkeypatch, length="many"), pytest.raises(WeightsError, match="declares the length 'many'"):
        fetched(PRESET.file)


def test_home_may_be_written_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BIT_KERAS_HOME", "~/weights")
    assert cache_folder() == tmp_path / "weights"


def test_file_that_the_server_lacks_is_an_error_that_says_what_to_put_where(monkeypatch):
    with serving(monkeypatch) as address:
        place = cache_folder() / "BiT-M-R50x1.npz"
        with pytest.raises(WeightsError, match=rf"{address}/BiT-M-R50x1.npz \(Not Found\).*put that file at {place}"):
            bit.load("BiT-M-R50x1")


def test_endless_redirection_is_an_error(monkeypatch):
    with serving(monkeypatch, manner="moved"), pytest.raises(WeightsError, match=r"Could not fetch .*\.npz"):
        fetched(PRESET.file)


def test_offline_error_names_the_address_and_the_place_in_the_cache(offline):
    place = cache_folder() / "BiT-M-R101x3.npz"
    with pytest.raises(WeightsError, match=f"http://127.0.0.1:9/BiT-M-R101x3.npz.*put that file at {place}"):
        bit.load("BiT-M-R101x3")


def test_other_schemes_are_refused(monkeypatch):
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "file:///etc")
    with pytest.raises(UserError, match=r"BIT_KERAS_BASE_URL to begin with https:// or http://.*'file:///etc'"):
        fetched(PRESET.file)


def test_cache_is_in_the_home_of_the_user_unless_moved(monkeypatch, tmp_path):
    monkeypatch.delenv("BIT_KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "bit_keras"


def put_in_cache(file, name):
    cache_folder().mkdir(parents=True, exist_ok=True)
    os.link(file, cache_folder() / name)


@pytest.mark.parametrize("name", ["BiT-S-R50x1", "BiT-M-R50x1-ILSVRC2012", "timm/resnetv2_50x1_bit.goog_in21k_ft_in1k"])
def test_file_put_into_the_cache_by_hand_is_loaded(name, offline, r50x1_file, golden_pictures, golden):
    put_in_cache(r50x1_file, f"{bit.preset(name).name}.npz")
    logits = bit.load(name)(golden_pictures).numpy()
    recorded = golden("forward.json")["R50x1-1000"]["logits"]["96x80"]
    np.testing.assert_allclose(logits[:, :16], recorded["first"], rtol=0, atol=1e-4)


def test_preset_is_fetched_and_loaded(monkeypatch, r50x1_file, golden_pictures, golden):
    with serving(monkeypatch, content=r50x1_file.read_bytes()):
        model = bit.load("BiT-S-R50x1", num_classes=None)
    recorded = golden("forward.json")["R50x1-1000"]["logits"]["96x80"]
    assert model(golden_pictures).numpy().argmax(1).tolist() == recorded["argmax"]
