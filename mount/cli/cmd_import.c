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

static int fail(const struct exchange_run *import, int err)
{
	const struct exchange *exchange = &import->exchange;
	const char *path = strcmp(exchange->path, "-") == 0 ? "standard input" : exchange->path;

	if (exchange->why[0] != '\0')
		return command_fail(path, "import", exchange->why);
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

static bool is_directory(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode);
}

static int step(void *arg, uint64_t done, uint64_t total)
{
	struct exchange *exchange = arg;

	(void)total;
	return progress_step(&exchange->progress, done);
}

static int apply(struct exchange_run *import)
{
	struct exchange *exchange = &import->exchange;
	int err;

	progress_init(&exchange->progress, file_size(exchange->fd), false);
	err = kt_apply(exchange->store, exchange->fd, import->replace ? KT_APPLY_REPLACE : 0, step,
		exchange);
	progress_fini(&exchange->progress);
	return err;
}

/* Nothing needs cleaning up when a signal ends the process: what is not committed never was. */
static int read_all(struct exchange_run *import)
{
	struct exchange *exchange = &import->exchange;
	struct kt_txn *txn;
	int err = kt_begin(exchange->store, KT_WRITE, &exchange->txn);

	if (err != 0)
		return err;
	progress_init(&exchange->progress, file_size(exchange->fd), false);
	err = import->format->read(exchange);
	progress_fini(&exchange->progress);
	txn = exchange->txn;
	if (!err)
		return kt_commit(txn, KT_FLUSH);
	kt_abort(txn);
	return err;
}

static int import_into(struct exchange_run *import)
{
	int status = command_open(import->store_path, 0, &import->exchange.store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = import->format != NULL ? read_all(import) : apply(import);
	if (err != 0)
		status = fail(import, err);
	return command_close(import->store_path, import->exchange.store, status);
}

static int import_file(struct exchange_run *import)
{
	struct exchange *exchange = &import->exchange;
	int status;

	exchange->fd = STDIN_FILENO;
	if (strcmp(exchange->path, "-") == 0)
		return import_into(import);
	exchange->fd = open(exchange->path, O_RDONLY | O_CLOEXEC);
	if (exchange->fd < 0)
		return command_fail(exchange->path, "open", strerror(errno));
	exchange->file = exchange->path;
	status = is_directory(exchange->fd) ? command_fail_errno(exchange->path, "import", -EISDIR)
					    : import_into(import);
	close(exchange->fd);
	return status;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct exchange_run import;
	int status = exchange_parse(command, argc, argv, EXCHANGE_IMPORT, &import);

	return status != COMMAND_DONE ? status : import_file(&import);
}

const struct command cmd_import = {
	.name = "import",
	.operands = "STORE SOURCE [-f F] [--batch N] [--replace] [--table T] [--key K] [--value V]",
	.summary = "put what a file of another format holds",
	.help = "Puts all that SOURCE holds into STORE, which must exist, over what is there, in "
		"one\n"
		"transaction. \"-\" is standard input. The format is that of SOURCE's ending, or "
		"F:\n\n"
		"  tar      .tar, .tar.gz, .tar.xz, .tar.zst: paths are those of a mount\n"
		"  jsonl    .jsonl: one JSON object on a line, with key and value, or key_base64 "
		"and\n"
		"           value_base64\n"
		"  sqlite   .sqlite, .db: columns K and V of table T; found if they are not "
		"named\n"
		"  increment  of keytree backup --since: brings the backup STORE to what it ends "
		"with\n\n"
		"A record that cannot be put is named, and nothing of SOURCE is kept then.\n"
		"  -f, --format F   read format F\n"
		"  --batch N        a transaction for every N records, which stay\n"
		"  --replace        an increment drops what STORE has changed since it begins\n",
	.run = run,
};
