# The two commands: `make demo` and `make test`. `make help` names the others.

PYTHON ?= python3
PORT ?= 8000
STORE ?= filesystem
# Tests wait more than they work; each worker has its own servers and browser.
WORKERS ?= 3
PYTEST_ARGS ?=
# Figures to measure, such as "render start-up"; all without.
FIGURES ?=

VENV := .venv
BIN := $(VENV)/bin
LOCALSTACK := .venv-localstack
AZURITE := tests/servers/node/node_modules
DEMO := .venv-demo
DEMO_PYTHON := $(DEMO)/bin/python
BENCH := .venv-bench
MSGFMT := msgfmt --check --check-accelerators

.DEFAULT_GOAL := help
.PHONY: help test check lint audit types js locales check-locales docs pytest coverage load defences bench \
        bundle demo packages clean

help: ## Say what the targets do
	@echo "usage: make TARGET"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# --- the two commands -----------------------------------------------------------------------

test: packages check pytest ## Get what is missing, then run every check and every test

demo: $(DEMO)/.made ## Serve the demo on 127.0.0.1:8000 (PORT=…, STORE=ceph for a real S3)
ifeq ($(STORE),ceph)
	@.ci/install-packages radosgw ceph-mon ceph-osd
	@rm -rf demo/data/ceph
	@$(DEMO_PYTHON) -m tests.servers.ceph --bucket demo -- $(DEMO_PYTHON) demo/manage.py serve $(PORT)
else ifeq ($(STORE),filesystem)
	@$(DEMO_PYTHON) demo/manage.py serve $(PORT)
else
	$(error STORE is filesystem or ceph, not $(STORE))
endif

# --- the parts of `make test` ---------------------------------------------------------------

check: lint types js check-locales docs ## Run everything but pytest

lint: $(VENV)/.made ## Ruff: rules and formatting; Bandit: what is dangerous
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/bandit -q -r s3upload

audit: $(VENV)/.made js/node_modules/.made ## Ask the registries for known weaknesses of what is depended on
	$(BIN)/pip-audit --skip-editable
	npm --prefix js audit

types: $(VENV)/.made ## Mypy, strict
	$(BIN)/mypy

js: js/node_modules/.made ## The script: lint, types, tests, and the bundle is not stale
	npm --prefix js run lint
	npm --prefix js run types
	npm --prefix js test
	npm --prefix js run check

bundle: js/node_modules/.made ## Bundle js/src into s3upload/static
	npm --prefix js run build

locales: packages ## Compile the translations (those of the script are in its bundle)
	@for po in s3upload/locale/*/LC_MESSAGES/django.po; do $(MSGFMT) -o "$${po%.po}.mo" "$$po"; done

check-locales: packages ## The compiled translations are those of the sources
	@for po in s3upload/locale/*/LC_MESSAGES/django.po; do \
	  $(MSGFMT) -o - "$$po" | cmp - "$${po%.po}.mo" || { echo "$$po: run make locales"; exit 1; }; \
	done

docs: $(VENV)/.made ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build -q -n -W --keep-going docs docs/_build/html

pytest: packages $(VENV)/.made $(LOCALSTACK)/.made $(AZURITE)/.made js/node_modules/.made ## The Python and browser tests (PYTEST_ARGS=…)
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

coverage: packages $(VENV)/.made $(LOCALSTACK)/.made $(AZURITE)/.made js/node_modules/.made ## The same in one process, with branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/coverage combine
	$(BIN)/coverage report

load: packages $(VENV)/.made ## Two thousand uploads while the store refuses one request in ten; `make test` has 300
	LOAD_UPLOADS=2000 $(BIN)/python -m pytest -s tests/test_load.py

defences: packages $(VENV)/.made $(LOCALSTACK)/.made $(AZURITE)/.made ## Take each defence out in turn, and see its test fail
	$(BIN)/python -m tests.defences

# The checkout stands first in the path: it is what is measured.
bench: packages $(BENCH)/.made ## What uploads cost, beside the peers; for the documentation (FIGURES="render start-up")
	$(BENCH)/bin/python -m benchmarks $(FIGURES)

# --- what they need -------------------------------------------------------------------------

packages:
	@.ci/install-packages chromium chromedriver radosgw ceph-mon ceph-osd initdb msgfmt node npm

$(VENV)/.made: setup.cfg pyproject.toml
	@.ci/make-venv $(PYTHON) $(VENV)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip install -q --python $(BIN)/python -e '.[dev]'
	@touch $@

$(LOCALSTACK)/.made: tests/servers/requirements-localstack.txt | $(VENV)/.made
	@.ci/make-venv $(PYTHON) $(LOCALSTACK)
	$(BIN)/uv pip install -q --python $(LOCALSTACK)/bin/python -r $<
	@touch $@

$(AZURITE)/.made: tests/servers/node/package.json tests/servers/node/package-lock.json | packages
	npm --prefix tests/servers/node ci --no-audit --no-fund
	@touch $@

$(DEMO)/.made: setup.cfg pyproject.toml
	@.ci/make-venv $(PYTHON) $(DEMO)
	$(DEMO)/bin/pip install -q -e '.[demo]'
	@touch $@

$(BENCH)/.made: setup.cfg pyproject.toml benchmarks/requirements.txt | $(VENV)/.made
	@.ci/make-venv $(PYTHON) $(BENCH)
	$(BIN)/uv pip install -q --python $(BENCH)/bin/python -e '.[test]' -r benchmarks/requirements.txt
	@touch $@

js/node_modules/.made: js/package.json js/package-lock.json | packages
	npm --prefix js ci --no-audit --no-fund
	@touch $@

clean: ## Remove what the targets made; the packages of the system stay
	rm -rf $(VENV) $(LOCALSTACK) $(DEMO) $(BENCH) .tox .mypy_cache .pytest_cache .ruff_cache \
	  build dist *.egg-info js/node_modules js/dist js/LICENSE $(AZURITE) docs/_build demo/data .coverage*
