"""What the outputs of the published heads are called."""

import numpy as np

from bit_keras.errors import UserError, WeightsError
from bit_keras.weights.fetching.cache import fetched

# Files `NAME_wordnet_ids.txt` and `NAME_wordnet_lemmas.txt` beside the weights, a line for each output, in their order
# (google-research/big_transfer, README).
SETS = {1000: "ilsvrc2012", 21843: "imagenet21k"}


def decode_predictions(predictions, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Returns the likeliest classes of each picture, likeliest first, in the manner of `keras.applications`.

    The names are fetched once into the cache.

    Args:
        predictions: (batch, 1000) of an ILSVRC-2012 head or (batch, 21843) of an ImageNet-21k head: logits or scores.
        top: how many classes to name.

    Returns:
        For each picture `top` tuples (WordNet id, words, the number that was given).

    Raises:
        UserError: for another number of classes.
        WeightsError: if the names cannot be fetched; it says which file to put where.
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 2 or predictions.shape[1] not in SETS:
        raise UserError(
            f"Expected predictions of shape (batch, 1000) or (batch, 21843). Received: {predictions.shape}."
        )
    names = class_names(predictions.shape[1])
    best = np.argsort(-predictions, axis=1, kind="stable")[:, :top]
    return [[(*names[k], float(row[k])) for k in order] for row, order in zip(predictions, best, strict=True)]


def class_names(num_classes):
    """Returns (WordNet id, words) of each output of the published heads with `num_classes` outputs."""
    ids, words = (_lines(f"{SETS[num_classes]}_wordnet_{kind}.txt", num_classes) for kind in ("ids", "lemmas"))
    return list(zip(ids, words, strict=True))


def _lines(file, count):
    path = fetched(file)
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) != count:
        raise WeightsError(f"Expected {count} lines in {path}. Received: {len(lines)}. Remove it and fetch it again.")
    return lines
