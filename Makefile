# Everything a reader needs: `make install`, `make test`, `make demo`. `make` alone lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin

# Which Python: the one given as PYTHON=..., else the one .venv was made with, else the first of the supported
# versions on the PATH. A candidate is run, not just found: version managers leave names that do not start.
SUPPORTED := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
ifndef PYTHON
PYTHON := $(shell made_with=$$(sed -n 's/^executable = //p' $(VENV)/pyvenv.cfg 2>/dev/null || true); \
	for python in $$made_with python3 python3.12 python3.11; do \
		if "$$python" -c '$(SUPPORTED)' >/dev/null 2>&1; then echo "$$python"; break; fi; \
	done)
endif
VERSION := $(shell '$(PYTHON)' -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
TAG := py$(subst .,,$(VERSION))
REQUIREMENTS := requirements/$(TAG).txt

# One stamp for the pinned packages and one for the project itself, so that an edit of pyproject.toml is cheap.
PACKAGES := $(VENV)/.packages-$(TAG)
INSTALLED := $(VENV)/.installed-$(TAG)

# One worker a core, but few: each holds its own JAX.
PYTEST_FLAGS ?= --numprocesses auto --maxprocesses 4
ARGS ?=

.PHONY: help
help: ## show this list
	@echo "make TARGET    (PYTHON=python3.12 chooses the interpreter, PYTEST_FLAGS=... what pytest is given,"
	@echo "                ARGS=... what demo and bench are given)"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

.PHONY: install
install: $(INSTALLED) ## make .venv with the pinned packages and this project, editable

.PHONY: test
test: lint ## what CI runs: lint, then every test
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

.PHONY: lint
lint: $(INSTALLED) ## ruff (rules and format) and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

.PHONY: format
format: $(INSTALLED) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: demo
demo: $(INSTALLED) ## a first run, on a CPU
	$(BIN)/smuzero demo $(ARGS)

.PHONY: bench
bench: $(INSTALLED) ## time the search, the learner and the environments on this machine
	$(BIN)/smuzero bench $(ARGS)

.PHONY: lock
lock: ## pin the newest versions again (needs uv on the PATH)
	for version in 3.11 3.12; do \
		uv pip compile pyproject.toml --extra dev --upgrade --python-version $$version \
			--python-platform x86_64-unknown-linux-gnu --generate-hashes \
			--no-emit-index-url --no-annotate --no-header --quiet \
			--output-file requirements/py$${version/./}.txt; \
	done

.PHONY: clean
clean: ## remove .venv, caches and build products; runs/ stays
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): $(PACKAGES) pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# An environment is always made anew: packages changed in place leave pieces of the old ones behind.
$(PACKAGES): $(REQUIREMENTS)
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) (Python $(VERSION)) cannot make virtual environments: its venv or ensurepip is missing." >&2; \
		echo "On Debian and Ubuntu: apt-get install python$(VERSION)-venv" >&2; \
		exit 1; }
	@echo "Making $(VENV) with $(PYTHON) (Python $(VERSION)) from $(REQUIREMENTS); this takes a minute or two."
	'$(PYTHON)' -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(REQUIREMENTS)
	@touch $@

# Reached only for a Python that has no file of pinned packages.
requirements/%.txt:
	@if [ -z '$(PYTHON)' ]; then \
		echo "No Python 3.11 or 3.12 was found (looked for python3, python3.12, python3.11)." >&2; \
	elif [ -z '$(VERSION)' ]; then \
		echo "PYTHON is '$(PYTHON)', which does not run." >&2; \
	else \
		echo "PYTHON is '$(PYTHON)', which is Python $(VERSION); packages are pinned for 3.11 and 3.12." >&2; \
	fi
	@echo "Install one (Debian 12: apt-get install python3 python3-venv), or name one:" >&2
	@echo "    make PYTHON=/path/to/python3.12 install" >&2
	@exit 1
