"""Hugging Face and TF-Hub, each played by a real server on this machine that their own libraries talk to."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.weights import loading
from bit_keras.weights.loading import weights_path
from tests.weights.formats import foreign

TIMM = "timm/resnetv2_50x1_bit.goog_in21k"


@contextlib.contextmanager
def answering(answer):
    """Yields the address of a server; `answer` takes a path and returns (content, headers), or None for a 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = answer(self.path)
            if found is None:
                return self.send_error(404)
            content, headers = found
            self.send_response(200)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def hugging_face(folder, repository):
    """Returns the answers of a Hugging Face that has one repository, with the files of `folder`."""
    commit = "0" * 40
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def answer(path):
        if path.startswith(f"/api/models/{repository}"):
            siblings = [{"rfilename": name} for name in files]
            about = {
                "id": repository,
                "sha": commit,
                "siblings": siblings,
                "private": False,
                "tags": [],
                "downloads": 0,
            }
            tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": name} for name in files]
            return json.dumps(tree if "/tree/" in path else about).encode(), {"Content-Type": "application/json"}
        name = path.rpartition("/")[2]
        if path != f"/{repository}/resolve/{commit}/{name}" or name not in files:
            return None
        return files[name], {"ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"', "X-Repo-Commit": commit}

    return answer


@pytest.fixture
def repository(seeded_small, tmp_path):
    """A folder as Hugging Face has it, with a file that must not be fetched."""
    folder = foreign.write_hugging_face(tmp_path / "repository", seeded_small)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    return folder


CODE = """
import sys
import bit_keras as bit
try:
    model = bit.load(sys.argv[1])
    print(model.name, float(model.get_layer("head-conv2d").bias.numpy()[0]))
except bit.UserError as error:
    print(error)
"""


def loaded(name, tmp_path, address):
    """Loads in a new process, as huggingface_hub reads its settings when it is imported."""
    settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    arguments = [sys.executable, "-c", CODE, name]
    process = subprocess.run(arguments, env=os.environ | settings, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@pytest.mark.parametrize("name", ["hf://me/my-bit", TIMM])
def test_weights_at_hugging_face_are_loaded(name, repository, tmp_path, seeded_small):
    repository_name = name.removeprefix("hf://")
    with answering(hugging_face(repository, repository_name)) as address:
        said = loaded(name, tmp_path, address)
    assert said.split()[0] == "R14x0_5"
    assert float(said.split()[1]) == seeded_small["resnet/head/conv2d/bias"][0]
    assert not list((tmp_path / "hf").rglob("pytorch_model.bin"))


def test_repository_that_does_not_exist_is_told(repository, tmp_path):
    with answering(hugging_face(repository, "me/my-bit")) as address:
        assert "Could not fetch me/other from Hugging Face (" in loaded("hf://me/other", tmp_path, address)


def test_connection_to_hugging_face_that_ends_too_early_is_told(repository, tmp_path):
    whole = hugging_face(repository, "me/my-bit")

    def cut(path):
        answer = whole(path)
        return answer and (answer[0][:-100], answer[1] | {"Content-Length": str(len(answer[0]))})

    with answering(cut) as address:
        assert "Could not fetch me/my-bit from Hugging Face" in loaded("hf://me/my-bit", tmp_path, address)


def test_address_that_is_none_is_no_hub_handle():
    with pytest.raises(bit.WeightsError, match=r"There is no file or folder https://\[::1"):
        bit.load("https://[::1")


def test_name_that_hugging_face_does_not_allow_is_told(tmp_path):
    assert "Could not fetch a/b/c from Hugging Face" in loaded("hf://a/b/c", tmp_path, "http://127.0.0.1:9")


def test_hugging_face_out_of_reach_is_told(tmp_path):
    assert "Could not fetch me/my-bit from Hugging Face" in loaded("hf://me/my-bit", tmp_path, "http://127.0.0.1:9")


def test_repository_without_safetensors_is_told(repository, tmp_path):
    (repository / "model.safetensors").unlink()
    with answering(hugging_face(repository, "me/my-bit")) as address:
        assert "me/my-bit at Hugging Face has no model.safetensors" in loaded("hf://me/my-bit", tmp_path, address)


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(bit.UserError, match=r"timm/.* is at Hugging Face.*pip install huggingface_hub\."):
        bit.load(TIMM)


@pytest.fixture(scope="module")
def packed(small_model, tmp_path_factory):
    """An export of ours as the modules of TF-Hub are packed."""
    folder = tmp_path_factory.mktemp("hub") / "exported"
    bit.export(small_model, folder)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return file.getvalue()


@pytest.fixture
def hub(packed, monkeypatch):
    """The address of a TF-Hub with a whole module, a cut one, and a page."""
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)  # so that it is our cache, which the test moves
    content = {"/me/bit/1": packed, "/me/cut/1": packed[:-500], "/me/page/1": b"<html>"}
    with answering(lambda path: (content[p], {}) if (p := path.split("?")[0]) in content else None) as address:
        yield address


def test_hub_handle_is_resolved_and_its_weights_are_read(hub, small_model):
    model = bit.load(f"{hub}/me/bit/1")
    for mine, theirs in zip(model.weights, small_model.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_module_whose_files_lead_out_of_its_folder_writes_nothing_outside(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "deep" / "hub"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("../../../evil", str(tmp_path / "evil")):
            archive.addfile(tarfile.TarInfo(name))
    with answering(lambda path: (packed.getvalue(), {})) as address, pytest.raises(bit.WeightsError):
        bit.load(f"{address}/me/bit/1")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("module", ["cut", "page", "none"])
def test_hub_handle_that_gives_no_module_is_told(module, hub):
    with pytest.raises(bit.WeightsError, match=rf"Could not fetch {hub}/me/{module}/1 \("):
        bit.load(f"{hub}/me/{module}/1")


def test_http_is_for_this_machine_alone():
    with pytest.raises(bit.WeightsError, match=r"There is no file or folder http://example\.org/bit/1"):
        bit.load("http://example.org/bit/1")


def test_name_at_tf_hub_stands_for_the_preset(monkeypatch):
    monkeypatch.setattr(loading, "_fetched", lambda preset: Path(preset.file))
    assert weights_path("google/bit/m-r50x1/1") == Path("BiT-M-R50x1.npz")
