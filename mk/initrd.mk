# The initrd for the stock kernel, build/initrd.cpio.gz, with the self-checking workload.
#
# Linux programs in guests/linux/ are static; a file NAME.c becomes /bin/NAME.

LINUX_C := $(wildcard guests/linux/*.c)
LINUX_PROGRAMS := $(LINUX_C:%.c=$(BUILD)/%)
LINUX_CFLAGS := $(LANGUAGE) $(PATHS) -D_GNU_SOURCE -O2 -g -static -pthread

ALL += $(BUILD)/initrd.cpio.gz

$(LINUX_PROGRAMS): $(BUILD)/%: %.c mk/initrd.mk mk/common.mk
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(LINUX_CFLAGS) $(WARNINGS) -MMD -MP -MF $@.d -s -o $@ $<

$(BUILD)/initrd.cpio.gz: tools/mkinitrd.sh guests/linux/init $(LINUX_PROGRAMS) $(CACHE)/linux/.recipe \
		$(CACHE)/riscv64/.recipe
	$(call say,INITRD,$@)
	@mkdir -p $(@D)
	$(Q)tools/mkinitrd.sh $@ $(LINUX_PROGRAMS)

-include $(LINUX_PROGRAMS:%=%.d)
