/*
 * What a seed decides: see campaign.h.
 *
 * Numbers come from splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): a counter that goes
 * up by a constant, and a mixing function. Each run has a stream of its own, which begins at mix(mix(seed) + run), and takes
 * the same number of draws from it in the same order, whatever they mean: so that a kind that is added or left out changes
 * nothing but kinds.
 */
#include "cli/campaign.h"
#include "cli/splitmix.h"

/* Of 8: how often a fault happens at a place in the code, not at a time. */
#define PLACE_REGISTERS 6
#define PLACE_MEMORY	4

#define DELAY_US      300000
#define HEIR_DELAY_US 4000
#define STEPS_MAX     24
#define TIMES_MAX     16

/* What a second fault may be: all that comes before it in the list. */
#define SECOND_KINDS ((1u << FAULT_RECOVERY) - 1)

static enum fault_kind draw_kind(u64 draw, u32 faults)
{
	u64 left = draw % (u64)__builtin_popcount(faults);

	for (u32 kind = 0;; kind++)
		if (faults & 1u << kind && left-- == 0)
			return kind;
}

static void draw_fault(struct fault *f, u64 *state, u32 faults, u64 delay_us,
		       const struct campaign_text *text)
{
	u64 often, at, times;

	f->kind = draw_kind(splitmix_next(state), faults);
	at = splitmix_next(state);
	for (int i = 0; i < FAULT_PLACES; i++)
		f->moment.places[i] = text->instructions[splitmix_next(state) % text->count];
	times = splitmix_next(state);
	f->moment.delay_us = splitmix_next(state) % delay_us;
	f->hart = splitmix_next(state);
	f->target = splitmix_next(state);
	f->bit = splitmix_next(state);
	f->value = splitmix_next(state);
	often = fault_is_of_hart(f->kind) ? PLACE_REGISTERS : PLACE_MEMORY;
	f->moment.is_place = at % 8 < often;
	f->moment.steps = (u32)((times >> 8) % STEPS_MAX);
	/* Half of them at the first time. */
	f->moment.times = times & 1 ? 1 : 1 + (u32)((times >> 1) % TIMES_MAX);
}

void campaign_plan(struct campaign_fault *plan, u64 seed, u64 run, u32 faults,
		   const struct campaign_text *text)
{
	u64 state = splitmix_mix(splitmix_mix(seed) + run);

	*plan = (struct campaign_fault){ .seed = seed, .run = run };
	draw_fault(&plan->first, &state, faults, DELAY_US, text);
	draw_fault(&plan->second, &state, SECOND_KINDS, HEIR_DELAY_US, text);
	/* The heir does not go anywhere often before it has recovered. */
	plan->second.moment.times = 1;
}
