# Two commands do everything: `make run` and `make test`. Each sets up .venv once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test lint clean

run: .venv/run.stamp
	$(BIN)/prism run examples/tour.prism

test: .venv/test.stamp
	$(BIN)/pytest -n 2 --dist loadfile --junitxml out/junit.xml
	$(BIN)/python -m agda.tools.commitments --junit out/junit.xml

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
