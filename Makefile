# Headlight's commands. `make app` and `make test` need nothing prepared: each first makes .venv and installs what it
# lacks (scripts/setup), and a second run installs nothing again.
#
#   make app PORT=8600         another port
#   make test ARGS="-k trace"  what pytest is to be told
#   make setup PYTHON=python3.12

.DEFAULT_GOAL := help
.PHONY: help setup app test check lint bench clean

export PORT ADDRESS PYTHON ARGS

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

setup: ## make .venv and install what the app and its tests need
	@bash scripts/setup dev

app: ## start Headlight and print its address
	@bash scripts/app

test: ## lint, types and every test
	@bash scripts/test

check: ## lint, types, and the tests that need neither a browser nor training
	@bash scripts/check

lint: ## ruff (lint and format) and mypy
	@bash scripts/lint

bench: ## measure speed on this machine
	@bash scripts/bench

clean: ## remove .venv and the caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
