/* The guest's UART as drivers use it: register by register, as Linux probes it, and across crashes. */
#include "tests/unit/devices.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DATA 0
#define IER  1
#define IIR  2
#define FCR  2
#define LCR  3
#define MCR  4
#define LSR  5
#define MSR  6
#define SCR  7

static u32 in(u64 reg)
{
	return guest_in(0, GUEST_UART_BASE + reg, 1);
}

static void out(u64 reg, u64 value)
{
	guest_out(0, GUEST_UART_BASE + reg, 1, value);
}

static bool line(void)
{
	return vms[0]->s->plic.line >> GUEST_UART_IRQ & 1;
}

static size_t type(const char *text)
{
	return uart_input(vms[0], arch_txn(), text, strlen(text));
}

static const char *output(void)
{
	static char text[CONSOLE_DATA_SIZE + 1];
	u64 from = 0;

	text[console_peek(vms[0], &from, text, CONSOLE_DATA_SIZE)] = 0;
	return text;
}

static int set_up(void **state)
{
	(void)state;
	devices_start();
	devices_vm(1, NULL);
	return 0;
}

static void it_starts_as_a_reset_leaves_it(void **state)
{
	(void)state;
	assert_int_equal(in(IER), 0);
	assert_int_equal(in(IIR), 1);
	assert_int_equal(in(LCR), 0);
	assert_int_equal(in(MCR), 0);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(MSR), 0xb0);
	assert_int_equal(in(SCR), 0);
	assert_int_equal(in(DATA), 0);
	assert_false(line());
	assert_true(uart_valid(vms[0]));
}

static void it_writes_to_the_console(void **state)
{
	const char *text = "hello, world\n";

	(void)state;
	for (const char *c = text; *c; c++) {
		assert_int_equal(in(LSR)&0x20, 0x20);
		out(DATA, (u8)*c);
	}
	assert_string_equal(output(), text);
	assert_false(line());
}

static void the_divisor_hides_data_and_enable(void **state)
{
	(void)state;
	out(IER, 0x05);
	out(LCR, 0x83);
	out(DATA, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0x05);
	assert_string_equal(output(), "");
	out(SCR, 0x1a5);
	assert_int_equal(in(SCR), 0xa5);
}

/* What Linux does in autoconfig(): everything it looks at to find a 16550A and nothing later. */
static void linux_takes_it_for_a_16550a(void **state)
{
	(void)state;
	out(IER, 0);
	assert_int_equal(in(IER)&0x0f, 0);
	out(IER, 0x0f);
	assert_int_equal(in(IER)&0x0f, 0x0f);
	out(IER, 0);
	out(MCR, 0x1a);
	assert_int_equal(in(MSR)&0xf0, 0x90);
	out(MCR, 0x15);
	assert_int_equal(in(MSR)&0xf0, 0x60);
	out(MCR, 0);
	out(LCR, 0xbf);
	out(FCR, 0);
	out(LCR, 0);
	out(FCR, 1);
	assert_int_equal(in(IIR) >> 6, 3);
	/* No enhanced features register, no 64-byte FIFO, no UART unit enable bit. */
	out(LCR, 0x80);
	assert_int_not_equal(in(2), 0);
	out(LCR, 0);
	out(FCR, 0x21);
	assert_int_equal(in(IIR)&0x20, 0);
	out(IER, 0x40);
	assert_int_equal(in(IER), 0);
	out(FCR, 0);
	assert_int_equal(in(IIR) >> 6, 0);
}

/* The tests of serial8250_do_startup() for transmitter interrupts that do not come again. */
static void the_transmitter_interrupt_comes_each_time(void **state)
{
	(void)state;
	out(IER, 2);
	assert_true(line());
	assert_int_equal(in(IIR), 2);
	assert_false(line());
	assert_int_equal(in(IIR), 1);
	out(IER, 0);
	out(IER, 2);
	assert_true(line());
	assert_int_equal(in(IIR), 2);
	/* And after each byte. */
	out(DATA, 'x');
	assert_true(line());
	assert_int_equal(in(IIR), 2);
	assert_false(line());
	out(DATA, 'y');
	out(IER, 0);
	assert_false(line());
	assert_string_equal(output(), "xy");
}

