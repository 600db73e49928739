# The fault campaign at full length, of what has just been built. Its results go on growing in a directory of this image's own
# when it is started again.

.PHONY: campaign
campaign: all
	$(Q)$(BUILD)/outlive campaign --seed $(or $(CAMPAIGN_SEED),1) --runs $(or $(CAMPAIGN_RUNS),10000) \
		--out $(BUILD)/campaign-$$(cat $(BUILD)/outlive.bin $(BUILD)/warden.bin | sha1sum | cut -c1-8)
