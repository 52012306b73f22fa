# Two commands do everything on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage check fix bench soak clean

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.ready
# First with what is there already, which needs no network. A slow machine may take its time for compiling. Its locks
# are kept here, not below /tmp.
SYNC := TMPDIR="$(CURDIR)/.venv" UV_COMPILE_BYTECODE_TIMEOUT=0 $(BIN)/uv sync --frozen --quiet --compile-bytecode
# The machine's own certificates where it has them: behind a proxy that opens TLS, no others will do.
CERTIFICATES := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/cert.pem),--system-certs)

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(READY) ## Prepare .venv with everything, as the lock file says

$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sirdar needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@test -x $(BIN)/uv || $(PYTHON) -m venv .venv || { echo 'Python has no venv: try "apt-get install python3-venv".'; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@# Where no cache can be kept at home (it is read-only, or is not there), it is kept here.
	@test -z "$$HOME" || mkdir -p "$$HOME/.cache" 2>/dev/null || export UV_CACHE_DIR=.venv/.cache; \
		$(SYNC) --offline 2>/dev/null || $(SYNC) $(CERTIFICATES)
	@$(BIN)/python -m compileall -q bot providers storage
	@touch $@

demo: setup ## Start everything, with phones in the browser and nothing to set up
	@$(BIN)/bot demo

test: check ## Set up, check and run every test
	@# What hangs outside of Python ends its worker, and then all: a new worker would begin with the same test.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0 -o faulthandler_timeout=720

# Apart from `make test`: tracing every process doubles the time, which the tests with real people waiting feel.
coverage: setup ## Run the tests but the crash tests, and report what they cover
	@rm -f .coverage .coverage.*
	@COVERAGE_PROCESS_START=pyproject.toml $(BIN)/coverage run -m pytest -n 2 --dist loadgroup --ignore tests/crash || true
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered

check: setup ## Format, lint, types, import arrows, content
	@$(BIN)/ruff format --check --quiet . || { echo 'Some files are not formatted: run "make fix".'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/bot check

fix: setup ## Format, and mend what the linter can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

bench: setup ## Measure the system against this machine's floor
	@$(BIN)/python -m bench.run

soak: setup ## The long crash test: 10,000 messages, 200 conversations
	@SIRDAR_SOAK=1 $(BIN)/python -m pytest -m crash -p no:cacheprovider -o faulthandler_timeout=0 tests/crash

clean: ## Remove what was built here, and the embedded database
	rm -rf .venv var .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache
