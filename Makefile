# The commands of the house; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# COMPILED=1 before or after a target: what setup.py names runs as machine code (setup.py says how).
COMPILED ?=
SOURCES  := setup.py pyproject.toml $(shell find connectors schemas streams -name '*.py' -o -name '*.avsc' -o -name '*.css')
READY    := $(VENV)/ready $(if $(COMPILED),.compiled/ready)
ON       := $(if $(COMPILED),env COMPILED=1 PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/.compiled:$(CURDIR))
CC_HERE  := $(shell command -v $${CC:-cc} >/dev/null && test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" && echo yes)
PYTEST   := $(ON) $(BIN)/pytest $(if $(COMPILED),-o pythonpath=)

.DEFAULT_GOAL := help
.PHONY: help setup compiled demo test unit unit-compiled chart integration verify soak bench bench-check lint format lock schema clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/ready ## make .venv with everything that is pinned in requirements-dev.lock

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed; $(PYTHON) is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 ...")'
	@echo "setting up $(VENV) (once, a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@env -u DISTRIBUTARY_COMPILE $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

compiled: .compiled/ready ## compile the way of an event, as the image does (a minute; needs a C compiler)

.compiled/ready: $(VENV)/ready $(SOURCES)
	@echo "compiling into .compiled (a minute)"
	@rm -rf .compiled build
	@DISTRIBUTARY_COMPILE=1 $(BIN)/python -W ignore setup.py --quiet build --build-lib .compiled
	@$(BIN)/python -m compileall -q .compiled
	@touch $@

demo: $(READY) ## Kafka, workers, a hostile destination and 2,000 events; KEEP=1 leaves it running
	@$(ON) $(BIN)/distributary demo $(if $(KEEP),--keep) $(ARGS)

test: $(VENV)/ready ## everything: lint, unit, flow, connectors, chart, and real Kafka (under 15 minutes)
	@$(MAKE) --no-print-directory --output-sync=target -j2 $(if $(CC_HERE),compiled) lint unit chart
	@$(if $(CC_HERE),$(MAKE) --no-print-directory unit-compiled)
	@$(if $(CC_HERE),,echo "there is no C compiler, or no Python.h: what is compiled is not tested, the promises are on the source")
	@$(MAKE) --no-print-directory integration $(if $(CC_HERE),COMPILED=1)

chart: $(VENV)/ready ## the chart, the compose file and the Dockerfile (helm is built first where there is none)
	@$(PYTEST) tests/deploy $(ARGS)

unit-compiled: .compiled/ready
	@$(MAKE) --no-print-directory unit COMPILED=1 ARGS="-n 2 $(ARGS)"

unit: $(READY) ## what needs no Kafka (about a minute)
	@$(PYTEST) tests/unit tests/connectors tests/flow $(ARGS)

integration: $(READY) ## the promises, on real Kafka
	@$(BIN)/python -m compileall -q connectors schemas streams tests
	@$(PYTEST) tests/integration -n 2 $(ARGS)

verify: $(READY) ## prove that nothing is lost: every fault, one after the other (under 20 minutes)
	@$(ON) $(BIN)/distributary verify $(ARGS)

soak: $(READY) ## a million event-destination pairs, and a worker killed or a broker lost every few seconds (35 minutes)
	@$(ON) $(BIN)/distributary verify --faults 'random-*' --duration 30m --events 52000 --rate 300 --kills 16 --html soak.html $(ARGS)

bench: $(VENV)/ready $(if $(CC_HERE),.compiled/ready) ## measure us beside our peers, all on one local Kafka (about half an hour; ARGS=--quick: 8 minutes)
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

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: ## write the lock files anew from pyproject.toml (needs uv)
	@$(LOCK) pyproject.toml -o requirements.lock
	@$(LOCK) --all-extras --constraint requirements.lock pyproject.toml -o requirements-dev.lock
	@printf 'mypy\nsetuptools\n' | $(LOCK) --constraint requirements-dev.lock - -o deploy/build.lock

clean: ## remove .venv, caches and the local Kafka's data
	@rm -rf $(VENV) .compiled .bench .kafka .distributary-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build
