# Every development task, one way each: `make` lists them. Whatever a task needs is set up by itself.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-all lint format bench bench-rust conformance equivalence suites load kill memory fuzz
.PHONY: reliability wheels clean always

# Overlays are .pyc files: where writing these is forbidden there would be nothing to test or to time.
unexport PYTHONDONTWRITEBYTECODE
# The interpreter that clippy checks the native module against; maturin names its own.
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python
export PIP_QUIET := 1

PYTHON ?= python3
# What test-all, bench and the trials must find, as in VERSIONS="3.12 3.13"; empty: whatever is there; a trial then takes
# the one in .venv.
VERSIONS :=
# For tools/conformance and the trials, as in OPTIONS=--short or OPTIONS="json re"; for tools/equivalence and
# benches/run.py, as in OPTIONS="--only rich".
OPTIONS :=
BIN := .venv/bin
RUST := Cargo.toml Cargo.lock $(shell find rust -path rust/fuzz -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print)
FUZZ := --manifest-path rust/fuzz/Cargo.toml
# What a trial, $(1), is called with: the Python in .venv, or one after the other the wheels of VERSIONS.
trial = $(if $(VERSIONS),tools/find-pythons $(VERSIONS) | sed 's/^[^ ]* //' | \
  xargs -I{} $(BIN)/python $(1) --wheels dist --python {} $(OPTIONS),$(BIN)/python $(1) $(OPTIONS))
PACKAGE := README.md LICENSE $(shell find overlay_import -type f -not -name '*.so' -not -path '*/__pycache__/*')

help:  ## list the tasks
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: .venv/.built  ## .venv with all tools and the package, editable

demo: setup  ## real programs with and without overlays, then a module with lazy names
	$(BIN)/python benches/demo.py

test: setup  ## the Rust tests, and the Python tests on the default Python
	cargo test --workspace --exclude overlay-core
	cargo test $(FUZZ) -p overlay-checks --target-dir target/checks
	$(BIN)/pytest -n auto

test-all: wheels  ## the Python tests on the wheel of each CPython found, 3.11 to 3.15
	tools/find-pythons $(VERSIONS) | xargs -n 2 tools/test-wheel

lint: setup .pythons/found  ## formatting, lints, types, and the stubs against the native module
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo fmt $(FUZZ) --all --check
	cargo clippy $(FUZZ) -p overlay-checks --all-targets --target-dir target/checks -- -D warnings
	while read -r _ python; do PYO3_PYTHON=$$python cargo clippy -p overlay-core -- -D warnings </dev/null; done <.pythons/found
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest overlay_import._core
	$(BIN)/python tools/trials/page.py --check

format: .venv/.tools  ## format Rust and Python, and fix what ruff can fix
	cargo fmt --all
	cargo fmt $(FUZZ) --all
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup wheels  ## the benchmarks: overlays against all one would pick instead, on each CPython found
	$(BIN)/python benches/run.py $(OPTIONS) $(VERSIONS)

bench-rust: setup  ## the parts of the overlay file and of a first call, against memcpy and marshal.loads
	$(BIN)/python benches/micro.py $(OPTIONS)

conformance suites load kill memory fuzz: $(if $(VERSIONS),wheels,setup)

conformance:  ## CPython's own tests, and then real packages' own, must give the same with overlays as without
	$(call trial,tools/conformance)
	$(if $(filter-out --short,$(OPTIONS)),,$(call trial,tools/trials/suites.py))

suites:  ## the part of conformance that takes real packages' own tests
	$(call trial,tools/trials/suites.py)

load:  ## many processes, threads, forks, signals; too little of everything; files that change under a living process
	$(call trial,tools/trials/load.py)

kill:  ## compiles, imports and bundles that are killed at any moment
	$(call trial,tools/trials/kill.py)

memory:  ## valgrind, AddressSanitizer, CPython's debug allocator, and counts that must stay what they are
	tools/install-commands valgrind
	$(call trial,tools/trials/memory.py)

fuzz:  ## libFuzzer against what reads files and sources, ten minutes each
	$(call trial,tools/trials/fuzz.py)

reliability: wheels  ## all of the last six, and the figures of docs/reliability.md: some hours
	$(MAKE) fuzz OPTIONS="--json tools/trials/results"
	$(MAKE) conformance VERSIONS="$(or $(VERSIONS),3.11 3.13)" OPTIONS="--figures tools/trials/results"
	for trial in load kill memory suites; do \
	  $(MAKE) $$trial VERSIONS="$(or $(VERSIONS),3.11 3.13 3.15)" OPTIONS="--json tools/trials/results"; done
	$(BIN)/python tools/trials/page.py

equivalence: setup  ## real packages must be, function for function and event for event, what they are without overlays
	$(BIN)/python tools/equivalence $(OPTIONS)

wheels: dist/.built  ## dist/: the source archive, and a wheel for each CPython found

clean:  ## remove all that these tasks made, but for the interpreters in .pythons/
	cargo clean --quiet
	rm -rf .venv .venvs .demo .hypothesis .*_cache dist overlay_import/_core*.so
	find . -name __pycache__ -not -path './.pythons/*' -prune -exec rm -rf {} +

.venv/.tools: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/pip install --group dev
	touch $@

.venv/.built: .venv/.tools $(RUST)
	$(BIN)/maturin develop --release
	touch $@

dist/.built: .venv/.tools .pythons/found $(RUST) $(PACKAGE)
	rm -rf dist
	$(BIN)/maturin sdist --out dist
	$(BIN)/maturin build --release --out dist $$(sed 's/^[^ ]* /-i /' .pythons/found)
	touch $@

# Written anew only when another interpreter has come or gone.
.pythons/found: always
	@mkdir -p .pythons
	@tools/find-pythons >$@.now
	@cmp -s $@.now $@ || cp $@.now $@
