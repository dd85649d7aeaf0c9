"""The fingerprint tells another data set from the same one in another place."""

import pytest
from PIL import Image

from bit_keras.data.opening import open_data
from tests.data.making import noise, save


@pytest.fixture
def fingerprint(photos):
    return open_data(photos).fingerprint


def test_it_is_the_same_when_nothing_changed(photos, fingerprint):
    assert open_data(photos).fingerprint == fingerprint


def test_it_is_the_same_when_the_folder_moved(photos, fingerprint):
    assert open_data(photos.rename(photos.with_name("elsewhere"))).fingerprint == fingerprint


def test_it_changes_with_a_new_picture(photos, fingerprint):
    save(photos / "red" / "new.png", noise(24, 20))
    assert open_data(photos).fingerprint != fingerprint


def test_it_changes_when_a_picture_changes_its_class(photos, fingerprint):
    (photos / "red" / "0.png").rename(photos / "blue" / "new.png")
    assert open_data(photos).fingerprint != fingerprint


def test_it_changes_when_a_class_is_renamed(photos, fingerprint):
    (photos / "red").rename(photos / "rot")
    assert open_data(photos).fingerprint != fingerprint


def test_it_changes_with_the_split(photos, fingerprint):
    assert len({open_data(photos, seed=seed).fingerprint for seed in range(4)} | {fingerprint}) > 1


def test_it_changes_when_a_picture_breaks(photos, fingerprint):
    (photos / "red" / "0.png").write_bytes(b"broken")
    assert open_data(photos).fingerprint != fingerprint


def test_it_changes_when_a_picture_has_other_pixels_in_as_many_bytes(photos):
    path = photos / "red" / "0.png"
    bitmap = path.with_suffix(".bmp")
    Image.open(path).save(bitmap)
    path.unlink()
    before, size = open_data(photos).fingerprint, bitmap.stat().st_size
    Image.new("RGB", (20, 24)).save(bitmap)
    assert bitmap.stat().st_size == size
    assert open_data(photos).fingerprint != before
