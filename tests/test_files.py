"""Files and folders that are whole or absent."""

import json
import os
import subprocess
import sys
import time

import pytest

from bit_keras.errors import SaveError
from bit_keras.files import HOST, atomic_file, atomic_folder, write_json, write_text


@pytest.fixture
def dead():
    """The process id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def alive():
    """The process id of another process that runs."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def write_folder(path, **files):
    with atomic_folder(path) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)


def test_file_appears_when_it_is_whole(tmp_path):
    with atomic_file(tmp_path / "a") as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"new" and names_in(tmp_path) == ["a"]


def test_file_replaces_an_older_one(tmp_path):
    (tmp_path / "a").write_text("old")
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_exception_keeps_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError), atomic_file(tmp_path / "a") as file:
        file.write(b"new")
        raise KeyError
    assert (tmp_path / "a").read_text() == "old" and names_in(tmp_path) == ["a"]


def test_text_is_written_as_utf8_and_json_with_a_line_end(tmp_path):
    write_text(tmp_path / "a", "é")
    write_json(tmp_path / "b", {"c": [1, 2]})
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9"
    assert json.loads((tmp_path / "b").read_text()) == {"c": [1, 2]} and (tmp_path / "b").read_text().endswith("}\n")


def test_folder_appears_when_it_is_whole(tmp_path):
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "b").write_text("new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "b").read_text() == "new" and names_in(tmp_path) == ["a"]


def test_folder_replaces_all_of_an_older_one(tmp_path):
    write_folder(tmp_path / "a", old="1", both="2")
    write_folder(tmp_path / "a", new="3", both="4")
    assert names_in(tmp_path / "a") == ["both", "new"] and names_in(tmp_path) == ["a"]


def test_exception_keeps_the_old_folder(tmp_path):
    write_folder(tmp_path / "a", old="1")
    with pytest.raises(KeyError), atomic_folder(tmp_path / "a") as folder:
        (folder / "new").write_text("2")
        raise KeyError
    assert names_in(tmp_path / "a") == ["old"] and names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["a", "photos[1].npz"])
def test_leftovers_of_ended_processes_are_removed(name, dead, tmp_path):
    (tmp_path / f".{name}.partial-{HOST}-{dead}-0a1b-0").write_text("half")
    write_text(tmp_path / name, "new")
    assert names_in(tmp_path) == [name]


def test_leftover_folders_of_ended_processes_are_removed(dead, tmp_path):
    (tmp_path / f".a.partial-{HOST}-{dead}-0a1b-0" / "deep").mkdir(parents=True)
    write_folder(tmp_path / "a", new="1")
    assert names_in(tmp_path) == ["a"]


def test_what_running_processes_write_is_left_alone(alive, tmp_path):
    (tmp_path / f".a.partial-{HOST}-{alive}-0a1b-0").write_text("half")
    write_text(tmp_path / "a", "new")
    assert names_in(tmp_path) == [f".a.partial-{HOST}-{alive}-0a1b-0", "a"]


def test_what_another_machine_writes_is_left_alone_for_a_day(dead, tmp_path):
    theirs = tmp_path / f".a.partial-elsewhere-{dead}-0a1b-0"
    theirs.write_text("half")
    write_text(tmp_path / "a", "new")
    assert theirs.exists()
    os.utime(theirs, (time.time() - 2 * 24 * 3600,) * 2)
    write_text(tmp_path / "a", "newer")
    assert names_in(tmp_path) == ["a"]


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    write_folder(tmp_path / "real", old="1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_folder(tmp_path / "link", new="2")
    assert (tmp_path / "link").is_symlink() and names_in(tmp_path / "real") == ["new"]
    write_text(tmp_path / "file", "old")
    (tmp_path / "link_to_file").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link_to_file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert names_in(tmp_path) == ["file", "link", "link_to_file", "real"]


def test_old_folder_comes_back_if_the_new_one_cannot_be_put_in_its_place(tmp_path, monkeypatch):
    write_folder(tmp_path / "a", old="1")
    replace = os.replace

    def fail(source, target):
        if str(target) == str(tmp_path / "a") and not str(source).endswith("-old"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(SaveError, match="What was there before is intact"):
        write_folder(tmp_path / "a", new="2")
    assert names_in(tmp_path / "a") == ["old"] and names_in(tmp_path) == ["a"]


def test_numbers_that_json_does_not_know_are_not_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a", {"loss": float("nan")})
    assert names_in(tmp_path) == []


def test_other_hidden_files_are_left_alone(dead, tmp_path):
    for name in (f".b.partial-{HOST}-{dead}-0a1b-0", ".a.partial-notes", ".a"):
        (tmp_path / name).write_text("mine")
    write_text(tmp_path / "a", "new")
    assert names_in(tmp_path) == [".a", ".a.partial-notes", f".b.partial-{HOST}-{dead}-0a1b-0", "a"]


def test_leftover_of_a_killed_process_of_the_same_id_is_no_obstacle(tmp_path):
    # In a container, a program and the one that takes its place are both process 1.
    (tmp_path / f".a.partial-{HOST}-{os.getpid()}-0a1b-0").mkdir()
    (tmp_path / f".a.partial-{HOST}-{os.getpid()}-0a1b-0" / "half").write_text("half")
    write_folder(tmp_path / "a", new="1")
    assert names_in(tmp_path / "a") == ["new"] and names_in(tmp_path) == ["a"]


def test_old_folder_survives_a_kill_between_the_two_renames(dead, tmp_path):
    # The killed writer had moved the old folder aside and not yet put its own in place.
    (tmp_path / f".a.partial-{HOST}-{dead}-0a1b-0-old").mkdir()
    (tmp_path / f".a.partial-{HOST}-{dead}-0a1b-0-old" / "precious").write_text("1")
    with pytest.raises(KeyError), atomic_folder(tmp_path / "a"):
        raise KeyError
    assert [path.name for path in tmp_path.rglob("precious")] == ["precious"]


def test_folder_in_the_place_of_a_file_is_an_error_that_leaves_the_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(SaveError, match=r"Could not write .*/a: .*What was there before is intact"):
        write_folder(tmp_path / "a", new="1")
    assert (tmp_path / "a").is_file() and names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("place", [atomic_file, atomic_folder])
def test_place_that_cannot_be_written_is_an_error_that_names_it(place, tmp_path):
    (tmp_path / "file").write_text("old")
    error = f"Could not write {tmp_path}/file/a.*intact.*Free some space"
    with pytest.raises(SaveError, match=error), place(tmp_path / "file" / "a"):
        pass
    assert (tmp_path / "file").read_text() == "old"


def test_file_in_the_place_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(SaveError, match=r"Could not write .*/a: Is a directory"):
        write_text(tmp_path / "a", "new")
    assert names_in(tmp_path) == ["a"]
