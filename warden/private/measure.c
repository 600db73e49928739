#include "warden/private/measure.h"

static void word(struct measure *m, u64 value)
{
	u8 bytes[8];
	u32 i;

	for (i = 0; i < 8; i++)
		bytes[i] = (u8)(value >> (8 * i));
	br_sha384_update(&m->sha, bytes, sizeof(bytes));
}

void measure_begin(struct measure *m, const struct private_config *config)
{
	u32 i;

	br_sha384_init(&m->sha);
	word(m, PRIVATE_VERSION);
	word(m, config->ram_base);
	word(m, config->ram_size);
	word(m, config->vcpus);
	word(m, config->device_count);
	for (i = 0; i < PRIVATE_DEVICES; i++) {
		word(m, config->device[i].base);
		word(m, config->device[i].kind);
	}
}

void measure_load(struct measure *m, u64 at, const void *bytes, u64 count)
{
	word(m, at);
	word(m, count);
	br_sha384_update(&m->sha, bytes, count);
}

/* No page has the address ~0: a load cannot be taken for the end. */
void measure_end(struct measure *m, u64 pc, u64 a1, u8 digest[PRIVATE_DIGEST_SIZE])
{
	word(m, ~0ull);
	word(m, pc);
	word(m, a1);
	br_sha384_out(&m->sha, digest);
}
