"""What two files compute, side by side, and what one computed when it was recorded."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_images

import bit_keras as bit
from bit_keras.evaluation.verifying import record
from bit_keras.weights.fetching.cache import cache_folder


@pytest.fixture
def weights(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "small.npz")
    return tmp_path / "small.npz"


def changed(weights, name, change):
    """Returns a copy of the file in which one array is another."""
    with np.load(weights) as file:
        arrays = dict(file)
    arrays[name] = change(arrays[name])
    np.savez(weights.with_name("changed.npz"), **arrays)
    return weights.with_name("changed.npz")


def test_outputs_are_the_logits_of_the_sample_photos_at_224_pixels(weights, small_model):
    photos = tf.stack([tf.image.resize(photo, (224, 224)) for photo in load_sample_images().images]) / 127.5 - 1
    np.testing.assert_allclose(bit.verify(weights, weights).outputs, small_model(photos), rtol=0, atol=1e-5)


@pytest.mark.parametrize("copy", ["copy.npz", "hf/model.safetensors", "copy.keras"])
def test_conversions_compute_the_same(copy, weights, small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / copy)
    assert bit.verify(weights, tmp_path / copy).max_difference < 1e-5


def test_a_bias_that_is_larger_by_a_tenth_is_a_difference_of_a_tenth(weights):
    other = changed(weights, "resnet/head/conv2d/bias", lambda bias: bias + np.float32(0.1))
    assert bit.verify(weights, other).max_difference == pytest.approx(0.1, abs=1e-6)


def test_heads_of_zeros_hide_no_difference_of_the_backbones(tmp_path):
    for seed in (0, 1):
        bit.save_weights(bit.build("R14x0.5", num_classes=3, seed=seed), tmp_path / f"{seed}.npz")
    found = bit.verify(tmp_path / "0.npz", tmp_path / "1.npz")
    assert found.outputs.shape == (2, 1024) and found.max_difference > 0.01


def test_other_numbers_of_outputs_are_told(weights, tmp_path):
    model = bit.build("R14x0.5", num_classes=5)
    model.get_layer("head-conv2d").bias.assign([1, 2, 3, 4, 5])
    bit.save_weights(model, tmp_path / "five.npz")
    with pytest.raises(bit.WeightsError, match=r"small\.npz has 3 outputs, .*five\.npz 5\. Give two files"):
        bit.verify(weights, tmp_path / "five.npz")


def test_file_without_a_head_is_compared_by_its_features(weights, tmp_path):
    bit.save_weights(bit.load(weights, num_classes=0), tmp_path / "headless.npz")
    found = bit.verify(weights, tmp_path / "headless.npz")
    assert found.outputs.shape == (2, 1024) and found.max_difference == 0


def test_biases_of_a_head_without_a_kernel_count(tmp_path):
    for bias in (1, 2):
        model = bit.build("R14x0.5", num_classes=3, seed=0)
        model.get_layer("head-conv2d").bias.assign([0, 0, bias])
        bit.save_weights(model, tmp_path / f"{bias}.npz")
    assert bit.verify(tmp_path / "1.npz", tmp_path / "2.npz").max_difference == 1


def test_record_of_the_cache_is_not_that_of_another_format(weights, tmp_path):
    cached = cache_folder() / "BiT-S-R50x1.npz"
    cached.parent.mkdir(parents=True)
    shutil.copy(weights, cached)
    record(cached)
    shutil.copy(weights, tmp_path / "BiT-S-R50x1.keras")
    with pytest.raises(bit.WeightsError, match="There is no record of"):
        bit.verify(tmp_path / "BiT-S-R50x1.keras")


def test_nothing_to_compare_with_is_an_error_that_says_what_to_do(weights):
    with pytest.raises(bit.WeightsError, match=rf"no record of {weights}: expected {weights}\.record\.json\. Compare"):
        bit.verify(weights)


def test_recorded_file_is_verified(weights):
    path = record(weights)
    found = bit.verify(weights)
    assert path == weights.with_name("small.npz.record.json")
    assert found.digest == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert found.max_difference == 0


def test_recorded_outputs_are_compared(weights):
    path = record(weights)
    about = json.loads(path.read_text())
    about["logits"][1][2] += 0.5
    path.write_text(json.dumps(about))
    assert bit.verify(weights).max_difference == pytest.approx(0.5, abs=1e-6)


def test_another_file_in_its_place_is_refused(weights):
    record(weights)
    shutil.copy(changed(weights, "resnet/head/conv2d/bias", lambda bias: bias + 1), weights)
    with pytest.raises(bit.WeightsError, match=rf"{weights} is not what was recorded: expected SHA-256"):
        bit.verify(weights)


def test_another_file_of_the_same_size_and_time_is_refused_too(weights):
    record(weights)
    time, content = weights.stat().st_mtime_ns, bytearray(weights.read_bytes())
    content[2000] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(time, time))
    with pytest.raises(bit.WeightsError, match="is not what was recorded"):
        bit.verify(weights)


def test_folder_is_recorded_with_all_of_its_files(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "hf" / "model.safetensors")
    record(tmp_path / "hf")
    assert bit.verify(tmp_path / "hf").max_difference == 0
    (tmp_path / "hf" / "config.json").write_text("{}")
    with pytest.raises(bit.WeightsError, match="is not what was recorded"):
        bit.verify(tmp_path / "hf")


def test_copy_of_a_preset_has_the_record_of_the_cache(r50x1_file, tmp_path):
    cached = cache_folder() / "BiT-S-R50x1.npz"
    cached.parent.mkdir(parents=True)
    shutil.copy(r50x1_file, cached)
    record("BiT-S-R50x1")
    shutil.copy(r50x1_file, tmp_path / "BiT-S-R50x1.npz")
    assert bit.verify(tmp_path / "BiT-S-R50x1.npz").max_difference == 0


def test_record_without_outputs_verifies_the_content_alone(weights):
    path = record(weights)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"logits": None}))
    found = bit.verify(weights)
    assert found.digest and found.max_difference is None
