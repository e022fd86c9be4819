/* keytree import: put what is in a file of another format, or in an increment. */
#include "mount/cli/command.h"
#include "mount/cli/convert_run.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int import_fail(const struct convert_run *import, int err)
{
	const struct convert *convert = &import->convert;
	const char *path = strcmp(convert->path, "-") == 0 ? "standard input" : convert->path;

	if (convert->why[0] != '\0')
		return command_fail(path, "import", convert->why);
	if (err == -EILSEQ || (import->format == NULL && err == -EBADMSG))
		return command_fail_errno(path, "import", err);
	return command_fail_errno(import->store_path, "import", err);
}

/* @return its size; 0 if it is no regular file */
static uint64_t file_size(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) ? (uint64_t)stat.st_size : 0;
}

static bool import_is_directory(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode);
}

static int import_step(void *arg, uint64_t done, uint64_t total)
{
	struct convert *convert = arg;

	(void)total;
	return progress_step(&convert->progress, done);
}

static int import_increment(struct convert_run *import)
{
	struct convert *convert = &import->convert;
	int err;

	progress_init(&convert->progress, file_size(convert->fd), false);
	err = kt_apply(convert->store, convert->fd, import->replace ? KT_APPLY_REPLACE : 0,
		import_step, convert);
	progress_fini(&convert->progress);
	return err;
}

/* Nothing needs cleaning up when a signal ends the process: what is not committed never was. */
static int read_all(struct convert_run *import)
{
	struct convert *convert = &import->convert;
	struct kt_txn *txn;
	int err = kt_begin(convert->store, KT_WRITE, &convert->txn);

	if (err != 0)
		return err;
	progress_init(&convert->progress, file_size(convert->fd), false);
	err = import->format->read(convert);
	progress_fini(&convert->progress);
	txn = convert->txn;
	if (!err)
		return kt_commit(txn, KT_FLUSH);
	kt_abort(txn);
	return err;
}

static int import_into(struct convert_run *import)
{
	int status = command_open(import->store_path, 0, &import->convert.store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = import->format != NULL ? read_all(import) : import_increment(import);
	if (err != 0)
		status = import_fail(import, err);
	return command_close(import->store_path, import->convert.store, status);
}

static int import_file(struct convert_run *import)
{
	struct convert *convert = &import->convert;
	int status;

	convert->fd = STDIN_FILENO;
	if (strcmp(convert->path, "-") == 0)
		return import_into(import);
	convert->fd = open(convert->path, O_RDONLY | O_CLOEXEC);
	if (convert->fd < 0)
		return command_fail(convert->path, "open", strerror(errno));
	convert->file = convert->path;
	status = import_is_directory(convert->fd)
			 ? command_fail_errno(convert->path, "import", -EISDIR)
			 : import_into(import);
	close(convert->fd);
	return status;
}

static int import_run(const struct command *command, int argc, char **argv)
{
	struct convert_run import;
	int status = convert_run_parse(command, argc, argv, CONVERT_IMPORT, &import);

	return status != COMMAND_DONE ? status : import_file(&import);
}

const struct command cmd_import = {
	.name = "import",
	.operands = "STORE SOURCE [-f F] [--batch N] [--replace] [--table T] [--key K] [--value V]",
	.summary = "read a file of another format into a store",
	.help = "Puts all records of the file SOURCE into the existing STORE, in one transaction; "
		"keys\n"
		"that exist are replaced. \"-\" is standard input. The ending of SOURCE tells the "
		"format,\n"
		"unless -f does:\n\n"
		"  tar      .tar, .tar.gz, .tar.xz, .tar.zst: paths are those of a mount\n"
		"  jsonl    .jsonl: one JSON object on a line, with key and value, or key_base64 "
		"and\n"
		"           value_base64\n"
		"  sqlite   .sqlite, .db: columns K and V of table T; guessed if not given\n"
		"  increment  written by keytree backup --since: updates the backup STORE\n\n"
		"If a record cannot be put, the command names it, fails, and changes nothing.\n\n"
		"  -f, --format F   read format F\n"
		"  --batch N        commit every N records; committed ones stay if a later one "
		"fails\n"
		"  --replace        discard changes made in STORE since the increment's base\n",
	.run = import_run,
};
