/* Loads and stores of every kind to devices, to holes between them, and behind the end of RAM. */
#include "guests/hostile/hostile.h"
#include "guests/lib/guest.h"

/* Printable output is rare, or nobody would find the heartbeat in it. */
static bool prints(u64 at)
{
	return at >= UART_BASE - 8 && at < UART_BASE + 1;
}

static u64 rnd_device_address(void)
{
	u64 offset = rnd_one_in(2) ? rnd_below(64) * 4 : rnd_below(PAGE_SIZE);

	switch (rnd_below(8)) {
	case 0:
		return UART_BASE + rnd_below(0x110);
	case 1:
		return PLIC_BASE + rnd_below(PLIC_SIZE + PAGE_SIZE);
	case 2: /* priorities, pending, enables */
		return PLIC_BASE + rnd_below(3) * 0x1000 + offset;
	case 3: /* claims of some contexts */
		return PLIC_BASE + 0x200000 + rnd_below(8) * 0x1000 + rnd_below(16);
	case 4: /* what QEMU's machine has and ours has not: it is an access fault here */
		return rnd_one_in(2) ? 0x02000000 + rnd_below(0x10000) : 0x101000 + rnd_below(0x1000);
	case 5: { /* outside of everything; RAM is not for random stores */
		u64 at = rnd_value();

		return at >= guest_ram_base && at < guest_ram_base + guest_ram_size ? VIRTIO_BASE : at;
	}
	default:
		return VIRTIO_BASE + rnd_below(VIRTIO_SLOTS + 1) * VIRTIO_STRIDE + offset;
	}
}

#define ACCESS(instruction)                                               \
	__asm__ volatile(instruction : "+r"(value) : "r"(at) : "memory"); \
	break

void attack_mmio(u64 unused)
{
	u64 at = rnd_device_address();
	u64 value = rnd_one_in(2) ? rnd_value() : rnd();
	u64 kind = rnd_below(20);

	(void)unused;
	if (!rnd_one_in(4))
		at &= ~(rnd_one_in(2) ? 7ull : 3ull);
	if (kind >= 7 && prints(at) && !rnd_one_in(256))
		return;
	switch (kind) {
	case 0:
		ACCESS("lb %0, 0(%1)");
	case 1:
		ACCESS("lbu %0, 0(%1)");
	case 2:
		ACCESS("lh %0, 0(%1)");
	case 3:
		ACCESS("lhu %0, 0(%1)");
	case 4:
		ACCESS("lw %0, 0(%1)");
	case 5:
		ACCESS("lwu %0, 0(%1)");
	case 6:
		ACCESS("ld %0, 0(%1)");
	case 7:
		ACCESS("sb %0, 0(%1)");
	case 8:
		ACCESS("sh %0, 0(%1)");
	case 9:
	case 10:
	case 11:
		ACCESS("sw %0, 0(%1)");
	case 12:
		ACCESS("sd %0, 0(%1)");
	case 13:
		ACCESS("lr.w %0, (%1)");
	case 14:
		ACCESS("sc.w %0, %0, (%1)");
	case 15:
		ACCESS("amoadd.d %0, %0, (%1)");
	case 16: /* compressed, with registers that it can name */
		__asm__ volatile("mv a5, %1\n c.lw a4, 0(a5)\n mv %0, a4"
				 : "=r"(value)
				 : "r"(at)
				 : "a4", "a5", "memory");
		break;
	case 17:
		__asm__ volatile("mv a5, %1\n mv a4, %0\n c.sw a4, 0(a5)" ::"r"(value), "r"(at)
				 : "a4", "a5", "memory");
		break;
	case 18: /* as an instruction */
		__asm__ volatile("jalr %0" ::"r"(at) : "ra", "memory");
		break;
	default: /* the same word by and by: rings and claims change under it */
		for (unsigned i = 0; i < 16; i++)
			value ^= *(volatile u32 *)(at & ~3ull);
	}
}
