/* A guest that exits in each of the common ways, over and over: what is traced. */
#ifndef GUESTS_BENCH_EXITS_H
#define GUESTS_BENCH_EXITS_H

#include "abi/types.h"

/*
 * Rounds without end, each with `times` of: SBI get_spec_version, set_timer, send_ipi to itself, remote sfence.vma to itself,
 * reads and writes of the UART's scratch register, reads of the PLIC's threshold. Prints "EXITS rounds N" now and then.
 */
_Noreturn void bench_exits(u64 times);

#endif
