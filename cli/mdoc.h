/* Text in the language of manual pages, mdoc(7). */
#ifndef CLI_MDOC_H
#define CLI_MDOC_H

#include <stddef.h>

/* Prints a running text of `length` bytes: escaped, short lines, each sentence on a line of its own. */
void mdoc_text(const char *text, size_t length);

#endif
