# Outlive's build. Everything is built out of tree, into build/; "make help" lists what there is to make.
#
# Each component has its fragment in mk/, which adds its products to ALL, its test programs to
# TEST_PROGRAMS and its own rules. Sources are found by wildcard: a new file needs no change here.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all
all:

# Set-up and fetch come before anything is built, while this file is read, because the rules look at what
# they provide. Both return at once when nothing is missing. OUTLIVE_PREPARED=1 leaves them out.
NEEDS_NOTHING := help setup clean format format-check lint-scripts
ifneq ($(filter-out $(NEEDS_NOTHING),$(or $(MAKECMDGOALS),all)),)
ifndef OUTLIVE_PREPARED
ifneq ($(lastword $(shell { tools/setup.sh && tools/fetch.sh; } >&2; echo $$?)),0)
$(error set-up failed)
endif
export OUTLIVE_PREPARED := 1
endif
endif

include mk/common.mk
include $(filter-out mk/common.mk,$(sort $(wildcard mk/*.mk)))

all: $(ALL)

.PHONY: help setup demo test test-programs bench soak format format-check lint lint-scripts clean
help:
	@echo 'make setup    install the packages and fetch what the build needs (the others do it too)'
	@echo 'make all      build everything into build/'
	@echo 'make demo     a hypervisor with virtual machines, which crashes while they go on'
	@echo 'make test     all tests; tests/run PATTERN runs those whose name contains PATTERN'
	@echo 'make bench    benchmarks, as tables'
	@echo 'make interop  a real Linux reads our black boxes, gdb, crash, drgn and makedumpfile our dumps; downloads 1 GB and'
	@echo '              builds a Linux the first time; interop-dump: the dumps only (INTEROP_ALL=1: crash opens all of them)'
	@echo 'make campaign the fault campaign, in which hypervisors are damaged from outside (CAMPAIGN_RUNS, default 10000, and'
	@echo '              CAMPAIGN_SEED); started again, it goes on where it was'
	@echo 'make soak     fuzzers and fault injection for a long time (SOAK_SECONDS each, default 1800), then make campaign'
	@echo 'make format   format the sources'
	@echo 'make lint     check format and run the static checkers'
	@echo 'make clean    remove build/'
	@echo 'Set V=1 to see the commands, OUTLIVE_CACHE to move the cache of fetched files.'

setup:
	@tools/setup.sh
	@tools/fetch.sh

demo: all
	$(Q)tools/demo.py

test-programs: $(TEST_PROGRAMS)

# What does not build is one failed test, not the end of all tests: hence -k, and no look at the result.
test:
	-$(Q)$(MAKE) -j2 -k all test-programs
	$(Q)OUTLIVE_BUILT=1 tests/run $(if $(LINT),--lint)

soak: all test-programs
	$(Q)OUTLIVE_BUILT=1 OUTLIVE_SOAK=1 FUZZ_SECONDS=$(or $(SOAK_SECONDS),1800) tests/run
	$(Q)$(MAKE) campaign

bench: all
	$(Q)status=0; for script in $(sort $(wildcard bench/*.sh)); do $$script || status=1; done; exit $$status

clean:
	$(Q)rm -rf $(BUILD)
