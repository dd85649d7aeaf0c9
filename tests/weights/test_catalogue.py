"""The published files: names, places, classes and sizes as in the paper and the released code."""

import pytest

import bit_keras as bit
from bit_keras.errors import UserError

# variant: parameters with 1000 and with 21843 classes
PARAMETERS = {
    "R50x1": (25_549_352, 68_256_659),
    "R50x3": (217_319_080, 345_399_315),
    "R101x1": (44_541_480, 87_248_787),
    "R101x3": (387_934_888, 516_015_123),
    "R152x2": (236_335_208, 321_728_979),
    "R152x4": (936_533_224, 1_107_299_923),
}
KINDS = {"BiT-S-{}": 1000, "BiT-M-{}": 21_843, "BiT-M-{}-ILSVRC2012": 1000}
PUBLISHED = {kind.format(size): (size, classes) for size in PARAMETERS for kind, classes in KINDS.items()}


def test_all_published_files_are_listed():
    assert set(PUBLISHED) <= set(bit.list_presets())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_file_is_in_the_bucket_of_the_paper(name):
    assert bit.preset(name).url == f"https://storage.googleapis.com/bit_models/{name}.npz"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_file_has_its_variant_classes_and_parameters(name):
    size, classes = PUBLISHED[name]
    preset = bit.preset(name)
    assert (str(preset.variant), preset.num_classes) == (size, classes)
    assert preset.num_parameters == PARAMETERS[size][classes == 21_843]


def test_upstream_data_is_named():
    upstream = [bit.preset(kind.format("R50x1")).upstream for kind in KINDS]
    assert upstream == ["ILSVRC-2012", "ImageNet-21k", "ImageNet-21k, then ILSVRC-2012"]


def test_every_preset_knows_its_own_name_and_is_apache_licensed():
    for name in bit.list_presets():
        assert (bit.preset(name).name, bit.preset(name).licence) == (name, "Apache-2.0")


@pytest.mark.parametrize(
    "pattern, names",
    [
        ("BiT-S-*", [f"BiT-S-{size}" for size in PARAMETERS]),
        ("*-ILSVRC2012", [f"BiT-M-{size}-ILSVRC2012" for size in PARAMETERS]),
        ("BiT-M-R50x?", ["BiT-M-R50x1", "BiT-M-R50x3"]),
        ("BiT-M-R152x4", ["BiT-M-R152x4"]),
        ("bit-m-*", []),
        ("BiT-L-*", []),
    ],
)
def test_presets_are_listed_by_wildcards(pattern, names):
    assert bit.list_presets(pattern) == names


@pytest.mark.parametrize(
    "alias, name",
    [
        ("timm/resnetv2_50x1_bit.goog_in21k", "BiT-M-R50x1"),
        ("timm/resnetv2_101x3_bit.goog_in21k", "BiT-M-R101x3"),
        ("timm/resnetv2_152x4_bit.goog_in21k_ft_in1k", "BiT-M-R152x4-ILSVRC2012"),
    ],
)
def test_presets_are_known_by_their_names_at_hugging_face(alias, name):
    assert bit.preset(alias).name == name


@pytest.mark.parametrize("name", ["BiT-L-R152x4", "R50x1", "bit-m-r50x1", ""])
def test_unknown_presets_are_refused_with_the_known_ones(name):
    with pytest.raises(UserError, match=f"preset among BiT-S-R50x1, .*BiT-M-R152x4-ILSVRC2012.*Received: '{name}'"):
        bit.preset(name)
