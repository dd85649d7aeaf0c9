"""Facts of the released network that are easy to get wrong: padding, strides, shortcuts."""

import keras
import numpy as np
import pytest

import bit_keras as bit
from tests.models.seeding import assign_seeded


@pytest.fixture(scope="module")
def model():
    """A BiT-R26x0.5 of 3 classes with seeded weights."""
    return assign_seeded(bit.build("R26x0.5", num_classes=3), (2, 2, 2, 2), 0.5, 3)


def pictures(height, width):
    return np.random.default_rng(0).uniform(-1, 1, (2, height, width, 3)).astype("float32")


def layer(model, name):
    return model.get_layer(f"{name}-standardized_conv2d")


def test_root_pools_zeros_at_the_border():
    # The root convolution gives -1 everywhere, so a maximum over a zero of the border is 0.
    plain = bit.build("R14x0.5", num_classes=0, weight_standardization=False, kernel_initializer="zeros")
    kernel = np.zeros((7, 7, 3, 32), "float32")
    kernel[3, 3, 0] = -1
    plain.get_layer("root_block-conv2d").kernel.assign(kernel)
    root = keras.Model(plain.input, bit.endpoint(plain, "root_block"))(np.ones((1, 32, 32, 3), "float32"))
    expected = np.full((8, 8), -1)
    expected[0, :] = expected[:, 0] = 0  # only the first window of each row and column reaches the border
    assert (root.numpy()[0, :, :, 0] == expected).all()


def test_root_convolution_pads_three_zeros_on_all_sides():
    plain = bit.build("R14x0.5", num_classes=0, weight_standardization=False, kernel_initializer="ones")
    convolution = keras.Model(plain.input, bit.pyramid(plain)["P1"])
    sums = convolution(np.ones((1, 8, 8, 3), "float32")).numpy()[0, :, :, 0]
    # Windows of 7 begin at -3, -1, 1, 3 and meet 4, 6, 7 and 5 of 8 pixels.
    assert (sums == 3 * np.outer([4, 6, 7, 5], [4, 6, 7, 5])).all()


def test_strided_convolution_pads_one_zero_on_all_sides():
    plain = bit.build("R14x0.5", num_classes=0, weight_standardization=False, kernel_initializer="ones")
    place = plain.get_layer("block2-unit01-b-padding").input
    sums = keras.Model(place, plain.get_layer("block2-unit01-b-conv2d").output)(np.ones((1, 4, 4, 64), "float32"))
    # Windows of 3 begin at -1 and 1 and meet 2 and 3 of 4 pixels; "same" would meet 3 and 2.
    assert (sums.numpy()[0, :, :, 0] == 64 * np.outer([2, 3], [2, 3])).all()


@pytest.mark.parametrize("block, strides", [(1, 1), (2, 2), (3, 2), (4, 2)])
def test_stride_of_a_block_is_on_the_3x3_and_the_projection_of_its_first_unit(model, block, strides):
    places = ("unit01-a", "unit01-a-proj", "unit01-b", "unit01-c", "unit02-a", "unit02-b", "unit02-c")
    found = [layer(model, f"block{block}-{place}").strides[0] for place in places]
    assert found == [1, strides, strides, 1, 1, 1, 1]


def test_kernels_of_a_unit_are_1x1_3x3_and_1x1(model):
    assert [layer(model, f"block1-unit02-{letter}").kernel_size for letter in "abc"] == [(1, 1), (3, 3), (1, 1)]


def test_projection_is_fed_by_the_activated_input(model):
    norm = model.get_layer("block1-unit01-a-group_norm")
    assert norm.activation == "relu" and layer(model, "block1-unit01-a-proj").input is norm.output


def test_projection_is_in_the_first_unit_alone(model):
    projections = [entry.name for entry in model.layers if "-proj" in entry.name]
    assert projections == [f"block{block}-unit01-a-proj-standardized_conv2d" for block in (1, 2, 3, 4)]


def test_identity_shortcut_is_raw_and_the_sum_is_not_activated():
    model = assign_seeded(bit.build("R26x0.5", num_classes=3), (2, 2, 2, 2), 0.5, 3)
    last = layer(model, "block1-unit02-c")
    last.kernel.assign(np.zeros(last.kernel.shape))  # the branch of unit 2 gives 0
    units = keras.Model(model.input, [bit.endpoint(model, f"block1-unit0{unit}") for unit in (1, 2)])
    first, second = (output.numpy() for output in units(pictures(32, 32)))
    assert (first < 0).any() and (first == second).all()


def test_head_takes_the_mean_of_the_normalized_activated_map(model):
    x = pictures(32, 64)
    norm = model.get_layer("group_norm")
    last, features = keras.Model(model.input, [norm.output, bit.endpoint(model, "features")])(x)
    assert norm.activation == "relu" and last.numpy().min() == 0
    np.testing.assert_allclose(features, last.numpy().mean((1, 2)), atol=1e-5)


def test_no_convolution_has_a_bias(model):
    biases = [weight.path for weight in model.weights if weight.path.endswith("bias")]
    assert biases == ["head-conv2d/bias"]


def test_every_norm_has_32_groups_and_epsilon_1e_5(model):
    norms = [entry for entry in model.layers if isinstance(entry, bit.GroupNorm)]
    assert len(norms) == 25 and {(norm.groups, norm.epsilon) for norm in norms} == {(32, 1e-5)}


def test_pictures_of_odd_sizes_are_taken(model):
    assert model(pictures(33, 47)).shape == (2, 3)
