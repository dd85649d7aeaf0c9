"""transformers and this package are one network on one file."""

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.weights.converting import convert

pytestmark = pytest.mark.slow
PICTURES = np.random.default_rng(0).uniform(-1, 1, (2, 96, 80, 3)).astype("float32")


@pytest.fixture(scope="module")
def folder(r50x1_file, tmp_path_factory):
    """The seeded R50x1 as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("hf")
    bit.save_weights(bit.load(r50x1_file), folder / "model.safetensors")
    return folder


def their_logits(model):
    import torch  # here, so that the fast tests are collected without it

    with torch.no_grad():
        return model.eval()(torch.tensor(PICTURES.transpose(0, 3, 1, 2))).logits.numpy()


def test_transformers_gives_our_logits_on_our_file(folder):
    import transformers

    theirs = their_logits(transformers.BitForImageClassification.from_pretrained(folder))
    np.testing.assert_allclose(theirs, bit.load(folder)(PICTURES), atol=1e-4)


def test_we_give_the_logits_of_transformers_on_its_file(folder, tmp_path):
    import transformers

    model = transformers.BitForImageClassification.from_pretrained(folder)
    model.save_pretrained(tmp_path, max_shard_size="50MB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    np.testing.assert_allclose(bit.load(tmp_path)(PICTURES), their_logits(model), atol=1e-4)


def test_logits_stay_the_same_through_a_chain_of_formats(folder, tmp_path):
    convert(folder, tmp_path / "first.keras")
    convert(tmp_path / "first.keras", tmp_path / "second.npz")
    bit.export(tmp_path / "second.npz", tmp_path / "third", image_size=96)
    convert(tmp_path / "third", tmp_path / "fourth" / "model.safetensors")
    logits = bit.load(tmp_path / "fourth")(PICTURES)
    np.testing.assert_allclose(logits, bit.load(folder)(PICTURES), atol=1e-5)
