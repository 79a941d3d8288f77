# Two commands do everything: `make up` and `make test`. Everything else is a shorthand.
PYTHON ?= python3
unexport PYTHONDONTWRITEBYTECODE  # else each process of the tests compiles all modules anew
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-to-run
STAMP := $(VENV)/.installed

.PHONY: up test detect lint bench coverage mutants soak repeat check browser reference clean

up: $(RUN_STAMP)
	$(BIN)/attune up

detect: $(RUN_STAMP)
	@$(BIN)/attune detect --local

test: $(STAMP)
	$(BIN)/pytest -n 3

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

check: lint test

# Branches of the pure layers that the unit tests reach by themselves.
coverage: $(STAMP)
	$(BIN)/pytest -n 2 tests/unit --cov=attune.core --cov=attune.operations --cov-branch --cov-fail-under=95 \
	  --cov-report=term-missing:skip-covered

# Small faults, each of which a test must notice.
mutants: $(STAMP)
	$(BIN)/python tests/mutants/run.py $(ONLY)

# Rounds, floods and long histories. Goes on where it was interrupted; `make soak AGAIN=1` begins anew.
soak: $(STAMP)
	PYTHONPATH=tests/support $(BIN)/pytest -s -p soak_results --hypothesis-profile=soak $(if $(AGAIN),--again) \
	  tests/soak tests/property tests/migration tests/unit/config tests/unit/catalogue \
	  tests/integration/web/test_api_as_documented.py

# Twenty and five times on a busy machine. Takes hours.
repeat: $(STAMP)
	.ci/repeat

# The pages of docs/reference that are made from the code.
reference: $(STAMP)
	PYTHONPATH=tests/support:tests/support/web $(BIN)/python tests/support/reference_pages.py

bench: $(STAMP)
	-PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	$(BIN)/python -m benchmarks

# What the tests of the page need: Debian's Chromium and axe-core.
browser:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	@test -d build/node/node_modules/axe-core || \
	  npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix build/node axe-core@4.14.1

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "attune needs Python 3.11 or newer as python3; name another with: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "python3 has no venv module; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# What Attune needs to run, and what its tests need as well. Without --quiet: pip shows what it does meanwhile.
$(RUN_STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --disable-pip-version-check -e .
	@touch $@

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(RUN_STAMP)
