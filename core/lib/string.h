/* The few functions of <string.h> that freestanding code may expect, and printing into a buffer. */
#ifndef CORE_LIB_STRING_H
#define CORE_LIB_STRING_H

#include "abi/types.h"
#include <stdarg.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *at, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
void *memchr(const void *at, int byte, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/*
 * Formats into `to`, always terminated if size > 0; returns the length without the end, cut to size - 1.
 * Knows %s %c %d %i %u %x %p %% with l, ll and z, width, 0 and -, precision (a number or *) for %s. What it does not
 * know comes out as it stands, and ends the formatting: the arguments behind it cannot be told apart any more.
 */
size_t format(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t format_list(char *to, size_t size, const char *format, va_list list)
	__attribute__((format(printf, 3, 0)));

#endif
