# "make interop": crash, makedumpfile and gdb open dumps of a VM; a real Linux with pstore_blk reads black boxes that
# core/blackbox/ wrote, and the other way round. It downloads the kernel's symbols and builds a Linux the first time, so it is not
# one of the tests that everybody runs. "make interop-dump": the first part alone; INTEROP_ALL=1 lets crash open every dump.

INTEROP := $(BUILD)/interop
INTEROP_WRITER := $(INTEROP)/writer
INTEROP_OBJECTS := $(addprefix $(BUILD)/host/plain/,tools/interop_writer.o core/lib/format.o \
	$(patsubst %.c,%.o,$(call sources,core/blackbox,*.c)))

.PHONY: interop interop-dump
interop: interop-dump $(INTEROP_WRITER) $(BUILD)/outlive $(CACHE)/riscv64/.recipe
	$(Q)tools/interop.sh $(INTEROP_WRITER) $(BUILD)/outlive $(INTEROP)/work

interop-dump: all
	$(Q)tools/interop_dump.sh $(if $(INTEROP_ALL),--all) $(BUILD)/outlive $(BUILD)/initrd.cpio.gz $(INTEROP)/dump

$(INTEROP_WRITER): $(INTEROP_OBJECTS) mk/interop.mk
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_FLAGS_plain) -o $@ $(filter %.o,$^)

-include $(INTEROP_OBJECTS:.o=.d)
