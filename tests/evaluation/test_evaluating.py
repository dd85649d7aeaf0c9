"""Accuracy and loss are those of NumPy, with every example counted once."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import accuracy_score, log_loss

import bit_keras as bit
from bit_keras.evaluation.evaluating import Evaluator
from tests.data.making import in_memory, write_photos
from tests.evaluation.conftest import NAMES, SIZE


@pytest.fixture
def expected(log_probabilities, pictures):
    """Returns a function from the model's class names to scikit-learn's (accuracy, loss)."""

    def measure(names):
        truth = [names.index(NAMES[label]) for label in pictures[1]]
        predicted = log_probabilities.argmax(axis=-1)
        return accuracy_score(truth, predicted), log_loss(truth, np.exp(log_probabilities), labels=range(len(names)))

    return measure


def evaluated(model, data, **options):
    return bit.evaluate(model, data, **{"labels": NAMES, "image_size": SIZE} | options)


def test_metrics_equal_those_of_scikit_learn(tiny, animals, expected):
    metrics = evaluated(tiny, animals)
    accuracy, loss = expected(NAMES)
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert metrics["loss"] == pytest.approx(loss, abs=1e-5)
    assert metrics["num_examples"] == 12 and metrics["num_skipped"] == 0


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_batch_size_changes_nothing(tiny, animals, expected, batch_size):
    metrics = evaluated(tiny, animals, batch_size=batch_size)
    assert metrics["accuracy"] == pytest.approx(expected(NAMES)[0], abs=1e-6)
    assert metrics["loss"] == pytest.approx(expected(NAMES)[1], abs=1e-6)
    assert metrics["num_examples"] == 12


def test_classes_are_matched_by_name_where_the_model_has_another_order(tiny, animals, expected):
    names = ("cat", "ant", "bee")
    accuracy, loss = expected(names)
    metrics = evaluated(tiny, animals, labels=names)
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert metrics["loss"] == pytest.approx(loss, abs=1e-5)
    assert loss != pytest.approx(expected(NAMES)[1], abs=1e-3)


def test_data_may_have_fewer_classes_than_the_model(tiny, animals, tmp_path, log_probabilities):
    for split in ("train", "test"):
        for name in ("bee", "cat"):
            shutil.copytree(animals / split / name, tmp_path / split / name)
    metrics = evaluated(tiny, tmp_path)
    loss = -np.mean([*log_probabilities[5:9, 1], *log_probabilities[9:, 2]])
    assert metrics["num_examples"] == 7 and metrics["loss"] == pytest.approx(loss, abs=1e-5)


def test_a_class_that_the_model_does_not_know_is_named(tiny, animals):
    with pytest.raises(bit.DataError, match=r"does not know the labels \['ant'\].*It knows 3, such as.*'dog'"):
        evaluated(tiny, animals, labels=("dog", "bee", "cat"))


def test_without_names_the_numbers_of_classes_have_to_agree(tiny, photos, animals, expected):
    with pytest.raises(bit.DataError, match=r"Expected 3 classes.*Received: 2.*labels"):
        evaluated(tiny, photos, labels=None)
    assert evaluated(tiny, animals, labels=None)["loss"] == pytest.approx(expected(NAMES)[1], abs=1e-5)


def test_a_bit_for_pixels_is_measured_as_the_same_bit_for_minus_one_to_one(small_model, animals, pictures):
    model = bit.build("R14x0.5", num_classes=3, include_preprocessing=True)
    model.set_weights(small_model.get_weights())
    logits = small_model.predict(pictures[0] / np.float32(127.5) - 1, verbose=0)
    loss = log_loss(pictures[1], softmax(logits, axis=-1))
    assert evaluated(small_model, animals)["loss"] == pytest.approx(loss, abs=1e-5)
    assert evaluated(model, animals)["loss"] == pytest.approx(loss, abs=1e-5)


def test_of_a_folder_without_splits_all_pictures_are_measured(tiny, tmp_path):
    metrics = evaluated(tiny, write_photos(tmp_path, classes=NAMES, number=4))
    assert metrics["split"] == "all" and metrics["num_examples"] == 12


def test_of_data_with_splits_of_its_own_the_test_pictures_are_measured(tiny, animals):
    metrics = evaluated(tiny, animals)
    assert metrics["split"] == "test" and metrics["num_examples"] == 12


@pytest.mark.parametrize(("split", "count"), [("train", 24), ("validation", 3), ("test", 3), ("all", 30)])
def test_a_split_can_be_chosen(tiny, tmp_path, split, count):
    write_photos(tmp_path, classes=NAMES, number=10)
    assert evaluated(tiny, tmp_path, split=split)["num_examples"] == count


def test_an_unknown_split_and_one_that_the_data_has_not_are_told(tiny, tmp_path):
    for top in ("train", "val"):
        write_photos(tmp_path / top, classes=NAMES, number=2)
    with pytest.raises(bit.UserError, match=r"`split` among.*split='holdout'"):
        evaluated(tiny, tmp_path, split="holdout")
    with pytest.raises(bit.DataError, match=r"no test pictures. Choose a split of it: \['train', 'validation'\]"):
        evaluated(tiny, tmp_path, split="test")


def test_data_without_a_test_split_is_measured_on_its_validation(tiny, tmp_path):
    for top in ("train", "val"):
        write_photos(tmp_path / top, classes=NAMES, number=2)
    assert evaluated(tiny, tmp_path)["split"] == "validation"


def test_a_batch_of_none_is_told(tiny, tmp_path):
    with pytest.raises(bit.UserError, match=r"`batch_size` of at least 1.*batch_size=0"):
        evaluated(tiny, tmp_path, batch_size=0)


def test_broken_pictures_are_counted_and_left_out(tiny, tmp_path):
    for top in ("train", "test"):
        write_photos(tmp_path / top, classes=NAMES, number=2)
    (tmp_path / "test" / "ant" / "0.png").write_bytes(b"broken")
    metrics = evaluated(tiny, tmp_path)
    assert metrics["num_skipped"] == 1 and metrics["num_examples"] == 5
    with pytest.raises(bit.BrokenPicturesError, match=r"0\.png"):
        evaluated(tiny, tmp_path, strict=True)


def test_one_evaluator_sees_new_weights_and_other_sizes(tiny, pictures):
    model = keras.models.clone_model(tiny)
    model.set_weights(tiny.get_weights())
    evaluator = Evaluator(model, tf.distribute.get_strategy())
    options = {"crop": SIZE, "batch_size": 4}
    examples = in_memory(*pictures)
    before = evaluator.measure(examples, **options)["loss"]
    model.get_layer("head-conv2d").kernel.assign(np.zeros((3, 3)))
    assert before != pytest.approx(np.log(3), abs=1e-3)
    assert evaluator.measure(examples, **options)["loss"] == pytest.approx(np.log(3), abs=1e-6)
    assert evaluator.measure(in_memory(pictures[0][:3], [0, 1, 2]), **options)["num_examples"] == 3
