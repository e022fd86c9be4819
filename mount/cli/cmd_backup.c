/* keytree backup: a copy of a store at one point in time, while it is in use; or what changed since
 * another one. */
#include "mount/cli/command.h"
#include "mount/text/line.h"
#include "mount/system/target.h"
#include "mount/text/progress.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct backup {
	const char *path, *dest;
	const char *snapshot; /* NULL: the present */
	const char *since;    /* NULL: all of it */
	unsigned flags;
	struct progress progress;
};

static int backup_step(void *arg, uint64_t done, uint64_t total)
{
	struct backup *backup = arg;

	backup->progress.total = total;
	return progress_step(&backup->progress, done);
}

static int backup_write_fd(struct backup *backup, struct kt_txn *txn, struct kt_txn *since, int fd)
{
	return since == NULL ? kt_backup_fd(txn, fd, backup_step, backup)
			     : kt_backup_since_fd(txn, since, fd, backup_step, backup);
}

/* A device or a pipe is written to as it is. */
static int backup_write_special(
	struct backup *backup, struct kt_txn *txn, struct kt_txn *since, const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int err = fd < 0 ? -errno : backup_write_fd(backup, txn, since, fd);

	if (fd >= 0 && close(fd) != 0 && !err)
		err = -errno;
	return err;
}

static int backup_write_file(struct backup *backup, struct kt_txn *txn, struct kt_txn *since)
{
	bool special;
	char *path;
	int err = target_resolve(backup->dest, &path, &special);

	if (err)
		return err;
	if (special)
		err = backup_write_special(backup, txn, since, path);
	else if (since == NULL)
		err = kt_backup(txn, path, backup->flags, backup_step, backup);
	else
		err = kt_backup_since(txn, since, path, backup->flags, backup_step, backup);
	free(path);
	return err;
}

/* Signals are held back where a file that is not complete would stay. */
static int copy(struct backup *backup, struct kt_txn *txn, struct kt_txn *since)
{
	bool to_stdout = strcmp(backup->dest, "-") == 0;
	int err;

	progress_init(&backup->progress, 0, !to_stdout);
	err = to_stdout ? backup_write_fd(backup, txn, since, STDOUT_FILENO)
			: backup_write_file(backup, txn, since);
	progress_fini(&backup->progress);
	if (!err)
		return COMMAND_DONE;
	if (to_stdout)
		return command_fail_errno("standard output", "backup", err);
	return err == -EINTR ? command_fail(backup->dest, "backup", "interrupted")
			     : command_fail_errno(backup->dest, "backup", err);
}

/* Begin to read a snapshot, or the present. */
static int backup_begin(
	struct backup *backup, struct kt_store *store, const char *name, struct kt_txn **ret_txn)
{
	int err = name != NULL ? kt_snapshot_open(store, name, ret_txn)
			       : kt_begin(store, KT_READ, ret_txn);

	if (!err)
		return COMMAND_DONE;
	if (err != -ENOENT)
		return command_fail_errno(backup->path, "begin", err);
	command_fail(backup->path, name, "no such snapshot");
	return COMMAND_NO;
}

static int back_up(struct backup *backup)
{
	struct kt_txn *txn = NULL, *since = NULL;
	struct kt_store *store;
	int status = command_open(backup->path, KT_READONLY, &store);

	if (status != COMMAND_DONE)
		return status;
	if (backup->since != NULL)
		status = backup_begin(backup, store, backup->since, &since);
	if (status == COMMAND_DONE)
		status = backup_begin(backup, store, backup->snapshot, &txn);
	if (status == COMMAND_DONE && since != NULL && kt_txn_id(since) > kt_txn_id(txn))
		status = command_fail(backup->path, backup->since,
			"this snapshot is newer than the state to copy; --since needs an older "
			"one");
	if (status == COMMAND_DONE)
		status = copy(backup, txn, since);
	kt_abort(txn);
	kt_abort(since);
	return command_close(backup->path, store, status);
}

static int backup_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"replace", no_argument, NULL, 'r'},
		{"snapshot", required_argument, NULL, 's'},
		{"since", required_argument, NULL, 'i'},
		{0},
	};
	struct backup backup = {0};
	char **operands;
	int option;

	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (option == 'r') {
			backup.flags |= KT_BACKUP_REPLACE;
			continue;
		}
		line_read_name(optarg);
		*(option == 's' ? &backup.snapshot : &backup.since) = optarg;
	}
	if (command_operands(command, argc, argv, 2, 2, &operands) < 0)
		return COMMAND_USAGE;
	backup.path = operands[0];
	backup.dest = operands[1];
	return back_up(&backup);
}

const struct command cmd_backup = {
	.name = "backup",
	.operands = "STORE DEST [--replace] [--snapshot NAME] [--since NAME]",
	.summary = "copy a store while it is in use",
	.help = "Copies STORE, as it is at one point in time and with its snapshots, to the new "
		"file\n"
		"DEST; \"-\" is standard output. DEST appears when the copy is complete and on the "
		"disk.\n"
		"Every page is verified while it is copied.\n\n"
		"  --replace         replace an existing DEST when the copy is complete\n"
		"  --snapshot NAME   copy snapshot NAME instead of the current state; no snapshots "
		"are\n"
		"                    included\n"
		"  --since NAME      write only the changes since snapshot NAME; apply them to an "
		"older\n"
		"                    backup with keytree import\n",
	.run = backup_run,
};
