# What a root VM needs to take the machine over when it crashes, and any Linux to dump itself:
#
#   build/shim.bin        what stands before the crash kernel (guests/shim)
#   build/kdump-load      the program that loads both, for Linux (guests/kdump)
#   build/vmcore-save     the crash kernel's program that saves /proc/vmcore
#   build/crash.cpio.gz   the crash kernel's initrd, with that
#   build/kdump.cpio      an initrd with all of this, the stock kernel once more, and the self-checking workload

SHIM := $(GUEST)/shim
SHIM_OBJECTS := $(addprefix $(GUEST)/obj/guests/shim/,start.o shim.o)
$(SHIM_OBJECTS): GUEST_CFLAGS += -fno-jump-tables

ALL += $(BUILD)/shim.bin $(BUILD)/kdump-load $(BUILD)/crash.cpio.gz $(BUILD)/kdump.cpio

# It is linked twice: the same bytes for two addresses are what shows that it runs at any. (Relaxed, the code finds what lies
# near address 0 there.)
$(SHIM)-0.elf: SHIM_BASE := 0
$(SHIM)-1.elf: SHIM_BASE := 0x40000000
$(SHIM)-0.elf $(SHIM)-1.elf: $(SHIM_OBJECTS) guests/shim/shim.lds mk/kdump.mk $(GUEST_MAKE)
	$(call say,LD,$@)
	$(Q)$(CROSS)gcc $(GUEST_LDFLAGS) -Wl,--no-relax -Wl,--defsym=shim_base=$(SHIM_BASE) -Wl,-T,guests/shim/shim.lds -o $@ $(SHIM_OBJECTS)

$(BUILD)/shim.bin: $(SHIM)-0.bin $(SHIM)-1.bin
	$(Q)cmp $^ || { echo 'the shim depends on its address' >&2; exit 1; }
	$(Q)cp $< $@

KDUMP_SAVE := $(BUILD)/linux/guests/kdump/save.o
KDUMP_C := $(filter-out %/save.c,$(call sources,guests/kdump,*.c))
KDUMP_OBJECTS := $(KDUMP_C:%.c=$(BUILD)/linux/%.o)
KDUMP_FDT := $(FDT_NAMES:%=$(BUILD)/linux/third/fdt/%.o)
KDUMP_CFLAGS := $(LINUX_CFLAGS) -isystem $(FDT_DIR)

$(BUILD)/linux/%.o: %.c mk/kdump.mk mk/common.mk
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(KDUMP_CFLAGS) $(WARNINGS) $(DEPENDENCIES) -c -o $@ $<

$(BUILD)/linux/third/fdt/%.o: $(FDT_DIR)/%.c mk/kdump.mk mk/common.mk
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(KDUMP_CFLAGS) $(DEPENDENCIES) -c -o $@ $<

$(BUILD)/kdump-load: $(KDUMP_OBJECTS) $(KDUMP_FDT)
$(BUILD)/vmcore-save: $(KDUMP_SAVE)
$(BUILD)/kdump-load $(BUILD)/vmcore-save:
	$(call say,LD,$@)
	$(Q)$(CROSS)gcc -static -s -o $@ $^

$(BUILD)/crash.cpio.gz: tools/mkinitrd.sh guests/linux/crash-init $(BUILD)/vmcore-save $(CACHE)/linux/.recipe $(CACHE)/riscv64/.recipe
	$(call say,INITRD,$@)
	$(Q)tools/mkinitrd.sh --init guests/linux/crash-init --modules 'virtio_mmio virtio_blk' $@ $(BUILD)/vmcore-save

$(BUILD)/kdump.cpio: tools/mkinitrd.sh guests/linux/init $(LINUX_PROGRAMS) $(BUILD)/kdump-load $(BUILD)/shim.bin \
		$(BUILD)/crash.cpio.gz $(CACHE)/linux/.recipe $(CACHE)/riscv64/.recipe
	$(call say,INITRD,$@)
	$(Q)tools/mkinitrd.sh --add $(BUILD)/shim.bin=kdump/shim.bin --add $(BUILD)/crash.cpio.gz=kdump/initrd.gz \
		--add $(CACHE)/linux/Image=kdump/Image $@ $(LINUX_PROGRAMS) $(BUILD)/kdump-load

-include $(SHIM_OBJECTS:.o=.d) $(KDUMP_OBJECTS:.o=.d) $(KDUMP_SAVE:.o=.d)

# Its tests: what kdump-load makes of files, compiled for the host.
define kdump_flavour
KDUMP_TESTED_$(1) := $$(patsubst %.c,$$(BUILD)/host/$(1)/%.o,$$(filter-out %/load.c,$$(KDUMP_C)))
-include $$(KDUMP_TESTED_$(1):.o=.d)
endef
$(foreach flavour,asan fuzz,$(eval $(call kdump_flavour,$(flavour))))
$(BUILD)/tests/unit/kdump_test: $(KDUMP_TESTED_asan)
$(BUILD)/tests/fuzz/kdump_fuzz: $(KDUMP_TESTED_fuzz)
