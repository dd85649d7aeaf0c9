"""The upstream pictures: which part is cut out, and that decoding only that part changes nothing."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from bit_keras.data.inception import decode_inception_crop, preprocess_central
from bit_keras.data.pictures import decode_picture
from tests.data.making import encoded, exif, noise, smooth


def cut(data, seed, **options):
    settings = {"crop": 16, "min_area": 0.05, "flip": False} | options
    return decode_inception_crop(tf.constant(data), tf.constant([[seed, 1], [seed, 2]]), **settings).numpy()


def coordinates(height, width):
    """A picture whose red is the row and whose green is the column."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns, np.zeros_like(rows)], -1).astype("uint8")


def box(data, seed, **options):
    """Returns top, left, bottom and right of what was cut out of `coordinates`, in pixels, to the half."""
    found = cut(data, seed, crop=240, **options) * 127.5 + 127.5
    return found[..., 0].min(), found[..., 1].min(), found[..., 0].max() + 1, found[..., 1].max() + 1


def test_parts_have_the_areas_and_proportions_that_were_asked_for():
    data = encoded(coordinates(200, 220), "png")
    boxes = np.array([box(data, seed, min_area=0.3) for seed in range(60)])
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas, aspects = heights * widths / (200 * 220), widths / heights
    assert areas.min() > 0.28 and areas.max() < 1.01
    assert areas.min() < 0.4 and areas.max() > 0.8  # the whole range is drawn from
    assert aspects.min() > 0.73 and aspects.max() < 1.36
    assert boxes[:, 0].std() > 10 and boxes[:, 1].std() > 10


def test_the_whole_picture_is_resized_bilinearly_without_antialias():
    picture = noise(32, 32)
    # Of one to one proportions, an area of all leaves one part; the range of proportions may trim it by a pixel.
    found = [cut(encoded(picture, "png"), seed, min_area=1.0) for seed in range(20)]
    expected = tf.image.resize(picture.astype("float32"), (16, 16)).numpy() / 127.5 - 1
    assert min(np.abs(one - expected).max() for one in found) < 1e-5


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_decoded_in_part_is_the_part_of_the_jpeg_decoded_whole(subsampling):
    data = encoded(smooth(150, 201), "jpeg", quality=95, subsampling=subsampling)
    whole = encoded(decode_picture(data).numpy(), "png")
    for seed in range(8):
        np.testing.assert_allclose(cut(data, seed), cut(whole, seed), atol=3 / 127.5)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_turned_jpeg_is_cut_as_it_stands(orientation):
    data = encoded(smooth(60, 90), "jpeg", quality=95, exif=exif(orientation))
    whole = encoded(decode_picture(data).numpy(), "png")
    np.testing.assert_array_equal(cut(data, 5), cut(whole, 5))


def test_grey_jpeg_becomes_three_equal_channels():
    found = cut(encoded(Image.fromarray(smooth(40, 50)).convert("L"), "jpeg"), 1)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_half_of_the_pictures_are_mirrored():
    data = encoded(coordinates(64, 64), "png")
    found = [cut(data, seed, min_area=0.9, flip=True) for seed in range(200)]
    mirrored = [picture[8, 0, 1] > picture[8, -1, 1] for picture in found]
    assert 75 < sum(mirrored) < 125  # of a binomial with p = 1/2 that is 3.5 standard deviations


def test_same_seed_gives_the_same_part():
    data = encoded(noise(50, 50), "png")
    np.testing.assert_array_equal(cut(data, 3), cut(data, 3))
    assert np.abs(cut(data, 3) - cut(data, 4)).max() > 0.1


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (20, 20)])
def test_evaluation_takes_the_middle_of_the_picture(height, width):
    # Shorter side to 20: a 40 x 60 picture is halved by areas, exactly; its middle 16 of 20 x 30 follow.
    picture = noise(height, width)
    factor = min(height, width) // 20
    small = picture.reshape(height // factor, factor, width // factor, factor, 3).mean((1, 3))
    row, column = (small.shape[0] - 16) // 2, (small.shape[1] - 16) // 2
    expected = small[row : row + 16, column : column + 16] / 127.5 - 1
    np.testing.assert_allclose(preprocess_central(picture, resize=20, crop=16).numpy(), expected, atol=1e-5)
