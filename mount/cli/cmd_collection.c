/* keytree collection: list and make collections, which are directories that stay when empty. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct output {
	bool json, nul;
};

static int collection_print_name(void *arg, const struct kt_slice *name)
{
	const struct output *output = arg;

	if (output->json) {
		json_t *object = json_object();

		return line_json_print(line_json_bytes(object, "name", *name), object);
	}
	return line_print_key(*name, output->nul ? '\0' : '\n');
}

static int collection_list(const char *path, struct output *output)
{
	struct kt_store *store;
	struct kt_txn *txn;
	int status = command_begin(path, KT_READ, &store, &txn);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_collection_list(txn, collection_print_name, output);
	if (err != 0)
		status = command_fail_output(path, "list", err);
	kt_abort(txn);
	return command_close(path, store, status);
}

static int collection_create(const char *path, const char *name)
{
	struct kt_collection *collection;
	struct line_key key;
	struct kt_store *store;
	int status = command_read_key(path, name, &key);
	int err;

	if (status == COMMAND_DONE)
		status = command_open(path, 0, &store);
	if (status != COMMAND_DONE)
		return status;
	err = kt_collection_open(store, key.bytes, key.size, KT_CREATE | KT_EXCLUSIVE, &collection);
	if (!err) {
		kt_collection_close(collection);
		err = kt_flush(store);
	}
	if (err == -EEXIST)
		status = command_fail(path, name, "a collection of this name exists");
	else if (err == -EINVAL)
		status = command_fail(
			path, name, "the name of a collection must not be empty or contain '/'");
	else if (err != 0)
		status = command_fail_errno(path, name, err);
	return command_close(path, store, status);
}

static int collection_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"null", no_argument, NULL, '0'},
		{0},
	};
	struct output output = {0};
	char **operands;
	int option, count;
	bool is_list;

	while ((option = command_option(command, argc, argv, "0", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		output.json |= option == 'j';
		output.nul |= option == '0';
	}
	count = command_operands(command, argc, argv, 2, 3, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	is_list = strcmp(operands[0], "list") == 0;
	if (!is_list && strcmp(operands[0], "create") != 0)
		return command_usage(command, "'%s' is not list or create", operands[0]);
	if (is_list != (count == 2))
		return command_usage(
			command, "%s", is_list ? "list takes no name" : "create needs a name");
	if (!is_list && (output.json || output.nul))
		return command_usage(command, "-0 and --json are for list");
	return is_list ? collection_list(operands[1], &output)
		       : collection_create(operands[1], operands[2]);
}

const struct command cmd_collection = {
	.name = "collection",
	.operands = "list|create STORE [NAME] [-0 | --json]",
	.summary = "list and create collections",
	.help = "A collection is all keys that begin with NAME and a '/'. A mount shows it as a\n"
		"directory. A created collection remains when its last key is deleted.\n\n"
		"  list STORE          list created collections and those that have keys\n"
		"  create STORE NAME   create an empty collection\n\n"
		"  -0, --null          print raw names, each ended by a NUL\n"
		"  --json              print one object on a line: name\n",
	.run = collection_run,
};
