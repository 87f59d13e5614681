# Every target makes its own environment first (tools/bootstrap.sh); needs Git, make and Python 3.11 or 3.12.
BIN := .venv/bin
KILLS ?= 100
RECORDS ?= 10000000
# On a developer's machine the crash test has its own target; under CI one run shows everything.
# CI has two cores, and most tests on servers wait.
PICK := $(if $(filter true,$(CI)),-n 2 --dist loadfile --durations 25 -m "not slow",-m "not chaos and not slow")

.DEFAULT_GOAL := help
.PHONY: help env demo test lint types quick test-alerts chaos chaos-full fuzz test-spark test-tables test-objectstore image-check k8s-scan k8s-apiserver helm-check k8s-demo bench bench-history lock clean

help: ## What can be called
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## */  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

env: ## The environment .venv, exactly as locked
	@sh tools/bootstrap.sh

demo: env ## The main job end to end: simulated plant, flows, sandbox ERP, report
	@$(BIN)/millrace demo

test: lint types ## Linter, types, layers, all tests (with CI=true the crash test too, and missing servers are failures)
	@echo "== pytest"; $(BIN)/python -m pytest -q $(PICK)

lint: env ## Linter, format and import layers
	@echo "== ruff"; $(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@echo "== import layers"; $(BIN)/lint-imports

types: env ## Static types
	@echo "== mypy"; $(BIN)/mypy

quick: env ## Tests that need no server
	@$(BIN)/python -m pytest -q -m "not server and not chaos and not slow"

chaos: env ## Crash test on a real broker: KILLS=100 random SIGKILLs, then every total must be exact
	@$(BIN)/python -m tests.chaos --kills $(KILLS)

chaos-full: KILLS = 110
chaos-full: env ## Everything fails in turn on real Kafka, PostgreSQL and Tryton: KILLS=110 kills, cut links, full disk ...
	@$(BIN)/python -m tests.chaos.full --kills $(KILLS) $(if $(SEED),--seed $(SEED))

test-alerts: env ## Every runbook: its fault, its alert on a real Prometheus, its repair (needs Prometheus; 15 minutes)
	@$(BIN)/python -m pytest -q tests/integration/test_alerts.py tests/integration/test_dashboards.py

fuzz: env ## Hostile records on both paths of the codec: RECORDS=10000000, then a table of what was tried
	@$(BIN)/python -m tests.fuzz --records $(RECORDS)

test-spark: env ## Spark reads files of three contract versions as one table (Java 17; half a gigabyte at the first run)
	@$(BIN)/python -m tests.spark

test-tables: env ## DuckDB reads Delta and Iceberg by its own extensions, in an environment of its own (100 MB at the first run)
	@$(BIN)/python -m tests.duckdb_tables

test-objectstore: env ## The history on a real MinIO and fake-gcs-server (Go builds them once, minutes) and on Azurite (npm)
	@MILLRACE_OBJECT_STORES=minio,azurite,gcs $(BIN)/python -m pytest -q tests/stores

image-check: env ## The image from a debootstrap base, run on nothing but a broker (root, Docker, debootstrap; minutes)
	@$(BIN)/hadolint Dockerfile && $(BIN)/python -m tests.image

k8s-scan: env ## checkov over every overlay, in an environment of its own (290 MB at the first run)
	@sh tools/k8s_scan.sh

helm-check: env ## The Helm chart linted and held against the overlays (Go builds Helm once, minutes)
	@$(BIN)/python -m pytest -q tests/k8s/test_helm.py

k8s-demo: env ## The pods of the demo overlay as processes: a plant's day on a real Kafka, a kill, exact books (3 minutes)
	@$(BIN)/python -m pytest -q tests/k8s/test_demo_overlay.py

k8s-apiserver: env ## Every overlay applied to a real kube-apiserver with etcd (Go builds it once, ten minutes)
	@$(BIN)/python -m tests.k8s

bench: env ## Benchmarks on a real broker, results under bench/results
	@$(BIN)/python -m bench.flow

bench-start: env ## Seconds from the start of a flow's process to its first batch, by stage
	@$(BIN)/python -m bench.start

bench-posting: env ## Cost of a posting by answer time and orders in parallel, and in a ledger of 5 million documents
	@$(BIN)/python -m bench.posting

bench-history: env ## The history written, compacted, asked on three layouts and replayed: 100 million rows, or ROWS=2000000
	@$(BIN)/python -m bench.history $(if $(ROWS),--rows $(ROWS))

bench-replenishment: env ## Cost of a record of consumption by the number of places whose stock is kept
	@$(BIN)/python -m bench.replenishment

lock: ## Renew requirements.lock after a change of pyproject.toml (needs uv; UPGRADE=1 for newer versions)
	uv pip compile -q pyproject.toml --universal --fork-strategy fewest --python-version 3.11 --all-extras --group dev \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade) -o requirements.lock

clean: ## Remove the environment and everything that was made
	rm -rf .venv build dist demo-output .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
