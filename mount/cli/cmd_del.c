/* keytree del: delete keys in one transaction. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>

/* Delete each key; one that does not exist is named, and does not stop the others. */
static int delete_keys(const char *path, struct kt_txn *txn, char **keys, int count)
{
	int status = COMMAND_DONE;

	for (int i = 0; i < count; i++) {
		struct line_key key;
		int err;

		if (command_read_key(path, keys[i], &key) != COMMAND_DONE)
			return COMMAND_FAILED;
		err = kt_delete(txn, key.bytes, key.size, 0);
		if (err == -ENOENT) {
			command_fail(path, keys[i], "no such key");
			status = COMMAND_NO;
		} else if (err != 0) {
			return command_fail_errno(path, "delete", err);
		}
	}
	return status;
}

static int del_run(const struct command *command, int argc, char **argv)
{
	struct kt_store *store;
	struct kt_txn *txn;
	char **operands;
	int count, status, err;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	count = command_operands(command, argc, argv, 2, -1, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	status = command_begin(operands[0], KT_WRITE, &store, &txn);
	if (status != COMMAND_DONE)
		return status;

	status = delete_keys(operands[0], txn, operands + 1, count - 1);
	if (status == COMMAND_FAILED)
		kt_abort(txn);
	else if ((err = kt_commit(txn, KT_FLUSH)) != 0)
		status = command_fail_errno(operands[0], "commit", err);
	return command_close(operands[0], store, status);
}

const struct command cmd_del = {
	.name = "del",
	.operands = "STORE KEY...",
	.summary = "delete keys",
	.help = "Deletes the keys in one transaction, which is on the disk when the command "
		"returns.\n"
		"A KEY that does not exist is reported; the others are deleted all the same, and "
		"the\n"
		"exit status is 1.\n",
	.run = del_run,
};
