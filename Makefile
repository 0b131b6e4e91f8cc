# The verbs. `make demo` and `make test` set everything up by themselves.

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint proofs bench clean

demo: $(VENV)/.demo
	$(VENV)/bin/unrolled train --out runs/demo --overwrite --divergence 6
	$(VENV)/bin/unrolled look runs/demo

test: $(VENV)/.test
	$(PYTHON) -m pytest -n 2 --dist loadfile

lint: $(VENV)/.test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

proofs: $(VENV)/.test
	$(PYTHON) -m pytest -m proof

bench: $(VENV)/.bench
	$(PYTHON) -m benchmarks

clean:
	rm -rf $(VENV) runs build dist

$(VENV)/bin/python:
	python3 -c "import sys; sys.exit('Unrolled needs Python 3.11 or newer, this is ' + sys.version.split()[0] if sys.version_info < (3, 11) else 0)"
	python3 -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	@echo "installing Unrolled and torch into $(VENV): a minute, or as long as torch takes to download"
	$(PIP) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) --editable '.[test]'
	touch $@

$(VENV)/.bench: $(VENV)/.demo
	$(PIP) --editable '.[bench]'
	touch $@
