# Test programs for the host, which tests/run runs.
#
#   tests/unit/NAME_test.c    a cmocka program, with address and undefined-behaviour sanitizers
#   tests/model/NAME_model.c  a model that is explored without sanitizers, fast
#   tests/model/NAME_tsan.c   threads against each other, with the thread sanitizer
#   tests/fuzz/NAME_fuzz.c    a libFuzzer target; seeds in tests/fuzz/corpus/NAME/, bytes as .hex
#   tests/exits/NAME_test.c   a cmocka program that runs the exit handlers of arch/riscv64
#
# Each is one source file, linked with all of core and the fake machine in arch/host. These come as an archive:
# a test may define a function itself in place of core's if it replaces the whole file that has it. Files in
# tests/lib/ are linked to all of them.

HOST_CFLAGS := $(LANGUAGE) $(PATHS) -Iarch/host/include -g -fno-omit-frame-pointer -D_GNU_SOURCE -isystem $(FDT_DIR)
HOST_C := $(call sources,core arch/host tests/lib,*.c)
HOST_MAKE := mk/tests.mk mk/common.mk

HOST_CC_plain := $(HOSTCC)
HOST_FLAGS_plain := -O2
HOST_CC_asan := $(HOSTCC)
HOST_FLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CC_tsan := $(HOSTCC)
# It does not model fences, and warns of each: where one is, what it orders is atomic as well.
HOST_FLAGS_tsan := -O1 -fsanitize=thread -Wno-tsan -DUNDER_TSAN
HOST_CC_fuzz := $(CLANG)
HOST_FLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DUNDER_FUZZER

# Core's own memcpy and the like are called core_memcpy on the host, where the C library's stay in use: the
# sanitizers know those.
HOST_RENAMED := memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strchr strrchr
$(BUILD)/host/%/core/lib/string.o: HOST_RENAME = $(foreach name,$(HOST_RENAMED),-D$(name)=core_$(name))

# Core's LZ4 is not the C library's, which the command uses.
$(BUILD)/host/%/core/lib/compress.o: HOST_RENAME = $(LZ4_FLAGS)

# A flavour of the host's objects: $(1) is its name.
define host_flavour
HOST_OBJECTS_$(1) := $$(HOST_C:%.c=$$(BUILD)/host/$(1)/%.o)
HOST_FDT_$(1) := $$(FDT_NAMES:%=$$(BUILD)/host/$(1)/third/fdt/%.o)

$$(BUILD)/host/$(1)/%.o: %.c $$(HOST_MAKE)
	$$(call say,HOSTCC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC_$(1)) $$(HOST_FIRST) $$(HOST_CFLAGS) $$(HOST_FLAGS_$(1)) $$(HOST_RENAME) $$(WARNINGS) $$(DEPENDENCIES) -c -o $$@ $$<

$$(BUILD)/host/$(1)/third/fdt/%.o: $$(FDT_DIR)/%.c $$(HOST_MAKE)
	$$(call say,HOSTCC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC_$(1)) $$(HOST_CFLAGS) $$(HOST_FLAGS_$(1)) $$(DEPENDENCIES) -c -o $$@ $$<

# It computes pointers that the undefined-behaviour sanitizer does not like.
$$(BUILD)/host/$(1)/third/lz4.o: $$(LZ4_DIR)/lz4.c $$(HOST_MAKE)
	$$(call say,HOSTCC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC_$(1)) $$(HOST_CFLAGS) $$(HOST_FLAGS_$(1)) $$(LZ4_FLAGS) -fno-sanitize=undefined -c -o $$@ $$<

$$(BUILD)/host/$(1)/libcore.a: $$(HOST_OBJECTS_$(1)) $$(HOST_FDT_$(1)) $$(BUILD)/host/$(1)/third/lz4.o
	$$(call say,AR,$$@)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^

-include $$(HOST_OBJECTS_$(1):.o=.d)
endef
$(foreach flavour,plain asan tsan fuzz,$(eval $(call host_flavour,$(flavour))))

