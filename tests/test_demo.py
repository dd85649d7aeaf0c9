"""`make demo` keeps its promise."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "demo.py"


def demo(folder, seed):
    """Runs the demo in a process of its own and returns its test accuracy in per cent."""
    code = f"import demo; demo.main(demo.Path({str(folder)!r}), {seed})"
    environment = os.environ | {"PYTHONPATH": str(DEMO.parent)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(result.stdout.split("Test accuracy: ")[1].split("%")[0])


@pytest.mark.slow
def test_median_of_three_seeds_names_98_per_cent_of_the_test_digits(tmp_path):
    assert statistics.median(demo(tmp_path / str(seed), seed) for seed in (0, 1, 2)) >= 98


@pytest.mark.slow
def test_demo_that_reaches_too_little_fails(tmp_path):
    code = DEMO.read_text().replace("LEAST = 0.97", "LEAST = 1.01").replace("base_learning_rate=0.03", "steps=4")
    (tmp_path / "demo.py").write_text(code)
    result = subprocess.run([sys.executable, "demo.py"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "should reach" in result.stderr
