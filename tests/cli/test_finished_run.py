"""`evaluate`, `predict` and `export` take the folder of a finished run."""

import json
import re

import numpy as np
import onnx
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.cli.conftest import command
from tests.data.making import noise, save, write_photos


def test_a_run_on_its_own_data_is_measured_on_its_test_pictures(finished):
    outcome = command("evaluate", finished.workdir, finished.photos)
    measured = re.search(r"test pictures: accuracy ([\d.]+)% \(\d of 2 right\), loss ([\d.]+)", outcome.out).groups()
    told = re.search(r"test +accuracy ([\d.]+)% .*loss ([\d.]+)", finished.outcome.out).groups()
    assert outcome.code == 0 and measured == told


def test_a_run_on_a_copy_of_the_split_measures_the_same_pictures(finished):
    metrics = bit.evaluate(finished.workdir, finished.photos)
    same = bit.evaluate(finished.workdir, finished.workdir / "split.csv")
    assert metrics == same


def test_a_run_knows_its_data_when_the_folder_was_moved(finished, photos):
    assert re.search(r"test pictures: .* of 2 right", command("evaluate", finished.workdir, photos).out)


def test_a_run_on_other_data_is_measured_on_all_of_it(finished, photos):
    save(photos / "red" / "3.png", noise(24, 20, seed=1))
    assert re.search(r"all pictures: .* of 20 right", command("evaluate", finished.workdir, photos).out)


@pytest.mark.parametrize(("split", "count"), [("train", 16), ("validation", 2)])
def test_a_split_of_a_run_can_be_chosen(finished, split, count):
    outcome = command("evaluate", finished.workdir, finished.photos, f"--split={split}")
    assert re.search(rf"{split} pictures: .* of {count} right", outcome.out)


def test_classes_that_the_run_does_not_know_are_told(finished, tmp_path):
    write_photos(tmp_path / "other", classes=("green", "red"), number=2)
    outcome = command("evaluate", finished.workdir, tmp_path / "other")
    assert outcome.code == 1 and "does not know the labels ['green']" in outcome.message


def test_broken_pictures_are_counted_and_under_strict_end_with_exit_code_two(finished, photos):
    (photos / "red" / "3.png").write_bytes(b"broken")
    assert "1 broken pictures were left out" in command("evaluate", finished.workdir, photos).out
    outcome = command("evaluate", finished.workdir, photos, "--strict")
    assert outcome.code == 2 and "3.png" in outcome.message


def test_predictions_have_a_line_for_each_picture_of_a_folder_in_order(finished):
    folder = finished.photos / "red"
    outcome = command("predict", finished.workdir, folder, "--top=1")
    lines = outcome.out.splitlines()
    assert outcome.code == 0 and len(lines) == 10
    assert [line.split(": ")[0] for line in lines] == [str(path) for path in sorted(folder.iterdir())]
    assert all(re.fullmatch(r".*: (red|blue) [\d.]+%", line) for line in lines)


def test_json_lines_hold_what_predict_returns(finished):
    paths = [finished.photos / "red" / "0.png", finished.photos / "blue" / "1.png"]
    outcome = command("predict", finished.workdir, *paths, "--json")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    for line, expected in zip(found, bit.predict(finished.workdir, paths), strict=True):
        assert (line["source"], line["class_names"]) == (expected.source, list(expected.class_names))
        np.testing.assert_allclose(line["scores"], expected.scores, atol=1e-6)


def test_a_broken_picture_is_named_on_the_error_stream_and_the_others_are_predicted(finished, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"broken")
    good = save(tmp_path / "good.png", noise(24, 20))
    outcome = command("predict", finished.workdir, tmp_path / "bad.png", good)
    assert outcome.code == 0 and outcome.out.startswith(f"{good}: ") and len(outcome.out.splitlines()) == 1
    assert re.search(r"1 picture cannot be read: .*bad\.png", outcome.message)
    assert command("predict", finished.workdir, tmp_path / "bad.png", good, "--strict").code == 2


def test_nothing_but_broken_pictures_is_an_error(finished, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"broken")
    outcome = command("predict", finished.workdir, tmp_path / "bad.png", tmp_path / "lost.png")
    assert outcome.code == 1 and outcome.out == "" and "2 pictures cannot be read" in outcome.message


def test_a_folder_without_pictures_is_an_error(finished, tmp_path):
    (tmp_path / "empty").mkdir()
    outcome = command("predict", finished.workdir, tmp_path / "empty")
    assert outcome.code == 1 and "no pictures in" in outcome.message


def test_labels_from_a_file_replace_those_of_the_run(finished, tmp_path):
    (tmp_path / "german.txt").write_text("blau\nrot\n")
    outcome = command("predict", finished.workdir, finished.photos / "red", f"--labels={tmp_path / 'german.txt'}")
    assert {"blau", "rot"} <= set(outcome.out.split()) and " red " not in outcome.out


def test_an_export_of_the_run_predicts_as_the_run(finished, tmp_path):
    outcome = command("export", finished.workdir, tmp_path / "out")
    assert outcome.code == 0 and outcome.out == f"SavedModel {tmp_path / 'out'}\n"
    paths = [finished.photos / "red" / "0.png", finished.photos / "blue" / "0.png"]
    served = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"]
    answers = served(image_bytes=tf.constant([path.read_bytes() for path in paths]))
    for index, expected in enumerate(bit.predict(finished.workdir, paths)):
        assert [name.decode() for name in answers["class_names"][index].numpy()] == list(expected.class_names)
        np.testing.assert_allclose(answers["scores"][index], expected.scores, atol=1e-5)


def test_an_onnx_file_of_the_run_has_its_class_names(finished, tmp_path):
    outcome = command("export", finished.workdir, tmp_path / "out.onnx", "--format=onnx")
    assert outcome.code == 0 and outcome.out == f"ONNX {tmp_path / 'out.onnx'}\n"
    about = {entry.key: entry.value for entry in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert json.loads(about["class_names"]) == ["blue", "red"] and about["image_size"] == "32"


def test_an_export_into_a_folder_in_use_is_refused_without_overwrite(finished):
    outcome = command("export", finished.workdir, finished.photos)
    assert outcome.code == 1 and "exists already" in outcome.message
    assert len(list(finished.photos.rglob("*.png"))) == 20
