# SPDX-License-Identifier: Apache-2.0
# Everything a person or CI runs. Needs Python 3.11 or later and make; the rest is
# installed into .venv from locks with hashes. A second call installs nothing.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
WORKERS ?= auto
# A file a worker, in the order of the directories: whole journeys first, small tests last.
SPREAD := --dist loadfile --no-loadscope-reorder
# The runner writes no byte code, so an installation from source makes it beforehand.
COMPILE := $(BIN)/python -m compileall -q cleanroom || true
TRUST := envelope contract vault attestation keybroker admission bound_plan second_reading disclosure receipt

.DEFAULT_GOAL := help
.PHONY: help demo test slow vm format lint types docs build coverage locks check-locks clean

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1 \2/p' $(MAKEFILE_LIST) | while read -r name text; do \
	  printf '%-12s %s\n' "$$name" "$$text"; done

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/pip
	$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	$(PIP) --no-build-isolation --no-deps --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/pip
	$(PIP) --require-hashes -r requirements-dev.lock
	$(PIP) --no-build-isolation --no-deps --editable .
	@$(COMPILE)
	@touch $@

# moto would hold back what we use, so it has an environment of its own.
$(VENV)/.emulators: requirements-emulators.lock | $(BIN)/pip
	$(PYTHON) -m venv $(VENV)/emulators
	$(VENV)/emulators/bin/python -m pip --disable-pip-version-check --no-input install --quiet \
	  --require-hashes -r requirements-emulators.lock
	@touch $@

demo: $(VENV)/.runtime ## Two organisations, one command, a verified result
	$(BIN)/cleanroom demo

test: $(VENV)/.dev ## Everything but the slow tests; under ten minutes
	$(BIN)/python -m pytest -q -n $(WORKERS) $(SPREAD) -m "not slow"

slow: $(VENV)/.dev $(VENV)/.emulators ## The slow tests alone
	$(BIN)/python -m pytest -q -n $(WORKERS) $(SPREAD) -m "slow and not vm"

vm: $(VENV)/.dev ## A virtual machine that measures its own start; needs QEMU, OVMF, swtpm, a kernel
	$(BIN)/python -m pytest -q -rs -m vm

format: $(VENV)/.dev ## Rewrite the code in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.dev ## Format, rules and import layers, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

docs: $(VENV)/.dev ## Bring the index up to date; check links, threat ids and pages
	$(BIN)/python -m tests.support.docs_index
	$(BIN)/python -m pytest -q tests/architecture/test_documents.py tests/architecture/test_threats.py

build: $(VENV)/.dev ## Source archive and wheel in dist/
	rm -rf dist
	$(BIN)/hatchling build

coverage: $(VENV)/.dev ## Every branch of the trust packages, by their own unit tests
	$(BIN)/python -m pytest -q -n $(WORKERS) $(SPREAD) -m "not slow" $(addprefix tests/unit/,$(TRUST)) \
	  $(addprefix --cov=cleanroom.,$(TRUST)) --cov-branch --cov-report=term --cov-fail-under=100

EXPORT := $(BIN)/uv export --quiet --frozen --no-emit-project --no-header --no-annotate
ANALYSIS := cleanroom/runner/analysis/environment.lock

locks: $(VENV)/.dev ## Resolve again and write the locks that pip reads
	$(BIN)/uv lock
	$(EXPORT) --no-dev --output-file requirements.lock >/dev/null
	$(EXPORT) --only-group build --output-file requirements-build.lock >/dev/null
	$(EXPORT) --group dev --output-file requirements-dev.lock >/dev/null
	$(EXPORT) --only-group analysis-environment --output-file $(ANALYSIS) >/dev/null
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --output-file requirements-emulators.lock requirements-emulators.in >/dev/null

check-locks: $(VENV)/.dev ## Fail when a lock does not follow from pyproject.toml
	$(BIN)/uv lock --check --offline
	$(EXPORT) --no-dev | cmp - requirements.lock
	$(EXPORT) --only-group build | cmp - requirements-build.lock
	$(EXPORT) --group dev | cmp - requirements-dev.lock
	$(EXPORT) --only-group analysis-environment | cmp - $(ANALYSIS)

clean: ## Remove what the other targets made
	rm -rf $(VENV) dist build cleanroom-demo .pytest_cache .mypy_cache .ruff_cache .coverage
