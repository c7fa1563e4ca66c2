# `make demo` and `make test` need nothing but Debian 12 and a Swift 6 toolchain: they install the rest.
.PHONY: lint
lint:
	swift format lint --recursive --strict Sources Tests Package.swift
