"""Predictions keep the order of the pictures and are the softmax of the model's logits."""

import gc
import os
import weakref

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

import bit_keras as bit
from bit_keras.data.preprocessing import preprocess_eval
from bit_keras.evaluation import predicting
from bit_keras.weights.fetching.cache import cache_folder
from tests.data.making import encoded, exif, noise, save
from tests.evaluation.conftest import NAMES, SIZE


def predicted(model, images, **options):
    return bit.predict(model, images, **{"labels": NAMES, "image_size": SIZE, "top": 3} | options)


def scores(prediction):
    """Returns the scores in the order of NAMES."""
    found = dict(zip(prediction.class_names, prediction.scores, strict=True))
    return [found[name] for name in NAMES]


def test_scores_are_the_softmax_of_the_logits_in_the_order_of_the_pictures(tiny, pictures, log_probabilities):
    found = [scores(prediction) for prediction in predicted(tiny, pictures[0], batch_size=5)]
    np.testing.assert_allclose(found, np.exp(log_probabilities), atol=1e-5)


def test_names_come_likeliest_first(tiny, pictures, log_probabilities):
    prediction, *_ = predicted(tiny, pictures[0])
    order = np.argsort(-log_probabilities[0])
    assert prediction.class_names == tuple(NAMES[index] for index in order)
    assert list(prediction.scores) == sorted(prediction.scores, reverse=True)
    assert prediction.class_name == NAMES[order[0]] and prediction.score == prediction.scores[0]


def test_all_scores_sum_to_one(tiny, pictures):
    for prediction in predicted(tiny, pictures[0]):
        assert sum(prediction.scores) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("top", "count"), [(1, 1), (2, 2), (10, 3)])
def test_top_limits_the_names(tiny, pictures, top, count):
    assert {len(prediction.scores) for prediction in predicted(tiny, pictures[0][:2], top=top)} == {count}


def test_paths_bytes_and_arrays_of_one_picture_give_the_same(tiny, pictures, animals):
    path = animals / "test" / "ant" / "0.png"
    given = [path, str(path), path.read_bytes(), pictures[0][0]]
    found = predicted(tiny, given)
    assert len({prediction.scores for prediction in found}) == 1
    assert [prediction.source for prediction in found] == [str(path), str(path), "picture 2", "picture 3"]


def test_a_pillow_picture_is_what_its_array_is(tiny, pictures):
    image = Image.fromarray(pictures[0][0])
    assert scores(predicted(tiny, image)[0]) == scores(predicted(tiny, pictures[0][0])[0])


@pytest.mark.parametrize("images", [None, 3])
def test_what_is_no_picture_at_all_is_told(tiny, images):
    with pytest.raises(bit.DataError, match="Expected pictures: a path, bytes, an array or a list"):
        predicted(tiny, images)


def test_one_picture_needs_no_list(tiny, pictures, animals):
    path = animals / "test" / "ant" / "0.png"
    for image in (path, str(path), path.read_bytes(), pictures[0][0]):
        (prediction,) = predicted(tiny, image)
        assert scores(prediction) == pytest.approx(scores(predicted(tiny, [path])[0]), abs=1e-6)


def test_a_picture_that_is_given_twice_is_answered_twice(tiny, animals):
    path = animals / "test" / "bee" / "1.png"
    first, other, again = predicted(tiny, [path, animals / "test" / "cat" / "0.png", path])
    assert first == again and first != other


def test_no_pictures_give_no_predictions(tiny):
    assert predicted(tiny, []) == []


def test_the_batch_size_changes_nothing(tiny, pictures):
    whole = [scores(prediction) for prediction in predicted(tiny, pictures[0])]
    for batch_size in (1, 7):
        parts = [scores(prediction) for prediction in predicted(tiny, pictures[0], batch_size=batch_size)]
        np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_pictures_of_different_sizes_go_together(tiny):
    assert len(predicted(tiny, [noise(20, 50), noise(64, 33)])) == 2


def test_a_sideways_photo_is_predicted_as_the_upright_one(tiny, tmp_path):
    upright = noise(SIZE, SIZE)
    # A camera held sideways stores the scene turned counter-clockwise and says 6: turn clockwise.
    sideways = save(tmp_path / "sideways.png", np.rot90(upright), exif=exif(6))
    np.testing.assert_allclose(*(scores(p) for p in predicted(tiny, [sideways, upright])), atol=1e-6)


