"""The few-shot probe, against the normal equations solved here by NumPy."""

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.data.opening import open_data
from bit_keras.data.pictures import decode_picture
from bit_keras.data.preprocessing import preprocess_eval

OPTIONS = {"image_size": 32, "repeats": 2}


def by_hand(model, data, count, repeat):
    """Returns the accuracy of the probe, written once more from its description."""
    backbone = bit.load(model, num_classes=0)

    def split(name):
        examples = data.splits[name]
        pairs = [examples.read(np.int64(index)) for index in range(len(examples))]
        pictures = np.stack([preprocess_eval(decode_picture(encoded), crop=32) for encoded, _ in pairs])
        return backbone(pictures).numpy().astype("float64"), np.array([int(label) for _, label in pairs])

    (train, labels), (test, test_labels) = split("train"), split("test")
    rng, classes = np.random.default_rng(repeat), range(len(data.class_names))
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:count] for label in classes])
    mean, deviation = train[chosen].mean(0), train[chosen].std(0) + 1e-5
    x, x_test = (
        np.concatenate([(features - mean) / deviation, np.full((len(features), 1), 100.0)], 1)
        for features in (train[chosen], test)
    )
    y = np.where(labels[chosen][:, None] == np.arange(len(data.class_names)), 1.0, -1.0)
    # N < D: w = X' (X X' + l2)^-1 y
    weights = x.T @ np.linalg.solve(x @ x.T + 1024 * np.eye(len(x)), y)
    return ((x_test @ weights).argmax(1) == test_labels).mean()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("probe") / "backbone.npz"
    bit.save_weights(bit.build("R14x0.5", num_classes=0, seed=0), path)
    return path


def test_accuracies_are_those_of_the_normal_equations(weights):
    name = "formula:4,glyph=1,side=32,pictures=12"
    found = bit.probe(weights, name, examples_per_class=(1, 3), **OPTIONS)
    assert found == {
        count: [pytest.approx(by_hand(weights, open_data(name), count, repeat)) for repeat in range(2)]
        for count in (1, 3)
    }


def test_more_pictures_help_and_the_head_plays_no_part(weights, tmp_path):
    bit.save_weights(bit.load(weights, num_classes=7), tmp_path / "headed.npz")
    found = bit.probe(tmp_path / "headed.npz", "digits", examples_per_class=(1, 25), **OPTIONS)
    assert np.median(found[25]) > np.median(found[1]) > 0.1  # which is chance
    assert found == bit.probe(weights, "digits", examples_per_class=(1, 25), **OPTIONS)


def test_numbers_are_those_that_every_class_has(weights):
    assert list(bit.probe(weights, "formula:3,glyph=1,side=32,pictures=6", **OPTIONS)) == [1, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"examples_per_class": (1, 7)},
            r"Expected at least 7 training pictures of each class\. Received: 6 of 'glyph",
        ),
        ({"examples_per_class": (0,)}, r"Expected `examples_per_class` of at least 1\. Received: 0"),
        ({"repeats": 0}, r"Expected `repeats` of at least 1"),
    ],
)
def test_numbers_that_cannot_be_are_told(options, message, weights):
    with pytest.raises(bit.UserError, match=message):
        bit.probe(weights, "formula:3,glyph=1,side=32,pictures=6", **options)


def test_data_without_test_pictures_are_told(weights, photos):
    (photos / "train").mkdir()
    for label in ("blue", "red"):
        (photos / label).rename(photos / "train" / label)
    with pytest.raises(bit.DataError, match=r"Expected training and test pictures in .*Received: \['train'"):
        bit.probe(weights, photos, **OPTIONS)
