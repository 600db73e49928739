/* --help, from the tables of commands and options. */
#include "cli/commands.h"
#include <stdio.h>
#include <string.h>

#define WIDTH 88

/* Prints a text in lines of at most WIDTH columns from `indent` on; the first line is indented already. */
static void print_wrapped(const char *text, int indent)
{
	int column = indent;

	while (*text) {
		int word = (int)strcspn(text, " \n");

		if (column > indent && column + 1 + word > WIDTH) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", word, text);
		column += word;
		text += word;
		if (text[0] == '\n' && text[1] == '\n') {
			printf("\n\n%*s", indent, "");
			column = indent;
			text += 2;
		} else if (*text) {
			text++;
		}
	}
	putchar('\n');
}

static void print_options(u64 options)
{
	printf("\nOptions:\n");
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_entry *option = &option_table[i];
		int length;

		if (!(options & 1ull << i))
			continue;
		length = option->letter ? printf("  -%s, --%s", option->letter, option->name)
					: printf("      --%s", option->name);
		if (option->value)
			length += printf(" %s", option->value);
		printf("%*s", length < 26 ? 26 - length : 2, "");
		print_wrapped(option->help, length < 26 ? 26 : length + 2);
	}
}

static void print_examples(const char *examples)
{
	printf("\nExamples:\n");
	while (*examples) {
		int length = (int)strcspn(examples, "\n");

		printf("  %.*s\n", length, examples);
		examples += length + (examples[length] == '\n');
	}
}

static void print_all(void)
{
	printf("usage: outlive COMMAND [OPTIONS]\n\n"
	       "Runs virtual machines that outlive their hypervisor.\n\nCommands:\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		int length;

		if (c->is_hidden)
			continue;
		length = printf("  %s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
		printf("%*s%s\n", length < 24 ? 24 - length : 2, "", c->summary);
	}
	printf("\n\"outlive COMMAND --help\" says more; so do the manual pages: man outlive.\n");
}

void help_print(const struct command *command)
{
	if (!command) {
		print_all();
		return;
	}
	printf("usage: outlive %s%s%s [OPTIONS]\n\n", command->name, *command->arguments ? " " : "",
	       command->arguments);
	print_wrapped(command->text, 0);
	print_options(command->options);
	if (command->examples)
		print_examples(command->examples);
}
