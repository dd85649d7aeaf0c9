"""Every kind of picture becomes the same RGB that Pillow makes of it."""

import io

import numpy as np
import pytest
from PIL import Image

from bit_keras.data.pictures import as_decodable, decode_picture
from tests.data.making import encoded, noise, smooth

GREY = noise(6, 9)[..., 0]


def by_pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def in_three_channels(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
@pytest.mark.parametrize("form", ["png", "gif", "bmp", "tiff"])
def test_pictures_of_each_mode_become_what_pillow_makes_of_them(form, mode):
    data = encoded(Image.fromarray(noise(6, 9)).convert(mode), form)
    np.testing.assert_array_equal(decode_picture(as_decodable(data)), by_pillow(data))


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_an_alpha_channel_is_dropped_and_not_blended(form):
    picture = noise(6, 9)
    data = encoded(np.dstack([picture, GREY]), form)
    np.testing.assert_array_equal(decode_picture(as_decodable(data)), picture)


def test_a_transparent_colour_of_a_palette_keeps_its_colour():
    image = Image.fromarray(noise(6, 9)).convert("P")
    data = encoded(image, "png", transparency=0)
    np.testing.assert_array_equal(decode_picture(data), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_sixteen_bits_become_eight(form):
    data = encoded(GREY.astype(np.uint16) * 257, form)  # 257 takes 255 to 65535
    np.testing.assert_array_equal(decode_picture(as_decodable(data)), in_three_channels(GREY))


def test_a_cmyk_jpeg_keeps_its_colours():
    picture = smooth(40, 56)
    data = encoded(Image.fromarray(picture).convert("CMYK"), "jpeg", quality=95)
    np.testing.assert_allclose(decode_picture(data).numpy().astype(int), picture, atol=12)


def test_a_grey_jpeg_becomes_three_equal_channels():
    grey = smooth(40, 56)[..., 0]
    picture = decode_picture(encoded(grey, "jpeg", quality=95)).numpy().astype(int)
    np.testing.assert_allclose(picture, in_three_channels(grey), atol=12)


@pytest.mark.parametrize("form", ["gif", "webp", "tiff", "png"])
def test_of_an_animation_the_first_frame_is_taken(form):
    frames = [Image.new("RGB", (6, 4), (value,) * 3) for value in (10, 100, 200)]
    options = {"lossless": True} if form == "webp" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decode_picture(as_decodable(data)), np.full((4, 6, 3), 10))


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "bmp"])
def test_what_tensorflow_reads_stays_as_it_is(form):
    data = encoded(noise(6, 9), form)
    assert as_decodable(data) is data


@pytest.mark.parametrize(("form", "options"), [("webp", {"lossless": True}), ("tiff", {})])
def test_what_only_pillow_reads_keeps_every_pixel(form, options):
    picture = noise(6, 9)
    data = as_decodable(encoded(picture, form, **options))
    np.testing.assert_array_equal(decode_picture(data), picture)
