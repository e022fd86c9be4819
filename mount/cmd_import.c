/* keytree import: put what is in a file of another format. */
#include "command.h"
#include "exchange.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct import {
	const struct format *format;
	struct exchange exchange;
	const char *store_path;
};

static int fail(const struct import *import, int err)
{
	const struct exchange *exchange = &import->exchange;
	const char *path = strcmp(exchange->path, "-") == 0 ? "standard input" : exchange->path;

	if (exchange->why[0] != '\0')
		return command_fail(path, "import", exchange->why);
	if (err == -EILSEQ || err == -EISDIR)
		return command_fail_errno(path, "import", err);
	return command_fail_errno(import->store_path, "import", err);
}

static uint64_t file_size(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) ? (uint64_t)stat.st_size : 0;
}

/* Nothing needs cleaning up when a signal ends the process: what is not committed never was. */
static int read_all(struct import *import)
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
	if (err == 0)
		return kt_commit(txn, KT_FLUSH);
	kt_abort(txn);
	return err;
}

static int import_into(struct import *import)
{
	int status = command_open(import->store_path, 0, &import->exchange.store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = read_all(import);
	if (err != 0)
		status = fail(import, err);
	return command_close(import->store_path, import->exchange.store, status);
}

static int import_file(struct import *import)
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
	status = import_into(import);
	close(exchange->fd);
	return status;
}

/* @return false if its value is wrong */
static bool take_option(struct exchange *exchange, int option)
{
	if (option == 't')
		exchange->table = optarg;
	else if (option == 'k')
		exchange->key_column = optarg;
	else if (option == 'v')
		exchange->value_column = optarg;
	else if (option == 'b')
		return command_number(optarg, &exchange->batch) && exchange->batch > 0;
	return true;
}

static int run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"format", required_argument, NULL, 'f'},
		{"batch", required_argument, NULL, 'b'},
		{"table", required_argument, NULL, 't'},
		{"key", required_argument, NULL, 'k'},
		{"value", required_argument, NULL, 'v'},
		{0},
	};
	struct import import = {0};
	const char *name = NULL;
	char **operands;
	int option;

	while ((option = command_option(command, argc, argv, "f:", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (option == 'f')
			name = optarg;
		if (!take_option(&import.exchange, option))
			return command_usage(command, "'%s' is not a number of records", optarg);
	}
	if (command_operands(command, argc, argv, 2, 2, &operands) < 0)
		return COMMAND_USAGE;
	import.store_path = operands[0];
	import.exchange.path = operands[1];
	import.format = exchange_format(name, operands[1]);
	if (import.format == NULL)
		return command_usage(
			command, "which format is '%s'?", name != NULL ? name : operands[1]);
	if (!import.format->streams && strcmp(operands[1], "-") == 0)
		return command_usage(command, "%s cannot be read from a pipe", import.format->name);
	return import_file(&import);
}

const struct command cmd_import = {
	.name = "import",
	.operands = "STORE SOURCE [--format F] [--batch N] [--table T] [--key K] [--value V]",
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
		"named\n\n"
		"A record that cannot be put is named, and nothing of SOURCE is kept then.\n"
		"  --batch N   a transaction for every N records, which stay\n",
	.run = run,
};
