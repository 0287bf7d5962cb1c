# Every target sets up what it needs: the first one creates .venv and installs, later ones start at once.
# PYTHON=/path/to/python chooses what they run on; else it is the first of these that is here.
PYTHON ?= $(call first-python,3.11,3.11 3.12 3.13)
BIN := .venv/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check install

# $(call first-python,OLDEST,VERSIONS): a Python from OLDEST on that can make environments, or nothing.
first-python = $(shell for name in $(addprefix python,$(2)) python3 python; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(not ($(subst .,$(comma) ,$(1))) <= sys.version_info < (3, 14))' \
		2> /dev/null && { echo $$name; break; }; done)
comma := ,

.PHONY: install native native-if-possible wheel demo test test-all test-newest lint licences
.PHONY: bench bench-torch bench-pyod install-aot torture

install: .venv/installed native-if-possible

.venv/installed: requirements.txt pyproject.toml
	$(install-pinned)

# Every file from an index has its hash in the first prerequisite. First come the tools that build
# what has no wheel, as pip would fetch others, without hashes, to build it apart.
define install-pinned
	@test -n "$(PYTHON)" || { echo "adjax needs Python 3.11, 3.12 or 3.13 with its module venv: install one, or make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	awk '/^(setuptools|wheel)==/,!/\\$$/' $< > $(@D)/build.txt
	$(PIP) --require-hashes --no-deps -r $(@D)/build.txt
	$(PIP) --require-hashes --no-deps --no-build-isolation -r $<
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	touch $@
endef

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

# The newest releases of what adjax stands on, on Python 3.12 or 3.13, in an environment of their own.
test-newest: .venv-newest/installed
	MALLOC_ARENA_MAX=2 .venv-newest/bin/python -m pytest -n 2 --dist worksteal

.venv-newest/installed: BIN := .venv-newest/bin
.venv-newest/installed: PYTHON = $(call first-python,3.12,3.13 3.12)
.venv-newest/installed: requirements-newest.txt pyproject.toml
	$(install-pinned)

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
