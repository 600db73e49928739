# The outlive command, build/outlive, for Linux. Of core it shares the files named here with the hypervisor, and
# links nothing else of it.

CLI_C := $(call sources,cli,*.c)
CLI_SHARED := core/control/frame.c core/lib/crc32c.c
CLI_OBJECTS := $(CLI_C:%.c=$(BUILD)/host/plain/%.o)
CLI_LIBS := -lyaml -ljansson

ALL += $(BUILD)/outlive

$(BUILD)/outlive: $(CLI_OBJECTS) $(CLI_SHARED:%.c=$(BUILD)/host/plain/%.o) mk/cli.mk
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS_plain) -o $@ $(filter %.o,$^) $(CLI_LIBS)

-include $(CLI_OBJECTS:.o=.d)
