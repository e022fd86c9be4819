/* keytree diff: the keys that differ between two points in time. */
#include "mount/cli/print_changes.h"
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct diff {
	const char *path;
	struct print_changes print;
};

/* ---- points in time ---- */

static int copy_name(void *arg, const struct kt_snapshot *snapshot)
{
	snprintf(arg, KT_NAME_MAX + 1, "%s", snapshot->name);
	return 0;
}

/* The name of the newest snapshot. @return COMMAND_DONE; or a status, and it has been printed */
static int newest(const struct diff *diff, struct kt_store *store, char name[KT_NAME_MAX + 1])
{
	int err;

	*name = '\0';
	err = kt_snapshot_list(store, copy_name, name);
	if (err != 0)
		return command_fail_errno(diff->path, "list", err);
	if (*name != '\0')
		return COMMAND_DONE;
	command_fail(diff->path, "diff", "the store has no snapshot to compare with");
	return COMMAND_NO;
}

static int diff_print(struct diff *diff, struct kt_store *store, const char *from, const char *to)
{
	int status = command_begin_in(diff->path, store, from, &diff->print.from);
	int err;

	if (status != COMMAND_DONE)
		return status;
	status = command_begin_in(diff->path, store, to, &diff->print.to);
	if (status == COMMAND_DONE) {
		err = kt_diff(diff->print.from, diff->print.to, print_changes_print, &diff->print);
		if (err != 0)
			status = command_fail_output(diff->path, "diff", err);
		kt_abort(diff->print.to);
	}
	kt_abort(diff->print.from);
	return status;
}

static int diff_store(struct diff *diff, const char *from, const char *to)
{
	char name[KT_NAME_MAX + 1];
	struct kt_store *store;
	int status = command_open(diff->path, KT_READONLY, &store);

	if (status != COMMAND_DONE)
		return status;
	if (from == NULL) {
		status = newest(diff, store, name);
		from = name;
	}
	if (status == COMMAND_DONE)
		status = diff_print(diff, store, from, to);
	return command_close(diff->path, store, status);
}

static int diff_run(const struct command *command, int argc, char **argv)
{
	struct diff diff = {0};
	char **operands;
	int count;

	if (print_changes_parse(command, argc, argv, &diff.print) != COMMAND_DONE)
		return COMMAND_USAGE;
	count = command_operands(command, argc, argv, 1, 3, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	for (int i = 1; i < count; i++)
		line_read_name(operands[i]);
	diff.path = operands[0];
	return diff_store(
		&diff, count > 1 ? operands[1] : NULL, count > 2 ? operands[2] : COMMAND_NOW);
}

const struct command cmd_diff = {
	.name = "diff",
	.operands = "STORE [FROM [TO]] [-0 | --json]",
	.summary = "list the keys that differ between two points in time",
	.help = "FROM and TO are names of snapshots, or \"now\". Default: from the newest snapshot "
		"to now.\n"
		"The time taken depends on the number of differences, not on the size of the "
		"store.\n"
		"Prints one line for each key:\n\n"
		"  + KEY        added: only TO has it\n"
		"  - KEY        removed: only FROM has it\n"
		"  ~ KEY        changed: value or attributes differ\n\n"
		"  -0, --null   print raw bytes of the keys, each line ended by a NUL\n"
		"  --json       print one object on a line: change, key, from_size, to_size, "
		"...\n\n"
		"Exit status 1: there is no such snapshot.\n",
	.run = diff_run,
};
