"""Large JPEGs at a half, a quarter or an eighth: as libjpeg makes them for Pillow too, and never too small."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from bit_keras.data.batches import training_batches
from bit_keras.data.inception import decode_inception_crop
from bit_keras.data.pictures import decode_picture
from bit_keras.data.scaled_decoding import decode_scaled
from tests.data.making import encoded, exif, in_memory, noise, smooth

SEEDS = tf.constant([[3, 1], [3, 2]])


def jpeg(height, width, **options):
    return encoded(smooth(height, width), "jpeg", quality=95, **options)


# A half of odd sides is rounded up.
@pytest.mark.parametrize("side, size", [
    (201, (200, 301)), (101, (200, 301)), (100, (100, 151)), (51, (100, 151)), (50, (50, 76)), (25, (25, 38)),
    (3, (25, 38)),
])  # fmt: skip
def test_no_side_falls_under_the_one_asked_for_and_none_is_twice_as_large_without_need(side, size):
    assert decode_scaled(tf.constant(jpeg(200, 301)), side).shape == (*size, 3)


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_pixels_are_those_of_pillows_scaled_decoding(ratio):
    data = jpeg(240, 320)
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("RGB", (320 // ratio, 240 // ratio))
        expected = np.asarray(picture)
    found = decode_scaled(tf.constant(data), 240 // ratio).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected.astype(int), atol=3)


@pytest.mark.parametrize("data", [encoded(noise(60, 80), "png"), jpeg(39, 50)])
def test_other_formats_and_small_jpegs_are_as_they_were(data):
    np.testing.assert_array_equal(decode_scaled(tf.constant(data), 20), decode_picture(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_jpegs_stand_upright(orientation):
    data = jpeg(160, 240, exif=exif(orientation))
    found = decode_scaled(tf.constant(data), 80).numpy()
    whole = decode_picture(data).numpy().astype(float)
    expected = whole.reshape(whole.shape[0] // 2, 2, whole.shape[1] // 2, 2, 3).mean((1, 3))
    np.testing.assert_allclose(found, expected, atol=4)


@pytest.mark.parametrize("is_scaled", [False, True])
def test_training_pictures_are_scaled_if_the_rule_says_so(is_scaled):
    picture = np.stack([noise(64, 64)[..., 0]] * 3, -1)  # of pixels on their own, whose means are grey
    examples = in_memory([picture] * 2, [0, 1], form="jpeg", quality=95)
    sizes = {"batch_size": 2, "resize": 8, "crop": 8}
    rule = SimpleNamespace(**sizes, flip=False, mixup_alpha=0.0, scaled_decoding=is_scaled)
    images, _ = next(iter(training_batches(examples, rule, num_classes=2, seed=0)))
    assert (images.numpy().std() < 0.2) == is_scaled  # of 64 pixels each, 0.07; of 4, 0.3


@pytest.mark.parametrize("orientation", [1, 6])  # those that are turned are not scaled
def test_parts_of_large_jpegs_are_scaled_where_they_lie(orientation):
    rows, columns = np.meshgrid(np.linspace(0, 255, 640), np.linspace(0, 255, 800), indexing="ij")  # red, green
    picture = np.stack([rows, columns, np.zeros_like(rows)], -1).astype("uint8")
    data = tf.constant(encoded(picture, "jpeg", quality=95, subsampling=0, exif=exif(orientation)))
    plain, scaled = (
        decode_inception_crop(data, SEEDS, crop=32, min_area=0.2, flip=False, scale=scale).numpy()
        for scale in (False, True)
    )
    assert (np.abs(plain - scaled).max() > 0) == (orientation == 1)
    np.testing.assert_allclose(scaled, plain, atol=4 / 127.5)  # 4 of 255 are 10 rows or 13 columns


def test_parts_that_are_small_are_decoded_as_they_are():
    data = tf.constant(jpeg(60, 62))
    plain, scaled = (
        decode_inception_crop(data, SEEDS, crop=32, min_area=0.5, flip=True, scale=scale) for scale in (False, True)
    )
    np.testing.assert_array_equal(scaled, plain)
