/* The program keytree: find the command and run it.
 *
 *     command.h      what a command is, and what all of them share
 *     cmd_NAME.c     one command each
 *     line.h         keys and JSON on a line
 *     show.h         sizes and times for people
 *     exchange_run.h the command line of import and export
 *     exchange.h     import and export; format_NAME.c one format each
 *     progress.h     how far long work is
 *     options.h      the words behind mount -o
 *     helper.h       the program as mount(8) calls it
 *     notify.h       words to a service manager
 *     mountpoint.h   the directory a mount is put on
 *     attach.h       mount(2), or fusermount3 for those who may not
 *     session.h      the loop that serves the kernel, and its end
 *     ops.h          each request of the kernel, answered by the file system (fs/fs.h)
 */
#include "command.h"
#include "helper.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
	&cmd_create,
	&cmd_mount,
	&cmd_umount,
	&cmd_get,
	&cmd_put,
	&cmd_del,
	&cmd_ls,
	&cmd_scan,
	&cmd_snapshot,
	&cmd_diff,
	&cmd_watch,
	&cmd_backup,
	&cmd_collection,
	&cmd_import,
	&cmd_export,
	&cmd_stat,
	&cmd_check,
	&cmd_compact,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static int print_commands(void)
{
	puts("keytree keeps application state in one file and shows it as a directory.\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	puts("\nkeytree COMMAND --help says more about one, and keytree(1) about all of them.");
	return COMMAND_DONE;
}

static int print_help(const struct command *command)
{
	printf("usage: keytree %s %s\n\n%s", command->name, command->operands, command->help);
	return COMMAND_DONE;
}

static int unknown_command(const char *name)
{
	fprintf(stderr, "keytree: unknown command '%s' (keytree help)\n", name);
	return COMMAND_USAGE;
}

/* Is help asked for, before a "--" ends the options? */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return true;
	}
	return false;
}

static int run(int argc, char **argv)
{
	const struct command *command;

	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0) {
		puts("keytree " KEYTREE_VERSION);
		return COMMAND_DONE;
	}
	if (strcmp(argv[0], "help") == 0 && argc > 1) {
		command = find_command(argv[1]);
		return command != NULL ? print_help(command) : unknown_command(argv[1]);
	}
	if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 ||
		strcmp(argv[0], "-h") == 0)
		return print_commands();
	command = find_command(argv[0]);
	if (command == NULL)
		return unknown_command(argv[0]);
	if (wants_help(argc, argv))
		return print_help(command);
	return command->run(command, argc, argv);
}

int main(int argc, char **argv)
{
	int status;

	if (helper_is(argv[0]))
		return helper_run(argc, argv);
	if (argc < 2) {
		fputs("keytree: which command? (keytree help)\n", stderr);
		return COMMAND_USAGE;
	}
	status = run(argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == COMMAND_DONE)
		return command_fail("standard output", NULL, "cannot be written");
	return status;
}
