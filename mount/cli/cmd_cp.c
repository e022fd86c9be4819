/* keytree cp and keytree mv: copy or move a key, within a store or to another one. */
#include "mount/cli/command.h"
#include "mount/cli/copy_entry.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* One use of either command. */
struct copy {
	const char *from_path, *to_path; /* of the stores; the same, or two */
	const char *from_text, *to_text; /* the keys as typed */
	struct line_key from, to;
	bool move, replace;
};

/* The target must not be there, unless it is to be replaced. */
static int copy_check_target(const struct copy *copy, struct kt_txn *to)
{
	bool taken = false;
	int err = kt_contains(to, copy->to.bytes, copy->to.size, &taken);

	if (err)
		return command_fail_errno(copy->to_path, copy->to_text, err);
	if (taken && !copy->replace)
		return command_fail(copy->to_path, copy->to_text, "the key exists; use --replace");
	return COMMAND_DONE;
}

/* @param err  of a call on one of the stores */
static int copy_fail(const struct copy *copy, int err)
{
	if (err != -ENOENT)
		return command_fail_errno(copy->to_path, copy->move ? "move" : "copy", err);
	command_fail(copy->from_path, copy->from_text, "no such key");
	return COMMAND_NO;
}

/* The source must be there, whatever is to become of the target. */
static int copy_check_source(const struct copy *copy, struct kt_txn *from)
{
	bool found = false;
	int err = kt_contains(from, copy->from.bytes, copy->from.size, &found);

	return err || !found ? copy_fail(copy, err ? err : -ENOENT) : COMMAND_DONE;
}

static int copy_within(const struct copy *copy)
{
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(copy->from_path, KT_WRITE, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	if (copy->from.size == copy->to.size &&
		memcmp(copy->from.bytes, copy->to.bytes, copy->to.size) == 0)
		status = command_fail(copy->to_path, copy->to_text, "the same key");
	if (status == COMMAND_DONE)
		status = copy_check_source(copy, txn);
	if (status == COMMAND_DONE)
		status = copy_check_target(copy, txn);
	if (status == COMMAND_DONE) {
		err = copy->move ? kt_move(txn, copy->from.bytes, copy->from.size, txn,
					   copy->to.bytes, copy->to.size)
				 : copy_entry(txn, &copy->from, txn, &copy->to);
		if (err)
			status = copy_fail(copy, err);
	}
	status = command_end_write(copy->from_path, txn, status);
	return command_close(copy->from_path, store, status);
}

/* Copy from a read transaction into another store.
 * @param ret_version  of the entry that was copied */
static int copy_across(const struct copy *copy, struct kt_txn *from, uint64_t *ret_version)
{
	struct kt_entry_info info = {.version = 0};
	struct kt_store *store;
	struct kt_txn *to;
	int status, err = kt_stat(from, copy->from.bytes, copy->from.size, &info);

	if (err)
		return copy_fail(copy, err);
	*ret_version = info.version;
	status = command_begin(copy->to_path, KT_WRITE, &store, &to);
	if (status != COMMAND_DONE)
		return status;
	status = copy_check_target(copy, to);
	if (status == COMMAND_DONE) {
		err = copy_entry(from, &copy->from, to, &copy->to);
		if (err)
			status = copy_fail(copy, err);
	}
	status = command_end_write(copy->to_path, to, status);
	return command_close(copy->to_path, store, status);
}

/* The copy is on the disk: delete the source, if it is still what was copied. No two stores are
 * locked for writing at a time, so two moves cannot wait for each other. */
static int copy_delete_source(const struct copy *copy, uint64_t version)
{
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(copy->from_path, KT_WRITE, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_delete_if(txn, copy->from.bytes, copy->from.size, version);
	if (err == -ESTALE)
		status = command_fail(copy->from_path, copy->from_text,
			"copied, and changed meanwhile by another process: it stays");
	else if (err)
		status = command_fail_errno(copy->from_path, copy->from_text, err);
	status = command_end_write(copy->from_path, txn, status);
	return command_close(copy->from_path, store, status);
}

/* Copy, or move, to another store. */
static int copy_between(const struct copy *copy)
{
	uint64_t version = 0;
	struct kt_store *store;
	struct kt_txn *from;
	int status = command_begin(copy->from_path, KT_READ, &store, &from);

	if (status != COMMAND_DONE)
		return status;
	status = copy_across(copy, from, &version);
	kt_abort(from);
	status = command_close(copy->from_path, store, status);
	return status == COMMAND_DONE && copy->move ? copy_delete_source(copy, version) : status;
}

/* Are both names those of one file? Then one transaction does it: two would wait for each other. */
static bool copy_is_within(const struct copy *copy)
{
	struct stat from, to;

	return copy->from_path == copy->to_path ||
	       (stat(copy->from_path, &from) == 0 && stat(copy->to_path, &to) == 0 &&
		       from.st_dev == to.st_dev && from.st_ino == to.st_ino);
}

static int copy_keys(struct copy *copy)
{
	if (command_read_key(copy->from_path, copy->from_text, &copy->from) != COMMAND_DONE ||
		command_read_key(copy->to_path, copy->to_text, &copy->to) != COMMAND_DONE)
		return COMMAND_FAILED;
	return copy_is_within(copy) ? copy_within(copy) : copy_between(copy);
}

static int copy_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {{"replace", no_argument, NULL, 'r'}, {0}};
	static struct copy copy;
	char **operands;
	int option, count;

	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		copy.replace = true;
	}
	count = command_operands(command, argc, argv, 3, 4, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	copy.move = command == &cmd_mv;
	copy.from_path = operands[0];
	copy.from_text = operands[1];
	copy.to_path = count == 4 ? operands[2] : operands[0];
	copy.to_text = operands[count - 1];
	return copy_keys(&copy);
}

const struct command cmd_cp = {
	.name = "cp",
	.operands = "STORE KEY [STORE2] NEWKEY [--replace]",
	.summary = "copy a key",
	.help = "Copies KEY, with its value, attributes and time, to NEWKEY in the same store or "
		"in "
		"STORE2.\n\n"
		"  --replace   replace an existing NEWKEY\n\n"
		"Exit status 1: there is no such KEY.\n",
	.run = copy_run,
};

const struct command cmd_mv = {
	.name = "mv",
	.operands = "STORE KEY [STORE2] NEWKEY [--replace]",
	.summary = "rename a key",
	.help = "Gives the entry of KEY the key NEWKEY; no value is copied. With STORE2, copies it "
		"there,\n"
		"and deletes KEY when the copy is on the disk.\n\n"
		"  --replace   replace an existing NEWKEY\n\n"
		"Exit status 1: there is no such KEY.\n",
	.run = copy_run,
};
