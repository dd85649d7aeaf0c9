"""The cache: filled from a real server on this machine, by hand, and found changed."""

import hashlib
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.fetching import transfer
from bit_keras.weights.fetching.cache import cache_folder, fetched
from tests.weights.fetching.serving import CONTENT, serving

PRESET = bit.preset("BiT-S-R50x1")


@pytest.fixture
def offline(monkeypatch):
    """No server: nothing listens at port 9."""
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")


def test_whole_file_is_cached_under_its_name(monkeypatch):
    with serving(monkeypatch):
        path = fetched(PRESET.file)
    assert path == cache_folder() / "BiT-S-R50x1.npz"
    assert path.read_bytes() == CONTENT
    assert visible() == ["BiT-S-R50x1.npz", "BiT-S-R50x1.npz.record.json"]


def visible():
    return sorted(name for name in os.listdir(cache_folder()) if not name.startswith("."))


def test_sha_256_and_origin_are_recorded(monkeypatch):
    with serving(monkeypatch) as script:
        path = fetched(PRESET.file)
    record = json.loads(path.with_name(f"{path.name}.record.json").read_text())
    assert record["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (record["size"], record["url"]) == (3_000_000, f"{script.address}/BiT-S-R50x1.npz")


@pytest.fixture
def cached(monkeypatch):
    """A file that was fetched, and no server any more."""
    with serving(monkeypatch):
        yield fetched(PRESET.file)


def test_file_that_was_touched_is_checked_once_and_believed(cached, monkeypatch):
    os.utime(cached, (1, 1))
    assert fetched(PRESET.file) == cached
    monkeypatch.setattr("bit_keras.weights.record.sha256", lambda path: pytest.fail("checked twice"))
    assert fetched(PRESET.file) == cached


@pytest.mark.parametrize("change", [lambda old: old[:-1], lambda old: bytes([old[0] ^ 1]) + old[1:]])
def test_file_that_changed_in_the_cache_is_refused(change, cached):
    cached.write_bytes(change(CONTENT))
    with pytest.raises(WeightsError, match=rf"{cached} is not what was fetched from http.*expected SHA-256 .*Remove"):
        fetched(PRESET.file)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"logits": 5},
        {"logits": [[1], [1, 2]]},
        {"logits": "x"},
        {"url": 5},
        {"size": "1"},
        {"sha256": None},
    ],
)
def test_record_of_another_kind_is_told(change, cached):
    record = cached.with_name(f"{cached.name}.record.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(WeightsError, match=rf"{record} is no record of a weights file"):
        fetched(PRESET.file)


def test_damaged_record_is_told(cached):
    record = cached.with_name(f"{cached.name}.record.json")
    record.write_text('{"name":')
    with pytest.raises(WeightsError, match=rf"{record} is no record of a weights file"):
        fetched(PRESET.file)


def test_two_that_fetch_at_once_fetch_once(monkeypatch):
    with serving(monkeypatch) as script:
        threads = [threading.Thread(target=fetched, args=[PRESET.file]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(script.requests) == 1 and (cache_folder() / PRESET.file).read_bytes() == CONTENT


def test_cache_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BIT_KERAS_HOME", str(tmp_path / "file"))
    with serving(monkeypatch), pytest.raises(bit.SaveError, match=r"Could not write .*file/BiT-S-R50x1\.npz"):
        fetched(PRESET.file)


def test_second_time_needs_no_server(monkeypatch):
    with serving(monkeypatch):
        first = fetched(PRESET.file)
    assert fetched(PRESET.file) == first and first.read_bytes() == CONTENT


def test_mirror_may_end_with_a_slash(monkeypatch):
    with serving(monkeypatch) as script:
        monkeypatch.setenv("BIT_KERAS_BASE_URL", script.address + "/")
        assert fetched(PRESET.file).read_bytes() == CONTENT


def test_home_may_be_written_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BIT_KERAS_HOME", "~/weights")
    assert cache_folder() == tmp_path / "weights"


def test_file_that_the_server_lacks_is_an_error_that_says_what_to_put_where(monkeypatch):
    with serving(monkeypatch) as script:
        place = cache_folder() / "BiT-M-R50x1.npz"
        with pytest.raises(
            WeightsError, match=rf"{script.address}/BiT-M-R50x1.npz \(404 Not Found\).*put that file at {place}"
        ):
            bit.load("BiT-M-R50x1")


def test_offline_error_names_the_address_and_the_place_in_the_cache(offline):
    place = cache_folder() / "BiT-M-R101x3.npz"
    with pytest.raises(WeightsError, match=f"http://127.0.0.1:9/BiT-M-R101x3.npz.*put that file at {place}"):
        bit.load("BiT-M-R101x3")


def test_what_the_caller_was_just_handling_is_no_reason(offline):
    try:
        Path("mine.txt").read_text()
    except FileNotFoundError:
        with pytest.raises(WeightsError, match=r"Connection refused"):
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


@pytest.mark.parametrize("name", ["BiT-S-R50x3", "BiT-M-R50x1"])
def test_file_of_another_network_is_not_taken_for_the_preset(name, offline, r50x1_file):
    put_in_cache(r50x1_file, f"{name}.npz")
    message = rf"Expected the preset {name} in .*{name}\.npz, .*Received: a BiT-R50x1 with 1000\. Remove it"
    with pytest.raises(WeightsError, match=message):
        bit.load(name)


def test_what_a_server_sent_instead_of_weights_is_told_with_what_to_remove(monkeypatch):
    with (
        serving(monkeypatch, content=b"hello"),
        pytest.raises(WeightsError, match=r"not a complete \.npz.*Remove .*npz"),
    ):
        bit.load("BiT-S-R50x1")


def test_more_than_any_published_file_has_is_refused(monkeypatch):
    monkeypatch.setattr(transfer, "LARGEST", 2_000_000)
    with serving(monkeypatch), pytest.raises(WeightsError, match=r"declares 3,000,000 bytes, more than any published"):
        fetched(PRESET.file)


@pytest.mark.parametrize("home", ["~nobodyhere/x"])
def test_home_of_nobody_is_told(home, monkeypatch):
    monkeypatch.setenv("BIT_KERAS_HOME", home)
    with pytest.raises(UserError, match="Expected BIT_KERAS_HOME as a folder"):
        cache_folder()
