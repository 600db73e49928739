/* outlive: runs hosts of the Outlive hypervisor and talks to them. Finds the command in the table and calls it. */
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/message.h"
#include <stdio.h>
#include <string.h>

/* The command that the first word or the first two name; *words is how many. */
static const struct command *find(int argc, char **argv, int *words)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *name = commands[i].name;
		const char *space = strchr(name, ' ');
		size_t first = space ? (size_t)(space - name) : strlen(name);

		if (strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
			continue;
		if (space && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*words = space ? 2 : 1;
		return &commands[i];
	}
	return NULL;
}

/* "crash" alone, or followed by what it does not know. */
static int report_unknown(int argc, char **argv)
{
	size_t length = strlen(argv[0]);
	bool is_family = false;

	for (size_t i = 0; i < command_count; i++)
		if (strncmp(commands[i].name, argv[0], length) == 0 && commands[i].name[length] == ' ')
			is_family = true;
	if (!is_family) {
		message_error("no command \"%s\"; \"outlive --help\" lists them", argv[0]);
		return EXIT_CODE_USAGE;
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		for (size_t i = 0; i < command_count; i++)
			if (strncmp(commands[i].name, argv[0], length) == 0 &&
			    commands[i].name[length] == ' ')
				help_print(&commands[i]);
		return EXIT_CODE_OK;
	}
	message_error("%s what? \"outlive %s --help\" says more", argv[0], argv[0]);
	return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct options o = { 0 };
	int words, code;

	if (argc < 2) {
		help_print(NULL);
		return EXIT_CODE_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		help_print(NULL);
		return EXIT_CODE_OK;
	}
	command = find(argc - 1, argv + 1, &words);
	if (!command)
		return report_unknown(argc - 1, argv + 1);
	if (!options_parse(&o, argc - 1 - words, argv + 1 + words, command->options))
		return EXIT_CODE_USAGE;
	if (o.help) {
		help_print(command);
		return EXIT_CODE_OK;
	}
	if (o.argument_count < command->arguments_min || o.argument_count > command->arguments_max) {
		message_error("usage: outlive %s%s%s [OPTIONS]", command->name,
			      *command->arguments ? " " : "", command->arguments);
		return EXIT_CODE_USAGE;
	}
	message_quiet(o.quiet);
	code = command->run(&o);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		message_error("standard output cannot be written");
		return code ? code : EXIT_CODE_FAILED;
	}
	return code;
}
