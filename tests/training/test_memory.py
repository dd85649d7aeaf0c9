"""The memory model and the micro-batches that follow from it."""

from types import SimpleNamespace

import pytest

from bit_keras.models.variant import Architecture, Variant
from bit_keras.training.memory import batches_bytes, cost_of, default_micro_batches, pictures_to_keep


def outputs_of_r14x05(side, classes):
    """Numbers in all layer outputs for one picture, added up by hand along the figure of the network."""
    half, quarter = side // 2, side // 4
    total = side**2 * 3 + (side + 6) ** 2 * 3 + half**2 * 32 + (half + 2) ** 2 * 32 + quarter**2 * 32
    size, channels = quarter, 32
    for block in range(4):
        filters, out = 32 * 2**block, (size if block == 0 else size // 2)
        total += size**2 * channels + out**2 * 4 * filters  # norm with relu, projection
        total += size**2 * filters + size**2 * filters  # a, norm with relu
        total += 0 if block == 0 else (size + 2) ** 2 * filters  # padding of the strided 3x3
        total += out**2 * filters + out**2 * filters  # b, norm with relu
        total += 2 * out**2 * 4 * filters  # c and sum
        size, channels = out, 4 * filters
    return total + size**2 * channels + channels + classes


@pytest.mark.parametrize("side", [32, 64])
def test_activations_are_the_sum_of_all_outputs(side):
    architecture = Architecture(Variant.parse("R14x0.5"), 10)
    assert cost_of(architecture, crop=side, dtype="float32").activation_bytes == 4 * outputs_of_r14x05(side, 10)


def test_half_precision_needs_about_half():
    architecture = Architecture(Variant.parse("R14x0.5"), 10)
    half, full = (cost_of(architecture, crop=64, dtype=dtype) for dtype in ("mixed_bfloat16", "float32"))
    assert 0.5 < half.activation_bytes / full.activation_bytes < 0.55


def test_recomputed_units_keep_their_sums_alone():
    cost = cost_of(Architecture(Variant.parse("R14x0.5"), 10), crop=64, dtype="float32")
    root = 64**2 * 3 + 70**2 * 3 + 32**2 * 32 + 34**2 * 32 + 16**2 * 32
    sums = 16**2 * 128 + 8**2 * 256 + 4**2 * 512 + 2**2 * 1024
    assert cost.kept_bytes == 4 * (root + sums + 2**2 * 1024 + 1024 + 10)
    # Block 2 has most: norm, a and norm at 16 px; padding; projection, b, norm and c at 8 px.
    assert cost.unit_bytes == 4 * (16**2 * (128 + 64 + 64) + 18**2 * 64 + 8**2 * (256 + 64 + 64 + 256))


def test_an_r50x1_takes_the_4_billion_multiply_adds_of_a_resnet50_at_224_pixels():
    # He et al., arXiv 1512.03385, table 1: 3.8e9 with the stride in the first 1x1; here it is in the 3x3, 4.1e9.
    found = cost_of(Architecture(Variant.parse("R50x1"), 1000), crop=224, dtype="float32")
    assert found.multiply_adds == pytest.approx(4.1e9, rel=0.01)


# 512 pictures of 100 bytes are 51,200; half of 20,000 is 10,000: 8 parts of 6,400 fit, 4 of 12,800 do not.
@pytest.mark.parametrize(("free", "expected"), [(10**6, 1), (102_400, 1), (102_399, 2), (20_000, 8), (1, 512)])
def test_micro_batches_are_the_smallest_power_of_two_that_fits_half_the_memory(free, expected):
    assert default_micro_batches(100, replica_batch=512, free=free) == expected


# 10 pictures of 2 x 2 pixels, three float32 each: 480 bytes a batch.
@pytest.mark.parametrize(("gpus", "expected"), [([], 7 * 480), (["GPU:0"], 2 * 480)])
def test_batches_take_the_memory_of_those_that_are_there_at_once(gpus, expected, monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: gpus)
    assert batches_bytes(10, 2) == expected


def test_micro_batches_always_divide_the_batch():
    assert default_micro_batches(100, replica_batch=12, free=1) == 4


# 10 pictures of 2 x 2 pixels, three float32 each: 480 bytes, a quarter of 1,920.
@pytest.mark.parametrize(("free", "expected"), [(1_920, 480), (1_919, 0)])
def test_pictures_are_kept_if_they_fit_a_quarter_of_the_machine(free, expected):
    rule = SimpleNamespace(steps=5, batch_size=4, resize=2)
    assert pictures_to_keep(10, rule, start=0, free=free) == expected


# 10 pictures, 4 a step: the third step left is the first that sees one again.
@pytest.mark.parametrize(("start", "expected"), [(2, 480), (3, 0), (5, 0)])
def test_pictures_that_are_not_seen_again_are_not_kept(start, expected):
    rule = SimpleNamespace(steps=5, batch_size=4, resize=2)
    assert pictures_to_keep(10, rule, start=start, free=10**6) == expected
