/*
 * The guest's ns16550a, as the drivers of Linux (8250), U-Boot and others use it.
 *
 * What is written leaves at once, into the VM's console ring: the transmitter is always empty, and the interrupt that
 * says so follows each byte. Received bytes wait in a queue of 256, behind which the control channel holds the rest, so
 * that none gets lost. Baud rate and line format are kept and have no effect; the modem lines are those of a peer that
 * is always ready. Names and numbers are those of the PC16550D data sheet (section 8).
 *
 * Repeats after a crash: a byte counts when the console ring's head moves, in the transaction that also moves the
 * guest's pc; a received byte leaves the queue in the one that loads it into the guest's register. Neither repeats.
 */
#include "core/devices/uart.h"
#include "core/devices/console.h"
#include "core/devices/plic.h"
#include "core/lib/errno.h"

/* Registers (table II). */
#define UART_DATA      0 /* receiver buffer, transmitter holding register; divisor low with DLAB */
#define UART_IER       1 /* divisor high with DLAB */
#define UART_IIR       2 /* FIFO control when written */
#define UART_LCR       3
#define UART_MCR       4
#define UART_LSR       5
#define UART_MSR       6
#define UART_SCR       7
#define UART_REGISTERS 8

#define IER_RDI	 0x01u /* received data */
#define IER_THRI 0x02u /* transmitter empty */
#define IER_RLSI 0x04u /* line status */
#define IER_MASK 0x0fu

/* Causes, by falling priority (table IV). */
#define IIR_LINE    0x06u
#define IIR_DATA    0x04u
#define IIR_TIMEOUT 0x0cu
#define IIR_THRE    0x02u
#define IIR_NONE    0x01u
#define IIR_FIFO    0xc0u

#define FCR_ENABLE   0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_TRIGGER  0xc0u
#define FCR_KEPT     (FCR_ENABLE | FCR_TRIGGER)

#define LCR_DLAB 0x80u

#define MCR_DTR	 0x01u
#define MCR_RTS	 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_MASK 0x1fu

#define LSR_DATA    0x01u
#define LSR_OVERRUN 0x02u
#define LSR_EMPTY   0x60u /* holding register and shift register */

#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RI	0x40u
#define MSR_DCD 0x80u

#define UART_RX_SIZE (8 * ARRAY_SIZE(((struct uart_state *)0)->rx))

/* Divisor for 115200 baud from the usual 1.8432 MHz: what a driver finds that asks how the firmware left it. */
#define UART_DIVISOR 1

/* The interrupt that the identification register names, after what `t` has staged. */
static u64 uart_cause(const struct uart_state *u, const struct txn *t)
{
	static const u8 trigger[4] = { 1, 4, 8, 14 };
	u64 ier = txn_get(t, &u->ier);
	u64 fcr, waiting;

	if ((ier & IER_RLSI) && txn_get(t, &u->overrun))
		return IIR_LINE;
	if (ier & IER_RDI) {
		waiting = txn_get(t, &u->rx_head) - txn_get(t, &u->rx_tail);
		fcr = txn_get(t, &u->fcr);
		/* Below the trigger level a real one waits four characters' time, here that has always passed. */
		if (waiting)
			return !(fcr & FCR_ENABLE) || waiting >= trigger[fcr >> 6] ? IIR_DATA : IIR_TIMEOUT;
	}
	if ((ier & IER_THRI) && txn_get(t, &u->thre_pending))
		return IIR_THRE;
	return IIR_NONE;
}

static void uart_stage_line(struct vm *vm, struct txn *t)
{
	plic_stage_line(vm, t, GUEST_UART_IRQ, uart_cause(&vm->s->uart, t) != IIR_NONE);
}

/* Puts a byte behind the queue's head, which the caller moves. Until then it does not count. */
static void uart_put(struct uart_state *u, u64 head, u8 byte)
{
	u64 at = head % UART_RX_SIZE;
	u64 shift = 8 * (at % 8);
	u64 word = estate_load(&u->rx[at / 8]);

	estate_store(&u->rx[at / 8], (word & ~(0xffull << shift)) | (u64)byte << shift);
}

