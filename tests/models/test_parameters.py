"""Parameter counts of all published networks, as in the fact sheet of the paper's checkpoints."""

import math

import pytest

import bit_keras as bit
from tests.models.weightless import weightless

# variant: headless, 1000 classes, 21843 classes
PARAMETERS = {
    "R50x1": (23_500_352, 25_549_352, 68_256_659),
    "R50x3": (211_174_080, 217_319_080, 345_399_315),
    "R101x1": (42_492_480, 44_541_480, 87_248_787),
    "R101x3": (381_789_888, 387_934_888, 516_015_123),
    "R152x2": (232_238_208, 236_335_208, 321_728_979),
    "R152x4": (928_340_224, 936_533_224, 1_107_299_923),
}
ARRAYS = {"R50": 153, "R101": 306, "R152": 459}  # with the two of the head

# root block, blocks 1 to 4, last norm
PARTS = {
    "R50x1": (9_408, 214_912, 1_218_048, 7_095_296, 14_958_592, 4_096),
    "R152x2": (18_816, 855_808, 9_329_664, 162_224_128, 59_801_600, 8_192),
}
PREFIXES = ("root_block-", "block1-", "block2-", "block3-", "block4-", "group_norm/")


def weights_of(variant, num_classes):
    return weightless(bit.build, variant, num_classes=num_classes).weights


def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters_of_published_networks(variant):
    assert tuple(count(weights_of(variant, classes)) for classes in (0, 1000, 21_843)) == PARAMETERS[variant]


@pytest.mark.parametrize("variant", PARAMETERS)
def test_arrays_of_published_networks(variant):
    assert len(weights_of(variant, 1000)) == ARRAYS[variant.split("x")[0]]


@pytest.mark.parametrize("variant", PARTS)
def test_parameters_of_each_block(variant):
    weights = weights_of(variant, 0)
    parts = [count(weight for weight in weights if weight.path.startswith(prefix)) for prefix in PREFIXES]
    assert tuple(parts) == PARTS[variant]


def test_all_parameters_of_a_group_normalized_network_train():
    model = weightless(bit.build, "R50x1", num_classes=1000)
    assert count(model.trainable_variables) == PARAMETERS["R50x1"][1]
