/*
 * Takes the machine over: the three requests of a root VM (abi/guest.h), on the boot hart. Whatever does not come to pass,
 * the crash kernel is entered; where nothing was changed it is the guest's, and can dump what belongs to the guest.
 */
#include "guests/shim/shim.h"

#include "abi/guest.h"
#include "guests/lib/csr.h"
#include "guests/lib/sbi.h"

#define SBI_ERR_DENIED		  (-4)
#define SBI_ERR_ALREADY_AVAILABLE (-6)

/* How long the boot hart may take to stop after a crash on another one: ticks of `time`, seconds on every machine. */
#define STOP_TICKS 20000000ul

/* In start.S. */
extern const char shim_boot_hart[];

/* Returns on the hart that is to enter the kernel, on the bare machine if that could be had. */
void shim_take_over(u64 hart, u64 dtb);

/* Writes text to whatever console there is below us, if any; nobody can be told when it does not work. */
static void say(const char *text)
{
	u64 length = 0;

	while (text[length])
		length++;
	sbi(SBI_DBCN, SBI_DBCN_WRITE, length, (u64)text, 0, 0, 0);
}

static void say_number(u64 number)
{
	char digits[24];
	char *p = digits + sizeof(digits);

	*--p = '\0';
	do {
		*--p = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	say(p);
}

static void say_failure(const char *what, s64 error)
{
	say("outlive shim: ");
	say(what);
	say(error < 0 ? ": SBI error -" : ": SBI error ");
	say_number(error < 0 ? (u64)-error : (u64)error);
	say("; the crash kernel starts inside the virtual machine\n");
}

/*
 * Lets the boot hart do it in place of this one, which stops. Linux has stopped all other harts before it enters a
 * crash kernel; one that is late gets some time. Returns only with an error.
 */
static s64 hand_over(u64 boot_hart, u64 dtb)
{
	u64 begin = time_now();
	struct sbi_result r;

	do
		r = sbi(SBI_HSM, SBI_HSM_START, boot_hart, (u64)shim_boot_hart, dtb, 0, 0);
	while (r.error == SBI_ERR_ALREADY_AVAILABLE && time_now() - begin < STOP_TICKS);
	if (r.error)
		return r.error;

	for (;;)
		sbi(SBI_HSM, SBI_HSM_STOP, 0, 0, 0, 0, 0);
}

static struct sbi_result request(u64 function)
{
	return sbi(GUEST_EXT, function, 0, 0, 0, 0, 0);
}

void shim_take_over(u64 hart, u64 dtb)
{
	struct sbi_result r = request(GUEST_INFO);
	s64 error;

	if (r.error)
		return; /* the bare machine, or another hypervisor */

	r = request(GUEST_ROOT_PREPARE);
	if (r.error == SBI_ERR_DENIED) {
		say("outlive shim: no root VM; the crash kernel starts inside the virtual machine\n");
		return;
	}
	if (r.error) {
		say_failure("prepare", r.error);
		return;
	}
	if (r.value != hart) {
		error = hand_over(r.value, dtb);
		say_failure("starting the boot hart", error);
		return;
	}
	r = request(GUEST_ROOT_SUSPEND);
	if (r.error) {
		say_failure("suspend", r.error);
		return;
	}
	r = request(GUEST_ROOT_DEVIRTUALISE);
	if (r.error)
		say_failure("devirtualise", r.error);
	else
		say("outlive shim: on the bare machine\n");
}
