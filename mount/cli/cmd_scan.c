/* keytree scan: list keys in order, one on a line. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum scan_format {
	SCAN_LINES,
	SCAN_NUL,  /* raw bytes, each key ended by a NUL */
	SCAN_JSON, /* one object on a line, with the value */
};

/* A key that bounds the scan. */
struct bound {
	const char *text; /* as typed; NULL: not given */
	struct line_key key;
};

struct scan {
	struct bound prefix, from, to;
	const char *snapshot; /* NULL: the present */
	uint64_t limit;
	enum scan_format format;
};

/* Longest value that is printed, bytes: of a larger one the line has the size instead. It could be a
 * hole of terabytes. */
#define SCAN_VALUE_MAX (INT64_C(256) << 20)

static int scan_print_json(struct kt_cursor *cursor)
{
	json_t *object;
	struct kt_slice value;
	struct kt_entry_info stat;
	bool large;
	int err;

	err = kt_cursor_stat(cursor, &stat);
	large = !err && stat.size > SCAN_VALUE_MAX;
	if (!err && !large)
		err = kt_cursor_value(cursor, &value);
	if (err != 0)
		return err;
	object = json_object();
	err = line_json_bytes(object, "key", kt_cursor_key(cursor));
	if (!err)
		err = line_json_number(object, "mtime_ns", stat.mtime_ns);
	if (!err)
		err = line_json_number(object, "version", (int64_t)stat.version);
	if (!err && !large)
		err = line_json_bytes(object, "value", value);
	if (!err && large)
		err = line_json_number(object, "size", (int64_t)stat.size);
	return line_json_print(err, object);
}

static int scan_print_entry(enum scan_format format, struct kt_cursor *cursor)
{
	if (format == SCAN_JSON)
		return scan_print_json(cursor);
	return line_print_key(kt_cursor_key(cursor), format == SCAN_NUL ? '\0' : '\n');
}

static int confine(struct kt_cursor *cursor, const struct scan *scan)
{
	const struct line_key *from = &scan->from.key, *to = &scan->to.key;

	if (scan->prefix.text != NULL)
		return kt_cursor_set_prefix(cursor, scan->prefix.key.bytes, scan->prefix.key.size);
	return kt_cursor_set_range(cursor, scan->from.text != NULL ? from->bytes : NULL, from->size,
		scan->to.text != NULL ? to->bytes : NULL, to->size);
}

static int print_all(struct kt_cursor *cursor, const struct scan *scan)
{
	int err = confine(cursor, scan);

	for (uint64_t count = 0; !err && count < scan->limit; count++) {
		err = kt_cursor_next(cursor);
		if (!err)
			err = scan_print_entry(scan->format, cursor);
	}
	return err == -ENOENT ? 0 : err;
}

static int scan_store(const char *path, const struct scan *scan)
{
	struct kt_store *store;
	struct kt_txn *txn;
	struct kt_cursor *cursor = NULL;
	int status = command_begin_at(path, scan->snapshot, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_cursor_open(txn, &cursor);
	if (!err) {
		kt_cursor_set_transient(cursor);
		err = print_all(cursor, scan);
	}
	if (err != 0)
		status = command_fail_output(path, "scan", err);
	kt_cursor_close(cursor);
	kt_abort(txn);
	return command_close(path, store, status);
}

/* Take one option. @return false if its value is wrong */
static bool scan_take_option(struct scan *scan, int option)
{
	switch (option) {
	case 'p':
		scan->prefix.text = optarg;
		return true;
	case 'f':
		scan->from.text = optarg;
		return true;
	case 't':
		scan->to.text = optarg;
		return true;
	case 's':
		scan->snapshot = optarg;
		return true;
	case 'n':
		return command_number(optarg, &scan->limit);
	case '0':
		scan->format = SCAN_NUL;
		return true;
	default:
		scan->format = SCAN_JSON;
		return true;
	}
}

/* @return false after a failure, which has been printed */
static bool read_bound(const char *path, struct bound *bound)
{
	return bound->text == NULL ||
	       command_read_key(path, bound->text, &bound->key) == COMMAND_DONE;
}

static int scan_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"prefix", required_argument, NULL, 'p'},
		{"from", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},
		{"limit", required_argument, NULL, 'n'},
		{"snapshot", required_argument, NULL, 's'},
		{"null", no_argument, NULL, '0'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	struct scan scan = {.limit = UINT64_MAX};
	char **operands;
	int option, count;

	while ((option = command_option(command, argc, argv, "0", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (!scan_take_option(&scan, option))
			return command_usage(command, "'%s' is not a number", optarg);
	}
	count = command_operands(command, argc, argv, 1, 2, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	if (count == 2 && scan.prefix.text != NULL)
		return command_usage(command, "PREFIX and --prefix exclude each other");
	if (count == 2)
		scan.prefix.text = operands[1];
	if (scan.prefix.text != NULL && (scan.from.text != NULL || scan.to.text != NULL))
		return command_usage(command, "a prefix excludes --from and --to");
	if (!read_bound(operands[0], &scan.prefix) || !read_bound(operands[0], &scan.from) ||
		!read_bound(operands[0], &scan.to))
		return COMMAND_FAILED;
	return scan_store(operands[0], &scan);
}

const struct command cmd_scan = {
	.name = "scan",
	.operands = "STORE [PREFIX | --from A --to B] [--limit N] [--snapshot NAME] [-0 | --json]",
	.summary = "list keys in order",
	.help = "Lists the keys, or those that begin with PREFIX, in the order of their bytes, one "
		"on a\n"
		"line. Control bytes in them are printed as %XX.\n\n"
		"  --prefix P   the same as PREFIX\n"
		"  --from A     only keys from A on\n"
		"  --to B       only keys before B\n"
		"  --limit N    at most N keys\n"
		"  --snapshot NAME   the keys that were there when the snapshot was taken\n"
		"  -0, --null   print raw bytes, each key ended by a NUL\n"
		"  --json       print one object on a line: key, mtime_ns, version, value; "
		"key_base64 and\n"
		"               value_base64 for bytes that are not UTF-8\n",
	.run = scan_run,
};
