# The disks that examples/demo.yaml names.

DEMO_DISKS := $(BUILD)/demo/alpha.disk $(BUILD)/demo/beta.disk

ALL += $(DEMO_DISKS)

$(DEMO_DISKS): mk/demo.mk
	@mkdir -p $(@D)
	$(Q)truncate -s 16M $@
