/*
 * Memory and string functions of the freestanding hypervisor: words where alignment allows, 64 bytes a turn.
 *
 * The host's build gives them other names (core_memcpy): there the C library's are in use, which the sanitizers know.
 */
#include "core/lib/string.h"

/* Keeps the compiler from taking the loop for the very function that it implements, and calling that. */
#define LOOP_AS_WRITTEN() __asm__ volatile("")

#define WORD sizeof(u64)

/* Aliases everything: these functions are handed objects of every type. */
typedef u64 __attribute__((may_alias)) word;

static inline bool word_aligned(const void *p)
{
	return ((uintptr_t)p & (WORD - 1)) == 0;
}

/* Both ends are word-aligned. Returns how many bytes are done: all whole words. */
static size_t copy_words(u8 *to, const u8 *from, size_t bytes)
{
	size_t done = 0;

	for (; bytes - done >= 8 * WORD; done += 8 * WORD) {
		const word *f = (const word *)(const void *)(from + done);
		word *t = (word *)(void *)(to + done);
		u64 a = f[0], b = f[1], c = f[2], d = f[3], e = f[4], g = f[5], h = f[6], i = f[7];

		LOOP_AS_WRITTEN();
		t[0] = a;
		t[1] = b;
		t[2] = c;
		t[3] = d;
		t[4] = e;
		t[5] = g;
		t[6] = h;
		t[7] = i;
	}
	for (; bytes - done >= WORD; done += WORD) {
		LOOP_AS_WRITTEN();
		*(word *)(void *)(to + done) = *(const word *)(const void *)(from + done);
	}
	return done;
}

/*
 * `to` is word-aligned, `from` is not. Reads aligned words and shifts two neighbours together (little endian); never
 * reads outside of the source. Returns how many bytes are done.
 */
static size_t copy_shifted(u8 *to, const u8 *from, size_t bytes)
{
	unsigned skew = (unsigned)((uintptr_t)from & (WORD - 1));
	const u8 *ahead = from + (WORD - skew);
	size_t done = 0;
	u64 held = 0;

	if (bytes < 2 * WORD)
		return 0;
	for (unsigned i = 0; i < WORD - skew; i++)
		held |= (u64)from[i] << (8 * i);
	for (; bytes - done >= 2 * WORD; done += WORD, ahead += WORD) {
		u64 next = *(const word *)(const void *)ahead;

		LOOP_AS_WRITTEN();
		*(word *)(void *)(to + done) = held | next << (8 * (WORD - skew));
		held = next >> (8 * skew);
	}
	return done;
}

/* From the first byte to the last: right also where `to` lies below `from` and they overlap. */
static void copy_up(u8 *to, const u8 *from, size_t bytes)
{
	size_t done;

	for (; bytes && !word_aligned(to); bytes--) {
		LOOP_AS_WRITTEN();
		*to++ = *from++;
	}
	done = word_aligned(from) ? copy_words(to, from, bytes) : copy_shifted(to, from, bytes);
	for (; done < bytes; done++) {
		LOOP_AS_WRITTEN();
		to[done] = from[done];
	}
}

/* From the last byte to the first. */
static void copy_down(u8 *to, const u8 *from, size_t bytes)
{
	if ((((uintptr_t)to ^ (uintptr_t)from) & (WORD - 1)) == 0) {
		for (; bytes && !word_aligned(to + bytes); bytes--) {
			LOOP_AS_WRITTEN();
			to[bytes - 1] = from[bytes - 1];
		}
		for (; bytes >= WORD; bytes -= WORD) {
			LOOP_AS_WRITTEN();
			*(word *)(void *)(to + bytes - WORD) =
				*(const word *)(const void *)(from + bytes - WORD);
		}
	}
	for (; bytes; bytes--) {
		LOOP_AS_WRITTEN();
		to[bytes - 1] = from[bytes - 1];
	}
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	copy_up(to, from, bytes);
	return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	if ((uintptr_t)to - (uintptr_t)from >= bytes)
		copy_up(to, from, bytes);
	else
		copy_down(to, from, bytes);
	return to;
}

void *memset(void *at, int byte, size_t bytes)
{
	u64 value = (u8)byte * 0x0101010101010101ull;
	u8 *p = at;

	for (; bytes && !word_aligned(p); bytes--) {
		LOOP_AS_WRITTEN();
		*p++ = (u8)byte;
	}
	for (; bytes >= 8 * WORD; bytes -= 8 * WORD, p += 8 * WORD) {
		word *w = (word *)(void *)p;

		LOOP_AS_WRITTEN();
		w[0] = value;
		w[1] = value;
		w[2] = value;
		w[3] = value;
		w[4] = value;
		w[5] = value;
		w[6] = value;
		w[7] = value;
	}
	for (; bytes >= WORD; bytes -= WORD, p += WORD) {
		LOOP_AS_WRITTEN();
		*(word *)(void *)p = value;
	}
	for (; bytes; bytes--) {
		LOOP_AS_WRITTEN();
		*p++ = (u8)byte;
	}
	return at;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < bytes; i++) {
		LOOP_AS_WRITTEN();
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}

void *memchr(const void *at, int byte, size_t bytes)
{
	const u8 *p = at;

	for (size_t i = 0; i < bytes; i++) {
		if (p[i] == (u8)byte)
			return (void *)(uintptr_t)(p + i);
	}
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n]) {
		LOOP_AS_WRITTEN();
		n++;
	}
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		LOOP_AS_WRITTEN();
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (; max; a++, b++, max--) {
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)(uintptr_t)found;
	}
}
