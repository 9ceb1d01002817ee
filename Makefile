# The commands of the house; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit integration verify soak bench bench-check lint format lock schema clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/ready ## make .venv with everything that is pinned in requirements-dev.lock

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed; $(PYTHON) is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 ...")'
	@echo "setting up $(VENV) (once, a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/ready ## Kafka, workers, a hostile destination and 2,000 events; KEEP=1 leaves it running
	@$(BIN)/distributary demo $(if $(KEEP),--keep) $(ARGS)

test: $(VENV)/ready ## everything: lint, unit, flow, connectors, chart, and real Kafka (under 15 minutes)
	@$(MAKE) --no-print-directory lint
	@$(BIN)/pytest $(ARGS)

unit: $(VENV)/ready ## what needs no Kafka (under a minute)
	@$(BIN)/pytest tests/unit tests/connectors tests/flow $(ARGS)

integration: $(VENV)/ready ## the promises, on real Kafka
	@$(BIN)/pytest tests/integration $(ARGS)

verify: $(VENV)/ready ## prove that nothing is lost: every fault, one after the other (under 20 minutes)
	@$(BIN)/distributary verify $(ARGS)

soak: $(VENV)/ready ## a million event-destination pairs, and a worker killed or a broker lost every few seconds (35 minutes)
	@$(BIN)/distributary verify --faults 'random-*' --duration 30m --events 52000 --rate 300 --kills 16 --html soak.html $(ARGS)

bench: $(VENV)/ready ## measure us beside our peers, all on one local Kafka (about half an hour; ARGS=--quick: 8 minutes)
	@$(BIN)/python -m bench $(ARGS)

bench-check: $(VENV)/ready ## whether an event has become dearer, counted, not timed; ACCEPT=1 keeps the new counts
	@$(BIN)/python -m bench.guard $(if $(ACCEPT),--accept)

lint: $(VENV)/ready ## ruff and strict types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/ready ## let ruff write what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

schema: $(VENV)/ready ## write docs/distributary.schema.json from the settings
	@$(BIN)/distributary schema > docs/distributary.schema.json

lock: ## write both lock files anew from pyproject.toml (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras --constraint requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## remove .venv, caches and the local Kafka's data
	@rm -rf $(VENV) .bench .kafka .distributary-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build
