/* See terminal.h. */
#include "cli/terminal.h"
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool is_raw;

void terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}

static void end(int signal)
{
	terminal_restore();
	_exit(128 + signal);
}

static void change(void (*how)(struct termios *))
{
	struct termios raw;

	if (is_raw || tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	raw = saved;
	how(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return;
	is_raw = true;
	atexit(terminal_restore);
	signal(SIGINT, end);
	signal(SIGTERM, end);
	signal(SIGHUP, end);
}

void terminal_raw(void)
{
	change(cfmakeraw);
}

static void make_keys(struct termios *t)
{
	t->c_lflag &= ~(tcflag_t)(ICANON | ECHO);
}

void terminal_keys(void)
{
	change(make_keys);
}

#define KEY_CTRL(letter) ((letter)&0x1f)

bool terminal_filter(enum terminal_escape escape, u8 *bytes, size_t *count, bool *pending)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		u8 byte = bytes[i];

		if (escape == TERMINAL_BRACKET) {
			if (byte == KEY_CTRL(']')) {
				*count = kept;
				return true;
			}
		} else if (*pending) {
			*pending = false;
			if (byte == 'x' || byte == 'X') {
				*count = kept;
				return true;
			}
			if (byte != KEY_CTRL('A'))
				continue;
		} else if (byte == KEY_CTRL('A')) {
			*pending = true;
			continue;
		}
		bytes[kept++] = byte;
	}
	*count = kept;
	return false;
}
