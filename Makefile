# make demo and make test install what they need and run on a fresh Debian, as root or with sudo.

VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup
SETUP_TEST := $(VENV)/.setup-test
MINIO := $(VENV)/.minio
KUBELET := $(VENV)/.kubelet
ARGS ?=
QUICK ?=
GROWTH ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-test minio kubelet demo test torture check format fast bench docs image clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## system packages, and phfs in .venv

demo: $(SETUP) ## a store, a mount and a short session on this machine (ARGS=--keep: leave it up)
	@$(BIN)/phfs demo $(ARGS)

setup-test: $(SETUP_TEST) ## what the tests need beside MinIO

minio: $(MINIO) ## the MinIO server for the tests

kubelet: $(KUBELET) ## the kubelet for the tests of pods

test: $(SETUP_TEST) $(MINIO) $(KUBELET) image ## all tests, with a real MinIO, real mounts and pods (ARGS=...: pytest's)
	PHFS_MINIO="$$(cat $(MINIO))" PHFS_KUBELET="$$(cat $(KUBELET))" \
		$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

torture: $(SETUP_TEST) $(MINIO) $(KUBELET) image ## the experiments of docs/reliability.md in their long form; takes hours
	PHFS_MINIO="$$(cat $(MINIO))" PHFS_KUBELET="$$(cat $(KUBELET))" \
		$(BIN)/python -m pytest --torture -m torture -o faulthandler_timeout=0 $(ARGS)
	$(BIN)/python -m tests.support.figures

check: $(SETUP_TEST) ## format, lint, types and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n auto -m "not real"

format: $(SETUP_TEST) ## format and sort imports
	$(BIN)/ruff check --fix-only --select I .
	$(BIN)/ruff format .

fast: $(SETUP_TEST) ## the tests that need no real parts (MinIO, FUSE, containers)
	$(BIN)/python -m pytest -q -n auto -m "not real" $(ARGS)

bench: $(SETUP_TEST) $(MINIO) ## how fast it is beside others (QUICK=1: 3 minutes; GROWTH=1: how cost grows)
	$(if $(QUICK)$(GROWTH),,@scripts/system-packages bench || true)
	PHFS_MINIO="$$(cat $(MINIO))" $(BIN)/python -m bench$(if $(GROWTH),.growth) $(if $(QUICK),--quick) $(ARGS)

docs: $(SETUP_TEST) ## the documents as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

image: ## the container image, as an OCI archive under ~/.cache/phfs/images
	@scripts/image

clean: ## remove what was made here; the MinIO under ~/.cache stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SETUP): pyproject.toml scripts/packages.txt
	scripts/system-packages setup
	test -x $(BIN)/pip || "$$(scripts/python)" -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25' # Debian 12's takes minutes to choose among the versions of boto3
	$(BIN)/pip install --quiet --editable '.[demo]'
	touch $@

$(SETUP_TEST): $(SETUP)
	scripts/system-packages test containers
	$(BIN)/pip install --quiet --editable '.[bench,demo,docs,fsspec,sidecar,test]'
	touch $@

$(MINIO): $(SETUP) scripts/minio
	scripts/minio > $@

$(KUBELET): $(SETUP) scripts/kubelet scripts/go
	scripts/kubelet > $@
