# What examples/demo.yaml names beside the products: disks for its guests, and the stock kernel under a name that does not
# depend on where the cache is.

DEMO := $(BUILD)/demo
DEMO_DISKS := $(DEMO)/alpha.disk $(DEMO)/beta.disk

ALL += $(DEMO_DISKS) $(DEMO)/kernel

$(DEMO_DISKS): mk/demo.mk
	@mkdir -p $(@D)
	$(Q)truncate -s 16M $@

$(DEMO)/kernel: | $(CACHE)/linux/.recipe
	@mkdir -p $(@D)
	$(Q)ln -sf $(CACHE)/linux/Image $@
