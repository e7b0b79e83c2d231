# On a fresh machine with python3 (3.11), make and git: `make demo` runs the main job, `make test` runs every test.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint fast fuzz lock supply viewer rules clean

demo: $(VENV)/.warm
	$(BIN)/flockwise demo --out demo-output

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

fast: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What the program itself needs, hashes checked; then the project, without asking for anything else. Compiled to bytecode at once: where Python may not write
# it (PYTHONDONTWRITEBYTECODE), each start of the program would compile numba and scipy again, which is half of its start-up.
$(VENV)/.run: requirements/run.txt requirements/tools.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# Compiles the kernels once (numba keeps them beside the source), by a demo of a few devices that is thrown away.
$(VENV)/.warm: $(VENV)/.run
	rm -rf build/warm
	$(BIN)/flockwise demo --out build/warm --devices 200 --days 1 --json > /dev/null
	rm -rf build/warm
	touch $@

# What developers need besides.
$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	touch $@

# Compiles the hashed requirements anew. No index address is written.
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11
lock: $(VENV)/.run
	printf 'uv\nhatchling\neditables\n' | $(COMPILE) - -o requirements/tools.txt
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	printf 'pip-audit\ncyclonedx-bom\n' | $(COMPILE) - -o requirements/supply.txt

# Bills of materials (CycloneDX) of what is installed, checked against the hashed requirements; then known vulnerabilities, which are asked of the network.
# The tools have an environment of their own. --strict: an index that knows no vulnerabilities, such as many mirrors, fails the audit; else it would pass unseen.
SUPPLY := build/supply
supply: $(VENV)/.run
	test -x $(SUPPLY)/bin/python || $(PYTHON) -m venv $(SUPPLY)
	$(BIN)/uv pip install --quiet --python $(SUPPLY)/bin/python --require-hashes -r requirements/supply.txt
	for name in run dev; do \
	  $(SUPPLY)/bin/cyclonedx-py requirements --output-reproducible --of JSON -o build/sbom-$$name.cdx.json requirements/$$name.txt && \
	  $(SUPPLY)/bin/python requirements/check_sbom.py build/sbom-$$name.cdx.json requirements/$$name.txt || exit 1; \
	done
	$(SUPPLY)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/run.txt -r requirements/dev.txt -r requirements/tools.txt -r requirements/supply.txt

# Files from outside, changed at random and guided by coverage, SECONDS for each reader; ends at the first finding.
SECONDS ?= 600
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz.long --seconds $(SECONDS)

# Builds the viewer's bundle from its TypeScript source, with the Node.js that the developers' requirements bring.
viewer: $(VENV)/.dev
	$(BIN)/python viewer/build.py

# Writes the page of the rules from the marks of the tests.
rules: $(VENV)/.dev
	mkdir -p build
	$(BIN)/python -m tests.rulebook > build/rules.md
	mv build/rules.md docs/reference/rules.md

clean:
	rm -rf $(VENV) build dist demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis viewer/node_modules
