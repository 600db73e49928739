/* What the command says to a person: errors and progress on stderr, each a line that starts with its name. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdbool.h>

/* "outlive: error: ..." */
void message_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "outlive: ...": progress; nothing after message_quiet(true). */
void message_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

void message_quiet(bool quiet);

/* No errors either, for who expects them and looks at codes. */
void message_mute(bool mute);

#endif
