"""Notebooks run from their first cell to their last."""

import importlib.util
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def runner():
    """notebooks/run.py as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks", NOTEBOOKS / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_quickstart_runs_and_shows_the_mistakes(tmp_path):
    notebook = runner().run(NOTEBOOKS / "01_quickstart.ipynb", tmp_path)
    assert len(notebook.cells) == 10
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    accuracy = next(o["text"] for o in outputs if o.get("name") == "stdout" and "test accuracy" in o["text"])
    assert float(accuracy.split("test accuracy ")[1].split("%")[0]) >= 94


@pytest.mark.slow
def test_pretraining_runs_and_its_model_learns_faster_than_random_weights(tmp_path):
    notebook = runner().run(NOTEBOOKS / "02_pretrain.ipynb", tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    accuracies = [
        float(line.split("test accuracy ")[1].split("%")[0]) for line in printed.splitlines() if "test acc" in line
    ]
    pretrained, random = accuracies[-2:]
    assert pretrained > random
