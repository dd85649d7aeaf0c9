"""The bundled digits are scikit-learn's, pixel by pixel."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from bit_keras.data.digits import write_digits
from bit_keras.data.opening import open_data
from bit_keras.data.pictures import decode_picture


@pytest.fixture(scope="module")
def digits():
    return open_data("digits", seed=0)


def pictures_and_labels(examples):
    pairs = [examples.read(tf.constant(index, tf.int64)) for index in range(len(examples))]
    return [decode_picture(encoded).numpy() for encoded, _ in pairs], [int(label) for _, label in pairs]


def key(pixels, label):
    return pixels.tobytes(), label


def test_all_splits_together_are_the_data_set_of_scikit_learn(digits):
    source = load_digits()
    expected = np.round(source.images * 255 / 16).astype(np.uint8)
    found = Counter()
    for examples in digits.splits.values():
        for picture, label in zip(*pictures_and_labels(examples), strict=True):
            assert (picture == picture[..., :1]).all()
            found[key(picture[..., 0], label)] += 1
    assert found == Counter(key(*pair) for pair in zip(expected, source.target.tolist(), strict=True))
    assert found.total() == 1797


def test_a_tenth_of_each_digit_is_in_validation_and_in_test(digits):
    total = Counter(load_digits().target.tolist())
    for split in ("validation", "test"):
        _, labels = pictures_and_labels(digits.splits[split])
        assert Counter(labels) == {digit: round(count / 10) for digit, count in total.items()}


def test_the_classes_are_the_ten_digits_and_the_size_is_eight(digits):
    assert digits.class_names == tuple("0123456789")
    assert digits.image_size == (8, 8)


def test_the_seed_decides_the_split(digits):
    assert open_data("digits", seed=0).fingerprint == digits.fingerprint != open_data("digits", seed=1).fingerprint
    first, _ = pictures_and_labels(digits.splits["test"])
    other, _ = pictures_and_labels(open_data("digits", seed=1).splits["test"])
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_digits("digits")
    assert len(open_data("digits").table) == 1797


def test_written_digits_have_the_folder_of_their_label(tmp_path):
    write_digits(tmp_path)
    source = load_digits()
    assert sorted(path.parent.name for path in tmp_path.rglob("*.png")) == sorted(map(str, source.target))
    decoded = decode_picture((tmp_path / str(source.target[42]) / "0042.png").read_bytes())
    np.testing.assert_array_equal(decoded[..., 0], np.round(source.images[42] * 255 / 16))
