"""A folded SavedModel computes what the model computes, says that it is folded, and does not train."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import bit_keras as bit
from tests.layers.formulas import standardized


@pytest.fixture(scope="module")
def folded(small_model, tmp_path_factory):
    """The folder of the small model, folded."""
    folder = tmp_path_factory.mktemp("folded") / "model"
    return bit.export(small_model, folder, class_names=("ant", "bee", "cat"), image_size=48, fold=True)


def difference(first, second):
    return np.abs(np.asarray(first) - np.asarray(second)).max()


@pytest.mark.parametrize("shape", [(1, 48, 48), (3, 40, 57)])
def test_it_agrees_with_the_trainable_savedmodel(folded, loaded, images, shape):
    pixels = images(*shape)
    assert difference(tf.saved_model.load(str(folded))(pixels), loaded(pixels)) < 1e-5


def test_its_kernels_are_those_of_the_formula(folded, small_model):
    found = {v.name.removesuffix(":0"): v.numpy() for v in tf.saved_model.load(str(folded)).variables}
    kernel = small_model.get_layer("block2-unit01-b-standardized_conv2d").kernel.numpy()
    assert difference(found["resnet/block2/unit01/b/conv2d/kernel"], standardized(kernel)) < 1e-5
    assert not any("standardized" in name for name in found)


def test_nothing_of_it_trains(folded):
    assert list(tf.saved_model.load(str(folded)).trainable_variables) == []


def test_the_files_say_which_it_is(folded, exported):
    for folder, expected in ((folded, True), (exported, False)):
        assert json.loads((folder / "receipt.json").read_text())["folded"] is expected
        assert json.loads((folder / "assets" / "bit_keras.json").read_text())["folded"] is expected


def test_a_copy_of_it_is_folded_too(folded, tmp_path):
    copy = bit.export(folded, tmp_path / "copy")
    assert json.loads((copy / "receipt.json").read_text())["folded"] is True
    assert list(tf.saved_model.load(str(copy)).trainable_variables) == []


def test_it_names_pictures_as_the_other_does(folded, exported, photos):
    picture = next(photos.rglob("*.png"))
    ours, theirs = (bit.predict(folder, picture)[0] for folder in (folded, exported))
    assert ours.class_name == theirs.class_name and ours.scores == pytest.approx(theirs.scores, abs=1e-5)


def test_it_is_refused_as_the_beginning_of_a_run(folded, photos, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected weights that train.*folded for inference"):
        bit.finetune(photos, model=folded, workdir=tmp_path / "run")


@pytest.fixture(scope="module")
def by_xla(small_model, tmp_path_factory):
    """The folder of the small model, folded and for XLA."""
    folder = tmp_path_factory.mktemp("by_xla") / "model"
    return bit.export(small_model, folder, class_names=("ant", "bee", "cat"), image_size=48, fold=True, xla=True)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 48, 48), (1, 40, 57), (3, 40, 57)])
def test_by_xla_it_agrees_too_for_one_picture_and_for_more(by_xla, loaded, images, shape):
    pixels = images(*shape)
    assert difference(tf.saved_model.load(str(by_xla))(pixels), loaded(pixels)) < 1e-5


@pytest.mark.slow
def test_by_xla_it_has_the_gradient_of_the_pictures(by_xla, small_model, images):
    def gradient(call):
        pixels = tf.constant(images(2, 64, 64))
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            logits = call(pixels)[:, 1]
        return tape.gradient(logits, pixels)

    expected = gradient(lambda pixels: small_model(2 * pixels - 1))
    found = gradient(tf.saved_model.load(str(by_xla)))
    assert difference(found, expected) < 1e-5 * np.abs(expected).max()


@pytest.mark.slow
def test_by_xla_the_receipt_says_so(by_xla, folded):
    assert [json.loads((folder / "receipt.json").read_text())["xla"] for folder in (by_xla, folded)] == [True, False]


def functions_of(folder):
    return SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def.library.function


def compiled_calls(folder):
    """Returns how many compiled functions each function of the file calls."""
    return {[node.attr["_XlaMustCompile"].b for node in one.node_def].count(True) for one in functions_of(folder)}


@pytest.mark.slow
def test_by_xla_each_normalization_is_compiled_and_the_kernels_are_in_the_graph_once(by_xla, folded, small_model):
    assert compiled_calls(by_xla) == {0, 13}  # an R14 has 13 normalizations, the last of them before the head
    kernels = sorted(tuple(layer.kernel.shape) for layer in small_model.layers if hasattr(layer, "kernel"))
    for folder, expected in ((by_xla, kernels), (folded, [])):
        nodes = [node for one in functions_of(folder) for node in one.node_def if node.op == "Const"]
        shapes = [tf.TensorShape(node.attr["value"].tensor.tensor_shape).as_list() for node in nodes]
        assert sorted(tuple(shape) for shape in shapes if len(shape) in (2, 4) and np.prod(shape) > 99) == expected


@pytest.mark.slow
def test_by_xla_large_weights_stay_variables_and_all_is_compiled_for_one_picture(
    small_model, loaded, images, tmp_path, monkeypatch
):
    monkeypatch.setattr("bit_keras.exporting.saved_model.CONSTANT_BYTES", 10**5)
    folder = bit.export(small_model, tmp_path / "large", image_size=48, fold=True, xla=True)
    assert compiled_calls(folder) == {0, 1, 13}
    assert (folder / "saved_model.pb").stat().st_size < 4 * small_model.count_params()
    for pixels in (images(1, 40, 57), images(3, 40, 57)):
        assert difference(tf.saved_model.load(str(folder))(pixels), loaded(pixels)) < 1e-5


@pytest.mark.slow
def test_by_xla_the_rounding_may_differ_more(small_model, tmp_path, monkeypatch):
    monkeypatch.setattr("bit_keras.exporting.saved_model.TOLERANCE", -1.0)  # which no export keeps
    with pytest.raises(bit.SaveError, match="differs from the model by"):
        bit.export(small_model, tmp_path / "plain", image_size=48, fold=True)
    bit.export(small_model, tmp_path / "by_xla", image_size=48, fold=True, xla=True)


@pytest.mark.slow
def test_by_xla_it_names_pictures_as_the_others_do(by_xla, exported, photos):
    picture = next(photos.rglob("*.png"))
    ours, theirs = (bit.predict(folder, picture)[0] for folder in (by_xla, exported))
    assert ours.class_name == theirs.class_name and ours.scores == pytest.approx(theirs.scores, abs=1e-5)


def test_xla_without_folding_is_refused(small_model, tmp_path):
    with pytest.raises(bit.UserError, match=r"Expected `xla` with `fold`"):
        bit.export(small_model, tmp_path / "out", xla=True)


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [{"normalization": "batch"}, {"weight_standardization": False}])
def test_networks_of_the_ablation_fold_too(options, xla, images, tmp_path):
    model = bit.build("R14x0.5", num_classes=0, seed=0, **options)
    loaded = tf.saved_model.load(str(bit.export(model, tmp_path / "out", image_size=48, fold=True, xla=xla)))
    expected = model(2 * images(2, 48, 48) - 1)
    assert difference(loaded(images(2, 48, 48)), expected) < 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.slow
def test_by_xla_each_sum_of_shortcut_and_branch_can_be_part_of_a_convolution(folded, images, tmp_path):
    model = bit.build("R26x0.5", num_classes=0, seed=0)  # two units in each of four blocks
    by_xla = bit.export(model, tmp_path / "out", image_size=64, fold=True, xla=True)

    def adding(folder):
        nodes = [node for one in functions_of(folder) for node in one.node_def]
        added = [node.input for node in nodes if node.op == "AddN"]
        biased = {node.name for node in nodes if node.op == "BiasAdd"}
        return [any(name.split(":")[0] in biased for name in inputs) for inputs in added]

    assert adding(by_xla) == [True] * 8
    assert adding(folded) == []
    found = tf.saved_model.load(str(by_xla))(images(2, 64, 64))
    assert difference(found, model(2 * images(2, 64, 64) - 1)) < 1e-5
