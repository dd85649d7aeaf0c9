"""Training cuts and mirrors at random, evaluation only resizes."""

import numpy as np
import pytest
import tensorflow as tf

from bit_keras.data.preprocessing import FEW_PIXELS, augmented, preprocess_eval, resized
from tests.data.making import noise

# Under a float32 random number's largest value; an offset must not reach one place too far.
ALMOST_ONE = np.nextafter(np.float32(1), np.float32(0))


def scaled(pixels):
    return np.asarray(pixels, np.float32) / 127.5 - 1


def train(picture, row=0.0, column=0.0, mirror=0.9, *, resize=12, crop=8, flip=True):
    randomness = np.array([row, column, mirror], np.float32)
    return augmented(resized(picture, resize), randomness, crop=crop, flip=flip).numpy()


@pytest.mark.parametrize(
    ("row", "column", "top", "left"),
    [(0.0, 0.0, 0, 0), (0.3, 0.7, 1, 3), (0.2, 0.19, 1, 0), (0.99, 0.5, 4, 2), (ALMOST_ONE, ALMOST_ONE, 4, 4)],
)
def test_the_crop_is_a_window_of_the_picture_at_one_of_five_offsets_each_way(row, column, top, left):
    picture = noise(12, 12)  # of the size it is resized to, so that resizing changes nothing
    expected = scaled(picture[top : top + 8, left : left + 8])
    np.testing.assert_allclose(train(picture, row, column), expected, atol=1e-6)


@pytest.mark.parametrize(("mirror", "is_mirrored"), [(0.0, True), (0.49, True), (0.5, False), (0.99, False)])
def test_the_crop_is_mirrored_left_to_right_below_a_half(mirror, is_mirrored):
    picture = noise(12, 12)
    window = picture[1:9, 3:11]
    expected = scaled(window[:, ::-1] if is_mirrored else window)
    np.testing.assert_allclose(train(picture, 0.3, 0.7, mirror), expected, atol=1e-6)


@pytest.mark.parametrize("mirror", [0.0, 0.49, 0.99])
def test_without_flip_nothing_is_mirrored(mirror):
    picture = noise(12, 12)
    np.testing.assert_allclose(train(picture, mirror=mirror, flip=False), scaled(picture[:8, :8]), atol=1e-6)


@pytest.mark.parametrize(("resize", "crop"), [(160, 128), (448, 384), (512, 480), (40, 32), (8, 8)])
def test_the_last_offset_of_every_size_is_inside_the_picture(resize, crop):
    image = train(np.zeros((9, 5, 3), np.uint8), ALMOST_ONE, ALMOST_ONE, resize=resize, crop=crop)
    assert image.shape == (crop, crop, 3)


def test_training_pictures_are_resized_to_a_square_whatever_their_proportions():
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[2:] = 255  # the lower half is white
    image = train(picture, resize=16, crop=16)
    assert image.shape == (16, 16, 3)
    np.testing.assert_allclose(image[:6], -1)
    np.testing.assert_allclose(image[-6:], 1)


def test_black_is_minus_one_and_white_is_one():
    for value, expected in ((0, -1.0), (255, 1.0), (51, -0.6)):
        picture = np.full((12, 12, 3), value, np.uint8)
        np.testing.assert_allclose(train(picture), expected, atol=1e-6)
        np.testing.assert_allclose(preprocess_eval(picture, crop=8), expected, atol=1e-6)


def test_images_are_float32_within_minus_one_and_one():
    for image in (train(noise(30, 20)), preprocess_eval(noise(30, 20), crop=8).numpy()):
        assert image.dtype == np.float32 and image.shape == (8, 8, 3)
        assert -1 <= image.min() < image.max() <= 1


def test_evaluation_enlarges_by_bilinear_weights_of_a_quarter_and_three():
    picture = noise(2, 2).astype(np.float64)
    # Pixel centres of the doubled picture lie a quarter before and after those of the old one; the border repeats.
    weights = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    expected = np.einsum("ia,jb,abc->ijc", weights, weights, picture)
    np.testing.assert_allclose(preprocess_eval(picture.astype(np.uint8), crop=4), scaled(expected), atol=1e-6)


def test_evaluation_shrinks_without_antialias():
    picture = noise(8, 8).astype(np.float64)
    # The two new centres lie between pixels 1 and 2, and between 5 and 6; the others have no say.
    weights = np.zeros((2, 8))
    weights[0, 1:3] = weights[1, 5:7] = 0.5
    expected = np.einsum("ia,jb,abc->ijc", weights, weights, picture)
    np.testing.assert_allclose(preprocess_eval(picture.astype(np.uint8), crop=2), scaled(expected), atol=1e-6)


def test_evaluation_of_a_picture_of_the_right_size_only_scales():
    picture = noise(8, 8)
    np.testing.assert_allclose(preprocess_eval(picture, crop=8), scaled(picture), atol=1e-6)


@pytest.mark.parametrize("side", [FEW_PIXELS - 1, FEW_PIXELS, FEW_PIXELS + 1])
def test_bytes_are_resized_to_the_same_floats_whether_they_are_made_floats_first_or_not(side):
    picture = noise(375, 500)
    expected = tf.image.resize(picture.astype(np.float32), (side, side))
    np.testing.assert_array_equal(resized(picture, side), expected)
