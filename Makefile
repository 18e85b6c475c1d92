# Two commands matter: `make demo` and `make test`. Both work on a fresh machine that has
# Python 3.11 or newer with its venv module, and both are quick the second time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= auto
AS_OF := 2026-11-01T00:00:00Z
RUNS ?= runs

# What ends up in the installed package: the code and the default policy.
PACKAGED := $(shell find src rules -type f -not -name '*.pyc' 2>/dev/null) pyproject.toml README.md LICENSE

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SCREEN := $(BIN)/merchantscreen screen --referrals sample_data/referrals.jsonl \
	--merchants sample_data/merchants.csv --transactions sample_data/transactions.csv \
	--rules rules --as-of $(AS_OF)

.DEFAULT_GOAL := help
.PHONY: help demo test test-spark lint types format docs check-docs golden bench lock clean
.DELETE_ON_ERROR:

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------- environment

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.txt | $(VENV)/.made
	$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(VENV)/.made
	$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime

# On top of the same environment: the lock is that of the tests and Spark's packages, half a gigabyte.
$(VENV)/.spark: requirements-spark.txt $(VENV)/.dev
	$(PIP) install --require-hashes -r requirements-spark.txt
	@touch $@

# The project itself: built by the locked backend, nothing fetched, nothing resolved.
# The lock is an order-only step here, or a second lock would mean a second build.
$(VENV)/.project: $(PACKAGED) | $(VENV)/.runtime
	$(PIP) install --no-deps --no-build-isolation --force-reinstall .
	@touch $@

# ------------------------------------------------------------------------------ the two commands

demo: $(VENV)/.runtime $(VENV)/.project ## Screen the sample data and show the ranked accounts.
	@rm -rf $(RUNS)/demo
	$(SCREEN) --out $(RUNS) --run-id demo

# Each process takes a stretch of its own, so that what a file's tests share is made once; who is done helps the rest.
test: $(VENV)/.dev $(VENV)/.project ## Run the whole test suite.
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist worksteal

# One process and one session per place: a second worker would start every Spark again.
test-spark: $(VENV)/.spark $(VENV)/.project ## Run the contract of all engines on Spark too; needs Java 17.
	$(BIN)/python -m pytest -m spark -n 0 tests/contracts

# ------------------------------------------------------------------------------------- checks

lint: $(VENV)/.dev ## Check style and layout.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check types, strictly.
	$(BIN)/mypy

format: $(VENV)/.dev ## Mend style and layout.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev $(VENV)/.project ## Write the generated pages of docs/ again.
	$(BIN)/python docs/generate.py

check-docs: $(VENV)/.dev $(VENV)/.project ## Fail if a generated page or the lock of the rules is stale.
	$(BIN)/python docs/generate.py --check
	$(BIN)/merchantscreen rules lock rules --check

# -------------------------------------------------------------------------- data and upkeep

WORLD := --accounts 400 --transactions 20000 --referrals 40 --seed 7 --format csv
golden: $(VENV)/.runtime $(VENV)/.project ## Make sample_data/ and its expected result again; read the diff before you keep it.
	rm -rf build/golden
	$(BIN)/merchantscreen simulate $(WORLD) --out build/golden/world
	install -m 644 build/golden/world/merchants.csv build/golden/world/transactions.csv \
		build/golden/world/referrals.jsonl build/golden/world/truth.csv sample_data/
	$(SCREEN) --out build/golden --run-id run
	rm -rf sample_data/expected && mkdir sample_data/expected
	install -m 644 build/golden/run/ranking.csv sample_data/expected/
	cd build/golden/run && rm rejects.csv manifest.json && sha256sum * > $(CURDIR)/sample_data/expected/SHA256SUMS

# SIZE=small is a smoke run of a few minutes; medium has 10 million transactions, large 100 million.
SIZE ?= small
SMOKE := $(filter small,$(SIZE))
ROUNDS ?= $(if $(SMOKE),1,3)
MEASURE := $(BIN)/python benchmarks
ON_WORLDS := --work build/bench --rounds $(ROUNDS) --size
bench: $(VENV)/.dev $(VENV)/.project ## Measure everything beside the least anyone could do: SIZE=small, medium or large.
	$(MEASURE)/run.py $(ON_WORLDS) $(SIZE)
	$(MEASURE)/growth.py $(ON_WORLDS) $(SIZE)
	$(MEASURE)/index.py $(ON_WORLDS) $(SIZE)
	$(MEASURE)/spark.py $(ON_WORLDS) $(SIZE:large=medium)
	$(MEASURE)/evidence.py $(if $(SMOKE),--small)
	$(MEASURE)/rules.py $(if $(SMOKE),--accounts 20000 --repeat 3)
	$(MEASURE)/exchange.py $(if $(SMOKE),--referrals 2000 --repeat 1)

# Resolves in an environment of its own. The index comes from your own pip settings and is not written down.
lock: ## Resolve the dependencies again and write all requirements files.
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet "pip-tools>=7.5"
	CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile $(LOCK) -o requirements.txt pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile $(LOCK) -c requirements.txt --extra dev \
		-o requirements-dev.txt pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile $(LOCK) -c requirements-dev.txt --extra dev \
		--extra spark-dev -o requirements-spark.txt pyproject.toml
	$(PYTHON) -c 'import pathlib; [p.write_text("# Locked with hashes by `make lock`; names no index. Holds the build backend too.\n" + p.read_text()) for p in map(pathlib.Path, ["requirements.txt", "requirements-dev.txt", "requirements-spark.txt"])]'

LOCK := --quiet --rebuild --generate-hashes --build-deps-for wheel --strip-extras --allow-unsafe \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean: ## Remove what make has made; your runs included.
	rm -rf $(VENV) build dist $(RUNS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
