# Everything a person or a machine does with this repository; CONTRIBUTING.md says when.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: build demo test soak bench install lint format clean

PREFIX ?= /usr/local
# Where a release is laid out for the demo and the benchmarks, as it is when installed.
STAGE := $(CURDIR)/.build/stage
SWIFT_SOURCES := Package.swift Sources Tests Benchmarks $(wildcard Examples)
# What a test may not skip for want of it: scripts/setup has installed it.
COTE_REQUIRE ?= root,machine,limits,crun,runc,rootless,btrfs,ext4,umoci,skopeo,erofs,registry,docutils,images,qemu
# The benchmark's numbers as JSON, and its other options: --runs N, --only ROW,…, --must-hold.
BENCH_JSON ?= $(CURDIR)/.build/bench.json
BENCH_FLAGS ?=
# Inputs for each fuzz test; `make test` runs what the tests themselves say.
SOAK_INPUTS ?= 200000000

build:
	swift build -c release --product cote
	swift build -c release --product cote-keeper
	swift build -c release --product cote-agent
	swift build -c release --product cote-registry
	swift build -c release --product cote-unpack

demo: build
	scripts/setup demo
	$(MAKE) --no-print-directory stage
	scripts/demo $(STAGE)/bin/cote

# The last lines are those of `swift test`, so what only builds comes before it.
test:
	scripts/setup test
	scripts/fetch-python-project >/dev/null
	scripts/fetch-kernel
	scripts/build-images >/dev/null
	$(MAKE) --no-print-directory lint
	swift build --build-tests
	if [ -d Examples ]; then \
	    for example in Examples/*/Package.swift; do swift build --package-path "$$(dirname "$$example")"; done; \
	fi
	COTE_REQUIRE=$(COTE_REQUIRE) scripts/run-tests

soak:
	scripts/setup test
	COTE_FUZZ_COUNT=$(SOAK_INPUTS) swift test --filter CoteWireTests
	COTE_REQUIRE=$(COTE_REQUIRE) COTE_SOAK=1 swift test --filter Soak

bench: build
	scripts/setup bench
	$(MAKE) --no-print-directory stage
	swift build -c release --product cote-bench
	image=$$(scripts/build-bench-image); \
	"$$(swift build -c release --show-bin-path)/cote-bench" $(STAGE)/bin/cote --image "$$image" --json $(BENCH_JSON) \
	    $(BENCH_FLAGS)

# The layout that a program which links the engine looks for.
install: build
	$(MAKE) --no-print-directory layout ROOT=$(DESTDIR)$(PREFIX)

.PHONY: stage layout
stage:
	$(MAKE) --no-print-directory layout ROOT=$(STAGE)

layout:
	bin=$$(swift build -c release --show-bin-path); \
	install -D -s -m 755 "$$bin/cote" "$(ROOT)/bin/cote"; \
	for program in cote-keeper cote-agent cote-unpack cote-registry; do \
	    install -D -s -m 755 "$$bin/$$program" "$(ROOT)/libexec/cote/$$program"; \
	done

lint:
	swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)

format:
	swift format --in-place --parallel --recursive $(SWIFT_SOURCES)

clean:
	swift package clean
	rm -rf $(STAGE) .build/fixtures
