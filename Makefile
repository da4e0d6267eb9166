# `make demo`, `make test` and `make lint` set up first, which costs nothing once it is done.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Two workers must not fight over two cores.
export OMP_NUM_THREADS ?= 1

# Images of containers often set it. Set-up compiles nothing, so that each process would compile torch anew: 9 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test lint

setup: $(VENV)/.ready

# A recent pip reads the indexes in a third of the time. Most modules are never imported: Python compiles the others
# when they first are.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[dev,aws,gguf,lm-eval,quantized]"
	touch $@

demo: setup
	$(BIN)/python -m search.run space=demo

test: setup
	$(BIN)/python -m pytest -n auto -m "not long"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
