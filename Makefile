# make run    install what is missing, run the pipeline, show its answer   (about 2 minutes on 2 cores)
# make test   lint, types and the offline tests                            (about 10 minutes on 2 cores)
# make lint   lint and types alone
# make coverage   the tests again, and the lines that none of them runs (half as slow again)
# make audit      known vulnerabilities of the pins (asks the package index; one that it cannot tell about is a failure)
# make bench      how fast it is, beside what else there is: benchmarks/RESULTS.md   (twenty minutes on 2 idle cores)
PYTHON ?= python3
VENV := .venv
PYTEST := pytest -q -n 2 --dist worksteal -m "not slow"
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/installed
export PATH := $(BIN):$(PATH)

.PHONY: run test lint coverage audit bench install
run: install
	@dvc repro || { echo "If this was no mistake of yours, \`trajprobe doctor\` looks for what a killed run left behind." >&2; exit 1; }
	@trajprobe show

test: lint
	$(PYTEST)

coverage: install
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=90

bench: install
	dvc repro -q
	python benchmarks/results.py

lint: install
	ruff check
	ruff format --check
	mypy

# In an environment of its own: the auditor's packages are none of ours.
audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install -q --disable-pip-version-check pip-audit
	@$(VENV)/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict || { echo "Of a vulnerability: raise the pin, or explain in CONTRIBUTING.md why it does not matter. \`not found on PyPI\`: the audit asks https://pypi.org, so run it where that is reached and knows the pins." >&2; exit 1; }

install: $(STAMP)

# torch first, and pinned: asked for by another package it would come with gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "trajprobe needs Python 3.11 or newer; name one with make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[hub,series,tracking,dev]'
	touch $@
