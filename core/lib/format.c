/* Printing into a buffer: the part of printf that the log and the panic need. */
#include "core/lib/string.h"

struct out {
	char *to;
	size_t size; /* room, the end included */
	size_t used;
};

/* What stands between % and the letter. */
struct spec {
	bool left;
	bool zeros;
	size_t width;
	size_t precision; /* of a string: most characters */
	unsigned longs;	  /* 0: int, else 64 bits */
};

static void put(struct out *o, char c)
{
	if (o->used + 1 < o->size)
		o->to[o->used++] = c;
}

static void put_many(struct out *o, char c, size_t n)
{
	while (n-- && o->used + 1 < o->size)
		put(o, c);
}

/* Text of `n` characters in a field; `sign` (0: none) goes before zeros but behind blanks. */
static void put_field(struct out *o, const struct spec *s, char sign, const char *text, size_t n)
{
	size_t length = n + (sign ? 1 : 0);
	size_t fill = s->width > length ? s->width - length : 0;

	if (!s->left && !s->zeros)
		put_many(o, ' ', fill);
	if (sign)
		put(o, sign);
	if (!s->left && s->zeros)
		put_many(o, '0', fill);
	for (size_t i = 0; i < n; i++)
		put(o, text[i]);
	if (s->left)
		put_many(o, ' ', fill);
}

static void put_number(struct out *o, const struct spec *s, u64 value, unsigned base, char sign)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put_field(o, s, sign, digits + at, sizeof(digits) - at);
}

static const char *number(const char *f, size_t *value)
{
	for (*value = 0; *f >= '0' && *f <= '9' && *value < 10000; f++)
		*value = *value * 10 + (size_t)(*f - '0');
	return f;
}

/* Flags, width and length of a conversion. `list` gives the argument of `.*`. */
static const char *parse(const char *f, struct spec *s, va_list *list)
{
	*s = (struct spec){ .precision = (size_t)-1 };
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zeros = true;
		else
			break;
	}
	f = number(f, &s->width);
	if (f[0] == '.' && f[1] == '*') {
		int given = va_arg(*list, int);

		s->precision = given < 0 ? (size_t)-1 : (size_t)given;
		f += 2;
	} else if (*f == '.') {
		f = number(f + 1, &s->precision);
	}
	for (; *f == 'l' || *f == 'z'; f++)
		s->longs++;
	return f;
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	struct spec blanks = *s;

	blanks.zeros = false;
	if (!text)
		text = "(null)";
	put_field(o, &blanks, 0, text, strnlen(text, s->precision));
}

static void put_signed(struct out *o, const struct spec *s, s64 value)
{
	put_number(o, s, value < 0 ? -(u64)value : (u64)value, 10, value < 0 ? '-' : 0);
}

/* One conversion; false if the letter is none that we know. */
static bool convert(struct out *o, char letter, const struct spec *s, va_list *list)
{
	switch (letter) {
	case 'd':
	case 'i':
		put_signed(o, s, s->longs ? va_arg(*list, s64) : va_arg(*list, int));
		return true;
	case 'u':
		put_number(o, s, s->longs ? va_arg(*list, u64) : va_arg(*list, unsigned), 10, 0);
		return true;
	case 'x':
		put_number(o, s, s->longs ? va_arg(*list, u64) : va_arg(*list, unsigned), 16, 0);
		return true;
	case 'p':
		put(o, '0');
		put(o, 'x');
		put_number(o, s, (u64)(uintptr_t)va_arg(*list, void *), 16, 0);
		return true;
	case 's':
		put_string(o, s, va_arg(*list, const char *));
		return true;
	case 'c':
		put(o, (char)va_arg(*list, int));
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

size_t format_list(char *to, size_t size, const char *f, va_list given)
{
	struct out o = { .to = to, .size = size };
	struct spec s;
	va_list list;

	va_copy(list, given);
	while (*f) {
		const char *start = f;

		if (*f != '%') {
			put(&o, *f++);
			continue;
		}
		f = parse(f + 1, &s, &list);
		if (!convert(&o, *f, &s, &list)) {
			for (f = start; *f; f++)
				put(&o, *f);
			break;
		}
		f++;
	}
	va_end(list);
	if (size)
		to[o.used] = 0;
	return o.used;
}

size_t format(char *to, size_t size, const char *f, ...)
{
	va_list list;
	size_t n;

	va_start(list, f);
	n = format_list(to, size, f, list);
	va_end(list);
	return n;
}
