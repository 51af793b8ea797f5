# One command each: see README.md. The work is done by the scripts under .ci/, which each say what they do.
#
#   make demo [DEMO_ARGS="--people 2000"]   a whole lottery on this machine, into var/demo
#   make build                              the program, into var/bin/jebi
#   make test                               every test; a skipped one counts as failed
#   make check                              formatting, linters, then every test (what CI runs)
#   make bench [PEOPLE=3500000]             times a whole draw of a made-up country
#   make setup                              installs what the above need

SHELL := /bin/bash
.DEFAULT_GOAL := build
DEMO_ARGS ?=

.PHONY: demo build test check bench setup clean

demo:
	@.ci/setup go database
	@.ci/build
	@var/bin/jebi demo $(DEMO_ARGS)

build:
	@.ci/setup go
	@.ci/build

test:
	@.ci/setup go compiler postgresql python3 chromium
	@.ci/test

check:
	@.ci/setup go compiler postgresql python3 chromium
	@.ci/check

bench:
	@.ci/setup go database
	@.ci/build
	@.ci/bench

setup:
	@.ci/setup go compiler postgresql python3 chromium
	@echo "everything is here"

clean:
	rm -rf var/bin var/test
