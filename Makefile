# `make demo` and `make test` set up all they need in .venv; nothing else on the machine changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-sdk lint types mypy pyright bench faults docs services lock clean

demo: $(VENV)/.package
	@$(BIN)/arcrun demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# With the official SDKs that the adapters serve: they weigh more than all the rest.
test-sdk: $(VENV)/.sdk
	$(BIN)/python -m pytest -n auto tests/sdk $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/arcrun recipes lint recipes

types: mypy pyright

mypy: $(VENV)/.lint $(VENV)/.sdk
	$(BIN)/mypy

pyright: $(VENV)/.lint $(VENV)/.sdk
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.bench
	$(BIN)/python -m bench

faults: $(VENV)/.test
	@$(BIN)/python -m tests.faults

docs: $(VENV)/.package
	$(BIN)/python -m arcrun_cli.reference docs/cli.md
	$(BIN)/python docs/generate.py

# A page of each service, and an index with a search: build/services/index.html.
services: $(VENV)/.package
	@$(BIN)/python docs/services.py build/services

# The lock files pin what tests, checks and benches install: uv is needed only to renew them.
lock:
	for group in test sdk lint bench; do \
	  uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
	    --generate-hashes --no-strip-extras --group $$group pyproject.toml --output-file requirements/$$group.txt; \
	done

clean:
	rm -rf $(VENV) build dist

# pip of the outer Python installs into the environment: works where ensurepip is missing.
PIP := $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.package: $(BIN)/python pyproject.toml
	$(PIP) --editable .
	@touch $@

$(VENV)/.test $(VENV)/.sdk $(VENV)/.lint $(VENV)/.bench: $(VENV)/.%: $(VENV)/.package requirements/%.txt
	$(PIP) --requirement requirements/$*.txt
	@touch $@