static void it_receives_in_order(void **state)
{
	(void)state;
	out(FCR, 0xc1);
	assert_int_equal(type("abc"), 3);
	assert_false(line());
	assert_int_equal(in(LSR), 0x61);
	out(IER, 1);
	assert_true(line());
	/* Below the trigger level of 14 it is the time-out. */
	assert_int_equal(in(IIR), 0xcc);
	assert_int_equal(type("defghijklmnop"), 13);
	assert_int_equal(in(IIR), 0xc4);
	for (int c = 'a'; c <= 'p'; c++) {
		assert_true(line());
		assert_int_equal(in(DATA), c);
	}
	assert_false(line());
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0xc1);
}

static void its_queue_takes_256_bytes_and_loses_none(void **state)
{
	u8 bytes[300];
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 7);
	assert_int_equal(uart_input(vms[0], arch_txn(), bytes, sizeof(bytes)), 256);
	assert_int_equal(uart_input(vms[0], arch_txn(), bytes, 1), 0);
	assert_true(uart_valid(vms[0]));
	for (; got < 100; got++)
		assert_int_equal(in(DATA), bytes[got]);
	assert_int_equal(uart_input(vms[0], arch_txn(), bytes + 256, 44), 44);
	for (; got < 300; got++)
		assert_int_equal(in(DATA), bytes[got]);
	assert_int_equal(in(LSR), 0x60);
	/* Emptied by the FIFO control. */
	assert_int_equal(type("abc"), 3);
	out(FCR, 1);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(type("abc"), 3);
	out(FCR, 1);
	assert_int_equal(in(LSR), 0x61);
	out(FCR, 3);
	assert_int_equal(in(LSR), 0x60);
}

static void loopback_receives_what_it_sends(void **state)
{
	(void)state;
	out(MCR, 0x10);
	out(DATA, 'l');
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'l');
	for (unsigned i = 0; i < 256; i++)
		out(DATA, i);
	assert_int_equal(in(LSR), 0x61);
	out(IER, 4);
	out(DATA, 'x');
	assert_true(line());
	assert_int_equal(in(IIR), 6);
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(LSR), 0x61);
	assert_false(line());
	assert_string_equal(output(), "");
}

static void accesses_of_every_width_reach_one_register(void **state)
{
	u64 value = 0x1234567812345641;

	(void)state;
	assert_int_equal(guest_access(0, 0, GUEST_UART_BASE, 8, true, &value), 0);
	assert_int_equal(guest_access(0, 0, GUEST_UART_BASE + 4, 4, false, &value), 0);
	assert_int_equal(value, 0);
	assert_string_equal(output(), "A");
	assert_int_equal(guest_access(0, 0, GUEST_UART_BASE + 8, 1, false, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, GUEST_UART_BASE + 0xff, 1, true, &value), -EFAULT);
	assert_int_equal(guest_access(0, 0, GUEST_UART_BASE + 2, 4, false, &value), -EFAULT);
}

static void random_accesses_keep_it_valid(void **state)
{
	(void)state;
	srand(2);
	for (unsigned i = 0; i < 20000; i++) {
		u64 reg = (u64)rand() % 8, value = (u64)rand() & 0xff;
		bool expected;

		if (rand() % 10 == 0)
			type("0123456789");
		guest_access(0, 0, GUEST_UART_BASE + reg, 1, rand() % 2, &value);
		assert_true(uart_valid(vms[0]));
		/* The line says what the identification would, before that has its effect. */
		expected = line();
		assert_int_equal(expected, (in(IIR)&1) == 0);
	}
}

/* ---- Across crashes ---- */

static void run_step(void *context)
{
	(*(void (**)(void))context)();
}

static void send(void)
{
	out(DATA, 'z');
}

static void receive(void)
{
	in(DATA);
}

static void identify(void)
{
	in(IIR);
}

static void typed(void)
{
	MUST(type("xyz") == 3);
}

static void fifo_off(void)
{
	out(FCR, 0);
}

