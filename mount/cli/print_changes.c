/* Keys that differ, on lines. See print_changes.h. */
#include "mount/cli/print_changes.h"
#include "mount/cli/command.h"
#include "mount/text/line.h"
#include "mount/text/output.h"
#include "mount/text/human.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int print_changes_parse(
	const struct command *command, int argc, char **argv, struct print_changes *print)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"null", no_argument, NULL, '0'},
		{0},
	};
	int option;

	print->line_end = '\n';
	while ((option = command_option(command, argc, argv, "0", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		if (option == 'j')
			print->json = true;
		else
			print->line_end = '\0';
	}
	return COMMAND_DONE;
}

/* ---- what differs ---- */

#define PIECE_SIZE ((size_t)64 * 1024)

static int print_changes_read(struct kt_txn *txn, const struct kt_slice *key, uint64_t offset,
	char *buf, size_t *ret_size)
{
	return kt_read(txn, key->data, key->size, offset, buf, PIECE_SIZE, ret_size);
}

static int compare_values(
	const struct print_changes *print, const struct kt_slice *key, bool *ret_same)
{
	char *buf = malloc(2 * PIECE_SIZE);
	size_t size = PIECE_SIZE, size_to;
	uint64_t offset = 0;
	int err = buf != NULL ? 0 : -ENOMEM;

	*ret_same = true;
	while (!err && *ret_same && size == PIECE_SIZE) {
		err = print_changes_read(print->from, key, offset, buf, &size);
		if (!err)
			err = print_changes_read(
				print->to, key, offset, buf + PIECE_SIZE, &size_to);
		if (!err)
			*ret_same = size == size_to && memcmp(buf, buf + PIECE_SIZE, size) == 0;
		offset += size;
	}
	free(buf);
	return err;
}

/* Was an entry written anew, and is as it was? So it is after going back to a snapshot. */
static int is_same(const struct print_changes *print, const struct kt_slice *key,
	const struct kt_entry_info *from, const struct kt_entry_info *to, bool *ret_same)
{
	*ret_same = false;
	if (from == NULL || to == NULL || from->size != to->size || from->mtime_ns != to->mtime_ns)
		return 0;
	if (from->attr.size != to->attr.size ||
		(to->attr.size > 0 && memcmp(from->attr.data, to->attr.data, to->attr.size) != 0))
		return 0;
	return compare_values(print, key, ret_same);
}

/* ---- output ---- */

static int add_stat(json_t *object, const char *prefix, const struct kt_entry_info *stat)
{
	char name[32];
	int err;

	if (stat == NULL)
		return 0;
	snprintf(name, sizeof(name), "%s_size", prefix);
	err = line_json_number(object, name, (int64_t)stat->size);
	snprintf(name, sizeof(name), "%s_mtime_ns", prefix);
	if (!err)
		err = line_json_number(object, name, stat->mtime_ns);
	snprintf(name, sizeof(name), "%s_version", prefix);
	return err != 0 ? err : line_json_number(object, name, (int64_t)stat->version);
}

static int print_changes_json(const char *sign, const struct kt_slice *key,
	const struct kt_entry_info *from, const struct kt_entry_info *to)
{
	json_t *object = json_object();
	int err = line_json_bytes(object, "change", (struct kt_slice){sign, 1});

	if (!err)
		err = line_json_bytes(object, "key", *key);
	if (!err)
		err = add_stat(object, "from", from);
	if (!err)
		err = add_stat(object, "to", to);
	return line_json_print(err, object);
}

int print_changes_print(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	const struct print_changes *print = arg;
	const char *sign = from == NULL ? "+" : to == NULL ? "-" : "~";
	enum human_style style;
	bool same;
	int err = is_same(print, key, from, to, &same);

	if (err != 0 || same)
		return err;
	if (print->json)
		return print_changes_json(sign, key, from, to);
	style = from == NULL ? HUMAN_GREEN : to == NULL ? HUMAN_RED : HUMAN_YELLOW;
	err = output_wrote(
		printf("%s%s%s ", human_style_begin(style), sign, human_style_end(style)) > 0);
	return err != 0 ? err : line_print_key(*key, print->line_end);
}
