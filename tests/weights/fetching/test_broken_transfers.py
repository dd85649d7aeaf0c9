"""Connections that break, stall or lie: the file comes whole in the end, or one sentence says why not."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from bit_keras.errors import SaveError, WeightsError
from bit_keras.weights.fetching import transfer
from bit_keras.weights.fetching.cache import cache_folder, fetched
from tests.weights.fetching.serving import CONTENT, serving

FILE = "BiT-S-R50x1.npz"
VERSION = {"ETag": '"first"'}


def part():
    return cache_folder() / f".{FILE}.part"


@pytest.mark.parametrize("manner", ["cut", "reset", "stall", 503])
@pytest.mark.parametrize("version", [VERSION, {"Last-Modified": "Tue, 14 Jan 2020 10:00:00 GMT"}, {}])
def test_broken_connection_is_taken_up_again(manner, version, monkeypatch):
    with serving(monkeypatch, manners=(manner, "whole"), headers=version) as script:
        assert fetched(FILE).read_bytes() == CONTENT
    assert len(script.requests) == 2 and not part().exists()


def test_only_the_rest_is_asked_for(monkeypatch):
    with serving(monkeypatch, manners=("cut", "cut", "whole"), headers=VERSION) as script:
        fetched(FILE)
    assert [asked for _, asked in script.requests] == [None, "bytes=1310720-", "bytes=2621440-"]


def test_server_that_cannot_send_a_rest_sends_all_again(monkeypatch):
    with serving(monkeypatch, manners=("cut", "whole"), headers=VERSION, ranges=False):
        assert fetched(FILE).read_bytes() == CONTENT


def test_server_without_a_mark_of_the_version_is_asked_for_all_again(monkeypatch):
    with serving(monkeypatch, manners=("cut", "whole")) as script:
        assert fetched(FILE).read_bytes() == CONTENT
    assert [asked for _, asked in script.requests] == [None, None]


@pytest.mark.parametrize("obeys", [True, False])
def test_file_that_changed_meanwhile_is_fetched_anew(obeys, monkeypatch):
    with serving(monkeypatch, manners=("cut", 503), headers=VERSION) as script:
        with pytest.raises(WeightsError):
            fetched(FILE)
        changed = {"content": CONTENT[::-1], "headers": {"ETag": '"second"'}, "manners": ("whole",), "obeys": obeys}
        vars(script).update(changed)
        assert fetched(FILE).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}', '{"hashes": 5, "url": "%s"}', '{"length": "1", "url": "%s"}'])
def test_damaged_note_of_a_part_means_to_begin_anew(note, monkeypatch):
    with serving(monkeypatch, manners=("cut", 503), headers=VERSION) as script:
        with pytest.raises(WeightsError):
            fetched(FILE)
        part().with_name(f"{part().name}.json").write_text(note.replace("%s", f"{script.address}/{FILE}"))
        script.manners = ("whole",)
        assert fetched(FILE).read_bytes() == CONTENT
    assert script.requests[-1][1] is None


def test_rest_that_the_server_does_not_have_is_forgotten(monkeypatch):
    with serving(monkeypatch, manners=("cut", 416, "whole"), headers=VERSION) as script:
        assert fetched(FILE).read_bytes() == CONTENT
    assert [asked for _, asked in script.requests] == [None, "bytes=1310720-", None]


def test_part_of_an_interrupted_process_is_gone_on_with(monkeypatch):
    with serving(monkeypatch, manners=("stall", "whole"), headers=VERSION) as script:
        code = "from bit_keras.weights.fetching.cache import fetched; fetched('BiT-S-R50x1.npz')"
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        deadline = time.time() + 60
        while time.time() < deadline and not (part().exists() and part().stat().st_size >= script.sent):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert fetched(FILE).read_bytes() == CONTENT
    assert script.requests[1][1] == f"bytes={script.sent}-"


def test_part_that_was_whole_already_is_not_fetched_again(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    with serving(monkeypatch, headers=VERSION) as script:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("bit_keras.weights.fetching.cache.sync", interrupt)
            fetched(FILE)
        assert fetched(FILE).read_bytes() == CONTENT
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("stall", "timed out"),
        ("cut", "ended|bytes read"),
        ("reset", "reset"),
        (503, "503 Service Unavailable"),
        (404, "404 Not Found"),
        (403, "403 Forbidden"),
    ],
)
def test_server_that_never_sends_it_all_is_told(manner, reason, monkeypatch):
    with (
        serving(monkeypatch, manners=(manner,)) as script,
        pytest.raises(
            WeightsError, match=rf"Could not fetch {script.address}/{FILE} \(.*({reason}).*\)\. Run the same"
        ),
    ):
        fetched(FILE)
    assert not (cache_folder() / FILE).exists()
    assert len(script.requests) in ([1] if manner in (403, 404) else range(transfer.TRIES, 2 * transfer.TRIES))


@pytest.mark.parametrize(
    ("length", "reason"), [("3000001", "bytes"), ("many", "declares the length 'many'"), ("-5", "length")]
)
def test_wrong_length_is_an_error(length, reason, monkeypatch):
    with serving(monkeypatch, length=length), pytest.raises(WeightsError, match=reason):
        fetched(FILE)
    assert not (cache_folder() / FILE).exists()


def test_file_that_the_disk_has_no_room_for_is_told_before_it_comes(monkeypatch):
    monkeypatch.setattr(transfer, "LARGEST", 10**18)
    with serving(monkeypatch, length=str(10**18)), pytest.raises(SaveError, match=r"the disk lacks .* bytes"):
        fetched(FILE)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [({"Content-Type": "text/html; charset=utf-8"}, "a web page instead"), ({"Content-Encoding": "gzip"}, "as gzip")],
)
def test_what_is_not_the_file_itself_is_refused(headers, reason, monkeypatch):
    with serving(monkeypatch, headers=headers), pytest.raises(WeightsError, match=reason):
        fetched(FILE)
    assert not part().exists()


def test_version_that_could_not_be_written_leaves_nothing_of_the_one_before(monkeypatch):
    with serving(monkeypatch, manners=("cut", 503), headers=VERSION) as script:
        with pytest.raises(WeightsError):
            fetched(FILE)
        vars(script).update(content=CONTENT[::-1], headers={"ETag": '"second"'}, manners=("whole",))
        with monkeypatch.context() as full, pytest.raises(SaveError):
            full.setattr(transfer.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 0))
            fetched(FILE)
        assert fetched(FILE).read_bytes() == CONTENT[::-1]
