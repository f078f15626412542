# Each target works alone on a fresh clone: it makes the virtual environment `.venv` and installs what it needs into it.
#
#   make demo        a real optimisation, about half a minute; ARGS=--fresh begins anew
#   make test        all tests, with full branch coverage of the words and the decisions, then those of the bridges to Ax
#                    with the lowest Ax that is supported; ARGS="-k name" picks some
#   make check       style, types, layers, links of the documentation
#   make benchmarks  the figures in benchmarks/
#   make torture     kills, limits, process trees, faults of the disk, simulated campaigns: every promise, at full length,
#                    with the figures of docs/reliability.md; ARGS="kills --seed 7" picks a section, ARGS=--short is quick
#   make mutants     are the tests able to see? Small faults of the core, made by mutmut, of which nine in ten must be
#                    caught; over half an hour; ARGS="runwright.state --most 0" tries all of one module

PYTHON ?= python3
ARGS ?=

venv := .venv
bin := $(venv)/bin
stamp = $(venv)/.installed-
pip := $(bin)/python -m pip install --quiet --disable-pip-version-check
install = $(pip) --editable

# These modules decide what becomes of a trial: no branch of theirs goes untested.
covered := runwright.status runwright.state runwright.loop.decide
gate := $(covered:%=--cov=%) --cov-branch --cov-report=term-missing --cov-fail-under=100

# The lowest Ax that the bridges support, for their tests to run with it too; everything else of the environment stays.
lowest_ax := $(venv)/lowest-ax

.PHONY: demo test check benchmarks torture mutants clean
.DELETE_ON_ERROR:

demo: $(stamp)examples
	$(bin)/runwright run examples/digits/digits.yaml $(ARGS)
	$(bin)/runwright export examples/digits/runs/digits --format json | $(bin)/python examples/digits/compare.py

test: $(stamp)test
	$(bin)/python -m pytest --numprocesses 2 --dist loadfile $(if $(ARGS),$(ARGS),$(gate))
	$(if $(ARGS),,AX_OF_THESE_TESTS=1.3.0 PYTHONPATH="$(CURDIR)/$(lowest_ax)" $(bin)/python -m pytest --quiet tests/bridges)

check: $(stamp)dev
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports --no-logo
	$(bin)/python -m pytest --quiet tests/docs/test_links.py

benchmarks: $(stamp)test
	for file in benchmarks/[!_]*.py; do echo "== $$file" && $(bin)/python "$$file" || exit 1; done

torture: $(stamp)test
	$(bin)/python -m tests.torture $(ARGS)

mutants: $(stamp)mutation
	$(bin)/python -m tests.torture.mutants $(ARGS)

clean:
	rm -rf $(venv) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage

# One environment, in sizes of which each contains the one before; for the tests BoTorch, Ax and SMAC come on top. A stamp is as
# old as its last installation.

$(bin)/python:
	$(PYTHON) -m venv $(venv)

$(stamp)examples: pyproject.toml | $(bin)/python
	$(install) '.[examples]'
	touch $@

# BoTorch and Ax need torch. This version is tried first: where it is at hand as a build for the CPU, nothing of CUDA follows.
$(stamp)test: pyproject.toml | $(bin)/python
	$(pip) torch==2.13.0 || echo "torch 2.13.0 is not at hand: taking the one that BoTorch asks for"
	$(install) '.[test,botorch,ax,smac]'
	$(pip) --no-deps --target $(lowest_ax) --upgrade ax-platform==1.3.0
	touch $@ $(stamp)examples

$(stamp)mutation: pyproject.toml | $(bin)/python
	$(install) '.[mutation]'
	touch $@ $(stamp)examples

$(stamp)dev: pyproject.toml | $(bin)/python
	$(install) '.[dev]'
	touch $@ $(stamp)examples
