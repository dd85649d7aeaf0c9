"""Folders of weights at Hugging Face and TF-Hub, fetched by these hubs' own libraries."""

import contextlib
import os
import urllib.parse
from pathlib import Path

from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.fetching.cache import cache_folder
from bit_keras.weights.fetching.transfer import LOOPBACK

HUGGING_FACE = "hf://"
# What of a repository is read; the rest, such as the same weights pickled, is not fetched.
FILES = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors", "config.json")


def is_hub_handle(source):
    """Whether `source` is the address of a TF-Hub or Kaggle model; http is for this machine alone."""
    try:
        parts = urllib.parse.urlsplit(source)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def hugging_face_folder(repository):
    """Returns the folder with the safetensors files of a Hugging Face `repository`, such as "timm/resnetv2_50x1_bit".

    It lies in Hugging Face's own cache, and that library's settings (HF_HOME, HF_ENDPOINT, tokens) hold.

    Raises:
        UserError: where huggingface_hub is not installed.
        WeightsError: if there is no such repository, or it cannot be fetched.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise UserError(
            f"{repository} is at Hugging Face, which needs an extra package: pip install huggingface_hub. The presets "
            "that `bit-keras presets` lists need none."
        ) from error
    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(FILES)))
    except Exception as error:  # of that library, and of those below it, which differ from release to release
        raise _not_fetched(f"{repository} from Hugging Face", error) from error
    if not any(folder.glob("model*.safetensors*")):
        raise WeightsError(f"{repository} at Hugging Face has no model.safetensors. Give a repository that has one.")
    return folder


def hub_folder(handle):
    """Returns the SavedModel folder that tensorflow_hub fetches for `handle`, in TFHUB_CACHE_DIR or else our cache.

    Raises:
        WeightsError: if it cannot be fetched.
    """
    import tarfile

    import tensorflow as tf
    import tensorflow_hub as hub

    try:
        with _cache_of_hub():
            return Path(hub.resolve(handle))
    except (OSError, ValueError, EOFError, RuntimeError, tarfile.TarError, tf.errors.OpError) as error:
        raise _not_fetched(handle, error) from error


@contextlib.contextmanager
def _cache_of_hub():
    """Gives tensorflow_hub a lasting place for what it fetches, unless the user has; its own is a temporary one."""
    if "TFHUB_CACHE_DIR" in os.environ:
        yield
        return
    os.environ["TFHUB_CACHE_DIR"] = str(cache_folder() / "tfhub")
    try:
        yield
    finally:
        del os.environ["TFHUB_CACHE_DIR"]


def _not_fetched(what, error):
    reason = str(error).strip().split("\n")[0]
    return WeightsError(f"Could not fetch {what} ({reason}). Give the path of a copy of the weights, or a preset.")