static u64 uart_receive(struct vm *vm, struct txn *t)
{
	struct uart_state *u = &vm->s->uart;
	u64 tail = estate_load(&u->rx_tail);
	u64 at = tail % UART_RX_SIZE;

	if (tail == estate_load(&u->rx_head))
		return 0;
	txn_set(t, &u->rx_tail, tail + 1);
	uart_stage_line(vm, t);
	return estate_load(&u->rx[at / 8]) >> (8 * (at % 8)) & 0xff;
}

static u64 uart_identify(struct vm *vm, struct txn *t)
{
	struct uart_state *u = &vm->s->uart;
	u64 cause = uart_cause(u, t);
	u64 fifo = estate_load(&u->fcr) & FCR_ENABLE ? IIR_FIFO : 0;

	/* Reading it is what takes back the transmitter's interrupt (table IV). */
	if (cause == IIR_THRE) {
		txn_set(t, &u->thre_pending, 0);
		uart_stage_line(vm, t);
	}
	return cause | fifo;
}

/* The line status without the overrun. */
static inline u64 uart_line_status(const struct uart_state *u)
{
	return estate_load(&u->rx_head) != estate_load(&u->rx_tail) ? LSR_EMPTY | LSR_DATA : LSR_EMPTY;
}

/* An overrun is told once (section 8.6.3). */
static u64 uart_overrun(struct vm *vm, struct txn *t)
{
	txn_set(t, &vm->s->uart.overrun, 0);
	uart_stage_line(vm, t);
	return LSR_OVERRUN;
}

