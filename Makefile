# `make help` lists what there is. Every target first installs the missing Debian packages (tools/setup).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
DATA ?= penstock-data
# How often `make crash` and `make power-cuts` kill the server.
CYCLES ?= 50
# How often `make work` kills somebody.
LIVES ?= 200
# QUICK=1 tries out `make bench-peers` in short runs and leaves docs/benchmarks.md alone.
QUICK ?=
# What `make sim` runs: so many seeds, from FIRST on, and all scripts of up to LENGTH operations.
SEEDS ?= 20000
FIRST ?= 1
LENGTH ?= 3
# For how many seconds `make fuzz` runs each target; TARGET names one.
TIME ?= 60
# Which tests `make test`, `make asan` and `make tsan` run: a regular expression over test names.
TESTS ?= .
# Which of AMQP's clients `make amqp` and `make amqp-control` run, and which of their scenarios.
SUITE ?=
WORDS ?=

AMQP_CHOICE = $(addprefix --suite ,$(SUITE)) $(if $(WORDS),'$(WORDS)')
PROGRAM := build/release/penstock
CTEST := ctest --output-on-failure --no-tests=error --no-label-summary -j $(JOBS) -R '$(TESTS)'
SOURCES = find $(wildcard bench examples fuzz include sim src test) -type f \
  '(' -name '*.cc' -o -name '*.h' -o -name '*.hpp' ')' -print0
# The thread sanitizer wants a fixed memory layout where the kernel randomises more than it expects.
FIXED_LAYOUT = $(shell setarch -R true 2>/dev/null && echo setarch -R)

.PHONY: help setup configure build test amqp amqp-control sim crash work verify-exhaustive power-cuts faults fuzz demo run bench \
  bench-peers format format-check tidy install asan tsan coverage clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the missing Debian packages
	@tools/setup

configure: setup
	@cmake --preset release --log-level=WARNING >/dev/null

build: configure ## build the program: build/release/penstock
	@cmake --build --preset release -j $(JOBS) --target penstock

test: configure ## build everything as it ships, assertions on, and run all tests (TESTS=regex for some)
	@cmake --build --preset release -j $(JOBS)
	@$(CTEST) --test-dir build/release --output-junit ctest.xml

amqp: configure ## run real clients of AMQP 0-9-1 against the server (SUITE=pika for one, WORDS=regex for some)
	@cmake --build --preset release -j $(JOBS) --target penstock
	@cd test/amqp && /usr/bin/python3 -B -m conformance --penstock ../../$(PROGRAM) $(AMQP_CHOICE)

amqp-control: configure ## the same against RabbitMQ as well, and print where the two differ
	@tools/setup test/amqp/packages-control.txt
	@cmake --build --preset release -j $(JOBS) --target penstock
	@cd test/amqp && /usr/bin/python3 -B -m conformance --compare --penstock ../../$(PROGRAM) $(AMQP_CHOICE)

sim: configure ## simulate lives and crashes of the broker from seeds (SEEDS=20000, FIRST=1, LENGTH=3)
	@cmake --build --preset release -j $(JOBS) --target sim
	@seq 0 $$(($(JOBS) - 1)) | xargs -P $(JOBS) -I'{}' \
	  build/release/sim/sim seeds --first $(FIRST) --count $(SEEDS) --shard '{}' --of $(JOBS)
	@[[ $(LENGTH) -eq 0 ]] || seq 0 $$(($(JOBS) - 1)) | xargs -P $(JOBS) -I'{}' \
	  build/release/sim/sim enumerate --length $(LENGTH) --shard '{}' --of $(JOBS)

crash: configure ## kill the server under load and look for anything lost (CYCLES=50, SEED=n to replay the choices)
	@cmake --build --preset release -j $(JOBS) --target crash_cycles
	@cd build/release && test/crash/crash_cycles $(CYCLES) $(SEED)

work: configure ## kill server and workers under every item of the task queue (LIVES=200, SEED=n)
	@cmake --build --preset release -j $(JOBS) --target penstock work_crew
	@/usr/bin/python3 test/work/work_lives.py $(PROGRAM) build/release/test/work --lives $(LIVES) $(if $(SEED),--seed $(SEED))

verify-exhaustive: configure ## damage every byte of a segment of 1 MiB, in every way: verify must find it
	@cmake --build --preset release -j $(JOBS) --target test_journal
	@PENSTOCK_EXHAUSTIVE=1 build/release/test/journal/test_journal --gtest_filter='*JournalExhaustive*'

power-cuts: configure ## the same, and what was not durable goes with the process (CYCLES=50, SEED=n)
	@cmake --build --preset release -j $(JOBS) --target crash_cycles
	@cd build/release && test/crash/crash_cycles --power-cuts $(CYCLES) $(SEED)

faults: configure ## let every call of the server fail, one after the other (SAMPLE=60 for some; all: 20 minutes)
	@cmake --build --preset release -j $(JOBS) --target fault_runs
	@cd build/release && test/faults/fault_runs $(if $(SAMPLE),--sample $(SAMPLE) $(or $(SEED),1))

