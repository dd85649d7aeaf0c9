"""Damaged files are told from good ones, in words."""

import struct
import zlib

import pytest

from bit_keras.data.checking import LISTED, check_pictures, describe
from bit_keras.data.pictures import PictureError, read_picture
from tests.data.making import encoded, noise, save


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "bmp", "tiff"])
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_truncated_file_is_called_truncated_with_its_format(form, share):
    data = encoded(noise(64, 64), form)
    with pytest.raises(PictureError, match=rf"{form.upper()} is truncated or damaged"):
        read_picture(data[: int(len(data) * share)])


@pytest.mark.parametrize("form", ["jpeg", "png", "bmp"])
def test_a_file_that_lacks_its_last_byte_is_refused(form):
    with pytest.raises(PictureError, match="truncated or damaged"):
        read_picture(encoded(noise(64, 64), form)[:-1])


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "bmp", "webp", "tiff"])
def test_a_file_of_a_few_bytes_is_no_picture(form):
    with pytest.raises(PictureError, match="no picture, or its beginning is damaged"):
        read_picture(encoded(noise(6, 9), form)[:10])


@pytest.mark.parametrize("data", [b"My holidays, part one", bytes(1000), b"%PDF-1.7\n", b"<svg></svg>"])
def test_another_file_is_no_picture(data):
    with pytest.raises(PictureError, match="no picture"):
        read_picture(data)


def test_an_empty_file_is_called_empty():
    with pytest.raises(PictureError, match="empty"):
        read_picture(b"")


def test_a_damaged_byte_in_a_png_is_found_by_its_checksum():
    data = bytearray(encoded(noise(64, 64), "png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PictureError, match="PNG is truncated or damaged"):
        read_picture(bytes(data))


def test_a_png_header_that_claims_a_huge_picture_is_refused():
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(PictureError):
        read_picture(png)


@pytest.mark.parametrize(("entry", "kind"), [(5, 1), (5, 2), (9, 12)])  # StripOffsets, PlanarConfiguration
def test_a_tiff_whose_directory_has_a_wrong_type_stops_nobody_from_checking_the_others(tmp_path, entry, kind):
    tiff = bytearray(encoded(noise(6, 9), "tiff"))
    place = struct.unpack("<I", tiff[4:8])[0] + 2 + 12 * entry
    tiff[place + 2 : place + 4] = struct.pack("<H", kind)  # a BYTE, ASCII or DOUBLE
    (tmp_path / "damaged.tif").write_bytes(tiff)
    good = save(tmp_path / "good.png", noise(6, 9))
    sizes, _ = check_pictures([str(tmp_path / "damaged.tif"), str(good)])
    assert sizes[str(good)].size == (6, 9)


def test_checking_tells_upright_sizes_and_what_is_wrong(tmp_path):
    good = save(tmp_path / "good.png", noise(6, 9))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture at all")
    sizes, problems = check_pictures([str(good), str(bad), str(tmp_path / "lost.png")])
    assert {path: checked.size for path, checked in sizes.items()} == {str(good): (6, 9)}
    assert "no picture" in problems[str(bad)]
    assert "No such file" in problems[str(tmp_path / "lost.png")]


def test_a_long_list_of_broken_pictures_is_counted_and_cut():
    text = describe({f"{number}.png": "it is empty" for number in range(LISTED + 5)})
    assert text.startswith(f"{LISTED + 5} pictures cannot be read: 0.png: it is empty;")
    assert f"{LISTED - 1}.png" in text and f"{LISTED}.png" not in text and "and 5 more" in text
