"""Runs every notebook from its first cell to its last and writes the outputs into it."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def run(path, folder):
    """Executes the notebook at `path` in the working folder `folder` and returns it."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return notebook


def without_progress(notebook):
    """Drops the error stream, nothing but progress bars, and what TensorFlow tells of the paths that it writes."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr" and not _is_log(output)]
    return notebook


def _is_log(output):
    return output.get("text", "").startswith("INFO:tensorflow:")


def main():
    for path in sorted(HERE.glob("*.ipynb")):
        print(path.name, file=sys.stderr)
        nbformat.write(without_progress(run(path, HERE)), path)


if __name__ == "__main__":
    main()