fuzz: ## fuzz the decoders under sanitizers (TIME=60 seconds each, TARGET=http_requests for one)
	@tools/setup packages.txt packages-fuzz.txt
	@cmake --preset fuzz --log-level=WARNING >/dev/null
	@cmake --build --preset fuzz -j $(JOBS) --target $(if $(TARGET),fuzz_$(TARGET),fuzzers)
	@fuzz/run $(TIME) $(TARGET)

demo: build ## see it work: notifications from publish to delivery
	@$(PROGRAM) demo notifications

run: build ## start a server that keeps its data in ./penstock-data (DATA=folder for another)
	@$(PROGRAM) serve --data $(DATA)

bench: configure ## build and run the benchmarks
	@cmake --build --preset release -j $(JOBS)
	@shopt -s nullglob; programs=(build/release/bench/bench_*); \
	  [[ $${#programs[@]} -gt 0 ]] || { echo "bench: there are no benchmarks in bench/" >&2; exit 1; }; \
	  for program in "$${programs[@]}"; do [[ ! -f $$program || ! -x $$program ]] || "$$program"; done

bench-peers: configure ## measure against Redis, RabbitMQ, beanstalkd, NATS, Celery, Sidekiq (QUICK=1: a short try)
	@tools/setup bench/peers/packages.txt
	@cmake --build --preset release -j $(JOBS) --target penstock peer_load peer_amqp peer_amqp_sink peer_tasks
	@cd bench && /usr/bin/python3 -B -m peers --build ../build/release --out ../build/peers \
	  $(if $(QUICK),--quick,--page ../docs/benchmarks.md)

format: setup ## format all C++
	@$(SOURCES) | xargs -0r clang-format-14 -i

format-check: setup ## fail where `make format` would change something
	@$(SOURCES) | xargs -0r clang-format-14 --dry-run -Werror

tidy: configure ## run clang-tidy over the sources (FILES=regex for some)
	@tools/setup packages.txt packages-dev.txt
	@cmake --build --preset release -j $(JOBS)
	@run-clang-tidy-19 -quiet -p build/release -j $(JOBS) '$(or $(FILES),$(CURDIR)/src/)'

install: configure ## install program and library (PREFIX=/usr/local, DESTDIR=)
	@cmake --build --preset release -j $(JOBS) --target installables
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(abspath $(PREFIX))"

asan: setup ## unit tests under the address and undefined-behaviour sanitizers
	@cmake --preset asan --log-level=WARNING >/dev/null
	@cmake --build --preset asan -j $(JOBS) --target unit_tests
	@$(CTEST) --test-dir build/asan -L '^unit$$'

tsan: setup ## all C++ tests under the thread sanitizer
	@cmake --preset tsan --log-level=WARNING >/dev/null
	@$(FIXED_LAYOUT) cmake --build --preset tsan -j $(JOBS)
	@$(FIXED_LAYOUT) $(CTEST) --test-dir build/tsan -LE '^style$$'

# What `make test` runs of these layers and is done in minutes. Every side of a condition that it
# leaves out is explained in tools/coverage/explained.txt, or this fails.
REPLAYED := checkpoint engine_events journal_resealed journal_segment amqp_dialogue http_dialogue resp_dialogue
MEASURED := $(addprefix test/,base/test_base os/test_os flow/test_flow engine/test_engine journal/test_journal \
  broker/test_broker protocol/test_protocol)
PROFILES = build/coverage/profiles
coverage: setup ## count the branches of journal, engine and broker that tests run (half an hour)
	@tools/setup packages.txt packages-fuzz.txt
	@cmake --preset coverage --log-level=WARNING >/dev/null
	@cmake --build --preset coverage -j $(JOBS) --target $(notdir $(MEASURED)) sim $(REPLAYED:%=fuzz_%)
	@rm -rf $(PROFILES) && mkdir -p $(PROFILES)
	@export LLVM_PROFILE_FILE='$(CURDIR)/$(PROFILES)/%m.profraw'; { \
	  printf '%s --gtest_brief=1\n' $(MEASURED); \
	  printf 'sim/sim %s\n' 'seeds --count 300' 'enumerate --length 1 --subsets 4 --inside 4'; \
	  for name in $(REPLAYED); do echo "fuzz/fuzz_$$name ../../fuzz/corpus/$$name"; done; } | \
	  (cd build/coverage && xargs -P $(JOBS) -I'{}' bash -c '{} >/dev/null || { echo "failed: {}" >&2; exit 255; }')
	@llvm-profdata-19 merge -o $(PROFILES)/all $(PROFILES)/*.profraw
	@cd build/coverage && llvm-cov-19 export -format=text -instr-profile profiles/all \
	  sim/sim $(addprefix -object ,$(MEASURED) $(REPLAYED:%=fuzz/fuzz_%)) >profiles/all.json
	@tools/coverage/report.py $(PROFILES)/all.json src/journal src/engine src/broker

clean: ## remove everything that was built
	@rm -rf build
