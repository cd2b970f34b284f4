# Set up, run, test. Everything goes into .venv, build/, install/, log/ and out/ of this folder.
PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin

# A sourced ROS desktop would put its packages in front of the ones that .venv pins. On a ROS
# desktop use `colcon build` and `ros2 launch` instead of these targets.
unexport PYTHONPATH PYTHONHOME CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH
# the wheels' note to themselves that LD_LIBRARY_PATH is set; it no longer is
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
export VIRTUAL_ENV := $(VENV)
export AMENT_PREFIX_PATH := $(VENV)
export PATH := $(BIN):$(PATH)

STRICT_PYTHON ?= $(PYTHON)
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test lint format colcon bench strict clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## set up .venv (called by the targets below; does nothing when nothing changed)
	@$(PYTHON) tools/setup.py

setup-test:
	@$(PYTHON) tools/setup.py --test

demo: setup ## pick and place in simulation, without a display; results in out/demo/latest/
	$(BIN)/spatialbot demo

test: setup-test ## all tests; PYTEST_ARGS="-k name" selects
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup-test ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: setup-test ## rewrite the sources as `make lint` wants them
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# colcon's own run of the tests is kept to the contracts, which need no simulator; `make test`
# runs all of them. Without the selection, as on a ROS desktop, `colcon test` runs all too.
colcon: setup-test ## colcon build, test and test-result of both packages
	$(BIN)/colcon build --cmake-args -DBUILD_TESTING=OFF -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF
	$(BIN)/colcon test --return-code-on-test-failure --pytest-args test/model/contracts
	$(BIN)/colcon test-result
	$(BIN)/python tools/check_install.py install

bench: setup ## all benchmarks, with the baselines they are measured against
	$(BIN)/spatialbot bench --all

strict: setup ## demo actions against the strict FR3 of franka-sim (a venv of its own)
	$(STRICT_PYTHON) tools/setup_strict.py
	$(BIN)/spatialbot bench strict

clean: ## remove build, install, log, out and caches
	rm -rf build install log out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path "./.venv/*" -not -path "./.strict-venv/*" -prune -exec rm -rf {} +

distclean: clean ## and .venv
	rm -rf .venv .strict-venv
