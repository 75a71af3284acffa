# How Hudhud is set up, run, tested and checked. Targets are files or leave one behind, so that
# repeating a command costs nothing; `make help` is made from the `##` comments.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

# Any python3 of 3.11 or later; `make venv PYTHON=/path/to/python3` names another.
PYTHON ?= python3
BIN := .venv/bin
PROTOS := $(shell find protos -type d -o -name '*.proto' 2>/dev/null)

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# --- Set up -----------------------------------------------------------------------------------

.PHONY: venv
venv: .venv/.complete  ## make the virtual environment from the lock file

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
	@total=$$(grep -c '^[a-z].*==' requirements/dev.lock); \
	echo "==> Installing the locked packages (about $$total; a minute or two the first time)"; \
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes \
	    -r requirements/dev.lock | awk -v total=$$total \
	    '/^(Collecting|Processing) / { sub(".*/", "", $$2); sub(/-py3.*|-cp3.*/, "", $$2); printf "    %2d/%d %s\n", ++n, total, $$2; fflush() } \
	     /^Installing collected/ { print "    all there, unpacking"; fflush() }'
	@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	printf '%s\n' ../../../.. ../../../../build/stubs > "$$site/hudhud.pth"
	@for launcher in hudhud:services.local.cli hudhud-ml:ml.cli; do \
	    name=$${launcher%%:*}; \
	    printf '%s\n' '#!/bin/sh' \
	        'exec "$$(dirname "$$(realpath "$$0")")/python" -P -c "import sys; sys.argv[0] = '"'$$name'"'' \
	        'from '"$${launcher#*:}"' import main' \
	        'sys.exit(main())" "$$@"' > $(BIN)/$$name; \
	    chmod +x $(BIN)/$$name; \
	done
	@touch $@

.PHONY: stubs
stubs: build/stubs/.complete  ## build the Python stubs of the protos

build/stubs/.complete: .venv/.complete protos/build_stubs.py $(PROTOS)
	@echo "==> Building the stubs of the protos"
	@$(BIN)/python protos/build_stubs.py build/stubs
	@touch $@
