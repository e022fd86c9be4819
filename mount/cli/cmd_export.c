/* keytree export: all of a store into a file of another format. */
#include "mount/cli/command.h"
#include "mount/cli/convert_run.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const struct exchange_run *export, const char *subject, int err)
{
	if (err == -EINTR)
		return command_fail(subject, "export", "interrupted");
	if (export->exchange.why[0] != '\0')
		return command_fail(subject, "export", export->exchange.why);
	return command_fail_errno(subject, "export", err);
}

/* Write to a file beside the one that is wanted, which takes its place when it is complete. */
static int write_file(struct exchange_run *export)
{
	struct exchange *exchange = &export->exchange;
	char *temporary;
	int err = 0;

	if (asprintf(&temporary, "%s.XXXXXX", exchange->path) < 0)
		return -ENOMEM;
	exchange->fd = mkostemp(temporary, O_CLOEXEC);
	exchange->file = temporary;
	if (exchange->fd < 0) {
		err = -errno;
		free(temporary);
		return err;
	}
	err = export->format->write(exchange);
	if (!err && fsync(exchange->fd) != 0)
		err = -errno;
	if (!err && rename(temporary, exchange->path) != 0)
		err = -errno;
	if (err != 0)
		unlink(temporary);
	close(exchange->fd);
	free(temporary);
	return err;
}

/* Signals are held back where a file that is not complete would stay. */
static int write_held(struct exchange_run *export, bool to_stdout)
{
	struct exchange *exchange = &export->exchange;
	struct kt_info info;
	int err = kt_info(exchange->store, &info);

	if (err != 0)
		return err;
	progress_init(&exchange->progress, info.key_bytes + info.value_bytes, !to_stdout);
	err = to_stdout ? export->format->write(exchange) : write_file(export);
	progress_fini(&exchange->progress);
	return err;
}

static int export_store(struct exchange_run *export)
{
	struct exchange *exchange = &export->exchange;
	bool to_stdout = strcmp(exchange->path, "-") == 0;
	int status = command_begin(export->store_path, KT_READ, &exchange->store, &exchange->txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	exchange->fd = STDOUT_FILENO;
	err = write_held(export, to_stdout);
	if (err != 0)
		status = fail(export, to_stdout ? "standard output" : exchange->path, err);
	kt_abort(exchange->txn);
	return command_close(export->store_path, exchange->store, status);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct exchange_run export;
	int status = exchange_parse(command, argc, argv, EXCHANGE_EXPORT, &export);

	return status != COMMAND_DONE ? status : export_store(&export);
}

const struct command cmd_export = {
	.name = "export",
	.operands = "STORE DEST [--format F] [--table T] [--key K] [--value V]",
	.summary = "write all of a store into a file of another format",
	.help = "Writes all keys as they are at one point in time. DEST appears when it is "
		"complete; \"-\"\n"
		"is standard output. The format is that of DEST's ending, or F:\n\n"
		"  tar      .tar, .tar.gz, .tar.xz, .tar.zst: the files that a mount would show\n"
		"  jsonl    .jsonl: one JSON object for each key, with everything but inode "
		"numbers\n"
		"  sqlite   .sqlite, .db: table T with columns K and V (default: kv, key, "
		"value)\n\n"
		"  -f, --format F   write format F\n",
	.run = run,
};
