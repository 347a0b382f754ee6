# `make demo` and `make test` carry a newcomer; `make help` lists the rest.
PYTHON ?= python3.11
UV_VERSION := 0.13.9
BIN := .venv/bin
export DAGSTER_HOME ?= $(CURDIR)/.memsync/dagster

.PHONY: help demo test check dev lock clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "memsync needs Python 3.11: apt-get install python3.11 (or set PYTHON=...)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "memsync needs Python's venv module: apt-get install python3-venv" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.installed  ## sample loads, a local Salesforce org, the whole graph twice, the reports
	@$(BIN)/memsync demo

test: .venv/.installed  ## every test that this machine can run
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: .venv/.installed  ## ruff, mypy --strict, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar sql/

dev: .venv/.installed  ## the Dagster UI with sensors on
	@$(BIN)/memsync dev

lock:  ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --group dev --extra sqlserver --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header -o requirements.lock

clean:  ## remove the environment and the demo's state
	rm -rf .venv .memsync
