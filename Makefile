# Everything happens in a virtual environment of this folder; a fresh clone needs Python 3.11+, make and git.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready

# Nothing of the surrounding shell leaks in: not another virtual environment, not the folder on the import path.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PYTHONSAFEPATH := 1

.PHONY: demo test check lint format bench chaos docs bundle services fakes clean
.DEFAULT_GOAL := check

# What a user gets …
$(INSTALLED): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python '>=3.11' $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --editable .; \
	else \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Watchbell needs Python 3.11 or newer")' && \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=26' && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .; \
	fi
	@touch $@

# … and what the tests and checks need beside it.
$(READY): $(INSTALLED)
	@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(BIN)/python --editable . --group dev; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev; fi
	@touch $@

demo: $(INSTALLED)  ## One tick delivers a report; a second tick of the same minute delivers nothing.
	@$(BIN)/watchbell demo

test: $(READY)  ## All tests; those that need real servers run where the servers are installed (make services).
	@$(BIN)/pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile

check: lint test  ## Everything that a change must pass.

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)  ## Format and mend what can be mended.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## Print each figure as a ratio to its floor or peer in the same run.
	@$(BIN)/python tests/bench/run.py

docs: $(READY)  ## Build the documentation site into site/.
	@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(BIN)/python --group docs; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs; fi
	@$(BIN)/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

chaos: $(READY)  ## 1,000 deliveries while chats fail and ticks are killed; the figures, and what was broken.
	@$(BIN)/python tests/chaos/run.py $(CHAOS)

bundle: $(READY)  ## Write handler/requirements.txt anew from pyproject.toml; `sam build` reads it.
	@$(BIN)/python infra/lambda/requirements.py

services:  ## Install what the service tests run (Debian packages, needs root; DynamoDB Local; SAM CLI and checkov).
	@infra/install-test-services
	@infra/install-dynamodb-local
	@infra/install-aws-tools

fakes: $(READY)  ## Run fakes of the three chat APIs by hand (FAKES="--rates --chaos 0.3 --seed 7" for more).
	@$(BIN)/python tests/fakes/chat_server.py --port 8099 --exports $(FAKES)

clean:  ## Remove the virtual environment and caches.
	rm -rf $(VENV) .services dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
