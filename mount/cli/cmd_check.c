/* keytree check: verify everything in a store. */
#include "mount/cli/command.h"
#include "mount/text/progress.h"

#include "keytree.h"

#include <inttypes.h>
#include <stdio.h>

struct checking {
	struct progress progress;
	uint64_t trees; /* to be walked: the present, and each snapshot */
};

static int count_snapshot(void *arg, const struct kt_snapshot *snapshot)
{
	struct checking *checking = arg;

	(void)snapshot;
	checking->trees++;
	return 0;
}

/* How much there is to read, about: a snapshot is taken to be as large as the present. */
static uint64_t find_total(struct checking *checking, struct kt_store *store)
{
	struct kt_store_info info;

	checking->trees = 1;
	if (kt_info(store, &info) != 0 || kt_snapshot_list(store, count_snapshot, checking) != 0)
		return 0;
	return (info.pages - info.free_pages - info.pending_pages) * info.page_size *
	       checking->trees;
}

static int check_step(void *arg, uint64_t done)
{
	struct checking *checking = arg;

	return progress_step(&checking->progress, done);
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	struct checking *checking = arg;

	progress_hide(&checking->progress);
	if (page != 0)
		printf("page %" PRIu64 ": %s\n", page, message);
	else
		printf("%s\n", message);
}

static int check_and_print(const char *path)
{
	struct checking checking;
	struct kt_store *store;
	uint64_t findings = 0;
	int status = command_open(path, KT_READONLY, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	progress_init(&checking.progress, find_total(&checking, store), false);
	err = kt_check_steps(store, print_finding, check_step, &checking, &findings);
	progress_fini(&checking.progress);
	if (err != 0)
		status = command_fail_errno(path, "check", err);
	else if (findings > 0)
		status = COMMAND_NO;
	return command_close(path, store, status);
}

static int check_run(const struct command *command, int argc, char **argv)
{
	char **operands;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	return check_and_print(operands[0]);
}

const struct command cmd_check = {
	.name = "check",
	.operands = "STORE",
	.summary = "verify everything in a store",
	.help = "Reads the whole store and verifies checksums, the order of keys, all counts and "
		"the\n"
		"free space. Changes nothing. Prints one line for each error, and nothing if the "
		"store\n"
		"is sound.\n"
		"Exit status 0: sound; 1: damage was found; 3: the check could not run.\n",
	.run = check_run,
};
