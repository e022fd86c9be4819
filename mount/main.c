/* The program keytree: find the command and run it.
 *
 *     command.h      what a command is, and what all of them share
 *     cmd_NAME.c     one command each
 *     line.h         keys and JSON on a line
 *     human.h         sizes, times and colours for people; columns.h names in columns
 *     convert_run.h the command line of import and export
 *     convert.h     import and export; format_NAME.c one format each
 *     json_line.h     lines of JSON by the million
 *     progress.h     how far long work is
 *     mount_options.h      the words behind mount -o
 *     mount_helper.h       the program as mount(8) calls it
 *     sd_notify.h       words to a service manager
 *     mountpoint.h   the directory a mount is put on
 *     attach.h       mount(2), or fusermount3 for those who may not
 *     session.h      the loop that serves the kernel, and its end
 *     ops.h          each request of the kernel, answered by the file system (fs/fs.h)
 *     counts.h       how many requests there were; stat_mounts.h shows it
 */
#include "mount/cli/command.h"
#include "mount/cli/mount_helper.h"
#include "mount/system/stdio.h"

#include "keytree.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
	&cmd_create,
	&cmd_mount,
	&cmd_umount,
	&cmd_get,
	&cmd_put,
	&cmd_edit,
	&cmd_cp,
	&cmd_mv,
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
	&cmd_readers,
	&cmd_check,
	&cmd_compact,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* Names that people try for a command. */
static const struct {
	const char *name;
	const struct command *command;
} aliases[] = {{"rm", &cmd_del}, {"info", &cmd_stat}, {"who", &cmd_readers}, {"set", &cmd_put},
	{"list", &cmd_ls}};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(aliases[i].name, name) == 0)
			return aliases[i].command;
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

#define NAME_MOST 31

/* How many letters must be changed, added or left out to make one word of another (Levenshtein).
 * Both have at most NAME_MOST. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_MOST + 1];
	size_t size = strlen(b);

	for (unsigned j = 0; j <= size; j++)
		row[j] = j;
	for (; *a != '\0'; a++) {
		unsigned left_above = row[0]++;

		for (size_t j = 0; j < size; j++) {
			unsigned above = row[j + 1];
			unsigned least = left_above + (*a != b[j]);

			if (above + 1 < least)
				least = above + 1;
			if (row[j] + 1 < least)
				least = row[j] + 1;
			left_above = above;
			row[j + 1] = least;
		}
	}
	return row[size];
}

/* The command whose name is nearest to a word; NULL: none is near. */
static const char *nearest_command(const char *name)
{
	const char *nearest = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < COMMAND_COUNT && strlen(name) <= NAME_MOST; i++) {
		unsigned far = distance(name, commands[i]->name);

		if (far < least && far < strlen(commands[i]->name)) {
			least = far;
			nearest = commands[i]->name;
		}
	}
	return nearest;
}

static int unknown_command(const char *name)
{
	const char *nearest = nearest_command(name);

	if (nearest != NULL)
		return command_usage(
			NULL, "unknown command '%s'; did you mean '%s'?", name, nearest);
	return command_usage(NULL, "unknown command '%s'", name);
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

/* What is asked of the program itself. @return false if it is nothing of that kind */
static bool run_general(int argc, char **argv, int *ret_status)
{
	const struct command *command;
	bool version = strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0 ||
		       strcmp(argv[0], "-V") == 0;
	bool help = strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 ||
		    strcmp(argv[0], "-h") == 0;

	if (!version && !help)
		return false;
	if (argc > (version ? 1 : 2)) {
		*ret_status =
			command_usage(NULL, "too many arguments: '%s'", argv[version ? 1 : 2]);
	} else if (version) {
		puts("keytree " KEYTREE_VERSION);
		*ret_status = COMMAND_DONE;
	} else if (argc == 1) {
		*ret_status = print_commands();
	} else {
		command = find_command(argv[1]);
		*ret_status = command != NULL ? print_help(command) : unknown_command(argv[1]);
	}
	return true;
}

static int run_command(int argc, char **argv)
{
	const struct command *command;
	int status;

	if (run_general(argc, argv, &status))
		return status;
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

	if (stdio_open_missing() != 0)
		return COMMAND_FAILED;
	kt_catch_faults();	  /* a page that the disk cannot read is an error: EIO */
	signal(SIGXFSZ, SIG_IGN); /* a file that exceeds a limit is an error: EFBIG */
	if (mount_helper_is(argv[0]))
		return mount_helper_run(argc, argv);
	if (argc < 2)
		return command_usage(NULL, "no command given");
	status = run_command(argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == COMMAND_DONE)
		return command_fail("standard output", NULL, strerror(errno));
	return status;
}
