# Everything a newcomer needs. Each target works in a clean clone, alone.
SHELL := /bin/bash
# A server is several processes: compiled once and kept, their modules load three times as fast.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
SHOP ?= demo-shop
BENCH_PORT ?= 8099

.PHONY: install demo test promises offline spark check bench format screenshots clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5,<1" \
		|| echo "uv is not to be had; pip goes on alone (slower)"
	@if [ -x $(BIN)/uv ]; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e . --group dev; \
	else \
		$(BIN)/python -m pip install --quiet -c constraints.txt -e . && \
		$(BIN)/python -m pip install --quiet -c constraints.txt $$($(BIN)/python -c "import tomllib; print(' '.join(tomllib.load(open('pyproject.toml','rb'))['dependency-groups']['dev']))" | tr -d '"' | sed "s/[<>]/ &/2g; s/ //g"); \
	fi
	@touch $@

# The core only, as a shop installs it: what `make demo` needs and nothing of what developers need.
$(VENV)/.core: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5,<1" \
		|| echo "uv is not to be had; pip goes on alone (slower)"
	@if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e .; \
	else $(BIN)/python -m pip install --quiet -c constraints.txt -e .; fi
	@touch $@

demo: $(VENV)/.core
	@$(BIN)/shelfwise --shop $(SHOP) demo --port $(PORT)

test: install
	$(BIN)/pytest -n 2 -m "not browser and not spark"
	$(BIN)/pytest -m browser

# The extra `spark` weighs 450 MB and wants Java 17, so it is installed only here.
$(VENV)/.spark: $(VENV)/.installed
	@if [ -x $(BIN)/uv ]; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[spark]"; \
	else $(BIN)/python -m pip install --quiet -c constraints.txt -e ".[spark]"; fi
	@touch $@

# DuckDB and Spark make the same of the same texts.
spark: $(VENV)/.spark
	$(BIN)/pytest -n 0 -m spark tests/features tests/app/test_quality.py

check: install
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -m "not slow and not browser"

format: install
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

# The promises of docs/reference/promises.md, as long and as often as it says; each prints what it saw. Some half an hour.
promises: install
	SHELFWISE_PROMISES=full $(BIN)/pytest -n 0 -s tests/integration/test_storms.py tests/integration/test_faults.py \
		tests/integration/test_limits.py tests/integration/test_privacy.py tests/e2e/test_injected.py

# All tests again where no network is: only this machine can be reached. Needs root.
offline: install
	unshare --net -- bash -c 'ip link set lo up && $(BIN)/pytest -n 2 -m "not browser and not spark"'

# Some two minutes. Shops are copies or new ones: what is measured writes. Figures that count: benchmarks/README.md.
bench: install
	$(BIN)/python -m benchmarks.features --events 100000
	@scratch=$$(mktemp -d) && trap "rm -rf $$scratch" EXIT && set -e; \
	echo "$(BIN)/python -m benchmarks.ingest --shop NEW --batch 100 --seconds 10"; \
	$(BIN)/python -m benchmarks.ingest --shop $$scratch/new --batch 100 --seconds 10 --port $(BENCH_PORT); \
	if [ -e $(SHOP)/shelfwise.toml ]; then \
		cp -r $(SHOP) $$scratch/copy; \
		echo "$(BIN)/python -m benchmarks.serving --shop COPY --connections 8 --seconds 10"; \
		$(BIN)/python -m benchmarks.serving --shop $$scratch/copy --connections 8 --seconds 10 --port $(BENCH_PORT); \
	else \
		echo "$(SHOP) holds no shop: run 'make demo' once, then 'make bench' measures answers too (SHOP=DIR for another one)"; \
	fi

screenshots: install
	$(BIN)/pytest -m browser tests/e2e

clean:
	rm -rf $(VENV) demo-shop .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
