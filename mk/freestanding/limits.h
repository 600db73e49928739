/*
 * The C library's <limits.h>: the compiler's own goes on to the C library's, which a freestanding program has not, and
 * takes this one instead.
 */
