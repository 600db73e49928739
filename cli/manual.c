/*
 * `outlive manual`: the sources of docs/man/ and of the reference part of docs/host-file.md, from the tables that the
 * command itself works by. "make cli-docs" writes them; a test sees to it that they are up to date.
 */
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/mdoc.h"
#include "cli/memory.h"
#include "cli/message.h"
#include "cli/schema_print.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATE "November 20, 2026"

static void put_paragraphs(const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t length = end ? (size_t)(end - text) : strlen(text);

		mdoc_text(text, length);
		text += length;
		if (*text) {
			puts(".Pp");
			text += 2;
		}
	}
}

static void put_head(const char *page, const char *section, const char *summary)
{
	printf(".Dd " DATE "\n.Dt ");
	for (const char *at = page; *at; at++)
		putchar(toupper((unsigned char)*at));
	printf(" %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, page, summary);
}

static void put_exit_status(void)
{
	puts(".Sh EXIT STATUS\n.Bl -tag -width Ds");
	for (size_t i = 0; i < exit_meaning_count; i++) {
		printf(".It %d\n", exit_meanings[i].code);
		mdoc_text(exit_meanings[i].meaning, strlen(exit_meanings[i].meaning));
	}
	puts(".El");
}

static bool is_on_page(const struct command *c, const char *page)
{
	return !c->is_hidden && strcmp(c->page, page) == 0;
}

static void put_synopsis(const struct command *c)
{
	const char *name = c->arguments;
	bool is_optional = *name == '[';

	printf(".Nm outlive %s\n.Op Ar options\n", c->name);
	if (is_optional)
		printf(".Op Ar %.*s\n", (int)strlen(name) - 2, name + 1);
	else if (*name)
		printf(".Ar %s\n", name);
}

static void put_options(u64 options)
{
	puts(".Sh OPTIONS\n.Bl -tag -width Ds");
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_entry *option = &option_table[i];

		if (!(options & 1ull << i))
			continue;
		printf(".It ");
		if (option->letter)
			printf("Fl %s , ", option->letter);
		printf("Fl -%s", option->name);
		if (option->value)
			printf(" Ar %s", option->value);
		putchar('\n');
		mdoc_text(option->help, strlen(option->help));
	}
	puts(".El");
}

/* "command  # what for", a line each. *shown counts them over several calls. */
static void put_examples(const char *examples, size_t *shown)
{
	while (*examples) {
		size_t length = strcspn(examples, "\n");
		const char *comment = memmem(examples, length, "  # ", 4);
		size_t command = comment ? (size_t)(comment - examples) : length;

		if ((*shown)++)
			puts(".Pp");
		if (comment) {
			char *text = memory_format("%.*s:", (int)(length - command - 4), comment + 4);

			text[0] = (char)toupper((unsigned char)text[0]);
			mdoc_text(text, strlen(text));
			free(text);
		}
		printf(".Dl $ %.*s\n", (int)command, examples);
		examples += length + (examples[length] == '\n');
	}
}

/* A page of one command or of a family. */
static void put_command_page(const char *page)
{
	const struct command *first = NULL;
	size_t count = 0;
	u64 options = 0;
	bool has_examples = false;
	char summary[256] = "";

	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];

		if (!is_on_page(c, page))
			continue;
		first = first ? first : c;
		snprintf(summary + strlen(summary), sizeof(summary) - strlen(summary), "%s%s",
			 count ? "; " : "", c->summary);
		options |= c->options;
		has_examples = has_examples || c->examples;
		count++;
	}
	put_head(page, "1", summary);
	puts(".Sh SYNOPSIS");
	for (size_t i = 0; i < command_count; i++)
		if (is_on_page(&commands[i], page))
			put_synopsis(&commands[i]);
	puts(".Sh DESCRIPTION");
	for (size_t i = 0; i < command_count; i++) {
		if (!is_on_page(&commands[i], page))
			continue;
		if (count > 1)
			printf(".Ss outlive %s\n", commands[i].name);
		put_paragraphs(commands[i].text);
	}
	put_options(options);
	put_exit_status();
	if (has_examples)
		puts(".Sh EXAMPLES");
	for (size_t i = 0, shown = 0; i < command_count; i++)
		if (is_on_page(&commands[i], page) && commands[i].examples)
			put_examples(commands[i].examples, &shown);
	puts(".Sh SEE ALSO\n.Xr outlive 1 ,\n.Xr outlive-host 5");
}

static void put_commands(void)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];

		if (!c->is_hidden)
			printf(".It Cm %s\n%c%s: see\n.Xr %s 1 .\n", c->name,
			       toupper((unsigned char)c->summary[0]), c->summary + 1, c->page);
	}
	puts(".El");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All pages, once each, in the order of the alphabet. */
