#include "warden/private/port.h"

#include <sbi/sbi_hartmask.h>
#include <sbi/sbi_tlb.h>

#include "warden/hart.h"
#include "warden/pristine.h"
#include "warden/private/place.h"
#include "warden/private/pool.h"

void *port_at(u64 address)
{
	return (void *)address;
}

bool port_is_ordinary(u64 address, u64 bytes)
{
	return place_is_ordinary(address, bytes) && !pool_touches(address, bytes);
}

void port_fence(u32 vmid)
{
	/* All of the VMID: with what VS-stages have made of it. */
	struct sbi_tlb_info info = { .vmid = (u16)vmid, .type = SBI_TLB_HFENCE_GVMA_VMID };

	sbi_hartmask_set_hartindex(hart_this()->index, &info.smask);
	sbi_tlb_request(0, -1UL, &info);
}

void port_copy(void *to, const void *from, u64 bytes)
{
	u8 *t = to;
	const u8 *f = from;

	if (!(((unsigned long)t | (unsigned long)f) % sizeof(u64)))
		for (; bytes >= sizeof(u64); bytes -= sizeof(u64), t += sizeof(u64), f += sizeof(u64))
			*(u64 *)t = *(const volatile u64 *)f;
	while (bytes--)
		*t++ = *(const volatile u8 *)f++;
}

/* For BearSSL: see objects.mk. */
void *port_memcpy(void *restrict to, const void *restrict from, unsigned long bytes);
void *port_memcpy(void *restrict to, const void *restrict from, unsigned long bytes)
{
	port_copy(to, from, bytes);
	return to;
}

void port_zero_page(u64 address)
{
	u64 *p = (u64 *)address, *end = p + PAGE_SIZE / sizeof(u64);

	for (; p < end; p += 8)
		p[0] = p[1] = p[2] = p[3] = p[4] = p[5] = p[6] = p[7] = 0;
}

void port_wipe(void *secret, u64 bytes)
{
	volatile u8 *p = secret;

	while (bytes--)
		*p++ = 0;
}

void port_warden_digest(u8 digest[32])
{
	place_warden_digest(digest);
}

void port_hypervisor_digest(u8 digest[32])
{
	pristine_digest(digest);
}
