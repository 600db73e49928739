# The outlive command, build/outlive, for Linux. It shares core's portable parts with the hypervisor, as a
# library of the same files (build/host/plain/libcore.a, of which the linker takes what is called).

CLI_C := $(call sources,cli,*.c)
CLI_OBJECTS := $(CLI_C:%.c=$(BUILD)/host/plain/%.o)
CLI_LIBS := -lyaml -ljansson

ifneq ($(CLI_C),)
ALL += $(BUILD)/outlive
endif

$(BUILD)/outlive: $(CLI_OBJECTS) $(BUILD)/host/plain/libcore.a mk/cli.mk
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS_plain) -o $@ $(CLI_OBJECTS) $(BUILD)/host/plain/libcore.a $(CLI_LIBS)

-include $(CLI_OBJECTS:.o=.d)
