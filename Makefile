# `make lint`, `make test` and `make proofs` are what must hold: CI, hooks and pre-commit call these three. `make quick`
# leaves the slow tests out. Each target sets up .venv once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run quick test lint proofs mutants model clean

run: .venv/run.stamp
	$(BIN)/prism run examples/tour.prism

test: .venv/test.stamp
	$(BIN)/pytest -n 2 --dist loadfile --junitxml out/junit.xml
	$(BIN)/python -m agda.tools.commitments --junit out/junit.xml

quick: .venv/test.stamp
	$(BIN)/pytest -n 2 --dist loadfile -m 'not slow'

proofs: .venv/test.stamp
	scripts/prove.sh

mutants: .venv/test.stamp # every night: each named test kills its mutants
	$(BIN)/python -m agda.tools.mutants

model: .venv/test.stamp # every night: the engines against the proved model
	$(BIN)/python -m agda.tools.model --n 2000

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m policy check
	$(BIN)/zizmor --offline .github/workflows
	$(BIN)/docflow check

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e .
	touch $@

.venv/test.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e '.[test]'
	touch $@ .venv/run.stamp

.venv/gpu.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e '.[gpu,test]'
	touch $@ .venv/run.stamp .venv/test.stamp

clean:
	rm -rf .venv build dist out/[!R]*
