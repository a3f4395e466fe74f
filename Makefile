# What a person does with this checkout; `make` alone lists it.

PYTHON := .venv/bin/python
FLATBGP := .venv/bin/flatbgp
UV_COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make requirements"

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what running flatbgp and its lab needs (Debian packages too when root)
	@tools/setup run

.PHONY: setup-dev
setup-dev: ## Install what the tests and checks need as well
	@tools/setup dev

.PHONY: demo
demo: setup ## The guide's manifests become live BGP sessions, step by step, and leave nothing behind
	@$(FLATBGP) lab demo

.PHONY: lab
lab: setup ## Bring the guide's network up and leave it running to look around in
	@$(FLATBGP) lab up

.PHONY: lab-down
lab-down: setup ## End the lab that `make lab` left running
	@$(FLATBGP) lab down

.PHONY: containers
containers: ## The same lab in containers; says what this machine lacks for it, then docker compose up --wait
	@tools/containers

.PHONY: test
test: setup-dev ## Checks and all tests that this machine can run; CI=true allows no skips
	@$(PYTHON) tools/test.py

.PHONY: faults-matrix
faults-matrix: setup-dev ## Every fault on every gobgpd, router and timing that it applies to; takes about an hour
	@FLATBGP_FAULTS=matrix $(PYTHON) -m pytest tests/integration/faults -n 4 --dist worksteal $(ARGS)

.PHONY: soak
soak: setup-dev ## Random faults with every promise asserted; SEED= replays one, MINUTES= says how long
	@FLATBGP_SOAK_SEED=$(SEED) FLATBGP_SOAK_MINUTES=$(or $(MINUTES),30) \
		$(PYTHON) -m pytest tests/integration/faults/test_fault_soak.py -q -s

.PHONY: lint
lint: setup-dev ## Style, types, and the contracts between the layers
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

.PHONY: generate
generate: setup-dev ## Write anew what is generated: gRPC stubs, reference pages, the chart's definitions
	@$(PYTHON) tools/generate_protos.py
	@$(PYTHON) tools/generate_docs.py
	@$(PYTHON) tools/generate_crds.py

.PHONY: demo-svg
demo-svg: setup ## Record a run of the demo as docs/demo.svg
	@$(PYTHON) tools/record_demo.py

.PHONY: bench
bench: setup-dev ## Measure speed and memory; medians and spreads, raw figures in bench/results/
	@$(PYTHON) bench/run.py

.PHONY: bench-failover
bench-failover: setup-dev ## Every fault 20 times under pings, in a table; fails when one exceeds its bound (15 minutes)
	@$(PYTHON) bench/bench_failover.py

.PHONY: requirements
requirements: setup-dev ## Renew the pinned versions and hashes in requirements/
	@$(UV_COMPILE) --upgrade --group dev pyproject.toml requirements/build.in --output-file requirements/dev.txt
	@$(UV_COMPILE) pyproject.toml --constraint requirements/dev.txt --output-file requirements/runtime.txt
	@$(UV_COMPILE) requirements/build.in --constraint requirements/dev.txt --output-file requirements/build.txt

.PHONY: clean
clean: ## Remove the environment and every cache of this checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
