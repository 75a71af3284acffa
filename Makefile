# How Hudhud is set up, run, tested and checked. Targets are files or leave one behind, so that
# repeating a command costs nothing; `make help` is made from the `##` comments.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

# Any python3 of 3.11 or later; `make venv PYTHON=/path/to/python3` names another.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -qq --require-hashes
PROTOS := $(shell find protos -type d -o -name '*.proto' 2>/dev/null)

.PHONY: help
help:  ## list the targets
	@echo "make TARGET, on a fresh clone too: whatever it needs is set up first."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# --- Set up -----------------------------------------------------------------------------------

.PHONY: venv
venv: .venv/.complete  ## make the virtual environment from the lock file

# A command in .venv/bin that calls a module's `main`; it works from any folder and survives a move.
launcher = printf '%s\n' '\#!/bin/sh' \
    'exec "$$(dirname "$$(realpath "$$0")")/python" -P -c "' 'import sys' 'from $(2) import main' \
    'sys.argv[0] = \"$(1)\"' 'sys.exit(main())" "$$@"' > $(BIN)/$(1) && chmod +x $(BIN)/$(1)

# Without its interpreter (an upgrade took it away) an environment is not complete.
$(shell [ -x $(BIN)/python ] || rm -f .venv/.complete)

# The stamp is removed first and written last: a set-up that was cut short has none, and the next
# one starts over from an empty folder. A newer lock file is installed into the environment as it is.
.venv/.complete: requirements/dev.lock
	@python=; for candidate in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Hudhud needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)."; \
	    echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install"; \
	    echo "python3; macOS: brew install python) or name one: make venv PYTHON=/path/to/python3"; \
	    exit 1; \
	fi >&2; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$("$$python" --version) has no venv module."; \
	    echo "On Debian and Ubuntu it is a package of its own: apt-get install python3-venv"; \
	    exit 1; \
	fi >&2; \
	if [ -e $@ ]; then rm -f $@; else \
	    echo "==> Making .venv with $$("$$python" --version)"; "$$python" -m venv --clear .venv; \
	fi
# pip fetches uv, and uv the rest: seconds instead of a minute. Where uv finds no way out, because
# only pip has been told of a mirror or an authority, pip does it all.
	@echo "==> Installing the locked packages"
	@$(PIP) -r <(awk '/^[a-z]/ { wanted = /^uv==/ } wanted' $<)
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes $< || $(PIP) -r $<
	@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	printf '%s\n' ../../../.. ../../../../build/stubs > "$$site/hudhud.pth"
	@$(call launcher,hudhud,services.local.cli); $(call launcher,hudhud-ml,ml.cli)
	@touch $@

# A folder's time changes when a proto comes or goes in it, which is how a removal is noticed.
.PHONY: stubs
stubs: build/stubs/.complete  ## build the Python stubs of the protos

build/stubs/.complete: .venv/.complete protos/build_stubs.py $(PROTOS)
	@echo "==> Building the stubs of the protos"
	@$(BIN)/python protos/build_stubs.py build/stubs
	@touch $@

.PHONY: model
model: .venv/.complete  ## train a classifier from the corpus alone, to use here instead of the released one
	@echo "==> Training the classifier (a quarter of an hour, unless nothing it is made from has changed)"
	@$(BIN)/hudhud-ml train --if-stale

# --- Run --------------------------------------------------------------------------------------

.PHONY: run
run: stubs  ## start everything on this machine, play the demonstration, stay up
	@exec $(BIN)/hudhud run

.PHONY: demo
demo: stubs  ## the same, and exit: non-zero if any expectation failed
	@exec $(BIN)/hudhud demo

.PHONY: bench
bench: stubs  ## measure rates, latencies, CPU and memory
	@$(BIN)/hudhud bench
	@$(BIN)/python -m ml.evaluation.speed

.PHONY: scale
scale: .venv/.complete  ## keep what `make bench` measured, if it did, and write docs/scale.md's tables
	@$(BIN)/python -m docs.scale.document $(addprefix --take ,$(wildcard .state/bench.json))

# --- On a cluster -----------------------------------------------------------------------------

# Its whole name: podman and buildah would call it localhost/hudhud, and nodes would not find it.
IMAGE ?= docker.io/library/hudhud:dev
BASE_IMAGE ?= docker.io/library/python:3.11-slim-bookworm
OVERLAY ?= local
# The first that works: docker may be there without its daemon.
BUILDER ?= $(shell if docker info > /dev/null 2>&1; then echo docker; \
    elif command -v podman > /dev/null; then echo podman; \
    elif command -v buildah > /dev/null; then echo buildah; fi)
