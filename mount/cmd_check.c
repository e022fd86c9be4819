/* keytree check: verify everything in a store. */
#include "command.h"

#include "keytree.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* On a terminal, say what takes so long; and take it back. */
static void show_progress(struct kt_store *store, const char *path)
{
	struct kt_info info;

	if (!isatty(STDERR_FILENO) || kt_info(store, &info) != 0)
		return;
	fprintf(stderr, "checking %s: %" PRIu64 " entries, %" PRIu64 " MiB ...", path, info.entries,
		(info.pages * info.page_size) >> 20);
}

static void hide_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	hide_progress();
	if (page != 0)
		printf("page %" PRIu64 ": %s\n", page, message);
	else
		printf("%s\n", message);
}

static int check_store(const char *path)
{
	struct kt_store *store;
	uint64_t findings = 0;
	int status = command_open(path, KT_READONLY, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	show_progress(store, path);
	err = kt_check(store, print_finding, NULL, &findings);
	hide_progress();
	if (err != 0)
		status = command_fail_errno(path, "check", err);
	else if (findings > 0)
		status = COMMAND_NO;
	return command_close(path, store, status);
}

static int run(const struct command *command, int argc, char **argv)
{
	char **operands;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	return check_store(operands[0]);
}

const struct command cmd_check = {
	.name = "check",
	.operands = "STORE",
	.summary = "verify everything in a store",
	.help = "Reads the whole store and verifies it: each page and each block of a value "
		"against\n"
		"its checksum, order, counts, and free space. Changes nothing. Prints a line for "
		"each\n"
		"finding, and nothing for a sound store.\n"
		"Exit status 0: sound; 1: damage was found; 3: the check could not run.\n",
	.run = run,
};
