"""A model comes with the names of its classes and the size of its pictures, or says what lacks."""

import shutil

import pytest

import bit_keras as bit
from bit_keras.evaluation.classifier import label_indices, open_classifier
from bit_keras.weights.fetching.cache import cache_folder
from bit_keras.weights.labels import labels_text

NAMES = ("ant", "bee", "cat")


@pytest.fixture
def weights(small_model, tmp_path):
    bit.save_weights(small_model, tmp_path / "weights.npz")
    return tmp_path / "weights.npz"


def test_labels_that_lie_beside_a_weights_file_are_its_names(weights):
    weights.with_name("labels.txt").write_text("ant\nbee\ncat\n")
    assert open_classifier(weights).class_names == NAMES


def test_without_labels_the_names_are_numbers(weights):
    classifier = open_classifier(weights)
    assert classifier.class_names is None and classifier.names() == ("0", "1", "2")


def test_given_labels_go_before_those_that_lie_there(weights, tmp_path):
    weights.with_name("labels.txt").write_text("x\ny\nz\n")
    (tmp_path / "mine.txt").write_text("ant\nbee\ncat\n")
    assert open_classifier(weights, labels=NAMES).class_names == NAMES
    assert open_classifier(weights, labels=tmp_path / "mine.txt").class_names == NAMES
    assert open_classifier(weights, labels=str(tmp_path / "mine.txt")).class_names == NAMES


def test_a_labels_file_of_another_system_is_read(tiny, tmp_path):
    (tmp_path / "windows.txt").write_bytes("Ameise\r\nBär\r\nKüken\r\n".encode())
    assert open_classifier(tiny, labels=tmp_path / "windows.txt").class_names == ("Ameise", "Bär", "Küken")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tiny, tmp_path):
    (tmp_path / "marked.txt").write_text("ant\nbee\ncat\n", encoding="utf-8-sig")
    assert open_classifier(tiny, labels=tmp_path / "marked.txt").class_names == NAMES


@pytest.mark.parametrize("text", ["{", "[1]", '{"image_size": "x"}', '{"image_size": 0}'])
def test_damaged_description_of_an_export_is_told(small_model, tmp_path, text):
    out = bit.export(small_model, tmp_path / "out", image_size=32)
    (out / "assets" / "bit_keras.json").write_text(text)
    with pytest.raises(bit.RunError, match=r"bit_keras\.json is damaged"):
        open_classifier(out)


def test_labels_that_lie_where_one_works_are_not_those_of_a_preset(tmp_path, monkeypatch, r50x1_file):
    # Two classes where the weights have a thousand: taken, they would be refused.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "labels.txt").write_text("x\ny\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    cache_folder().mkdir(parents=True)
    shutil.copy(r50x1_file, cache_folder() / "BiT-S-R50x1.npz")
    assert open_classifier("BiT-S-R50x1").class_names is None


def test_a_name_that_two_classes_share_cannot_stand_for_a_label(tiny):
    # As "crane" does in ILSVRC-2012, the bird and the machine.
    classifier = open_classifier(tiny, labels=("crane", "bee", "crane"))
    with pytest.raises(bit.DataError, match=r"several classes called \['crane'\]"):
        label_indices(classifier, ("bee", "crane"), "photos")
    assert label_indices(classifier, ("bee",), "photos") == [1]


def test_written_labels_read_back_as_they_were(tiny, tmp_path):
    (tmp_path / "labels.txt").write_text(labels_text(("a, b", "海\u2028x", "c d ")), encoding="utf-8")
    assert open_classifier(tiny, labels=tmp_path / "labels.txt").class_names == ("a, b", "海\u2028x", "c d ")


def test_a_labels_file_that_is_not_there_is_told(tiny, tmp_path):
    with pytest.raises(bit.UserError, match=r"no labels file .*lost\.txt.*one class name in each line"):
        open_classifier(tiny, labels=tmp_path / "lost.txt")


def test_a_labels_file_that_is_not_utf_8_is_told(tiny, tmp_path):
    (tmp_path / "latin.txt").write_bytes("Ameise\nBär\nKüken\n".encode("latin-1"))
    with pytest.raises(bit.UserError, match=r"latin\.txt"):
        open_classifier(tiny, labels=tmp_path / "latin.txt")


@pytest.mark.parametrize("labels", [("ant", "bee"), ("ant", "bee", "cat", "dog")])
def test_too_few_or_too_many_labels_are_counted(tiny, labels):
    with pytest.raises(bit.UserError, match=rf"Expected 3 class names.*Received: {len(labels)}"):
        open_classifier(tiny, labels=labels)


def test_a_model_that_gives_probabilities_is_refused(animals):
    model = bit.build("R14x0.5", num_classes=3, classifier_activation="softmax")
    with pytest.raises(bit.UserError, match=r"gives logits.*classifier_activation"):
        open_classifier(model)
    with pytest.raises(bit.UserError, match="logits"):
        bit.evaluate(model, animals)


def test_a_headless_model_has_nothing_to_evaluate_or_predict(animals, pictures):
    model = bit.build("R14x0.5", num_classes=0)
    with pytest.raises(bit.UserError, match=r"no head.*Fine-tune"):
        bit.evaluate(model, animals)
    with pytest.raises(bit.UserError, match=r"no head.*Fine-tune"):
        bit.predict(model, pictures[0])


def test_the_picture_size_is_224_unless_somebody_said_another(weights):
    assert open_classifier(weights).image_size == 224  # what BiT was pre-trained at
    assert open_classifier(weights, image_size=32).image_size == 32


def test_a_model_that_is_not_there_is_told(tmp_path):
    with pytest.raises(bit.UserError, match=r"no file or folder .*lost\.npz"):
        open_classifier(tmp_path / "lost.npz")
