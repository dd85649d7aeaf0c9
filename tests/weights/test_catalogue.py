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
        ("BiT-M-R50x1-C*", ["BiT-M-R50x1-CIFAR10"]),
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
        ("timm/resnetv2_50x1_bit.goog_distilled_in1k", "R50x1_224"),
        ("google/bit/s-r101x3/1", "BiT-S-R101x3"),
        ("google/bit/m-r50x1/imagenet21k_classification/1", "BiT-M-R50x1"),
        ("google/bit/m-r50x1/ilsvrc2012_classification/1", "BiT-M-R50x1-ILSVRC2012"),
        ("google/bit/TensorFlow2/m-r50x1/1", "BiT-M-R50x1"),
    ],
)
def test_presets_are_known_by_their_names_elsewhere(alias, name):
    assert bit.preset(alias).name == name


@pytest.mark.parametrize("name", ["BiT-L-R152x4", "R50x1", "bit-m-r50x1", ""])
def test_unknown_presets_are_refused_with_the_nearest_ones(name):
    with pytest.raises(UserError, match=rf"no preset '{name}'\. The nearest presets: .*\. `bit-keras presets`"):
        bit.preset(name)


def test_nearest_names_are_told():
    with pytest.raises(UserError, match="The nearest presets: BiT-M-R50x1, "):
        bit.preset("bit-m-r50x1")


def test_all_285_models_of_vtab_are_listed():
    names = bit.list_presets("BiT-M-*-run?-*")
    assert len(names) == 285 and "BiT-M-R101x3-run2-dsprites-xpos" in names
    assert not any("R152x2" in name for name in names)  # not published
    entry = bit.preset("BiT-M-R50x1-run0-smallnorb-azimuth")
    assert (str(entry.variant), entry.num_classes, entry.file) == (
        "R50x1",
        18,
        "vtab/BiT-M-R50x1-run0-smallnorb-azimuth.npz",
    )


def test_students_and_teachers_of_the_distillation_are_listed():
    names = [*bit.list_presets("R50x1_*"), *bit.list_presets("R152x2_T_*")]
    assert names == [
        *("R50x1_224", "R50x1_160", "R152x2_T_224", "R152x2_T_384"),
        *("R152x2_T_flowers128", "R152x2_T_pet128", "R152x2_T_food128", "R152x2_T_sun128"),
    ]
    assert bit.preset("R50x1_224").accuracy.percent == 82.82
    # The published file has 945,485,848 bytes, of which an .npz takes 300 to 330 for each of 459 arrays.
    assert 300 < (945_485_848 - 4 * bit.preset("R152x2_T_384").num_parameters) / 459 < 330


def test_tuned_files_know_their_accuracy_and_its_source():
    assert bit.preset("BiT-M-R152x4-ILSVRC2012").accuracy == (84.936, "ILSVRC-2012", 480, "timm, results-imagenet.csv")
    assert bit.preset("BiT-M-R50x1-CIFAR10").accuracy.percent == 97.61


def test_aliases_are_names_of_one_preset_each():
    aliases = [alias for name in bit.list_presets() for alias in bit.preset(name).aliases]
    assert len(aliases) == len(set(aliases)) and not set(aliases) & set(bit.list_presets())
