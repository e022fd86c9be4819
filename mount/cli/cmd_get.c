/* keytree get: write one value to standard output. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A value is read in pieces, so that a large one takes no memory. */
#define PIECE_SIZE ((size_t)256 * 1024)

static int write_value(const char *path, struct kt_txn *txn, const struct line_key *key)
{
	static char piece[PIECE_SIZE];
	uint64_t offset = 0;
	size_t size;
	int err;

	do {
		err = kt_read(txn, key->bytes, key->size, offset, piece, sizeof(piece), &size);
		if (err != 0)
			return err == -ENOENT ? COMMAND_NO : command_fail_errno(path, "read", err);
		if (fwrite(piece, 1, size, stdout) != size)
			return command_fail(path, "standard output", strerror(errno));
		offset += size;
	} while (size == sizeof(piece));
	return COMMAND_DONE;
}

static int get_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {{"snapshot", required_argument, NULL, 's'}, {0}};
	const char *snapshot = NULL;
	struct kt_store *store;
	struct kt_txn *txn;
	char **operands;
	struct line_key key;
	int option, status;

	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		snapshot = optarg;
	}
	if (command_operands(command, argc, argv, 2, 2, &operands) < 0)
		return COMMAND_USAGE;
	status = command_read_key(operands[0], operands[1], &key);
	if (status == COMMAND_DONE)
		status = command_begin_at(operands[0], snapshot, &store, &txn);
	if (status != COMMAND_DONE)
		return status;

	status = write_value(operands[0], txn, &key);
	if (status == COMMAND_NO)
		command_fail(operands[0], operands[1], "no such key");
	kt_abort(txn);
	return command_close(operands[0], store, status);
}

const struct command cmd_get = {
	.name = "get",
	.operands = "STORE KEY [--snapshot NAME]",
	.summary = "print a value",
	.help = "Writes the bytes of KEY's value, and nothing else, to standard output.\n\n"
		"  --snapshot NAME   the value that KEY had when the snapshot was taken\n\n"
		"Exit status 1: there is no such key, or no such snapshot.\n",
	.run = get_run,
};
