/* keytree put: write one value, from the command line, a file or standard input. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A source up to this size is read before the transaction begins, which it so does not hold up;
 * a larger one is written piece by piece. */
#define PIECE_SIZE ((size_t)1024 * 1024)

struct put {
	const char *path; /* of the store */
	struct line_key key;
	const char *source_name;
	int source; /* file descriptor of the value */
};

/* Read until the piece is full or the source ends. */
static int put_read_piece(int source, char *piece, size_t *ret_size)
{
	size_t size = 0;

	while (size < PIECE_SIZE) {
		ssize_t got = read(source, piece + size, PIECE_SIZE - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		size += (size_t)got;
	}
	*ret_size = size;
	return 0;
}

/* Write the rest of a source behind its first piece. */
static int write_rest(const struct put *put, struct kt_txn *txn, char *piece)
{
	uint64_t offset = PIECE_SIZE;
	size_t size;
	int err;

	do {
		err = put_read_piece(put->source, piece, &size);
		if (err != 0)
			return command_fail(put->source_name, "read", strerror(-err));
		err = kt_write(txn, put->key.bytes, put->key.size, offset, piece, size);
		if (err != 0)
			return command_fail_errno(put->path, "put", err);
		offset += size;
	} while (size == PIECE_SIZE);
	return COMMAND_DONE;
}

/* Commit a value whose first bytes are in memory.
 * @param more  the source has more of it */
static int commit_value(const struct put *put, char *piece, size_t size, bool more)
{
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(put->path, KT_WRITE, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_put(txn, put->key.bytes, put->key.size, piece, size);
	if (err != 0)
		status = command_fail_errno(put->path, "put", err);
	else if (more)
		status = write_rest(put, txn, piece);

	if (status != COMMAND_DONE)
		kt_abort(txn);
	else if ((err = kt_commit(txn, KT_FLUSH)) != 0)
		status = command_fail_errno(put->path, "commit", err);
	return command_close(put->path, store, status);
}

static int put_source(const struct put *put)
{
	char *piece = malloc(PIECE_SIZE);
	size_t size = 0;
	int err, status;

	if (piece == NULL)
		return command_fail_errno(put->path, "put", -ENOMEM);
	err = put_read_piece(put->source, piece, &size);
	if (err != 0)
		status = command_fail(put->source_name, "read", strerror(-err));
	else
		status = commit_value(put, piece, size, size == PIECE_SIZE);
	free(piece);
	return status;
}

static int put_file(struct put *put, const char *file)
{
	int status;

	put->source_name = file;
	put->source = open(file, O_RDONLY | O_CLOEXEC);
	if (put->source < 0)
		return command_fail(file, "open", strerror(errno));
	status = put_source(put);
	close(put->source);
	return status;
}

static int put_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {{"file", required_argument, NULL, 'f'}, {0}};
	struct put put = {.source_name = "standard input", .source = STDIN_FILENO};
	const char *file = NULL;
	char **operands;
	int option, count, status;

	while ((option = command_option(command, argc, argv, "f:", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		file = optarg;
	}
	count = command_operands(command, argc, argv, 2, 3, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	if (count == 3 && file != NULL)
		return command_usage(command, "VALUE and -f exclude each other");

	put.path = operands[0];
	status = command_read_key(operands[0], operands[1], &put.key);
	if (status != COMMAND_DONE)
		return status;
	if (count == 3)
		return commit_value(&put, operands[2], strlen(operands[2]), false);
	return file != NULL ? put_file(&put, file) : put_source(&put);
}

const struct command cmd_put = {
	.name = "put",
	.operands = "STORE KEY [VALUE | -f FILE]",
	.summary = "write a value",
	.help = "Makes VALUE, the bytes of FILE, or else those of standard input the value of KEY, "
		"in one\n"
		"transaction, which is on the disk when the command returns.\n\n"
		"  -f, --file FILE   read the value from FILE\n\n"
		"Write -- before a KEY or VALUE that begins with -: keytree put STORE -- KEY -5\n",
	.run = put_run,
};
