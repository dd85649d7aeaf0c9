"""Broken or hostile EXIF data never keeps a good picture from being read."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bit_keras.data.orientation import exif_orientation
from bit_keras.data.pictures import decode_picture
from tests.data.making import encoded, jpeg_with_exif, noise, png_with_exif, smooth, tiff_block

JPEG = encoded(smooth(16, 24), "jpeg")
PNG = encoded(noise(4, 6), "png")
BLOCK = tiff_block(6)
hundred = settings(max_examples=100, deadline=None, derandomize=True)
orientation_of = tf.function(exif_orientation, input_signature=[tf.TensorSpec([], tf.string)])


def changed(data, changes):
    """Returns `data` with single bytes replaced."""
    new = bytearray(data)
    for place, value in changes:
        new[place % len(new)] = value
    return bytes(new)


changes = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6)


@hundred
@given(st.binary(max_size=200))
@example(b"")
@example(b"MM")
@example(b"MM\0\x2a" + b"\xff" * 4)
@example(b"II\x2a\0" + b"\xff" * 8)
@example(b"MM\0\x2a\0\0\0\x08\xff\xff")
def test_a_jpeg_with_any_bytes_as_exif_is_decoded(block):
    assert sorted(decode_picture(jpeg_with_exif(JPEG, block)).shape) == [3, 16, 24]


@hundred
@given(st.binary(max_size=200))
@example(b"")
@example(b"II\x2a\0" + b"\x7f" * 4)
def test_a_png_with_any_bytes_as_exif_is_decoded(block):
    assert sorted(decode_picture(png_with_exif(PNG, block)).shape) == [3, 4, 6]


@hundred
@given(changes)
def test_the_orientation_of_a_changed_block_stays_between_one_and_eight(changes):
    data = png_with_exif(PNG, changed(BLOCK, changes))
    assert 1 <= orientation_of(data) <= 8


@hundred
@given(st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b""]), st.binary(max_size=300))
def test_the_orientation_of_any_bytes_stays_between_one_and_eight(start, rest):
    assert 1 <= orientation_of(start + rest) <= 8


@hundred
@given(st.sampled_from([JPEG, PNG]), changes, st.integers(0, 2000))
def test_changed_and_cut_files_are_decoded_or_refused_as_invalid(data, changes, length):
    try:
        picture = decode_picture(changed(data, changes)[:length])
    except tf.errors.InvalidArgumentError:
        return
    assert picture.dtype == tf.uint8 and picture.shape[-1] == 3


@pytest.mark.parametrize("length", [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF4, 0xFFFF_FFFF])
def test_a_png_chunk_that_lies_about_its_length_ends_the_walk(length):
    data = PNG[:33] + length.to_bytes(4, "big") + b"tEXt" + b"x" * 40
    assert orientation_of(data) == 1


@pytest.mark.parametrize("length", [0, 1, 2, 0xFFFF])
def test_a_jpeg_segment_that_lies_about_its_length_ends_the_walk(length):
    assert orientation_of(JPEG[:2] + b"\xff\xe2" + length.to_bytes(2, "big") + b"\xff" * 40) == 1


def test_a_directory_that_claims_more_entries_than_there_are_is_read_as_far_as_it_goes():
    block = BLOCK[:8] + b"\xff\xff" + BLOCK[10:]
    np.testing.assert_equal(int(orientation_of(png_with_exif(PNG, block))), 6)