CLUSTER := $(BIN)/python -m services.cluster.deploy

.PHONY: image
image: stubs  ## build the image for a cluster, hudhud:dev or IMAGE=, with docker, podman or buildah
	@[ -n "$(BUILDER)" ] || { echo "An image takes docker (with its daemon), podman or buildah;" \
	    "none of them works here. On Debian: apt-get install buildah" >&2; exit 1; }
	@DOCKER_BUILDKIT=1 $(BUILDER) build --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	    --build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) \
	    --build-arg REVISION=$$(git rev-parse HEAD 2> /dev/null || echo unknown) \
	    $(IMAGE_ARGS) --tag $(IMAGE) .

.PHONY: deploy
deploy: stubs  ## put Hudhud up on kubectl's cluster; OVERLAY=local, and IMAGE= for another image
	@exec $(CLUSTER) up $(OVERLAY) $(if $(filter-out file default,$(origin IMAGE)),--image $(IMAGE))

.PHONY: undeploy
undeploy: stubs  ## take it down; DATA=1 removes what it stored too
	@exec $(CLUSTER) down $(OVERLAY) $(if $(DATA),--data)

.PHONY: call-graph
call-graph: .venv/.complete  ## draw the network policies from services/access.toml
	@$(BIN)/python k8s/call_graph.py

.PHONY: pictures
pictures: stubs  ## draw the dashboards from five minutes of use (needs Debian's prometheus)
	@exec $(BIN)/python k8s/components/monitoring/pictures.py

# --- Check ------------------------------------------------------------------------------------

.PHONY: test
test: stubs  ## run all tests; ARGS="-m unit" or ARGS="-k window" runs some
	@exec $(BIN)/python -m pytest $(ARGS)

PYTHON_CODE := services ml tests protos k8s docs examples
CHECKS := check-format check-code check-types check-imports check-protos check-promise

.PHONY: lint
lint: stubs  ## check formatting, code, types, imports and protos
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

.PHONY: $(CHECKS)
check-format: .venv/.complete
	@echo "==> ruff format"; $(BIN)/ruff format --check $(PYTHON_CODE)

check-code: .venv/.complete
	@echo "==> ruff check"; $(BIN)/ruff check $(PYTHON_CODE)

check-types: stubs
	@echo "==> mypy"; $(BIN)/python -m mypy $(PYTHON_CODE)

check-imports: stubs
	@echo "==> lint-imports"; $(BIN)/python $(BIN)/lint-imports --no-logo

check-protos: stubs
	@echo "==> buf lint"; $(BIN)/buf lint
	@echo "==> reasons in protos/README.md"; $(BIN)/python protos/document_reasons.py --check

# What the contract has promised so far is a record, kept in protos/promised.binpb: it cannot be
# derived from the present protos, and unlike a commit or a tag it is there in a shallow clone and
# after a rebase. The second comparison is the first one turned around: it fails where the protos
# have something that was never promised, so that nothing escapes the first.
PROMISED := protos/promised.binpb
check-promise: .venv/.complete
	@echo "==> buf breaking"; $(BIN)/buf breaking --against $(PROMISED)
	@$(BIN)/buf breaking $(PROMISED) --against . > /dev/null || \
	    { echo "The protos have grown. To promise what is new: make promise" >&2; exit 1; }

.PHONY: promise
promise: .venv/.complete  ## promise the protos as they are; BREAKING=1 breaks an old promise
	@$(BIN)/buf lint
	@[ -n "$(BREAKING)" ] || [ ! -e $(PROMISED) ] || $(BIN)/buf breaking --against $(PROMISED)
	@$(BIN)/buf build --exclude-source-info --output $(PROMISED)

.PHONY: format
format: .venv/.complete  ## format the code and mend what can be mended without thought
	@$(BIN)/ruff check --fix $(PYTHON_CODE)
	@$(BIN)/ruff format $(PYTHON_CODE)

# --- Upkeep -----------------------------------------------------------------------------------

# All are resolved for every platform at once; what one pins the others keep.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate

.PHONY: lock
lock: .venv/.complete  ## resolve requirements/*.in again; UPGRADE=1 takes the newest versions
	@$(LOCK) $(if $(UPGRADE),--upgrade) --output-file requirements/dev.lock requirements/dev.in
	@for part in runtime service; do $(LOCK) --constraint requirements/dev.lock \
	    --output-file requirements/$$part.lock requirements/$$part.in; done

.PHONY: clean
clean:  ## remove what was derived: .venv, build and caches, but not the state in .state
	@rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
