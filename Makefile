# make demo and make test set themselves up: a Python 3.11 or later is all that must be there.

PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev

.PHONY: help setup demo test digests live sweep lint soak bench storm lock clean

help:
	@echo "make demo    one sign-in through the edge, step by step, with its ladder"
	@echo "make test    the whole suite; of the scenarios on real sockets, a sample with a process for each host"
	@echo "make live    every scenario that takes less than 30 s on real sockets: in one process, and with one for each host"
	@echo "make sweep   every scenario under 50 seeds (SEEDS=A..B, JOBS=N, ONLY='names or paths' for others);"
	@echo "             then one node of a pair fails during a sign-in: every EVERY-th case of where, how and when;"
	@echo "             then all on real sockets, however long, in one process, and with one for each host: half an hour"
	@echo "make digests whether any scenario's journal differs from the committed digests, and in what (WRITE=1 replaces them)"
	@echo "make lint    ruff and mypy"
	@echo "make soak    the parsers' tests with a million generated inputs each (SOAK=N for another number), and every default changed"
	@echo "make bench   the benchmarks"
	@echo "make storm   a live lab under every kind of attack at once, 17 minutes (STORM='--seconds 20': shorter)"
	@echo "make setup   what the above need: .venv with the locked dependencies and tools"
	@echo "make lock    renew the lock files from pyproject.toml"

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "edgesim needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@echo "Setting up .venv, once."
	@$(PYTHON) -m venv .venv

$(RUNTIME): requirements.lock pyproject.toml | .venv/pyvenv.cfg
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.lock
	@touch $@

setup: $(DEV)

demo: $(RUNTIME)
	@$(BIN)/edgesim run scenarios/sign_in/first_sign_in.py --ladder text

test: $(DEV)
	$(BIN)/python -m pytest -n auto --dist loadfile

SEEDS ?= 1..50
JOBS ?= 1
ONLY ?= scenarios
EVERY ?= 7
sweep: $(DEV)
	$(BIN)/edgesim run $(ONLY) --seeds $(SEEDS) -j $(JOBS)
	$(BIN)/python -m tests.exploration --every $(EVERY)
	$(BIN)/python -m tests.live_scenarios

live: $(DEV)
	$(BIN)/python -m tests.live_scenarios --under 30

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

WRITE ?=
digests: $(DEV)
	$(BIN)/python -m tests.journal_digests $(if $(WRITE),--write)

SOAK ?= 1000000
soak: $(DEV)
	$(BIN)/python -m pytest tests --fuzz-examples=$(SOAK) -m fuzz

bench: $(DEV)
	$(BIN)/python -m benchmarks

STORM ?=
storm: $(DEV)
	$(BIN)/python -m benchmarks.storm $(STORM)

# No index, link or host is written into the lock files: pip's own configuration says where packages come from.
LOCK := $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options --annotation-style=line
lock: $(DEV)
	CUSTOM_COMPILE_COMMAND="make lock" $(LOCK) --build-deps-for editable -o requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv .edgesim build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
