/* The warden's files that have variables, compiled here so that these can be kept apart from those of a life. */
#include "tests/confidential/kept.h"
#include "arch/host/host.h"
#include <string.h>

/* The hypervisor has one, too. */
#define vm_create warden_vm_create

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "warden/private/pool.c"
#include "warden/private/vm.c"
/* NOLINTEND(bugprone-suspicious-include) */

static HOST_KEEP u8 kept_pool[sizeof(pool)];
static HOST_KEEP u8 kept_vms[sizeof(vms)];

void warden_kept_save(void)
{
	memcpy(kept_pool, &pool, sizeof(pool));
	memcpy(kept_vms, vms, sizeof(vms));
}

void warden_kept_restore(void)
{
	memcpy(&pool, kept_pool, sizeof(pool));
	memcpy(vms, kept_vms, sizeof(vms));
}
