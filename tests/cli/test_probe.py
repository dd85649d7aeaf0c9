"""`probe` prints a row for each number of pictures."""

import re

import bit_keras as bit
from tests.cli.conftest import command

DATA = "formula:3,glyph=1,side=32,pictures=6"


def test_each_number_has_a_row_with_its_median(tmp_path):
    bit.save_weights(bit.build("R14x0.5", num_classes=0, seed=0), tmp_path / "backbone.npz")
    outcome = command("probe", tmp_path / "backbone.npz", DATA, "--image_size=32", "--examples_per_class=1,5")
    rows = outcome.out.splitlines()
    assert outcome.code == 0 and len(rows) == 2
    for row, count in zip(rows, (1, 5), strict=True):
        percent = r"\d+\.\d%"
        assert re.fullmatch(
            rf" *{count} of each class: accuracy {percent} \(median of {percent}(, {percent}){{2}}\)", row
        )


def test_numbers_that_are_none_are_told(tmp_path):
    outcome = command("probe", "x.npz", DATA, "--examples_per_class=few")
    assert outcome.code == 1 and "Expected --examples_per_class as whole numbers such as 1,5" in outcome.message