def test_formats_for_pillow_are_predicted_too(tiny):
    picture = noise(SIZE, SIZE)
    first, second = predicted(tiny, [encoded(picture, "tiff"), picture])
    assert first.scores == second.scores


def test_a_bit_for_pixels_predicts_as_the_same_bit_for_minus_one_to_one(small_model, pictures):
    model = bit.build("R14x0.5", num_classes=3, include_preprocessing=True)
    model.set_weights(small_model.get_weights())
    expected = softmax(small_model.predict(pictures[0] / np.float32(127.5) - 1, verbose=0), axis=-1)
    for bit_model in (small_model, model):
        found = [scores(prediction) for prediction in predicted(bit_model, pictures[0])]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_all_broken_pictures_are_named(tiny, animals, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"no picture")
    images = [
        tmp_path / "empty.png",
        animals / "test" / "ant" / "0.png",
        tmp_path / "text.jpg",
        tmp_path / "lost.png",
        b"x",
    ]
    pattern = r"4 pictures.*empty\.png: .*empty; .*text\.jpg: .*; .*lost\.png: No such file.*; picture 4: "
    with pytest.raises(bit.DataError, match=pattern):
        predicted(tiny, images)


@pytest.mark.parametrize("image", [noise(8, 8) / 255, noise(8, 8)[..., 0], noise(8, 8).astype(np.int32), noise(0, 9)])
def test_an_array_that_is_not_a_uint8_picture_is_refused(tiny, image):
    with pytest.raises(bit.DataError, match=r"uint8 array \(height, width, 3\).*Received: ndarray"):
        predicted(tiny, [image])


def test_classes_of_a_preset_are_numbers_where_their_names_cannot_be_had(monkeypatch, r50x1_file):
    monkeypatch.setenv("BIT_KERAS_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    cache_folder().mkdir(parents=True)
    os.link(r50x1_file, cache_folder() / "BiT-S-R50x1.npz")
    with pytest.warns(UserWarning, match=r"Classes are numbers, as their names are not at hand\. Could not fetch"):
        (found,) = bit.predict("BiT-S-R50x1", noise(32, 32), image_size=32, top=2)
    best = bit.predict(r50x1_file, noise(32, 32), image_size=32, top=2)[0].class_names
    assert found.class_names == best and all(name.isdecimal() for name in best)


def test_classes_of_a_preset_have_the_published_names(r50x1_file):
    cache_folder().mkdir(parents=True)
    os.link(r50x1_file, cache_folder() / "BiT-S-R50x1.npz")
    for kind in ("ids", "lemmas"):
        lines = "".join(f"{kind} {number}\n" for number in range(1000))
        (cache_folder() / f"ilsvrc2012_wordnet_{kind}.txt").write_text(lines)
    (found,) = bit.predict("BiT-S-R50x1", noise(32, 32), image_size=32, top=2)
    best = bit.predict(r50x1_file, noise(32, 32), image_size=32, top=2)[0].class_names
    assert found.class_names == tuple(f"lemmas {number}" for number in best)


def test_the_same_model_predicts_by_its_new_weights_and_is_traced_once(pictures):
    model = bit.build("R14x0.5", num_classes=3, seed=0)
    first = scores(predicted(model, pictures[0][:1])[0])
    traced = predicting._graphs[model][0]
    model.layers[-1].bias.assign([0.0, 5.0, 0.0])
    second = scores(predicted(model, pictures[0][:1])[0])
    np.testing.assert_allclose(first, [1 / 3] * 3, atol=1e-6)  # a new head is zero
    np.testing.assert_allclose(second, softmax([0.0, 5.0, 0.0]), atol=1e-6)
    assert predicting._graphs[model][0] is traced and traced.experimental_get_tracing_count() == 1


def test_a_model_whose_variables_were_replaced_is_traced_anew(pictures):
    model = bit.build("R14x0.5", num_classes=3, seed=0)
    predicted(model, pictures[0][:1])
    model.layers[-1].quantize("int8")
    expected = softmax(model(preprocess_eval(pictures[0][0], crop=SIZE)[None]).numpy()[0])
    np.testing.assert_allclose(scores(predicted(model, pictures[0][:1])[0]), expected, atol=1e-5)


def test_the_kept_graph_does_not_keep_its_model(pictures):
    model = bit.build("R14x0.5", num_classes=3, seed=0)
    predicted(model, pictures[0][:1])
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
