# Every target sets up what it needs in .venv; only Python 3.11+ with pip, and make, are required.
# Set-up reruns only when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

# One BLAS thread per process: the tests run in several, and oversubscription is far slower.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo test browser-test lint format bench docs reproduce clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thalweg needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=25.1'  # the first that installs dependency groups
	@touch $@

$(VENV)/package.stamp: $(VENV)/pip.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/package.stamp
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/bench.stamp: $(VENV)/package.stamp
	$(BIN)/python -m pip install --quiet --group bench
	@touch $@

$(VENV)/figures.stamp: $(VENV)/package.stamp
	$(BIN)/python -m pip install --quiet --editable '.[figures]'
	@touch $@

$(VENV)/docs.stamp: $(VENV)/package.stamp
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

demo: $(VENV)/package.stamp  ## flow on real and random data, with a report
	@mkdir -p out
	$(BIN)/thalweg demo --report out/demo.html

# Kernels are compiled first, once: workers that compile at the same time may differ in last bits.
test: $(VENV)/dev.stamp  ## all tests and doctests
	$(BIN)/python -c 'from thalweg.flow.warm import compile_elsewhere; compile_elsewhere()'
	$(BIN)/python -m pytest -n $(WORKERS)

browser-test: $(VENV)/dev.stamp  ## the tests of reports in a headless Chromium, if there is one
	$(BIN)/python -m pytest tests/report/test_report_browser.py

lint: $(VENV)/dev.stamp  ## ruff, its formatter and pyright
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/dev.stamp  ## put the code into form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/bench.stamp  ## all benchmarks, one after the other, against named peers: about an hour
	@for script in benchmarks/bench_*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

docs: $(VENV)/docs.stamp  ## the documentation, into site/
	$(BIN)/mkdocs build --strict --quiet

reproduce: $(VENV)/figures.stamp  ## all figures of the papers, at their quick size, on one page
	$(BIN)/thalweg figure --all --out out/reproduction --workers $(WORKERS)

clean:  ## remove everything that the other targets made
	rm -rf $(VENV) build dist site out .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
