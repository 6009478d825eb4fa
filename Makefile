# Seatrial's commands. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Daemons and agent carry their Swift runtime and no symbols, so that a bare Debian runs them as they are. Nobody loads
# anything into them, so nothing is exported: 1.6 MB of the controller were names for that. Functions that are alike to the
# byte, and whose address nobody takes, are one (0.3 MB).
RELEASE := -c release --static-swift-stdlib -Xlinker -s -Xlinker --no-export-dynamic -Xlinker --icf=safe
BIN := .build/release
SEATRIAL := $(BIN)/seatrial

.PHONY: help lab test build bench sim groups mutants fuzz fmt lint clean prepare

help: ## this list
	@printf 'Seatrial: a test and teaching lab for distributed message brokers\n\n'
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

lab: ## from nothing to a graded lab: install, build, bring up hosts, run lab 01, take everything down
	@.ci/prepare lab
	@$(MAKE) --no-print-directory build
	@.ci/lab

test: ## the whole test suite, on real hosts, daemons and clients of this machine
	@.ci/prepare test
	@$(MAKE) --no-print-directory build
	@.ci/test

build: ## the programs, in .build/release
	@.ci/prepare build
	@echo '==> building the programs (a first build takes a few minutes)'
	@swift build $(RELEASE) --no-color-diagnostics 2>&1 | { grep --line-buffered -v "the use of .mktemp' is dangerous" || true; }

bench: ## the figures of docs/performance.md, measured on this machine
	@.ci/prepare bench
	@$(MAKE) --no-print-directory build
	@.ci/bench

sim: ## lives of a store on a simulated disk: COUNT=5000 from SEED=1 on; one again: SEED=7 COUNT=1 TRACE=1
	@swift build --build-tests --no-color-diagnostics
	@SEED=$${SEED:-1} COUNT=$${COUNT:-5000} swift test --skip-build --no-color-diagnostics \
		--filter everyPromiseIsKeptInEveryLife

groups: ## lives of a replica set: COUNT=10000 from SEED=1 on, POLICY=etcd, heartbeat or none; one again: SEED=7 COUNT=1 TRACE=--trace
	@swift build $(RELEASE) --no-color-diagnostics --product group-sim
	@$(BIN)/group-sim --policy $(or $(POLICY),etcd) --from $(or $(SEED),1) --count $(or $(COUNT),10000) $(TRACE)

mutants: ## bugs planted in the replica set's machine, each of which its simulation must find
	@Tests/GroupSimulation/try-mutants

fuzz: ## decoders against what a fuzzer finds, SECONDS=600 for all of them together; `make test` does a minute
	@.ci/prepare build
	@.ci/fuzz $(or $(SECONDS),600)

fmt: ## format all Swift
	@swift format format --in-place --parallel --recursive Package.swift Sources Tests

lint: ## what CI holds the sources to
	@swift format lint --strict --parallel --recursive Package.swift Sources Tests

clean: ## take down the hosts; remove what was built, and the recorded runs
	@if [ -x $(SEATRIAL) ] && [ -d .seatrial ]; then $(SEATRIAL) hosts down; fi
	@rm -rf .build .seatrial .venv
