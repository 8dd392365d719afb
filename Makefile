# Every target sets up what it needs. `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-heavy check format bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

demo: $(VENV)/.demo ## run the whole loop on real flights, in ./modelyard-demo
	$(BIN)/modelyard demo $(DEMO)

test: $(STAMP) ## run all tests
	$(BIN)/python -m pytest $(PYTEST)

check: $(STAMP) ## format, lint, types, import contract, changelog fragments
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## measure us beside the peers (in environments of their own) and print ratios
	$(BIN)/python -m benchmarks

test-heavy: $(STAMP) ## run the tests that need PyTorch and Keras (installs them)
	$(BIN)/pip install --quiet 'torch==2.13.0' 'keras>=3.11' safetensors h5py onnx onnxruntime
	KERAS_BACKEND=torch $(BIN)/python -m pytest -m heavy $(PYTEST)

clean: ## remove what the other targets made
	rm -rf $(VENV) modelyard-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "modelyard needs Python 3.11 or newer; say which with: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	test -f $(STAMP) || $(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(STAMP): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
