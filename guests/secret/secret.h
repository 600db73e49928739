/* Between the parts of the guest: see main.c. */
#ifndef GUESTS_SECRET_SECRET_H
#define GUESTS_SECRET_SECRET_H

#include "abi/types.h"

/* Words that memory repeats. */
#define SECRET_MEMORY_WORDS 64

/* Word n of what it hides. */
u64 secret_word(u64 n);

void secret_error(const char *what, u64 at, u64 expected, u64 got);

/*
 * Shares pages of the 2 MiB at `area`, which it may use as it likes, and takes them back; says what is not as abi/guest.h has
 * it. False: the guest is not confidential, and has been told so.
 */
bool secret_try_share(u64 area);

#endif
