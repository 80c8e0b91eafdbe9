# make demo: the app, in a browser    make test: the tests    make lint    make clean
# make test-oldest: the tests of all but the app, with the oldest versions that pyproject.toml allows

PYTHON ?= python3
BIN := .venv/bin
# Processes that share the tests, as tests/conftest.py says; those of the app come first. Each has
# one core: more threads would only wait for each other.
SHARED := -n logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder
BROWSERS := chromium chromium-browser google-chrome

# The tests that need neither the app nor a cluster.
WITHOUT_APP = $(shell grep -LE '^ *(from|import) (gradio|cinn_hub\.ui|clusters)' tests/test_*.py)

.PHONY: demo venv test test-space test-oldest lint clean browser

demo: .venv/demo
	exec env CINN_HUB_OPEN=1 $(BIN)/python app.py

venv: .venv/bin/python

test: .venv/dev browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SHARED)

# The Space's files alone, with requirements installed anew: minutes, and gigabytes for a while.
test-space: .venv/dev
	$(BIN)/python -m pytest -m space

# The floors of pyproject.toml, in an environment of their own: gigabytes, as PyPI's torch has them.
test-oldest: .venv-oldest/ready
	PYTHONPATH=. OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest $(WITHOUT_APP)

.venv-oldest/ready: pyproject.toml requirements-dev.txt | .venv/dev
	rm -rf .venv-oldest
	$(PYTHON) -m venv .venv-oldest
	$(BIN)/uv pip install --quiet --python .venv-oldest --resolution lowest-direct \
		--only-binary :all: -r pyproject.toml --extra film --extra heif --extra parquet --extra train pytest==9.2.0
	@touch $@

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

clean:
	rm -rf .venv .venv-oldest

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "venv failed; on Debian: apt install python3-venv"; exit 1; }

.venv/demo: requirements.txt | .venv/bin/python
	$(BIN)/pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/demo

# The tests of the app need a browser: the one that is there, Debian's, or Playwright's own.
browser: .venv/dev
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	ls $$HOME/.cache/ms-playwright/chromium* >/dev/null 2>&1 && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; \
	then apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	else $(BIN)/python -m playwright install chromium; fi
