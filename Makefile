# Two commands do everything: `make run` and `make test`. The rest is for daily work.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SYSTEM ?= examples/ev-96s.toml
OUT ?= out/demo
ARGS ?=
export UV_PYTHON_DOWNLOADS := never
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)

.PHONY: help run demo browser test env bench docs lock cells lint unit mutate explore clean

help:
	@echo "make run      the BMS in real time on a simulated EV battery, with the dashboard (SYSTEM=, ARGS=)"
	@echo "make demo     the EV example through a simulated hour, with plots (SYSTEM=, OUT=)"
	@echo "make test     everything CI checks: style, types, architecture, tests, documents"
	@echo "make env      set up .venv and compile the control core beforehand"
	@echo "make bench    performance figures beside their references"
	@echo "make mutate   how well protection kernel and guard are tested (SAMPLE=, SEED=, WORKERS=; hours without SAMPLE)"
	@echo "make explore  every course of small sites of peers, all of them checked (ARGS=; half an hour)"
	@echo "make docs     the documents, built into site/"
	@echo "make cells    identify the cell library again from the measured data"
	@echo "make lock     renew the locked requirements"

run: env
	@exec $(BIN)/ionward run $(SYSTEM) $(ARGS)

demo: env
	$(BIN)/ionward demo $(SYSTEM) --out $(OUT)

env: $(VENV)/.run-ready
	@$(BIN)/ionward warm-up

# The interpreter, then uv (the one on the path, or its own copy), then exactly the locked packages.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@command -v uv >/dev/null 2>&1 || $(BIN)/pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements/run.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test-ready: requirements/dev.lock $(VENV)/.run-ready
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/.bench-ready: requirements/bench.lock $(VENV)/.test-ready
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements/bench.lock
	@touch $@

# The dashboard is tested in a real browser. With root's rights it is installed; else a line says what is missing.
CHROMIUM := $(or $(IONWARD_CHROMIUM),/usr/bin/chromium)
browser:
	@test -x $(CHROMIUM) || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || { \
		echo "tests need a browser: apt-get install chromium, or name one by IONWARD_CHROMIUM" >&2; exit 1; }

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.test-ready browser
	$(BIN)/ionward warm-up
	$(BIN)/pytest -n 2 --dist loadgroup

test: lint unit docs

docs: $(VENV)/.test-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.bench-ready
	$(BIN)/ionward bench

explore: $(VENV)/.run-ready
	$(BIN)/python scripts/explore_peers.py $(ARGS)

SAMPLE ?= 0
SEED ?= 1
WORKERS ?= 2
mutate: $(VENV)/.test-ready
	$(BIN)/python scripts/mutate.py --sample $(SAMPLE) --seed $(SEED) --workers $(WORKERS) $(ARGS)

cells: $(VENV)/.run-ready
	$(BIN)/python scripts/identify_library.py

lock:
	$(UV) pip compile pyproject.toml --group build --generate-hashes --no-annotate --no-header --no-emit-index-url -o requirements/run.lock
	$(UV) pip compile pyproject.toml --group build --group dev --generate-hashes --no-annotate --no-header --no-emit-index-url -c requirements/run.lock -o requirements/dev.lock
	$(UV) pip compile pyproject.toml --group build --group dev --group bench --generate-hashes --no-annotate --no-header --no-emit-index-url -c requirements/dev.lock -o requirements/bench.lock

clean:
	rm -rf $(VENV) site out .pytest_cache .mypy_cache .ruff_cache .hypothesis
