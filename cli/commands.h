/* The table of commands: dispatch, --help and the manual pages come from it. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/options.h"

struct command {
	const char *name;      /* one word or two: "ps", "crash list" */
	const char *page;      /* manual page: "outlive-crash" */
	const char *arguments; /* "VM", "FILE", "" */
	size_t arguments_min, arguments_max;
	u64 options; /* bit n: option n */
	const char *summary;
	const char *text;		     /* paragraphs, an empty line between them */
	const char *examples;		     /* one a line, each with a comment behind "  # "; NULL: none */
	int (*run)(const struct options *o); /* returns an exit code */
	bool is_hidden;
};

extern const struct command commands[];
extern const size_t command_count;

/* Exit codes with their meaning, in order. */
struct exit_meaning {
	int code;
	const char *meaning;
};
extern const struct exit_meaning exit_meanings[];
extern const size_t exit_meaning_count;

/* Prints help on a command, or on all of them with NULL. */
void help_print(const struct command *command);

/* ---- The commands, each in the file of its name ---- */

int run_command(const struct options *o);
int check_command(const struct options *o);
int pack_command(const struct options *o);
int ps_command(const struct options *o);
int top_command(const struct options *o);
int console_command(const struct options *o);
int vm_start_command(const struct options *o);
int vm_stop_command(const struct options *o);
int vm_reset_command(const struct options *o);
int vm_pause_command(const struct options *o);
int vm_resume_command(const struct options *o);
int log_command(const struct options *o);
int crash_inject_command(const struct options *o);
int crash_list_command(const struct options *o);
int crash_show_command(const struct options *o);
int dump_command(const struct options *o);
int attest_command(const struct options *o);
int update_command(const struct options *o);
int poweroff_command(const struct options *o);
int blackbox_ls_command(const struct options *o);
int blackbox_read_command(const struct options *o);
int blackbox_export_command(const struct options *o);
int blackbox_erase_command(const struct options *o);
int blackbox_format_command(const struct options *o);
int campaign_command(const struct options *o);
int manual_command(const struct options *o);

#endif
