# The warden: OpenSBI with our platform in warden/, built out of tree with OpenSBI's own makefile.
#
# build/warden.bin is the firmware that a board or QEMU starts in M-mode (fw_dynamic), build/warden.elf has
# its symbols, and build/warden/log is what its build said.

WARDEN_SOURCES := $(call sources,warden abi,*)
OPENSBI := $(CACHE)/src/opensbi
WARDEN_OUT := $(abspath $(BUILD))/warden
WARDEN_MAKE = $(MAKE) -C $(OPENSBI) O=$(WARDEN_OUT) PLATFORM_DIR=$(abspath warden) CROSS_COMPILE=$(CROSS) \
	FW_DYNAMIC=y FW_JUMP=n FW_PAYLOAD=n FW_PIC=y OUTLIVE_ROOT=$(CURDIR)

ifneq ($(wildcard warden/objects.mk),)
ALL += $(BUILD)/warden.bin
endif

$(BUILD)/warden.bin: $(WARDEN_SOURCES) mk/warden.mk $(OPENSBI)/.recipe
	$(call say,WARDEN,$@)
	@mkdir -p $(WARDEN_OUT)
	@rm -f $(WARDEN_OUT)/platform/warden/lib/libplatsbi.a # or else it may lack an object that is new in objects.mk
	+$(Q)$(WARDEN_MAKE) >$(WARDEN_OUT)/log 2>&1 || \
		{ grep -A 4 -E 'error|No rule|\*\*\*' $(WARDEN_OUT)/log >&2; exit 1; }
	$(Q)grep -i 'warning:' $(WARDEN_OUT)/log >&2 || true
	$(Q)cp $(WARDEN_OUT)/platform/warden/firmware/fw_dynamic.elf $(BUILD)/warden.elf
	$(Q)cp $(WARDEN_OUT)/platform/warden/firmware/fw_dynamic.bin $@

# The life that tests/machine/warden.sh lets the warden look after: an image of its own, as large as a real one.
WARDEN_TEST := $(BUILD)/tests/machine/warden.bin
WARDEN_TEST_CFLAGS := $(LANGUAGE) $(PATHS) $(WARNINGS) -O2 -DPADDING=330000 -ffreestanding -fno-pic -mcmodel=medany \
	-march=rv64imafdc_zicsr_zifencei -mabi=lp64 -fno-stack-protector -fno-jump-tables -msmall-data-limit=0
TEST_PROGRAMS += $(WARDEN_TEST)

$(WARDEN_TEST): $(call sources,warden/test,*) $(call sources,abi,*.h) mk/warden.mk
	$(call say,TARGET,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(WARDEN_TEST_CFLAGS) -nostdlib -static -no-pie -Wl,-T,warden/test/payload.ld -Wl,--build-id=none \
		-Wl,--no-relax -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -o $(@:.bin=.elf) \
		$(filter warden/test/%.S,$^) $(filter warden/test/%.c,$^)
	$(Q)$(CROSS)objcopy -O binary $(@:.bin=.elf) $@
