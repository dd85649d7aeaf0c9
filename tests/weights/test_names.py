"""The table of canonical names against the names that the reference implementation has."""

import numpy as np
import pytest

import bit_keras as bit
from bit_keras.models.variant import Architecture
from bit_keras.weights.names import parameter_count, repaired, shapes_of
from tests.golden.seeded import names
from tests.models.seeding import official_shapes
from tests.weights.crafting import write_npz

PUBLISHED = {
    "R50x1": ((3, 4, 6, 3), 1, 153),
    "R50x3": ((3, 4, 6, 3), 3, 153),
    "R101x1": ((3, 4, 23, 3), 1, 306),
    "R101x3": ((3, 4, 23, 3), 3, 306),
    "R152x2": ((3, 8, 36, 3), 2, 459),
    "R152x4": ((3, 8, 36, 3), 4, 459),
}


def table(variant, num_classes, **choices):
    return shapes_of(Architecture(bit.Variant.parse(variant), num_classes, **choices))


@pytest.mark.parametrize("variant", PUBLISHED)
def test_names_and_shapes_are_those_of_the_reference(variant):
    units, width, _ = PUBLISHED[variant]
    assert table(variant, 21_843) == names(units, width, 21_843)


@pytest.mark.parametrize("variant", PUBLISHED)
def test_number_of_arrays_is_that_of_the_published_files(variant):
    assert len(table(variant, 1000)) == PUBLISHED[variant][2]


def test_headless_table_lacks_the_head_alone():
    with_head = names((3, 4, 6, 3), 1, 1000)
    head = {"resnet/head/conv2d/kernel", "resnet/head/conv2d/bias"}
    assert table("R50x1", 0) == {name: shape for name, shape in with_head.items() if name not in head}


def test_parameters_are_counted_over_all_arrays():
    assert parameter_count(table("R50x1", 1000)) == 25_549_352
    assert parameter_count(table("R152x4", 0)) == 928_340_224


@pytest.mark.parametrize("normalization, standardized", [("group", False), ("batch", True), ("batch", False)])
def test_table_of_an_ablation_is_that_of_its_model(normalization, standardized):
    choices = {"normalization": normalization, "weight_standardization": standardized}
    model = bit.build("R14x0.5", num_classes=0, **choices)
    expected = {"resnet/" + weight.path.replace("-", "/"): tuple(weight.shape) for weight in model.weights}
    assert table("R14x0.5", 0, **choices) == expected


def test_half_width_halves_the_channels():
    assert table("R14x0.5", 3) == official_shapes((1, 1, 1, 1), 0.5, 3)


PROJECTION = "resnet/block2/unit01/a/proj/standardized_conv2d/kernel"


@pytest.mark.parametrize(
    "found, name",
    [
        ("resnet/root_block/standardized_conv2d_3/kernel", "resnet/root_block/standardized_conv2d/kernel"),
        ("resnet/block1/unit02/b/group_norm_17/gamma", "resnet/block1/unit02/b/group_norm/gamma"),
        ("resnet/head/conv2d_1/bias", "resnet/head/conv2d/bias"),
        ("resnet/block2/unit01/a/proj/kernel", PROJECTION),
        ("resnet/block2/unit01/a/proj/conv_proj/kernel", PROJECTION),
        ("resnet/block2/unit01/a/proj/standardized_conv2d_5/kernel", PROJECTION),
        (PROJECTION, PROJECTION),
        ("resnet/block2/unit01/a/proj/conv2d/kernel", "resnet/block2/unit01/a/proj/conv2d/kernel"),
        ("resnet/block10/unit01/c/group_norm/beta", "resnet/block10/unit01/c/group_norm/beta"),
    ],
)
def test_names_of_some_published_files_are_repaired(found, name):
    assert repaired(found) == name


@pytest.mark.parametrize(
    "old, new",
    [
        ("standardized_conv2d/", "standardized_conv2d_3/"),
        ("group_norm/", "group_norm_12/"),
        ("a/proj/standardized_conv2d/kernel", "a/proj/kernel"),
        ("a/proj/standardized_conv2d/kernel", "a/proj/conv_proj/kernel"),
    ],
)
def test_file_with_such_names_loads_as_the_official_one(old, new, small_arrays, small_file, tmp_path):
    renamed = {name.replace(old, new): array for name, array in small_arrays.items()}
    assert renamed.keys() != small_arrays.keys()
    model, official = bit.load(write_npz(tmp_path / "renamed.npz", renamed)), bit.load(small_file)
    for ours, expected in zip(model.get_weights(), official.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
