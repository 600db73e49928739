# Small guests of our own, for tests and benchmarks: build/guests/NAME.bin, flat, and NAME.elf, for each folder
# of guests/ in GUESTS. They share guests/lib, core's string functions and libfdt. (The initrd of the stock
# kernel is in initrd.mk.)

GUESTS := bench hostile pmsg secret sequence takeover witness

GUEST := $(BUILD)/guests
GUEST_CFLAGS := $(LANGUAGE) $(PATHS) -Iarch/riscv64/include -O2 -g -march=rv64imac_zicsr_zifencei -mabi=lp64 \
	-mcmodel=medany -ffreestanding -fno-pic -fno-stack-protector -fno-tree-loop-distribute-patterns \
	-fno-asynchronous-unwind-tables -nostdinc -isystem $(shell $(CROSS)gcc -print-file-name=include 2>/dev/null) \
	-isystem mk/freestanding -isystem $(FDT_DIR) -ffunction-sections -fdata-sections
GUEST_LDS := guests/lib/guest.lds
GUEST_LDFLAGS := -nostdlib -static -no-pie -march=rv64imac_zicsr_zifencei -mabi=lp64 -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments
GUEST_MAKE := mk/guests.mk mk/common.mk

GUEST_LIB_C := $(call sources,guests/lib,*.c) core/lib/string.c core/lib/format.c core/lib/crc32c.c
GUEST_LIB_S := $(call sources,guests/lib,*.S)
GUEST_LIB := $(GUEST_LIB_C:%.c=$(GUEST)/obj/%.o) $(GUEST_LIB_S:%.S=$(GUEST)/obj/%.o)
GUEST_FDT := $(addprefix $(GUEST)/obj/third/fdt/,fdt.o fdt_ro.o)

$(GUEST)/obj/%.o: %.c $(GUEST_MAKE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(GUEST_CFLAGS) $(WARNINGS) $(DEPENDENCIES) -c -o $@ $<

$(GUEST)/obj/%.o: %.S $(GUEST_MAKE)
	$(call say,AS,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(GUEST_CFLAGS) $(DEPENDENCIES) -c -o $@ $<

$(GUEST)/obj/third/fdt/%.o: $(FDT_DIR)/%.c $(GUEST_MAKE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(GUEST_CFLAGS) $(DEPENDENCIES) -c -o $@ $<

$(GUEST)/%.bin: $(GUEST)/%.elf
	$(call say,BIN,$@)
	$(Q)$(CROSS)objcopy -O binary $< $@

# $(1): name of a guest.
define guest
ALL += $$(GUEST)/$(1).bin
GUEST_OBJECTS_$(1) := $$(patsubst %.c,$$(GUEST)/obj/%.o,$$(call sources,guests/$(1),*.c)) \
	$$(patsubst %.S,$$(GUEST)/obj/%.o,$$(call sources,guests/$(1),*.S)) $$(GUEST_LIB) $$(GUEST_FDT)
$$(GUEST)/$(1).elf: $$(GUEST_OBJECTS_$(1)) $$(GUEST_LDS) $$(GUEST_MAKE)
	$$(call say,LD,$$@)
	$$(Q)$$(CROSS)gcc $$(GUEST_LDFLAGS) -Wl,-T,$$(GUEST_LDS) -o $$@ $$(GUEST_OBJECTS_$(1))
-include $$(GUEST_OBJECTS_$(1):.o=.d)
endef
$(foreach name,$(GUESTS),$(if $(wildcard guests/$(name)),$(eval $(call guest,$(name)))))
