/* keytree compact: make the file of a store as small as it can be. */
#include "mount/cli/command.h"
#include "mount/text/progress.h"
#include "mount/text/human.h"

#include "keytree.h"

#include <errno.h>
#include <stdio.h>

/* What is under way. */
struct compacting {
	struct progress progress;
	struct kt_store_info before;
};

static int compact_step(void *arg, const struct kt_compaction *compaction)
{
	struct compacting *compacting = arg;
	uint64_t page_size = compacting->before.page_size;

	compacting->progress.total = compaction->total * page_size;
	return progress_step(&compacting->progress, compaction->done * page_size);
}

/* On a terminal, say what came of it. */
static void print_result(const struct kt_store_info *before, const struct kt_store_info *after)
{
	char sizes[2][HUMAN_SIZE_SIZE];

	if (!human_is_reading())
		return;
	human_size(before->pages * before->page_size, sizes[0]);
	human_size(after->pages * after->page_size, sizes[1]);
	printf("%s, %s before\n", sizes[1], sizes[0]);
}

static int compact_store(const char *path)
{
	struct compacting compacting;
	struct kt_store_info after;
	struct kt_store *store;
	int status = command_open(path, 0, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_info(store, &compacting.before);
	progress_init(&compacting.progress, 0, true); /* a signal ends the work between two steps */
	if (!err)
		err = kt_compact(store, compact_step, &compacting);
	progress_fini(&compacting.progress);
	if (err == -EINTR)
		status = command_fail(
			path, "compact", "interrupted; the steps completed so far are kept");
	else if (err != 0)
		status = command_fail_errno(path, "compact", err);
	else if (kt_info(store, &after) == 0)
		print_result(&compacting.before, &after);
	return command_close(path, store, status);
}

static int compact_run(const struct command *command, int argc, char **argv)
{
	char **operands;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	return compact_store(operands[0]);
}

const struct command cmd_compact = {
	.name = "compact",
	.operands = "STORE",
	.summary = "make the file of a store smaller",
	.help = "Moves data to the front of the file and cuts the free end off. The file becomes "
		"about\n"
		"as small as that of a new store with the same content. The work is done in small "
		"steps\n"
		"and can be interrupted; what is done stays done. Data that snapshots keep is not "
		"moved:\n"
		"delete snapshots first to get the smallest file.\n",
	.run = compact_run,
};