# Test programs of a kind: $(1) pattern of its sources, $(2) flavour, $(3) more for the linker.
define test_kind
TESTS_$(2) := $$(wildcard $(1))
TEST_PROGRAMS += $$(TESTS_$(2):%.c=$$(BUILD)/%)
$$(TESTS_$(2):%.c=$$(BUILD)/%): $$(BUILD)/%: $$(BUILD)/host/$(2)/%.o $$(BUILD)/host/$(2)/libcore.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC_$(2)) $$(HOST_FLAGS_$(2)) -pthread $(3) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $(4)
-include $$(TESTS_$(2):%.c=$$(BUILD)/host/$(2)/%.d)
endef
$(eval $(call test_kind,tests/unit/*_test.c tests/exits/*_test.c,asan,,-lcmocka))
$(eval $(call test_kind,tests/model/*_model.c,plain,,-lcmocka))
$(eval $(call test_kind,tests/model/*_tsan.c,tsan,,-lcmocka))
$(eval $(call test_kind,tests/fuzz/*_fuzz.c,fuzz,-fsanitize=fuzzer))

# Programs that run the exit handlers of arch/riscv64 on fake harts (tests/exits/exits.h): the handlers compiled for the
# host, with headers of tests/exits/include in place of those that only a RISC-V compiler takes. What hart.c defines of the
# machine is the fake machine's business, under its own name.
EXITS_C := $(addprefix arch/riscv64/,trap.c guest_sbi.c guest_ext.c native.c decode.c fetch.c vcpu_load.c found.c firmware.c hart.c \
	private.c private_exit.c) \
	$(filter-out %_test.c,$(wildcard tests/exits/*.c))
EXITS_TESTS_asan := $(wildcard tests/exits/*_test.c) $(addprefix tests/unit/,sbi_test.c decode_test.c sched_test.c adopt_test.c)
EXITS_TESTS_fuzz := tests/fuzz/sbi_fuzz.c
EXITS_RENAMED := time beat kick kick_vcpu gstage_fence

# $(1): flavour
define exits_flavour
EXITS_OBJECTS_$(1) := $$(EXITS_C:%.c=$$(BUILD)/host/$(1)/%.o)
$$(EXITS_OBJECTS_$(1)) $$(EXITS_TESTS_$(1):%.c=$$(BUILD)/host/$(1)/%.o): HOST_FIRST = -Itests/exits/include
$$(BUILD)/host/$(1)/arch/riscv64/hart.o: HOST_RENAME = -DEXITS_RENAMED $$(foreach name,$$(EXITS_RENAMED),-Darch_$$(name)=hart_$$(name))
$$(EXITS_TESTS_$(1):%.c=$$(BUILD)/%): $$(EXITS_OBJECTS_$(1))
-include $$(EXITS_OBJECTS_$(1):.o=.d)
endef
$(foreach flavour,asan fuzz,$(eval $(call exits_flavour,$(flavour))))

# The cases of crash_test.
CRASH_OBJECTS := $(patsubst %.c,$(BUILD)/host/asan/%.o,$(wildcard tests/exits/crash/*.c))
$(CRASH_OBJECTS): HOST_FIRST = -Itests/exits/include
$(BUILD)/tests/exits/crash_test: $(CRASH_OBJECTS)
-include $(CRASH_OBJECTS:.o=.d)

# Programs that run the warden's part for confidential VMs (tests/private/world.h): its portable files, with a contract.h of
# the host's types, and BearSSL.
PRIVATE_C := $(addprefix warden/private/,ask.c pool.c vm.c table.c launch.c measure.c report.c rings.c) $(wildcard tests/private/*.c)
PRIVATE_TESTS_asan := $(wildcard tests/unit/private_*_test.c)
PRIVATE_TESTS_plain := $(wildcard tests/model/private_*_model.c)
PRIVATE_TESTS_fuzz := $(wildcard tests/fuzz/private_*_fuzz.c)
include warden/bearssl.mk
PRIVATE_BEARSSL := $(BEARSSL_WARDEN) ec/ecdsa_i31_vrfy_raw

# $(1): flavour
define private_flavour
PRIVATE_OBJECTS_$(1) := $$(PRIVATE_C:%.c=$$(BUILD)/host/$(1)/%.o)
$$(PRIVATE_OBJECTS_$(1)) $$(PRIVATE_TESTS_$(1):%.c=$$(BUILD)/host/$(1)/%.o): HOST_FIRST = -Itests/private/include -isystem $$(BEARSSL_DIR)/inc
$$(PRIVATE_TESTS_$(1):%.c=$$(BUILD)/%): $$(PRIVATE_OBJECTS_$(1)) $$(PRIVATE_BEARSSL:%=$$(BUILD)/host/$(1)/third/bearssl/%.o)
-include $$(PRIVATE_OBJECTS_$(1):.o=.d)
endef
$(foreach flavour,plain asan fuzz,$(eval $(call private_flavour,$(flavour))))

# Programs that run core/private with the warden's own code at the other end (tests/confidential/warden.h).
CONFIDENTIAL_C := $(addprefix warden/private/,ask.c table.c launch.c) $(addprefix tests/confidential/,warden.c kept.c)
CONFIDENTIAL_TESTS_asan := tests/unit/confidential_test.c
CONFIDENTIAL_TESTS_tsan := tests/model/confidential_tsan.c

# Names that core has as well.
$(BUILD)/host/asan/confidential/warden/% $(BUILD)/host/tsan/confidential/warden/%: CONFIDENTIAL_RENAMED = -Dvm_create=warden_vm_create

# $(1): flavour. Objects of their own: other programs have other ends of the same files.
define confidential_flavour
CONFIDENTIAL_OBJECTS_$(1) := $$(CONFIDENTIAL_C:%.c=$$(BUILD)/host/$(1)/confidential/%.o)
$$(BUILD)/host/$(1)/confidential/%.o: %.c $$(HOST_MAKE)
	$$(call say,HOSTCC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC_$(1)) -Itests/private/include -isystem $$(BEARSSL_DIR)/inc $$(HOST_CFLAGS) $$(HOST_FLAGS_$(1)) $$(CONFIDENTIAL_RENAMED) $$(WARNINGS) -Wno-shadow $$(DEPENDENCIES) -c -o $$@ $$<
$$(CONFIDENTIAL_TESTS_$(1):%.c=$$(BUILD)/%): $$(CONFIDENTIAL_OBJECTS_$(1))
-include $$(CONFIDENTIAL_OBJECTS_$(1):.o=.d)
endef
$(foreach flavour,asan tsan,$(eval $(call confidential_flavour,$(flavour))))
