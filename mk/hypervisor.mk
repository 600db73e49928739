# The hypervisor: build/outlive.elf with symbols, build/outlive.bin as a loader takes it.
#
# Position-independent: it runs from either slot. HS-mode code uses neither floating point nor vectors, so
# that a guest's registers stay where they are.

HV := $(BUILD)/hv
HV_CC := $(CROSS)gcc
HV_ARCH := -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany
# Canaries: each hart's own, in struct hart (arch/riscv64/hart.h), to which tp points.
HV_CANARY := -fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=tp -mstack-protector-guard-offset=40
HV_CFLAGS := $(LANGUAGE) $(PATHS) -Iarch/riscv64/include -I$(HV) -O2 -g $(HV_ARCH) -ffreestanding -fPIE -fvisibility=hidden \
	$(HV_CANARY) -fomit-frame-pointer -fno-tree-loop-distribute-patterns \
	-fno-asynchronous-unwind-tables -nostdinc -isystem $(shell $(CROSS)gcc -print-file-name=include 2>/dev/null) \
	-isystem mk/freestanding -isystem $(FDT_DIR) $(LZ4_FLAGS)
HV_LDS := arch/riscv64/outlive.lds
HV_LDFLAGS := -nostdlib -static-pie $(HV_ARCH) -Wl,--build-id=sha1 -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--no-undefined -Wl,--no-warn-rwx-segments

# arch/riscv64/offsets.c is compiled for the numbers that it prints, and not linked (see below).
HV_OFFSETS := arch/riscv64/offsets.c
HV_C := $(filter-out $(HV_OFFSETS),$(call sources,core drivers arch/riscv64,*.c))
HV_S := $(call sources,arch/riscv64,*.S)
HV_OBJECTS := $(HV_C:%.c=$(HV)/%.o) $(HV_S:%.S=$(HV)/%.o)
HV_FDT := $(FDT_NAMES:%=$(HV)/third/fdt/%.o)
HV_MAKE := mk/hypervisor.mk mk/common.mk

ifneq ($(wildcard $(HV_LDS)),)
ALL += $(BUILD)/outlive.bin
endif

$(BUILD)/outlive.bin: $(BUILD)/outlive.elf
	$(call say,BIN,$@)
	$(Q)$(CROSS)objcopy -O binary $< $@

HV_THIRD := $(HV)/third/lz4.o $(HV)/third/libfdt.a

$(BUILD)/outlive.elf: $(HV_OBJECTS) $(HV_THIRD) $(HV_LDS) $(HV_MAKE)
	$(call say,LD,$@)
	$(Q)$(HV_CC) $(HV_LDFLAGS) -Wl,-T,$(HV_LDS) -Wl,-Map,$(BUILD)/outlive.map -o $@ $(HV_OBJECTS) \
		$(HV_THIRD)

$(HV)/%.o: %.c $(HV_MAKE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(HV_CC) $(HV_CFLAGS) $(WARNINGS) $(DEPENDENCIES) -c -o $@ $<

$(HV)/%.o: %.S $(HV_MAKE)
	$(call say,AS,$@)
	@mkdir -p $(@D)
	$(Q)$(HV_CC) $(HV_CFLAGS) -D__ASSEMBLER__ $(DEPENDENCIES) -c -o $@ $<

$(HV)/third/fdt/%.o: $(FDT_DIR)/%.c $(HV_MAKE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(HV_CC) $(HV_CFLAGS) $(DEPENDENCIES) -c -o $@ $<

$(HV)/third/libfdt.a: $(HV_FDT)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(CROSS)ar rcs $@ $^

# Of all that is in LZ4's one file, what is called: every heir's image is copied whole.
$(HV)/third/lz4.o: $(LZ4_DIR)/lz4.c $(HV_MAKE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(HV_CC) $(HV_CFLAGS) -ffunction-sections -fdata-sections -c -o $(@:.o=.all.o) $<
	$(Q)$(CROSS)ld -r --gc-sections -u LZ4_compress_fast_extState -o $@ $(@:.o=.all.o)

# Offsets of structure members for assembler files, which include "gen/offsets.h". arch/riscv64/offsets.c has a
# function with a line for each: asm volatile("\n->NAME %0" : : "i"(offsetof(struct x, member))).
ifneq ($(wildcard $(HV_OFFSETS)),)
$(HV)/gen/offsets.h: $(HV_OFFSETS) $(HV_MAKE)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)$(HV_CC) $(HV_CFLAGS) $(WARNINGS) -Wno-missing-prototypes -MMD -MP -MF $(@:.h=.d) -MT $@ -S -o $(@:.h=.s) $<
	$(Q)sed -n 's/^->\([A-Za-z0-9_]*\) [#$$]*\(-\{0,1\}[0-9]*\).*/#define \1 \2/p' $(@:.h=.s) >$@
$(HV_S:%.S=$(HV)/%.o): $(HV)/gen/offsets.h
-include $(HV)/gen/offsets.d
endif

-include $(HV_OBJECTS:.o=.d) $(HV_FDT:.o=.d)
