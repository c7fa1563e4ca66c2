# `make demo` and `make test` need nothing but Debian 12 and a Swift 6 toolchain: they install the rest, and say so.
# What happens in which order, and why, is in docs/building.md.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The static libraries of .deps come first; see docs/building.md. Builds that use them have a folder of their own, so
# that a plain `swift build`, which may find other libraries, shares nothing with them.
export PKG_CONFIG_PATH := $(CURDIR)/.deps/lib/pkgconfig
swift_options := --scratch-path .build/deps

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: packages
packages: ## Install what a bare Debian lacks (apt, as root or through sudo)
	@scripts/packages

.PHONY: libraries
libraries: packages ## Build libssh2 and libcurl into .deps
	@scripts/deps

.PHONY: deps
deps: libraries ## Make what building and testing need: the libraries, and the stand-ins' Python environment
	@scripts/venv

.PHONY: build
build: deps ## Build everything, tests included, for debugging
	swift build $(swift_options) --build-tests

.PHONY: lint
lint: deps ## Check format, imports and scripts
	swift format lint --recursive --strict Sources Tests Package.swift
	@scripts/lint-scripts
	swift build $(swift_options) --build-tests --explicit-target-dependency-import-check error

.PHONY: bench-deps
bench-deps: deps
	@scripts/venv bench

.PHONY: bench
bench: package bench-deps ## Compare with rclone, paramiko, asyncssh and sftp: bench/results.* (needs root; about an hour)
	@.deps/bench-venv/bin/python3 -B bench/compare.py
	@scripts/figures

.PHONY: bench-quick
bench-quick: package bench-deps ## Check the ratios to the same peers, with wide limits (about a minute)
	@.deps/bench-venv/bin/python3 -B bench/compare.py --quick

.PHONY: test
test: bench-deps ## Build, package and run all tests but the long ones (under 15 minutes)
	@scripts/test

.PHONY: test-long
test-long: bench-deps ## Run all tests, the long ones included
	@SFTP_LAMBDA_LONG_TESTS=1 scripts/test

.PHONY: sanitize
sanitize: bench-deps ## Run all tests but those of zips under the address and the thread sanitizer, and the C code under that for undefined behaviour
	@scripts/sanitize

# For each of the 18 targets; as many run at once as there are processors.
SECONDS ?= 60

.PHONY: fuzz
fuzz: libraries ## Run libFuzzer on what reads bytes of others, SECONDS=60 for each of the 18 targets
	@scripts/fuzz --seconds $(SECONDS)

.PHONY: package
package: libraries ## Make dist/pull.zip, dist/push.zip and dist/pushRetry.zip
	@scripts/package

.PHONY: tools
tools: package ## Put the programs themselves into dist/bin, for use on this machine's command line
	@install -D --target-directory dist/bin $(addprefix .build/package/stripped/,pull push pushRetry)

.PHONY: demo
demo: package deps ## Show pull, push and pushRetry at work, from their zips, between a local SFTP server and a local AWS
	@.deps/venv/bin/python3 local/demo.py

.PHONY: diagrams
diagrams: ## Draw the pictures of diagrams/ whose sources have changed (needs graphviz, mscgen and fonts-dejavu-core)
	@scripts/diagrams

.PHONY: clean
clean: ## Remove what was built, but the libraries of .deps
	rm -rf .build dist

.PHONY: distclean
distclean: clean ## Remove the libraries of .deps too
	rm -rf .deps
