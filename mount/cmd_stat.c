/* keytree stat: facts about a store. */
#include "command.h"
#include "line.h"

#include "keytree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void format_id(const struct kt_info *info, char *text)
{
	for (size_t i = 0; i < sizeof(info->id); i++)
		snprintf(text + 2 * i, 3, "%02x", info->id[i]);
}

struct fact {
	const char *name;
	uint64_t number;
};

#define FACT_COUNT 14

static void list_facts(const struct kt_info *info, struct fact facts[FACT_COUNT])
{
	const struct fact list[FACT_COUNT] = {
		{"entries", info->entries},
		{"key_bytes", info->key_bytes},
		{"value_bytes", info->value_bytes},
		{"file_bytes", info->pages * info->page_size},
		{"page_size", info->page_size},
		{"pages", info->pages},
		{"free_pages", info->free_pages},
		{"pending_pages", info->pending_pages},
		{"depth", info->depth},
		{"transaction", info->txn},
		{"durable_transaction", info->durable_txn},
		{"oldest_reader", info->oldest_reader},
		{"disk_free", info->disk_free},
		{"disk_size", info->disk_size},
	};

	for (size_t i = 0; i < FACT_COUNT; i++)
		facts[i] = list[i];
}

static int print_text(const struct kt_info *info)
{
	struct fact facts[FACT_COUNT];
	char id[2 * sizeof(info->id) + 1];

	list_facts(info, facts);
	format_id(info, id);
	printf("%-20s %s\n", "id", id);
	for (size_t i = 0; i < FACT_COUNT; i++)
		printf("%-20s %" PRIu64 "\n", facts[i].name, facts[i].number);
	return 0;
}

static int print_json(const struct kt_info *info)
{
	struct fact facts[FACT_COUNT];
	char id[2 * sizeof(info->id) + 1];
	json_t *object = json_object();
	int err;

	list_facts(info, facts);
	format_id(info, id);
	err = json_object_set_new(object, "id", json_string(id)) != 0 ? -ENOMEM : 0;
	for (size_t i = 0; err == 0 && i < FACT_COUNT; i++)
		err = line_json_number(object, facts[i].name, (int64_t)facts[i].number);
	return line_json_print(err, object);
}

static int stat_store(const char *path, bool json)
{
	struct kt_store *store;
	struct kt_info info;
	int status = command_open(path, KT_READONLY, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_info(store, &info);
	if (err == 0)
		err = json ? print_json(&info) : print_text(&info);
	if (err != 0)
		status = command_fail_errno(path, "stat", err);
	return command_close(path, store, status);
}

static int run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {0}};
	char **operands;
	int option;
	bool json = false;

	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		json = true;
	}
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	return stat_store(operands[0], json);
}

const struct command cmd_stat = {
	.name = "stat",
	.operands = "STORE [--json]",
	.summary = "show facts about a store",
	.help = "Shows how many entries the store has, what they take, how much of the file is "
		"free,\n"
		"and its last transaction. Reads a constant number of pages.\n\n"
		"  --json   one JSON object\n",
	.run = run,
};
