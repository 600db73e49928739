# The outlive command, build/outlive, for Linux. Of core it shares the files named here with the hypervisor, and
# links nothing else of it.

CLI_C := $(call sources,cli,*.c)
CLI_SHARED := core/control/frame.c core/lib/crc32c.c core/lib/format.c $(call sources,core/blackbox,*.c) \
	$(addprefix core/vm/,guest_fdt.c load_plan.c load_elf.c load_image.c) $(addprefix core/private/,size.c bounce.c)
CLI_OBJECTS := $(CLI_C:%.c=$(BUILD)/host/plain/%.o)
CLI_LIBS := -lyaml -ljansson -lz -llz4 -ldw -lelf -lm

# Hashes and signatures are BearSSL's, from the sources that the warden is built with.
BEARSSL_DIR := $(CACHE)/src/bearssl
BEARSSL_NAMES := hash/sha2small hash/sha2big $(addprefix codec/,dec32be enc32be dec64be enc64be ccopy) \
	$(addprefix ec/,ec_p256_m31 ec_secp256r1 ec_secp384r1 ec_secp521r1 ec_pubkey ecdsa_i31_vrfy_raw ecdsa_i31_bits) \
	$(addprefix int/i31_,add bitlen decmod decode decred encode fmont iszero modpow montmul mulacc muladd ninv31 reduce \
		rshift sub tmont) int/i32_div32 rand/hmac_drbg mac/hmac
$(foreach file,sha256 attest_key attest_report attest_expect,$(BUILD)/host/%/cli/$(file).o): HOST_FIRST = -isystem $(BEARSSL_DIR)/inc

define bearssl_flavour
$$(BUILD)/host/$(1)/third/bearssl/%.o: $$(BEARSSL_DIR)/src/%.c mk/cli.mk
	$$(call say,HOSTCC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC_$(1)) -I$$(BEARSSL_DIR)/inc -I$$(BEARSSL_DIR)/src -g $$(HOST_FLAGS_$(1)) -c -o $$@ $$<
endef
$(foreach flavour,plain asan fuzz,$(eval $(call bearssl_flavour,$(flavour))))

ALL += $(BUILD)/outlive

$(BUILD)/outlive: $(CLI_OBJECTS) $(CLI_SHARED:%.c=$(BUILD)/host/plain/%.o) $(BEARSSL_NAMES:%=$(BUILD)/host/plain/third/bearssl/%.o) \
		$(FDT_NAMES:%=$(BUILD)/host/plain/third/fdt/%.o) mk/cli.mk
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS_plain) -o $@ $(filter %.o,$^) $(CLI_LIBS)

-include $(CLI_OBJECTS:.o=.d)

# What the host files in examples/ start.
ALL += $(BUILD)/kernel
$(BUILD)/kernel: $(CACHE)/linux/.recipe
	@mkdir -p $(@D)
	$(Q)ln -sf $(CACHE)/linux/Image $@

# Its tests: they are linked with all of it but main, from an archive, in the flavour of their kind. mk/tests.mk links
# what a test program depends on, so the libraries come as a file, too: a linker script that names them.
CLI_TESTS := $(wildcard tests/unit/cli_*_test.c)
CLI_FUZZERS := $(wildcard $(addprefix tests/fuzz/,host_file_fuzz.c dump_region_fuzz.c crash_record_fuzz.c vm_dump_fuzz.c campaign_file_fuzz.c campaign_fuzz.c attest_fuzz.c))
CLI_FAKE := $(BUILD)/tests/unit/cli_fake_host

define cli_flavour
CLI_OBJECTS_$(1) := $$(filter-out %/main.o,$$(CLI_C:%.c=$$(BUILD)/host/$(1)/%.o)) \
	$$(CLI_SHARED:%.c=$$(BUILD)/host/$(1)/%.o) $$(BEARSSL_NAMES:%=$$(BUILD)/host/$(1)/third/bearssl/%.o) \
	$$(FDT_NAMES:%=$$(BUILD)/host/$(1)/third/fdt/%.o)
$$(BUILD)/host/$(1)/libcli.a: $$(CLI_OBJECTS_$(1)) mk/cli.mk
	$$(call say,AR,$$@)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)
-include $$(CLI_OBJECTS_$(1):.o=.d)
endef
$(foreach flavour,asan fuzz,$(eval $(call cli_flavour,$(flavour))))

$(BUILD)/host/cli-libs.a: mk/cli.mk
	@mkdir -p $(@D)
	$(Q)echo 'INPUT($(CLI_LIBS))' >$@

$(CLI_TESTS:%.c=$(BUILD)/%): $(BUILD)/host/asan/libcli.a $(BUILD)/host/cli-libs.a
$(CLI_FUZZERS:%.c=$(BUILD)/%): $(BUILD)/host/fuzz/libcli.a $(BUILD)/host/cli-libs.a

# A test of reports has to sign some.
ATTEST_TEST := $(BUILD)/tests/unit/cli_attest_test
ATTEST_SIGNS := ec/ecdsa_i31_sign_raw
$(ATTEST_TEST): $(ATTEST_SIGNS:%=$(BUILD)/host/asan/third/bearssl/%.o)
$(BUILD)/host/asan/tests/unit/cli_attest_test.o: HOST_FIRST = -isystem $(BEARSSL_DIR)/inc

# What tests/machine/cli_*.sh runs in place of QEMU.
TEST_PROGRAMS += $(CLI_FAKE)
$(CLI_FAKE): $(addprefix $(BUILD)/host/plain/,tests/unit/cli_fake_host.o core/vm/pack.o core/lib/format.o \
		core/control/frame.o core/lib/crc32c.o)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_FLAGS_plain) -o $@ $^
-include $(BUILD)/host/plain/tests/unit/cli_fake_host.d

# The manual pages and the reference part of docs/host-file.md are made from the command's own tables;
# tests/machine/cli_docs.sh sees to it that they are up to date.
MAN_PAGES := outlive.1 outlive-run.1 outlive-check.1 outlive-pack.1 outlive-ps.1 outlive-top.1 outlive-console.1 \
	outlive-vm.1 outlive-log.1 outlive-crash.1 outlive-dump.1 outlive-blackbox.1 outlive-update.1 outlive-poweroff.1 \
	outlive-campaign.1 outlive-attest.1 outlive-host.5

.PHONY: cli-docs
cli-docs: $(BUILD)/outlive
	@mkdir -p docs/man
	$(Q)set -e; for page in $(MAN_PAGES); do $(BUILD)/outlive manual $${page%.*} >docs/man/$$page; done
	$(Q)sed -i '/^<!-- reference -->$$/q' docs/host-file.md && \
		{ echo; $(BUILD)/outlive manual host-file.md; } >>docs/host-file.md