static void put_see_also(void)
{
	const char **pages = memory_new(command_count, sizeof(*pages));
	size_t count = 0;

	for (size_t i = 0; i < command_count; i++)
		if (!commands[i].is_hidden)
			pages[count++] = commands[i].page;
	qsort(pages, count, sizeof(*pages), by_name);
	puts(".Sh SEE ALSO");
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(pages[i], pages[i - 1]) != 0)
			printf(".Xr %s 1 ,\n", pages[i]);
	puts(".Xr outlive-host 5");
	free(pages);
}

static void put_main_page(void)
{
	put_head("outlive", "1", "run virtual machines that outlive their hypervisor");
	puts(".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Op Ar arguments\n.Sh DESCRIPTION\n"
	     "Outlive is a hypervisor whose guests go on when it crashes.\n"
	     ".Nm\nstarts a host, the machine with the hypervisor and its virtual\nmachines, under QEMU,\n"
	     "and talks to hosts that run.\n"
	     "A host is described by a file, see\n.Xr outlive-host 5 .\n"
	     "Every command has\n.Fl -help\nand, for programs,\n.Fl -json .\n.Pp\nThe commands are:");
	put_commands();
	puts(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
	     ".It Ev OUTLIVE_LIB\nDirectory of the hypervisor\n.Pa outlive.bin\nand its firmware\n.Pa warden.bin ,\n"
	     "if they are not beside the program.\n"
	     ".It Ev XDG_RUNTIME_DIR\nWhere run directories are made.\n.El");
	puts(".Sh FILES\nA running host has a directory,\n"
	     ".Pa $XDG_RUNTIME_DIR/outlive/NAME ,\nor\n.Pa /tmp/outlive-UID/outlive/NAME\n"
	     "without that variable:\n.Bl -tag -width Ds\n"
	     ".It Pa control\nThe socket through which the other commands reach the host.\n"
	     ".It Pa serial.log\nWhat firmware and hypervisor wrote to the serial line.\n"
	     ".It Pa console-VM.log\nOutput of a VM's consoles; what is older than 16 MiB is in\n"
	     ".Pa console-VM.log.1 .\n"
	     ".It Pa qemu.log\nWhat QEMU itself said.\n"
	     ".It Pa run.log\nWhat\n.Nm Cm run\nwould have said, of a detached host.\n"
	     ".It Pa pid , qemu.pid\nThe processes.\n.El\n.Pp\n"
	     "The logs stay when the host has ended, until one of the same name is started.");
	put_exit_status();
	puts(".Sh EXAMPLES\n.Dl $ outlive run --detach examples/two-vms.yaml\n.Dl $ outlive ps\n"
	     ".Dl $ outlive crash inject panic\n.Dl $ outlive console first\n.Dl $ outlive poweroff");
	put_see_also();
}

static void put_host_page(void)
{
	put_head("outlive-host", "5", "description of a host and its virtual machines");
	puts(".Sh DESCRIPTION\n"
	     "A host file is YAML: one mapping with the machine and the list of its\nvirtual machines.\n"
	     "Names of files are relative to the directory of the host file.\n"
	     "Sizes are written like 512MiB or 2GiB, durations like 100ms, 2s or 1min.\n"
	     ".Nm outlive Cm check\nreports all that is wrong with a host file.");
	puts(".Sh KEYS");
	schema_print_mdoc();
	puts(".Sh EXAMPLES\n.Bd -literal\n"
	     "machine:\n  harts: 2\n  memory: 1GiB\nvms:\n  - name: first\n    vcpus: 2\n    memory: 256MiB\n"
	     "    kernel: Image\n    initrd: initrd.cpio.gz\n    cmdline: console=ttyS0\n    disks:\n"
	     "      - file: first.img\n    networks:\n      - switch: lan\n        uplink: true\n"
	     "        forward: [tcp:2222:22]\n.Ed");
	puts(".Sh SEE ALSO\n.Xr outlive-check 1 ,\n.Xr outlive-run 1");
}

int manual_command(const struct options *o)
{
	const char *page = o->arguments[0];

	if (strcmp(page, "outlive") == 0) {
		put_main_page();
		return EXIT_CODE_OK;
	}
	if (strcmp(page, "outlive-host") == 0) {
		put_host_page();
		return EXIT_CODE_OK;
	}
	if (strcmp(page, "host-file.md") == 0) {
		schema_print_markdown();
		return EXIT_CODE_OK;
	}
	for (size_t i = 0; i < command_count; i++)
		if (is_on_page(&commands[i], page)) {
			put_command_page(page);
			return EXIT_CODE_OK;
		}
	message_error("no page \"%s\"", page);
	return EXIT_CODE_USAGE;
}
