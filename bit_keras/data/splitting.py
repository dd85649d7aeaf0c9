"""Which example is for training, which for validation, which for the test."""

import numpy as np

SHARE = 0.1  # of each held-out split


def stratified_split(labels, seed, held_out=("test", "validation")):
    """Returns the split of each of `labels`, as an array of names: a tenth of each class in each of `held_out`.

    Rounded, at least one; but the last example of a class stays in "train". The same for the same seed and labels.
    """
    labels = np.asarray(labels)
    split = np.full(len(labels), "train", dtype=object)
    for index, label in enumerate(np.unique(labels)):
        members = np.random.default_rng((seed, index)).permutation(np.flatnonzero(labels == label))
        count = max(1, round(SHARE * len(members)))
        for name in held_out:
            if len(members) > count:
                split[members[:count]] = name
                members = members[count:]
    return split