static void prepare(u64 ier)
{
	devices_start();
	devices_vm(1, NULL);
	guest_out(0, GUEST_PLIC_BASE + 4 * GUEST_UART_IRQ, 4, 1);
	guest_out(0, GUEST_PLIC_BASE + 0x2000, 4, 1u << GUEST_UART_IRQ);
	out(FCR, 1);
	type("ab");
	out(IER, ier);
	out(DATA, 'y');
	vms[0]->vcpu[0].r->x[10] = 0x5a;
}

/* The same state whether the life died at any store and the guest repeated what it had not done, or not at all. */
static void crash_everywhere(void (*step)(void), u64 ier, bool is_access)
{
	struct uart_state before, after;
	struct plic_state plic;
	struct vcpu_record *r;
	u64 pc_before, pc, a0;
	unsigned deaths = 0;

	prepare(ier);
	before = vms[0]->s->uart;
	pc_before = vms[0]->vcpu[0].r->pc;
	step();
	after = vms[0]->s->uart;
	plic = vms[0]->s->plic;
	pc = vms[0]->vcpu[0].r->pc;
	a0 = vms[0]->vcpu[0].r->x[10];
	for (u64 die = 1;; die++) {
		char expected[8] = "y";
		bool again;

		prepare(ier);
		if (host_live(run_step, &step, die) != HOST_DIED)
			break;
		deaths++;
		devices_heir();
		r = vms[0]->vcpu[0].r;
		again = is_access ? r->pc == pc_before : vms[0]->s->uart.rx_head == before.rx_head;
		if (again)
			step();
		assert_memory_equal(&vms[0]->s->plic, &plic, sizeof(plic));
		assert_int_equal(vms[0]->s->uart.rx_head, after.rx_head);
		assert_int_equal(vms[0]->s->uart.rx_tail, after.rx_tail);
		assert_int_equal(vms[0]->s->uart.thre_pending, after.thre_pending);
		assert_int_equal(vms[0]->s->uart.fcr, after.fcr);
		assert_memory_equal(vms[0]->s->uart.rx, after.rx, sizeof(after.rx));
		assert_int_equal(r->pc, pc);
		assert_int_equal(r->x[10], a0);
		assert_int_equal(r->irq, (plic.pending & 1u << GUEST_UART_IRQ) != 0);
		if (step == send)
			strcat(expected, "z");
		assert_string_equal(output(), expected);
	}
	assert_true(deaths > 4);
}

static void operations_survive_a_crash_at_every_store(void **state)
{
	(void)state;
	for (u64 ier = 0; ier < 4; ier++) {
		crash_everywhere(send, ier, true);
		crash_everywhere(receive, ier, true);
		crash_everywhere(identify, ier, true);
		crash_everywhere(fifo_off, ier, true);
		crash_everywhere(typed, ier, false);
	}
}

static void an_heir_refuses_nonsense(void **state)
{
	struct uart_state *u = &vms[0]->s->uart;

	(void)state;
	u->rx_head = 257;
	assert_false(uart_valid(vms[0]));
	u->rx_head = 256;
	assert_true(uart_valid(vms[0]));
	u->rx_tail = 257;
	assert_false(uart_valid(vms[0]));
	uart_reset(vms[0]);
	u->ier = 0x10;
	assert_false(uart_valid(vms[0]));
	u->ier = 0;
	u->fcr = 1ull << 40;
	assert_false(uart_valid(vms[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_starts_as_a_reset_leaves_it, set_up),
		cmocka_unit_test_setup(it_writes_to_the_console, set_up),
		cmocka_unit_test_setup(the_divisor_hides_data_and_enable, set_up),
		cmocka_unit_test_setup(linux_takes_it_for_a_16550a, set_up),
		cmocka_unit_test_setup(the_transmitter_interrupt_comes_each_time, set_up),
		cmocka_unit_test_setup(it_receives_in_order, set_up),
		cmocka_unit_test_setup(its_queue_takes_256_bytes_and_loses_none, set_up),
		cmocka_unit_test_setup(loopback_receives_what_it_sends, set_up),
		cmocka_unit_test_setup(accesses_of_every_width_reach_one_register, set_up),
		cmocka_unit_test_setup(random_accesses_keep_it_valid, set_up),
		cmocka_unit_test(operations_survive_a_crash_at_every_store),
		cmocka_unit_test_setup(an_heir_refuses_nonsense, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
