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
	+$(Q)$(WARDEN_MAKE) >$(WARDEN_OUT)/log 2>&1 || \
		{ grep -A 4 -E 'error|No rule|\*\*\*' $(WARDEN_OUT)/log >&2; exit 1; }
	$(Q)grep -i 'warning:' $(WARDEN_OUT)/log >&2 || true
	$(Q)cp $(WARDEN_OUT)/platform/warden/firmware/fw_dynamic.elf $(BUILD)/warden.elf
	$(Q)cp $(WARDEN_OUT)/platform/warden/firmware/fw_dynamic.bin $@
