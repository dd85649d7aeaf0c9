"""The signature for encoded pictures answers with names and scores, as `predict` does."""

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.data.making import encoded, exif, noise, smooth
from tests.exporting.conftest import NAMES

FILES = [
    encoded(smooth(60, 40), "jpeg"),
    encoded(noise(30, 50), "png"),
    encoded(smooth(40, 70), "jpeg", exif=exif(6)),
    encoded(noise(20, 20), "bmp"),
    encoded(noise(48, 48), "gif"),
]


@pytest.fixture(scope="module")
def answers(loaded):
    return loaded.signatures["serving_default"](image_bytes=tf.constant(FILES))


def test_names_and_scores_are_those_of_predict(small_model, answers):
    predictions = bit.predict(small_model, FILES, labels=NAMES, image_size=48, top=3)
    names = [[name.decode() for name in row] for row in answers["class_names"].numpy()]
    assert names == [list(prediction.class_names) for prediction in predictions]
    np.testing.assert_allclose(answers["scores"], [prediction.scores for prediction in predictions], atol=1e-5)


def test_scores_descend_and_sum_to_one(answers):
    scores = answers["scores"].numpy()
    assert (np.diff(scores, axis=-1) <= 0).all()
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-6)


def test_a_sideways_photo_is_answered_as_the_upright_one(loaded):
    upright = noise(48, 48)
    files = [encoded(upright, "png"), encoded(np.rot90(upright), "png", exif=exif(6))]
    scores = loaded.signatures["serving_default"](image_bytes=tf.constant(files))["scores"].numpy()
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_each_picture_is_answered_alone_as_in_a_batch(loaded, answers):
    for index, file in enumerate(FILES):
        alone = loaded.signatures["serving_default"](image_bytes=tf.constant([file]))
        np.testing.assert_allclose(alone["scores"][0], answers["scores"][index], atol=1e-6)


def test_the_features_signature_gives_what_comes_before_the_head(small_model, loaded, images):
    pixels = images(2, 40, 40)
    features = loaded.signatures["features"](images=pixels)["features"]
    kernel, bias = small_model.get_layer("head-conv2d").get_weights()
    assert features.shape == (2, 1024)
    np.testing.assert_allclose(features @ kernel + bias, loaded(pixels), atol=1e-5)


def test_a_headless_model_answers_encoded_pictures_with_features(headless, loaded_headless):
    picture = noise(48, 48)
    answer = loaded_headless.signatures["serving_default"](image_bytes=tf.constant([encoded(picture, "png")]))
    assert answer.keys() == {"features"}
    np.testing.assert_allclose(answer["features"], headless(picture[None] / np.float32(127.5) - 1), atol=1e-5)


def test_bytes_that_are_no_picture_are_refused(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["serving_default"](image_bytes=tf.constant([FILES[0], b"no picture"]))
