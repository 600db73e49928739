/* The warden's test, scenario NATIVE: the machine is given away, and is as an operating system expects it. */
#include "warden/test/payload.h"

/* What a life leaves behind in the hart that no operating system expects. */
static void dirty_hypervisor_state(void)
{
	csr_write(hgatp, 8ul << 60 | (u64)ROOT_TABLE >> 12);
	csr_write(hideleg, 0x444);
	csr_write(hedeleg, 0xb1ff);
	csr_write(hvip, 0x444);
	csr_write(hie, 0x444);
	csr_write(hcounteren, 7);
	csr_write(htimedelta, 77);
	csr_write(henvcfg, ~0ul);
	csr_write(vsatp, 8ul << 60 | (u64)ROOT_TABLE >> 12);
	csr_write(vsstatus, 0x6122);
	csr_write(vstvec, 0x1000);
	csr_write(vsscratch, SEED);
	csr_write(hstatus, csr_read(hstatus) | 0x180);
	csr_write(0x24d, 0);
}

static void check_hypervisor_state(void)
{
	check((csr_read(hstatus) & ~0x300000000ul) == 0, csr_read(hstatus));
	check(csr_read(hgatp) == 0 && csr_read(vsatp) == 0, csr_read(hgatp));
	check(csr_read(hideleg) == 0 && csr_read(hedeleg) == 0, csr_read(hideleg));
	check(csr_read(hvip) == 0 && csr_read(hie) == 0, csr_read(hvip));
	check(csr_read(hcounteren) == 0 && csr_read(htimedelta) == 0, csr_read(htimedelta));
	check(csr_read(henvcfg) == 0, csr_read(henvcfg));
	check((csr_read(vsstatus) & ~0x300000000ul) == 0, csr_read(vsstatus));
	check(csr_read(vstvec) == 0 && csr_read(vsscratch) == 0, csr_read(vstvec));
	check(csr_read(0x24d) == ~0ul, csr_read(0x24d));
}

static struct warden_native native = {
	.sstatus = 0xc4120, /* MXR, SUM, FS clean, SPP, SPIE */
	.sie = 0x222,
	.sip = 2,
	.sscratch = SEED + 40,
	.sepc = SEED + 42,
	.scause = 13,
	.stval = SEED + 43,
	.stimecmp = ~0ul - 5,
};

static long devirtualise(u64 address, u64 only_check)
{
	return warden(WARDEN_DEVIRTUALISE, address, only_check, 0, 0).error;
}

void give_machine_away(u64 last)
{
	const u64 slot = RAM + LAYOUT_SLOT_OFFSET(this_slot());

	ROOT_TABLE[0] = 0xc7;
	ROOT_TABLE[2] = RAM >> 2 | 0xcf;
	native.pc = (u64)native_entry;
	native.stvec = (u64)native_entry + 8;
	native.satp = 8ul << 60 | (u64)ROOT_TABLE >> 12;
	for (u64 n = 1; n < 32; n++)
		native.x[n] = SEED + n;
	native.x[2] = (u64)stacks + 4096;

	check(warden(WARDEN_WATCHDOG, 200, 0, 0, 0).error == 0, 0);
	check(devirtualise(RAM, 0) == ERR_ADDRESS, 0);
	check(devirtualise(ESTATE, 0) == ERR_ADDRESS, 0);
	check(devirtualise(slot + LAYOUT_SLOT_SIZE - 8, 0) == ERR_ADDRESS, 0);
	check(devirtualise((u64)&native + 4, 0) == ERR_ADDRESS, 0);
	check(devirtualise(~0ul, 0) == ERR_ADDRESS, 0);
	if (last)
		check(devirtualise((u64)&native, 0) == ERR_STATE, 0);
	for (u64 other = 1; other <= last; other++) {
		NOTES->who = other;
		NOTES->go = NATIVE;
		check(waited_for(&NOTES->here[other], NATIVE, 5000), other);
		NOTES->go = 0;
		while (sbi(0x48534d, 2, other, 0, 0, 0).value != 1)
			hart_record(0)->beat++;
		if (other < last)
			check(devirtualise((u64)&native, 0) == ERR_STATE, other);
	}
	native.satp |= 7ul << 60;
	check(devirtualise((u64)&native, 0) == ERR_INVALID, 0);
	native.satp = 8ul << 60 | (u64)ROOT_TABLE >> 12;
	/* Nothing has happened: the life goes on, and harts come back. */
	check(devirtualise((u64)&native, 1) == 0, 0);
	check(warden(WARDEN_INFO, 0, 0, 0, 0).value == WARDEN_VERSION, 0);
	if (last) {
		collect(last);
		check(devirtualise((u64)&native, 0) == ERR_STATE, 0);
		NOTES->who = last;
		NOTES->go = NATIVE;
		while (sbi(0x48534d, 2, last, 0, 0, 0).value != 1)
			hart_record(0)->beat++;
	}
	dirty_hypervisor_state();
	devirtualise((u64)&native, 0);
	check(false, 0);
	finish();
}

/* From native_entry, with all registers on the stack. */
void native_main(const u64 *x)
{
	const u64 last = last_hart();

	for (u64 n = 1; n < 32; n++)
		check(n == 2 || x[n] == SEED + n, x[n]);
	check((csr_read(sstatus) & 0xc6122) == 0xc4120, csr_read(sstatus));
	check(csr_read(sie) == 0x222, csr_read(sie));
	check((csr_read(sip) & 2) == 2, csr_read(sip));
	check(csr_read(stvec) == (u64)native_entry + 8, csr_read(stvec));
	check(csr_read(sscratch) == SEED + 40, csr_read(sscratch));
	check(csr_read(sepc) == SEED + 42, csr_read(sepc));
	check(csr_read(scause) == 13, csr_read(scause));
	check(csr_read(stval) == SEED + 43, csr_read(stval));
	check(csr_read(satp) == (8ul << 60 | (u64)ROOT_TABLE >> 12), csr_read(satp));
	check(csr_read(0x14d) == ~0ul - 5, csr_read(0x14d));
	check_hypervisor_state();
	check(sbi(0x10, 3, WARDEN_EXT, 0, 0, 0).value == 0, 0);
	for (u64 call = WARDEN_INFO; call <= WARDEN_DEVIRTUALISE; call++)
		check(warden(call, 0, 0, 0, 0).error == ERR_NOT_SUPPORTED, call);
	for (u64 other = 1; other <= last; other++) {
		NOTES->here[other] = 0;
		check(sbi(0x48534d, 0, other, (u64)native_secondary, SEED + other, 0).error == 0, other);
		check(waited_for(&NOTES->here[other], SEED + other, 5000), other);
	}
	/* No watchdog either. */
	for (u64 begin = now(); now() - begin < 5000000;)
		;
	finish();
}

void native_secondary_main(u64 hart, u64 opaque)
{
	NOTES->here[hart] = opaque;
	for (;;)
		;
}
