/* The end of a log file, for messages about what went wrong. */
#ifndef CLI_TAIL_H
#define CLI_TAIL_H

#include <stdbool.h>

/* Prints the last lines of a file of the directory to stderr, indented; says so if there are none. */
void tail_print(int directory, const char *file, unsigned lines);

/* Copies the last few kilobytes of the file to stderr as they are. */
void tail_copy(int directory, const char *file);

/* True if the last few kilobytes of the file contain the text. */
bool tail_contains(int directory, const char *file, const char *text);

#endif
