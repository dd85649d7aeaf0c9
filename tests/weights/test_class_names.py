"""Outputs of the published heads get the names that are fetched, or put into the cache by hand."""

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.weights.fetching.cache import cache_folder


@pytest.fixture
def names():
    """Files as they are published, with made-up names, in the cache."""
    cache_folder().mkdir(parents=True)
    for name, count in (("ilsvrc2012", 1000), ("imagenet21k", 21843)):
        ids = "".join(f"n{number:08d}\n" for number in range(count))
        words = "".join(f"thing {number}, {name}\n" for number in range(count))
        (cache_folder() / f"{name}_wordnet_ids.txt").write_text(ids)
        (cache_folder() / f"{name}_wordnet_lemmas.txt").write_text(words)


@pytest.mark.parametrize(("count", "name"), [(1000, "ilsvrc2012"), (21843, "imagenet21k")])
def test_likeliest_classes_come_first_with_id_and_words(names, count, name):
    predictions = np.zeros((2, count), "float32")
    predictions[0, [7, 3]] = 0.75, 0.25
    predictions[1, count - 1] = 1
    decoded = bit.decode_predictions(predictions, top=2)
    assert decoded[0] == [("n00000007", f"thing 7, {name}", 0.75), ("n00000003", f"thing 3, {name}", 0.25)]
    assert decoded[1][0] == (f"n{count - 1:08d}", f"thing {count - 1}, {name}", 1.0)


@pytest.mark.parametrize("shape", [(1000,), (2, 10), (2, 21841)])
def test_predictions_of_other_heads_are_refused(names, shape):
    with pytest.raises(bit.UserError, match=r"shape \(batch, 1000\) or \(batch, 21843\)\. Received"):
        bit.decode_predictions(np.zeros(shape))


def test_names_that_are_too_few_are_refused(names):
    (cache_folder() / "ilsvrc2012_wordnet_ids.txt").write_text("n00000000\n")
    with pytest.raises(bit.WeightsError, match=r"Expected 1000 lines in .*ids\.txt\. Received: 1\. Remove it"):
        bit.decode_predictions(np.zeros((1, 1000)))


def test_without_a_network_it_is_told_which_file_to_put_where(monkeypatch):
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(bit.WeightsError, match=f"put that file at {cache_folder()}/ilsvrc2012_wordnet_ids.txt"):
        bit.decode_predictions(np.zeros((1, 1000)))
