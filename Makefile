# Every target sets up what it needs: the first one creates .venv and installs, later ones start at once.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: install native native-if-possible demo test test-all lint
.PHONY: bench bench-torch bench-pyod torture

install: .venv/installed

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# The optional C++ path of convolutions on CPU, where there is a compiler.
native: .venv/native

.venv/native: .venv/installed $(wildcard native/*.* native/adjax_native/*.*)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ./native
	rm -rf native/build native/*.egg-info
	touch $@

demo: install native-if-possible
	$(BIN)/python launch.py --mode=sweep --config=configs/mnist.py:demo --workdir=runs/demo

# Few memory arenas: a worker with one a thread keeps what it has freed.
test: install native-if-possible
	MALLOC_ARENA_MAX=2 $(BIN)/python -m pytest -n 2 --dist worksteal

test-all: install native-if-possible
	ADJAX_TEST_OPTIMIZATION=3 MALLOC_ARENA_MAX=2 $(BIN)/python -m pytest -n 2 --dist worksteal -m ""

# Its tests are skipped where it cannot be built.
native-if-possible: install
	@if command -v c++ > /dev/null; then $(MAKE) --no-print-directory native; fi

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# The tables of docs/performance.md: adjax alone, and in turns with PyTorch or with PyOD.
BENCH := $(BIN)/python -m benchmarks --output=docs/performance.md

bench: install
	$(BENCH) --precision=float32,bfloat16

bench-torch: .venv/torch
	$(BENCH) --precision=float32,bfloat16 --against=torch

bench-pyod: .venv/torch .venv/pyod
	$(BENCH) --against=pyod --repeats=3

.venv/pyod: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt -e ".[pyod]"
	touch $@

.venv/torch: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt -e ".[torch]"
	touch $@

# Half an hour of kills, damage and nonsense; its figures go into docs/reliability.md.
torture: install
	$(BIN)/python -m torture --output=docs/reliability.md
