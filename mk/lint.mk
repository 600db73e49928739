# "make format" and "make lint": one opinion on layout, and the static checkers for what they are good at.
# A file is checked again when it, a header or the checker's settings changed.

LINT_FOLDERS := abi core arch drivers warden cli guests tests bench
LINT_C := $(call sources,$(LINT_FOLDERS),*.c)
LINT_H := $(call sources,$(LINT_FOLDERS) mk,*.h)
LINT_SCRIPTS := $(sort $(shell grep -lrE '^\#!/bin/(busybox |ba)?sh' tools tests bench guests .ci 2>/dev/null))
LINT_RUN := $(wildcard tests/run tests/machine/*.sh tests/machine/*.py bench/*.sh)
LINT_MAN := $(call sources,docs,*.[1-9])

format:
	$(Q)clang-format -i $(LINT_C) $(LINT_H)

format-check:
	$(call say,FORMAT,$(words $(LINT_C) $(LINT_H)) files)
	$(Q)$(if $(LINT_C)$(LINT_H),clang-format --dry-run --Werror $(LINT_C) $(LINT_H))

lint-scripts:
	$(call say,LINT,scripts and manual pages)
	$(Q)$(if $(LINT_SCRIPTS),shellcheck -x $(LINT_SCRIPTS))
	$(Q)$(if $(LINT_MAN),mandoc -T lint -W warning $(LINT_MAN))
	$(Q)for script in $(LINT_RUN); do test -x $$script || { echo "$$script is not executable" >&2; exit 1; }; done

# Sources that run on the target are checked as clang sees them for it. warden/ is compiled in OpenSBI's
# environment, which the checkers do not have.
TIDY_TARGET := $(filter core/% drivers/% arch/riscv64/% tests/machine/%,$(LINT_C))
TIDY_HOST := $(filter-out $(TIDY_TARGET),$(filter cli/% arch/host/% tests/%,$(LINT_C)))
TIDY_FLAGS_TARGET := $(LANGUAGE) -I. -Iarch/riscv64/include -I$(BUILD)/hv --target=riscv64-linux-gnu -march=rv64imac -mabi=lp64 \
	-ffreestanding -isystem mk/freestanding -isystem $(FDT_DIR) $(LZ4_FLAGS)
TIDY_FLAGS_HOST := $(LANGUAGE) -Itests/exits/include -Itests/private/include -I. -Iarch/host/include -D_GNU_SOURCE -isystem $(FDT_DIR) -isystem $(BEARSSL_DIR)/inc
TIDY_STAMPS := $(TIDY_TARGET:%=$(BUILD)/lint/%.tidy) $(TIDY_HOST:%=$(BUILD)/lint/%.tidy)

$(TIDY_TARGET:%=$(BUILD)/lint/%.tidy): TIDY_FLAGS = $(TIDY_FLAGS_TARGET)
$(TIDY_HOST:%=$(BUILD)/lint/%.tidy): TIDY_FLAGS = $(TIDY_FLAGS_HOST)
$(TIDY_STAMPS): $(BUILD)/lint/%.tidy: % $(LINT_H) .clang-tidy mk/lint.mk
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(TIDY_FLAGS) 2>$@.log || { grep -v 'warnings\? generated' $@.log; exit 1; }
	@touch $@

# It takes two compound literals in one call, HPA and GPA, for side effects; GCC's -Wsequence-point looks for real ones.
CPPCHECK_FLAGS := --quiet -j 2 --std=c11 --language=c -I. -D__GNUC__ -D__STDC_VERSION__=201710L \
	--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=unknownEvaluationOrder
$(BUILD)/lint/cppcheck: $(LINT_C) $(LINT_H) mk/lint.mk
	$(call say,CPPCHECK,$(words $(LINT_C)) files)
	@mkdir -p $(@D)/cppcheck.d
	$(Q)$(if $(LINT_C),cppcheck $(CPPCHECK_FLAGS) --cppcheck-build-dir=$(@D)/cppcheck.d $(LINT_C))
	@touch $@

lint: format-check lint-scripts $(BUILD)/lint/cppcheck $(TIDY_STAMPS)
