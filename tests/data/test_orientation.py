"""Sideways pictures stand upright, as Pillow turns them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from bit_keras.data.pictures import as_decodable, decode_picture
from tests.data.making import encoded, exif, jpeg_with_exif, noise, png_with_exif, smooth, tiff_block

ORIENTATIONS = range(1, 9)


def upright(data):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_png_is_turned_as_pillow_turns_it(orientation):
    data = encoded(noise(5, 7), "png", exif=exif(orientation))
    np.testing.assert_array_equal(decode_picture(data), upright(data))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_jpeg_is_turned_as_pillow_turns_it(orientation):
    data = encoded(smooth(40, 56), "jpeg", exif=exif(orientation), quality=95)
    # The two libraries' JPEG decoders round differently.
    np.testing.assert_allclose(decode_picture(data).numpy().astype(int), upright(data), atol=12)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("form", ["tiff", "webp"])
def test_a_format_for_pillow_is_turned_as_pillow_turns_it(form, orientation):
    data = encoded(noise(5, 7), form, exif=exif(orientation), **({"lossless": True} if form == "webp" else {}))
    np.testing.assert_array_equal(decode_picture(as_decodable(data)), upright(data))


def test_orientation_six_turns_a_quarter_clockwise():
    picture = np.zeros((1, 2, 3), np.uint8)
    picture[0, 0] = 255
    turned = decode_picture(encoded(picture, "png", exif=exif(6))).numpy()
    np.testing.assert_array_equal(turned[..., 0], [[255], [0]])


@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_both_byte_orders_and_both_number_types_are_read_in_jpeg_and_png(byte_order, kind):
    block = tiff_block(6, byte_order=byte_order, kind=kind)
    jpeg = jpeg_with_exif(encoded(smooth(40, 56), "jpeg"), block)
    png = png_with_exif(encoded(noise(5, 7), "png"), block)
    assert decode_picture(jpeg).shape == upright(jpeg).shape == (56, 40, 3)
    np.testing.assert_array_equal(decode_picture(png), upright(png))


def test_exif_is_found_behind_a_jfif_segment():
    data = jpeg_with_exif(encoded(smooth(40, 56), "jpeg"), tiff_block(8))
    assert data[6:10] == b"JFIF"
    assert decode_picture(data).shape == (56, 40, 3)


def test_exif_is_found_where_cameras_put_it_right_at_the_start():
    data = jpeg_with_exif(encoded(smooth(40, 56), "jpeg"), tiff_block(8), after_jfif=False)
    assert data[6:10] == b"Exif"
    assert decode_picture(data).shape == (56, 40, 3)


def test_exif_is_found_behind_a_segment_of_another_kind():
    jpeg = encoded(smooth(40, 56), "jpeg")
    other = b"\xff\xe1" + (2 + 29 + 300).to_bytes(2, "big") + b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 300
    data = jpeg_with_exif(jpeg[:2] + jpeg[2:20] + other + jpeg[20:], tiff_block(5))
    assert decode_picture(data).shape == (56, 40, 3)


def test_exif_is_found_behind_fill_bytes():
    data = jpeg_with_exif(encoded(smooth(40, 56), "jpeg"), tiff_block(5), after_jfif=False)
    assert decode_picture(data[:2] + b"\xff\xff" + data[2:]).shape == (56, 40, 3)


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_outside_one_to_eight_leaves_the_picture_as_it_is(value):
    picture = noise(5, 7)
    data = png_with_exif(encoded(picture, "png"), tiff_block(value))
    np.testing.assert_array_equal(decode_picture(data), picture)


def test_the_first_directory_alone_counts_and_not_that_of_the_thumbnail():
    block = bytearray(tiff_block(1))
    block[-4:] = len(block).to_bytes(4, "big")  # where the next directory lies
    block += tiff_block(6)[8:]
    picture = noise(5, 7)
    np.testing.assert_array_equal(decode_picture(png_with_exif(encoded(picture, "png"), bytes(block))), picture)
