"""Names of networks, and names that are none."""

import pytest

import bit_keras as bit
from bit_keras.errors import UserError

# The published depths, and those with one and two units a block.
DEPTHS = {14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_depth_has_its_units(depth):
    assert bit.Variant.parse(f"R{depth}x1") == bit.Variant(DEPTHS[depth], 1.0)


@pytest.mark.parametrize(
    "name, width", [("R50x1", 1), ("R50x3", 3), ("R14x0.5", 0.5), ("R26x1.5", 1.5), ("R50x2.0", 2)]
)
def test_width_follows_the_x(name, width):
    assert bit.Variant.parse(name).width == width


@pytest.mark.parametrize("width, root, features", [(0.5, 32, 1024), (1, 64, 2048), (3, 192, 6144), (4, 256, 8192)])
def test_channels_grow_with_the_width(width, root, features):
    variant = bit.Variant((1, 1, 1, 1), width)
    assert (variant.root_filters, variant.feature_size) == (root, features)


@pytest.mark.parametrize("name", ["R50x1", "R14x0.5", "R152x4"])
def test_variant_is_written_as_its_name(name):
    assert str(bit.Variant.parse(name)) == name


def test_unnamed_depth_is_written_with_its_units():
    assert str(bit.Variant((1, 2, 3, 4), 1.5)) == "R1-2-3-4x1.5"


def test_variant_is_parsed_to_itself():
    variant = bit.Variant((1, 2, 3, 4), 1)
    assert bit.Variant.parse(variant) is variant


def test_variants_of_equal_units_are_one_key():
    assert {bit.Variant([3, 4, 6, 3], 1), bit.Variant.parse("R50x1")} == {bit.Variant.parse("R50x1")}


@pytest.mark.parametrize("name", ["R34x1", "R50", "r50x1", "R50x", "ResNet50", "", "R50x1\n", "R50x-1", 50, None])
def test_names_of_no_variant_are_refused_with_the_known_depths(name):
    with pytest.raises(UserError, match=r"variant such as 'R50x1'.*R14, R26, R50, R101, R152.*Received"):
        bit.Variant.parse(name)


@pytest.mark.parametrize("name, width", [("R50x0.3", "0.3"), ("R50x0", "0.0"), ("R50x1.25", "1.25")])
def test_widths_that_32_groups_do_not_divide_are_refused(name, width):
    with pytest.raises(UserError, match=f"`width` as a multiple of 0.5.*32 groups.*width={width}"):
        bit.Variant.parse(name)


@pytest.mark.parametrize("width", [-1, float("nan"), float("inf"), "1"])
def test_widths_that_are_no_positive_number_are_refused(width):
    with pytest.raises(UserError, match=f"`width` as a multiple of 0.5.*width={width!r}"):
        bit.Variant((1, 1, 1, 1), width)


@pytest.mark.parametrize("units", [(3, 4, 6), (3, 4, 6, 3, 3), (3, 4, 0, 3), (3, 4, 6.5, 3)])
def test_units_must_be_of_four_blocks(units):
    with pytest.raises(UserError, match=r"`units` of four blocks, each at least 1.*Received"):
        bit.Variant(units, 1)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_classes": -1}, "`num_classes` as a whole number of at least 0.*num_classes=-1"),
        ({"num_classes": None}, "`num_classes` as a whole number of at least 0.*num_classes=None"),
        ({"num_classes": "10"}, "`num_classes` as a whole number of at least 0.*num_classes='10'"),
        ({"input_shape": 224}, r"`input_shape` \(height, width, 3\).*224"),
        ({"input_shape": (64, 64, 1)}, r"`input_shape` \(height, width, 3\).*\(64, 64, 1\)"),
        ({"normalization": "layer"}, "`normalization` 'group' or 'batch'.*'layer'"),
        ({"variant": "R34x1"}, "Expected a variant such as.*'R34x1'"),
    ],
)
def test_networks_that_are_none_are_not_built(wrong, message):
    arguments = {"variant": "R14x0.5", "num_classes": 3} | wrong
    with pytest.raises(UserError, match=message):
        bit.build(arguments.pop("variant"), **arguments)


def test_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"`pooling` 'avg', 'max' or None.*'median'"):
        bit.build("R14x0.5", num_classes=0, pooling="median")
