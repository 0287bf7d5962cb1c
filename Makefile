# Every target sets up what it needs: the first one creates .venv and installs, later ones start at once.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.PHONY: install native native-if-possible wheel demo test test-all lint licences
.PHONY: bench bench-torch bench-pyod install-aot torture

install: .venv/installed native-if-possible

# Every file from an index has its hash in requirements.txt. First come the tools that build what has
# no wheel, as pip would fetch others, without hashes, to build it apart.
.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	awk '/^(setuptools|wheel)==/,!/\\$$/' requirements.txt > .venv/build.txt
	$(PIP) --require-hashes --no-deps -r .venv/build.txt
	$(PIP) --require-hashes --no-deps --no-build-isolation -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	touch $@

# The optional C++ path of convolutions on CPU, where there is a compiler.
native: .venv/native

.venv/native: .venv/installed $(wildcard native/*.* native/adjax_native/*.*)
	$(PIP) --require-hashes --no-deps -r native/requirements.txt
	$(PIP) --no-deps --no-build-isolation ./native
	rm -rf native/build native/*.egg-info
	touch $@

demo: install
	$(BIN)/python launch.py --mode=sweep --config=configs/mnist.py:demo --workdir=runs/demo

# Few memory arenas: a worker with one a thread keeps what it has freed.
test: install
	MALLOC_ARENA_MAX=2 $(BIN)/python -m pytest -n 2 --dist worksteal

test-all: install
	ADJAX_TEST_OPTIMIZATION=3 MALLOC_ARENA_MAX=2 $(BIN)/python -m pytest -n 2 --dist worksteal -m ""

# dist/adjax-*.whl: the package, the config files and MNIST.
wheel: .venv/installed
	rm -rf build
	$(BIN)/python -m pip --quiet wheel --no-deps --no-build-isolation -w dist .

# Nothing but speed depends on it; its tests are skipped where it cannot be built.
native-if-possible: .venv/installed
	@if ! echo 'int main() {}' | c++ -std=gnu++20 -fsyntax-only -x c++ - 2> /dev/null; then \
	  echo "there is no C++20 compiler (c++): convolutions on CPU stay those of XLA, which are slower"; \
	elif ! $(MAKE) --no-print-directory native; then \
	  echo "the C++ convolutions cannot be built, see above: those of XLA are used, which are slower"; \
	fi

# Reads what is installed; needs no network.
licences: native
	$(BIN)/python tools/licences.py docs/licences.md

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The tables of docs/performance.md: adjax alone, and in turns with PyTorch or with PyOD.
BENCH := $(BIN)/python -m benchmarks --output=docs/performance.md

bench: install
	$(BENCH) --precision=float32,bfloat16

bench-torch: .venv/torch
	$(BENCH) --precision=float32,bfloat16 --against=torch

bench-pyod: .venv/torch .venv/pyod
	$(BENCH) --against=pyod --repeats=3

# The compilers for GPUs and TPUs, of which no device need be here: for benchmarks.targets.
install-aot: .venv/aot/installed

.venv/aot/installed: .venv/installed benchmarks/aot.txt
	$(PIP) --require-hashes --no-deps --target .venv/aot -r benchmarks/aot.txt
	touch $@

# What is compared with comes without hashes, at versions that fit what is installed.
.venv/pyod: .venv/torch
	$(PIP) -c .venv/pins.txt -e ".[pyod]"
	touch $@

.venv/torch: .venv/installed
	awk -F' ' '/^[^ #]+==/ {print $$1}' requirements.txt > .venv/pins.txt
	$(PIP) -c .venv/pins.txt -e ".[torch]"
	touch $@

# Half an hour of kills, damage and nonsense; its figures go into docs/reliability.md.
torture: install
	$(BIN)/python -m torture --output=docs/reliability.md
