# make demo, make test: everything, on a machine that has only Python 3.11 to 3.13 and make.

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help demo lint test test-slow notebooks bench studies clean

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-tests: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,notebooks,parity,runtimes]'
	touch $@

demo: .venv/installed ## fine-tunes on real handwritten digits, evaluates, exports, predicts: about two minutes
	$(BIN)/python examples/demo.py

lint: .venv/installed-tests ## linters, the import contract and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

test: lint ## linters and the fast tests
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-slow: .venv/installed-tests ## the tests that take longer: killed processes, whole runs, notebooks
	$(BIN)/pytest -m slow

notebooks: .venv/installed-tests ## runs the notebooks and writes their outputs into them
	$(BIN)/python notebooks/run.py

bench: .venv/installed-tests ## measures and prints the performance tables
	$(BIN)/python benchmarks/group_norm.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/formula.py
	$(BIN)/python benchmarks/upstream_cost.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/input.py
	$(BIN)/python benchmarks/starting.py

studies: .venv/installed-tests ## trains and compares networks in small: hours; goes on where it was stopped
	$(BIN)/python benchmarks/transfer.py
	$(BIN)/python benchmarks/schedule.py
	$(BIN)/python benchmarks/normalization.py
	$(BIN)/python benchmarks/scale.py

clean: ## removes the environment and what the demo wrote
	rm -rf .venv runs build *.egg-info
