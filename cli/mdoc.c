/* See mdoc.h. */
#include "cli/mdoc.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 78

/* True if a sentence ends with the word of `length` bytes at `word`. */
static bool ends_sentence(const char *word, size_t length)
{
	return length > 1 && strchr(".!?", word[length - 1]) &&
	       (isalnum((unsigned char)word[length - 2]) || strchr(")\"'", word[length - 2]));
}

static void put_word(const char *word, size_t length, bool is_first)
{
	/* At the beginning of a line these would be requests. */
	if (is_first && (*word == '.' || *word == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < length; i++)
		if (word[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(word[i]);
}

void mdoc_text(const char *text, size_t length)
{
	const char *end = text + length;
	size_t column = 0;

	while (text < end) {
		size_t word = strcspn(text, " \n");

		if (word > (size_t)(end - text))
			word = (size_t)(end - text);
		if (!word) {
			text++;
			continue;
		}
		if (column && column + 1 + word > WIDTH) {
			putchar('\n');
			column = 0;
		}
		if (column)
			putchar(' ');
		put_word(text, word, column == 0);
		column += word + 1;
		if (ends_sentence(text, word)) {
			putchar('\n');
			column = 0;
		}
		text += word;
	}
	if (column)
		putchar('\n');
}
