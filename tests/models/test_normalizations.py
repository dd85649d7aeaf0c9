"""The four networks of the paper's ablation: group or batch normalization, standardized or plain convolutions."""

import keras
import numpy as np
import pytest

import bit_keras as bit

NORMS = {"group": ("group_norm", ("gamma", "beta")), "batch": ("batch_norm", ("gamma", "beta", "moving_mean"))}
CHOICES = [(normalization, standardized) for normalization in NORMS for standardized in (True, False)]


def build(normalization, standardized):
    return bit.build("R14x0.5", num_classes=3, normalization=normalization, weight_standardization=standardized, seed=0)


@pytest.mark.parametrize("normalization, standardized", CHOICES)
def test_arrays_are_named_by_the_kinds_of_layers(normalization, standardized):
    norm, parameters = NORMS[normalization]
    conv = "standardized_conv2d" if standardized else "conv2d"
    paths = {weight.path for weight in build(normalization, standardized).weights}
    expected = {
        f"{place}-{norm}/{parameter}" for place in ("block1-unit01-a", "block4-unit01-c") for parameter in parameters
    }
    expected |= {
        f"root_block-{conv}/kernel",
        f"block2-unit01-a-proj-{conv}/kernel",
        f"{norm}/beta",
        "head-conv2d/kernel",
    }
    assert expected <= paths


@pytest.mark.parametrize(
    "normalization, standardized, arrays",
    # 17 convolutions, 13 norms of two or four arrays, two arrays of the head
    [("group", True, 45), ("group", False, 45), ("batch", True, 71), ("batch", False, 71)],
)
def test_batch_norms_have_two_arrays_more(normalization, standardized, arrays):
    assert len(build(normalization, standardized).weights) == arrays


@pytest.mark.parametrize("standardized", [True, False])
def test_batch_statistics_do_not_train(standardized):
    frozen = {weight.path.split("/")[1] for weight in build("batch", standardized).non_trainable_weights}
    assert frozen == {"moving_mean", "moving_variance"}


@pytest.mark.parametrize("normalization, standardized", CHOICES)
def test_every_choice_gives_finite_logits_of_its_classes(normalization, standardized):
    logits = build(normalization, standardized)(np.ones((2, 32, 32, 3), "float32")).numpy()
    assert logits.shape == (2, 3) and np.isfinite(logits).all()


def test_plain_convolutions_feel_the_scale_of_their_kernels():
    x = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    for standardized, factor in ((False, 3.0), (True, 1.0)):
        model = build("group", standardized)
        root = keras.Model(model.input, bit.pyramid(model)["P1"])
        before = root(x).numpy()
        root.layers[-1].kernel.assign(3 * root.layers[-1].kernel)
        np.testing.assert_allclose(root(x), factor * before, rtol=1e-4, atol=1e-4)


def test_batch_norm_in_training_moves_its_mean_by_a_tenth():
    model = build("batch", True)
    norm = model.get_layer("block1-unit01-a-batch_norm")
    place = keras.Model(model.input, norm.input)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    model(x, training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * place(x).numpy().mean((0, 1, 2)), atol=1e-5)


def test_batch_norm_adds_1e_5_to_the_variance():
    assert build("batch", True).get_layer("batch_norm").epsilon == 1e-5


def test_plain_kernels_have_the_shapes_of_standardized_ones():
    plain, standardized = ([weight.shape for weight in build("group", choice).weights] for choice in (False, True))
    assert plain == standardized
