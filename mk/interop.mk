# "make interop": a real Linux with pstore_blk reads black boxes that core/blackbox/ wrote, and the other way round. It
# builds a Linux the first time, so it is not one of the tests that everybody runs.

INTEROP := $(BUILD)/interop
INTEROP_WRITER := $(INTEROP)/writer
INTEROP_OBJECTS := $(addprefix $(BUILD)/host/plain/,tools/interop_writer.o core/lib/format.o \
	$(patsubst %.c,%.o,$(call sources,core/blackbox,*.c)))

.PHONY: interop
interop: $(INTEROP_WRITER) $(BUILD)/outlive $(CACHE)/riscv64/.recipe
	$(Q)tools/interop.sh $(INTEROP_WRITER) $(BUILD)/outlive $(INTEROP)/work

$(INTEROP_WRITER): $(INTEROP_OBJECTS) mk/interop.mk
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_FLAGS_plain) -o $@ $(filter %.o,$^)

-include $(INTEROP_OBJECTS:.o=.d)
