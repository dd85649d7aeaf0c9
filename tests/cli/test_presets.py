"""The list of published weights."""

import pytest

from tests.cli.conftest import command


def rows(*arguments):
    outcome = command("presets", *arguments)
    assert outcome.code == 0 and outcome.err == ""
    return [line.split() for line in outcome.out.splitlines()]


def test_all_three_families_of_all_six_sizes_are_listed():
    _, *listed = rows()
    sizes = ("R50x1", "R50x3", "R101x1", "R101x3", "R152x2", "R152x4")
    names = {f"{family}-{size}" for family in ("BiT-S", "BiT-M") for size in sizes}
    assert names | {f"BiT-M-{size}-ILSVRC2012" for size in sizes} < {row[0] for row in listed}
    assert len(listed) == 18 + 1 + 285 + 8 + 1  # and those of CIFAR-10, of VTAB, the distilled, and ours


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("BiT-S-R50x1", ["BiT-S-R50x1"]), ("BiT-S-R50x*", ["BiT-S-R50x1", "BiT-S-R50x3"]), ("*-S-R50x?", None)],
)
def test_a_pattern_chooses(pattern, names):
    _, *listed = rows(pattern)
    assert [row[0] for row in listed] == (names or ["BiT-S-R50x1", "BiT-S-R50x3"])


def test_a_row_tells_parameters_and_classes():
    # 25,549,352 is the published count of R50x1 with 1,000 classes (golden/forward.json).
    _, row = rows("BiT-S-R50x1")
    assert row[1:3] == ["25,549,352", "1,000"]
