# Demeter's commands. On a fresh machine with Python >= 3.11: `make demo` shows it, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
UI_SOURCES := $(shell find ui -path ui/node_modules -prune -o -type f -print 2>/dev/null)

.PHONY: demo demo-check test check bench fuzz format lock ui ui-types clean openapi

demo: .venv/.ready src/demeter/app/static/index.html ## A housing society of simulated meters, read over DLMS, on a web page
	@$(BIN)/demeter demo

demo-check: .venv/.ready src/demeter/app/static/index.html ## The same without a person: one JSON document, exit 0 only if the cases hold
	@$(BIN)/demeter demo --check

test: .venv/.development src/demeter/app/static/index.html chromium ## Everything: unit, property, integration on two PostgreSQLs, acceptance, browser
	@sh tools/test.sh

check: .venv/.development ## Seconds: format, lint, types, imports, unit tests
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo --show-timings > .venv/imports.log 2>&1 || { cat .venv/imports.log; exit 1; }
	@$(BIN)/python -m tools.lints src
	@DEMETER_PROPERTIES=quick $(BIN)/python -m pytest -q tests/unit -m "not slow" -p no:cacheprovider

bench: .venv/.development ## Ratios in one run, written to docs/benchmarks.md
	@$(BIN)/python -m tests.bench

fuzz: .venv/.development ## Every parser under atheris: make fuzz FUZZ=10000000 PARSERS=axdr,apdu
	@sh tools/fuzz.sh "$(FUZZ)" "$(PARSERS)"

format: .venv/.development
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

lock: .venv/.development ## Pin versions and hashes anew; no index address enters a lock file
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/demeter.in -o requirements/demeter.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/demeter.txt requirements/development.in -o requirements/development.txt

ui: src/demeter/app/static/index.html

openapi: .venv/.ready ## The API's description and the UI's types made from it
	@$(BIN)/python -m demeter.app.openapi > ui/openapi.json
	@sh tools/npm.sh run types

clean:
	rm -rf .venv .demo src/demeter/app/static ui/node_modules

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Demeter needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: on Debian install python3-venv"; exit 1; }
	@touch $@

.venv/.ready: .venv/.python requirements/demeter.txt pyproject.toml
	@echo "Installing what Demeter needs (once)…" >&2
	@$(PIP) install --require-hashes -r requirements/demeter.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.development: .venv/.ready requirements/development.txt
	@$(PIP) install --require-hashes -r requirements/development.txt
	@touch $@

src/demeter/app/static/index.html: .venv/.ready $(UI_SOURCES)
	@echo "Building the web pages…" >&2
	@sh tools/npm.sh ci >&2
	@sh tools/npm.sh run check >&2
	@sh tools/npm.sh run build >&2
	@touch $@

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || sh tools/chromium.sh
