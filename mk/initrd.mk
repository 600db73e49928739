# The initrd for the stock kernel, build/initrd.cpio.gz, with the self-checking workload.
#
# Linux programs in guests/linux/ are static; a folder NAME/ becomes /bin/NAME.

LINUX_PROGRAMS := $(addprefix $(BUILD)/,$(patsubst %/,%,$(wildcard guests/linux/*/)))
LINUX_CFLAGS := $(LANGUAGE) $(PATHS) -D_GNU_SOURCE -O2 -g -static -pthread

ALL += $(BUILD)/initrd.cpio.gz

# $(1): the program, under $(BUILD).
define linux_program
$(1): $(call sources,$(1:$(BUILD)/%=%),*) mk/initrd.mk mk/common.mk
	$$(call say,GUEST,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CROSS)gcc $$(LINUX_CFLAGS) $$(WARNINGS) -s -o $$@ $$(filter %.c,$$^)
endef
$(foreach program,$(LINUX_PROGRAMS),$(eval $(call linux_program,$(program))))

$(BUILD)/initrd.cpio.gz: tools/mkinitrd.sh guests/linux/init $(LINUX_PROGRAMS) $(CACHE)/linux/.recipe \
		$(CACHE)/riscv64/.recipe
	$(call say,INITRD,$@)
	@mkdir -p $(@D)
	$(Q)tools/mkinitrd.sh $@ $(LINUX_PROGRAMS)