/* In loopback the outputs are wired to the inputs; drivers look for that to tell a UART from empty space. */
static u64 uart_modem_status(const struct uart_state *u)
{
	u64 mcr = estate_load(&u->mcr);

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) |
	       (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* Any register; not inlined, so that the one that drivers poll stays short. */
__attribute__((noinline)) static int uart_register(struct vm *vm, struct txn *t, u64 offset, u64 *value)
{
	struct uart_state *u = &vm->s->uart;
	bool dlab;

	if (offset >= UART_REGISTERS)
		return -EFAULT;
	dlab = estate_load(&u->lcr) & LCR_DLAB;
	switch (offset) {
	case UART_DATA:
		*value = dlab ? estate_load(&u->dll) : uart_receive(vm, t);
		break;
	case UART_IER:
		*value = estate_load(dlab ? &u->dlm : &u->ier);
		break;
	case UART_IIR:
		*value = uart_identify(vm, t);
		break;
	case UART_LCR:
		*value = estate_load(&u->lcr);
		break;
	case UART_MCR:
		*value = estate_load(&u->mcr);
		break;
	case UART_LSR:
		*value = uart_line_status(u) | (estate_load(&u->overrun) ? uart_overrun(vm, t) : 0);
		break;
	case UART_MSR:
		*value = uart_modem_status(u);
		break;
	default:
		*value = estate_load(&u->scr);
	}
	return 0;
}

static int uart_read(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 *value)
{
	const struct uart_state *u = &vm->s->uart;

	(void)unit;
	(void)bytes;
	if (offset != UART_LSR || estate_load(&u->overrun))
		return uart_register(vm, t, offset, value);
	*value = uart_line_status(u);
	return 0;
}

static void uart_transmit(struct vm *vm, struct txn *t, u8 byte)
{
	struct uart_state *u = &vm->s->uart;
	u64 head = estate_load(&u->rx_head);

	if (!(estate_load(&u->mcr) & MCR_LOOP)) {
		console_stage(vm, t, &byte, 1);
	} else if (head - estate_load(&u->rx_tail) < UART_RX_SIZE) {
		uart_put(u, head, byte);
		txn_set(t, &u->rx_head, head + 1);
	} else {
		txn_set(t, &u->overrun, 1);
	}
	/* Empty again at once. */
	if (!estate_load(&u->thre_pending))
		txn_set(t, &u->thre_pending, 1);
	uart_stage_line(vm, t);
}

/* Enabling the transmitter's interrupt raises it if the transmitter is empty, which it always is. */
static void uart_enable(struct vm *vm, struct txn *t, u64 value)
{
	struct uart_state *u = &vm->s->uart;
	u64 changed = estate_load(&u->ier) ^ value;

	txn_set(t, &u->ier, value);
	if (changed & IER_THRI)
		txn_set(t, &u->thre_pending, !!(value & IER_THRI));
	uart_stage_line(vm, t);
}

static void uart_fifo_control(struct vm *vm, struct txn *t, u64 value)
{
	struct uart_state *u = &vm->s->uart;

	/* Switching the FIFOs on or off empties them (section 8.5); other bits count only with the enable bit. */
	if (((estate_load(&u->fcr) ^ value) & FCR_ENABLE) || (value & FCR_ENABLE && value & FCR_CLEAR_RX))
		txn_set(t, &u->rx_tail, estate_load(&u->rx_head));
	txn_set(t, &u->fcr, value & FCR_ENABLE ? value & FCR_KEPT : 0);
	uart_stage_line(vm, t);
}

static int uart_write(struct vm *vm, unsigned unit, struct txn *t, u64 offset, unsigned bytes, u64 value)
{
	struct uart_state *u = &vm->s->uart;
	bool dlab;

	(void)unit;
	(void)bytes;
	if (offset >= UART_REGISTERS)
		return -EFAULT;
	value &= 0xff;
	dlab = estate_load(&u->lcr) & LCR_DLAB;
	switch (offset) {
	case UART_DATA:
		if (dlab)
			txn_set(t, &u->dll, value);
		else
			uart_transmit(vm, t, (u8)value);
		break;
	case UART_IER:
		if (dlab)
			txn_set(t, &u->dlm, value);
		else
			uart_enable(vm, t, value & IER_MASK);
		break;
	case UART_IIR:
		uart_fifo_control(vm, t, value);
		break;
	case UART_LCR:
		txn_set(t, &u->lcr, value);
		break;
	case UART_MCR:
		txn_set(t, &u->mcr, value & MCR_MASK);
		break;
	case UART_SCR:
		txn_set(t, &u->scr, value);
		break;
	default: /* line and modem status are read-only */
		break;
	}
	return 0;
}

const struct mmio_device uart_device = { .read = uart_read, .write = uart_write };

size_t uart_input(struct vm *vm, struct txn *t, const void *bytes, size_t count)
{
	struct uart_state *u = &vm->s->uart;
	const u8 *from = bytes;
	u64 head, room;

	lock_take(&vm->dev_lock);
	head = estate_load(&u->rx_head);
	room = UART_RX_SIZE - (head - estate_load(&u->rx_tail));
	if (count > room)
		count = room;
	for (size_t i = 0; i < count; i++)
		uart_put(u, head + i, from[i]);
	if (count) {
		txn_set(t, &u->rx_head, head + count);
		uart_stage_line(vm, t);
		txn_commit(t);
		plic_update(vm);
	}
	lock_release(&vm->dev_lock);
	return count;
}

void uart_reset(struct vm *vm)
{
	struct uart_state *u = &vm->s->uart;
	u64 *word = (u64 *)u;

	for (size_t i = 0; i < sizeof(*u) / sizeof(*word); i++)
		estate_store(&word[i], 0);
	estate_store(&u->dll, UART_DIVISOR);
}

bool uart_valid(const struct vm *vm)
{
	const struct uart_state *u = &vm->s->uart;

	return !(estate_load(&u->ier) & ~(u64)IER_MASK) && !(estate_load(&u->fcr) & ~(u64)FCR_KEPT) &&
	       !(estate_load(&u->mcr) & ~(u64)MCR_MASK) && estate_load(&u->lcr) <= 0xff &&
	       estate_load(&u->scr) <= 0xff && estate_load(&u->dll) <= 0xff && estate_load(&u->dlm) <= 0xff &&
	       estate_load(&u->thre_pending) <= 1 && estate_load(&u->overrun) <= 1 &&
	       estate_load(&u->rx_head) - estate_load(&u->rx_tail) <= UART_RX_SIZE;
}

void uart_resume(struct vm *vm)
{
	struct redo_entry none;
	const struct txn nothing = { .redo = &none, .next = none.op };

	lock_take(&vm->dev_lock);
	plic_restore_line(vm, GUEST_UART_IRQ, uart_cause(&vm->s->uart, &nothing) != IIR_NONE);
	plic_update(vm);
	lock_release(&vm->dev_lock);
}
