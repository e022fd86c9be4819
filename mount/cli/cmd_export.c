/* keytree export: all of a store into a file of another format. */
#include "mount/cli/command.h"
#include "mount/cli/convert_run.h"
#include "mount/system/target.h"

#include "keytree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int export_fail(const struct convert_run *export, const char *subject, int err)
{
	if (err == -EINTR)
		return command_fail(subject, "export", "interrupted");
	if (export->convert.why[0] != '\0')
		return command_fail(subject, "export", export->convert.why);
	return command_fail_errno(subject, "export", err);
}

static int export_write_file(struct convert_run *export)
{
	struct convert *convert = &export->convert;
	struct target target;
	int err = target_open(convert->path, &target);

	if (err)
		return err;
	convert->fd = target.fd;
	convert->file = target.temporary != NULL ? target.temporary : target.path;
	err = export->format->write(convert);
	if (err)
		target_discard(&target);
	else
		err = target_commit(&target);
	return err;
}

/* Signals are held back where a file that is not complete would stay. */
static int write_held(struct convert_run *export, bool to_stdout)
{
	struct convert *convert = &export->convert;
	struct kt_store_info info;
	int err = kt_info(convert->store, &info);

	if (err != 0)
		return err;
	progress_init(&convert->progress, info.key_bytes + info.value_bytes, !to_stdout);
	err = to_stdout ? export->format->write(convert) : export_write_file(export);
	progress_fini(&convert->progress);
	return err;
}

static int export_store(struct convert_run *export)
{
	struct convert *convert = &export->convert;
	bool to_stdout = strcmp(convert->path, "-") == 0;
	int status = command_begin(export->store_path, KT_READ, &convert->store, &convert->txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	convert->fd = STDOUT_FILENO;
	err = write_held(export, to_stdout);
	if (err != 0)
		status = export_fail(export, to_stdout ? "standard output" : convert->path, err);
	if (!err && convert->left_out > 0)
		fprintf(stderr,
			"keytree: %s: export: %" PRIu64
			" %s left out, which tar cannot hold: %s%s\n",
			convert->path, convert->left_out,
			convert->left_out == 1 ? "socket" : "sockets", convert->left_out_path,
			convert->left_out == 1 ? "" : " ...");
	kt_abort(convert->txn);
	return command_close(export->store_path, convert->store, status);
}

static int export_run(const struct command *command, int argc, char **argv)
{
	struct convert_run export;
	int status = convert_run_parse(command, argc, argv, CONVERT_EXPORT, &export);

	return status != COMMAND_DONE ? status : export_store(&export);
}

const struct command cmd_export = {
	.name = "export",
	.operands = "STORE DEST [--format F] [--table T] [--key K] [--value V]",
	.summary = "write a store to a file of another format",
	.help = "Writes all keys, as they are at one point in time, to the file DEST; \"-\" is "
		"standard\n"
		"output. DEST appears when it is complete. The ending of DEST tells the format, "
		"unless\n"
		"-f does:\n\n"
		"  tar      .tar, .tar.gz, .tar.xz, .tar.zst: the files that a mount would show\n"
		"  jsonl    .jsonl: one JSON object for each key, with all attributes but inode "
		"numbers\n"
		"  sqlite   .sqlite, .db: table T with columns K and V (default: kv, key, "
		"value)\n\n"
		"  -f, --format F   write format F\n",
	.run = export_run,
};
