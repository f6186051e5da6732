# Works with GNU make and with BSD make. `make help` lists the targets.
#
# Variables, for instance `make demo PYTHON=python3.12`:
#   PYTHON       the interpreter, 3.11 or newer             TORCH_INDEX  an index to take PyTorch from (its CPU builds, say)
#   VENV         the virtual environment; .venv             PIP_ARGS     further arguments for pip install
#   LOCK         exact versions with hashes to install      VERBOSE      if set, show the output of pip
#   WORKERS      number of parallel test processes; 2
#   ARGS         arguments for the command: make demo ARGS="--epochs 1", make test ARGS="-k losses",
#                make faults ARGS="kills signals"

VENV = .venv
WORKERS = 2
SETUP = VENV="$(VENV)" PYTHON="$(PYTHON)" LOCK="$(LOCK)" TORCH_INDEX="$(TORCH_INDEX)" PIP_ARGS="$(PIP_ARGS)" VERBOSE="$(VERBOSE)" scripts/setup

.PHONY: help demo test check docs faults lock clean
# The targets share one environment, so they never run in parallel; make -j is harmless.
.NOTPARALLEL:

help:
	@echo "make demo    install into $(VENV) and train the preset quick"
	@echo "make test    the same set-up, then the whole test suite"
	@echo "make check   format, lint, types and import contracts"
	@echo "make docs    build the documentation as a web site, build/site/index.html"
	@echo "make faults  inject faults for half an hour, count losses, update the table in docs/reliability.md"
	@echo "make lock    update the exact versions that CI installs"
	@echo "make clean   remove $(VENV) and the caches of the tools; runs/ is kept"

demo: $(VENV)/.installed-demo
	@$(VENV)/bin/mnist-gan train quick $(ARGS)

test: $(VENV)/.installed-dev
	@$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.installed-dev
	@VENV="$(VENV)" scripts/check

docs: $(VENV)/.installed-dev
	@$(VENV)/bin/python -m scripts.site $(ARGS)

faults: $(VENV)/.installed-dev
	@$(VENV)/bin/python -m tests.campaign $(ARGS)

lock: $(VENV)/.installed-dev
	@VENV="$(VENV)" scripts/lock

$(VENV)/.installed-demo: pyproject.toml
	@$(SETUP) demo

$(VENV)/.installed-dev: pyproject.toml $(LOCK)
	@$(SETUP) dev

clean:
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
