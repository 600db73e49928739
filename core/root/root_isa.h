/*
 * Which extensions of a hart the root VM hears of: those that need nothing of the hypervisor, and those that it gives to
 * guests. What is not known is left out.
 */
#ifndef CORE_ROOT_ROOT_ISA_H
#define CORE_ROOT_ROOT_ISA_H

#include "abi/types.h"

/* Longest text of either kind, its end included. */
#define ROOT_ISA_SIZE 1024

/* riscv,isa, "rv64imafdcvh_zicsr...": writes what is left of it to `to`, of ROOT_ISA_SIZE bytes. False: too long. */
bool root_isa_string(const char *isa, char *to);

/* riscv,isa-extensions: `size` bytes of strings one behind the other, the last ended. *used: bytes written. False: too long. */
bool root_isa_list(const char *list, size_t size, char *to, size_t *used);

#endif
