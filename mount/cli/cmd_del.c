/* keytree del: delete keys in one transaction. */
#include "mount/cli/command.h"
#include "mount/text/human.h"
#include "mount/text/line.h"
#include "mount/text/output.h"

#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

struct del {
	const char *path;   /* of the store */
	bool prefix;	    /* the operands are prefixes, not keys */
	bool dry_run;	    /* print the keys, and delete nothing */
	int64_t changed_ns; /* only keys that were changed before this time */
};

/* Delete the entry of a cursor, or say that it would be. */
static int del_at_cursor(const struct del *del, struct kt_cursor *cursor)
{
	struct kt_entry_info info;
	int err = kt_cursor_stat(cursor, &info);

	if (err || info.mtime_ns >= del->changed_ns)
		return err;
	return del->dry_run ? line_print_key(kt_cursor_key(cursor), '\n')
			    : kt_cursor_delete(cursor);
}

static int del_prefix(const struct del *del, struct kt_txn *txn, const struct line_key *prefix)
{
	struct kt_cursor *cursor;
	int err = kt_cursor_open(txn, &cursor);

	if (err)
		return err;
	kt_cursor_set_transient(cursor);
	err = kt_cursor_set_prefix(cursor, prefix->bytes, prefix->size);
	while (!err) {
		err = kt_cursor_next(cursor);
		if (!err)
			err = del_at_cursor(del, cursor);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

/* Delete a key if it is old enough. @return -ENOENT there is none */
static int del_key(const struct del *del, struct kt_txn *txn, const struct line_key *key)
{
	struct kt_entry_info info;
	int err = kt_stat(txn, key->bytes, key->size, &info);

	if (err || info.mtime_ns >= del->changed_ns)
		return err;
	return del->dry_run ? line_print_key((struct kt_slice){key->bytes, key->size}, '\n')
			    : kt_delete(txn, key->bytes, key->size, 0);
}

/* Delete what each operand names; a key that does not exist is named, and does not stop the others. */
static int del_operands(const struct del *del, struct kt_txn *txn, char **operands, int count)
{
	int status = COMMAND_DONE;

	for (int i = 0; i < count; i++) {
		struct line_key key;
		int err;

		if (command_read_key(del->path, operands[i], &key) != COMMAND_DONE)
			return COMMAND_FAILED;
		if (del->prefix && key.size == 0) /* perhaps of a variable that is not set */
			return command_fail(del->path, "delete",
				"every key begins with ''; delete the file of the store instead");
		err = (del->prefix ? del_prefix : del_key)(del, txn, &key);
		if (err == -ENOENT) {
			command_fail(del->path, operands[i], "no such key");
			status = COMMAND_NO;
		} else if (err) {
			return command_fail_output(del->path, "delete", err);
		}
	}
	return status;
}

static int del_store(const struct del *del, char **operands, int count)
{
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(del->path, del->dry_run ? KT_READ : KT_WRITE, &store, &txn);

	if (status != COMMAND_DONE)
		return status;
	status = del_operands(del, txn, operands, count);
	if (del->dry_run)
		kt_abort(txn);
	else
		status = command_end_write(del->path, txn, status);
	return command_close(del->path, store, status);
}

static int del_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"dry-run", no_argument, NULL, 'n'},
		{"older-than", required_argument, NULL, 'o'},
		{"prefix", no_argument, NULL, 'p'},
		{0},
	};
	struct del del = {.changed_ns = INT64_MAX};
	int64_t age_ns;
	char **operands;
	int option, count;

	while ((option = command_option(command, argc, argv, "n", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		del.prefix |= option == 'p';
		del.dry_run |= option == 'n';
		if (option == 'o' && !human_read_age(optarg, &age_ns))
			return command_usage(command,
				"'%s' is not an age such as 90s, 15m, 12h, 30d or 8w", optarg);
		if (option == 'o')
			del.changed_ns = human_now_ns() - age_ns;
	}
	count = command_operands(command, argc, argv, 2, -1, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	del.path = operands[0];
	return del_store(&del, operands + 1, count - 1);
}

const struct command cmd_del = {
	.name = "del",
	.operands = "STORE KEY... [--prefix] [--older-than AGE] [-n]",
	.summary = "delete keys",
	.help = "Deletes the keys in one transaction, which is on the disk when the command "
		"returns.\n"
		"A KEY that does not exist is reported; the others are deleted all the same, and "
		"the\n"
		"exit status is 1.\n\n"
		"  --prefix           delete all keys that begin with KEY; that there is none is "
		"no error\n"
		"  --older-than AGE   delete only what was last changed longer ago than AGE: a "
		"number and\n"
		"                     s, m, h, d or w, such as 30d\n"
		"  -n, --dry-run      print the keys that would be deleted, and delete nothing\n",
	.run = del_run,
};
