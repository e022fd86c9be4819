/* keytree stat: facts about a store, for people, for programs and for Prometheus. */
#include "mount/cli/command.h"
#include "mount/text/line.h"
#include "mount/text/prometheus.h"
#include "mount/text/human.h"
#include "mount/cli/stat_mounts.h"

#include "keytree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum stat_format { STAT_TEXT, STAT_JSON, STAT_PROMETHEUS };

/* All that is told. */
struct facts {
	struct kt_store_info info;
	uint64_t snapshots;
	uint64_t kept_bytes; /* by snapshots */
	uint32_t writer_pid; /* 0: nobody is writing, or it is not known */
	struct stat_mounts mounts;
};

enum unit { PLAIN, BYTES };

/* One number of it. */
struct fact {
	const char *name;
	uint64_t number;
	enum unit unit;
	const char *help;
};

#define FACT_COUNT 21

static void list_facts(const struct facts *facts, struct fact list[FACT_COUNT])
{
	const struct kt_store_info *info = &facts->info;
	const struct fact all[FACT_COUNT] = {
		{"entries", info->entries, PLAIN, "Keys in the store."},
		{"key_bytes", info->key_bytes, BYTES, "Size of all keys."},
		{"value_bytes", info->value_bytes, BYTES, "Size of all values."},
		{"file_bytes", info->pages * info->page_size, BYTES,
			"Size of the file up to the last page in use."},
		{"max_size", info->max_size, BYTES, "Limit of the file; 0: none."},
		{"page_size", info->page_size, BYTES, "Size of a page."},
		{"pages", info->pages, PLAIN, "Pages of the file."},
		{"free_pages", info->free_pages, PLAIN, "Pages that are free."},
		{"pending_pages", info->pending_pages, PLAIN,
			"Pages that are free when a reader or the disk lets go of them."},
		{"depth", info->depth, PLAIN, "Levels of the tree of entries."},
		{"snapshots", facts->snapshots, PLAIN, "Snapshots."},
		{"snapshot_bytes", facts->kept_bytes, BYTES,
			"Disk that is not free because of snapshots."},
		{"transaction", info->txn, PLAIN, "Number of the last commit."},
		{"durable_transaction", info->durable_txn, PLAIN,
			"Number of the last commit known to be on the disk."},
		{"oldest_reader", info->oldest_reader, PLAIN,
			"Number of the commit that the oldest reader sees."},
		{"oldest_reader_pid", info->oldest_reader_pid, PLAIN,
			"Its process, by its own pid namespace; 0: not known, or it sees the last "
			"commit."},
		{"readers", info->readers, PLAIN, "Read transactions that are open."},
		{"writer_pid", facts->writer_pid, PLAIN,
			"Process that is writing, by its own pid namespace; 0: none, or not "
			"known."},
		{"pending_bytes", info->pending_pages * info->page_size, BYTES,
			"Disk that is free when a reader or the disk lets go of it."},
		{"disk_free", info->disk_free, BYTES, "Free on the file system of the store."},
		{"disk_size", info->disk_size, BYTES, "Size of the file system of the store."},
	};

	memcpy(list, all, sizeof(all));
}

static void format_id(const struct kt_store_info *info, char *text)
{
	for (size_t i = 0; i < sizeof(info->id); i++)
		snprintf(text + 2 * i, 3, "%02x", info->id[i]);
}

static int print_text(const struct facts *facts)
{
	struct fact list[FACT_COUNT];
	char id[2 * sizeof(facts->info.id) + 1], size[HUMAN_SIZE_SIZE];

	list_facts(facts, list);
	format_id(&facts->info, id);
	printf("%-20s %s\n", "id", id);
	for (size_t i = 0; i < FACT_COUNT; i++) {
		printf("%-20s %" PRIu64, list[i].name, list[i].number);
		human_size(list[i].number, size);
		if (list[i].unit == BYTES && list[i].number >= 1024 && human_is_reading())
			printf(" (%s)", size);
		putchar('\n');
	}
	printf("%-20s %.3f\n", "fragmentation", facts->info.fragmentation);
	return stat_mounts_print(&facts->mounts);
}

static int stat_print_json(const struct facts *facts)
{
	struct fact list[FACT_COUNT];
	char id[2 * sizeof(facts->info.id) + 1];
	json_t *object = json_object();
	int err;

	list_facts(facts, list);
	format_id(&facts->info, id);
	err = json_object_set_new(object, "id", json_string(id)) != 0 ? -ENOMEM : 0;
	for (size_t i = 0; !err && i < FACT_COUNT; i++)
		err = line_json_number(object, list[i].name, (int64_t)list[i].number);
	if (!err && json_object_set_new(
			    object, "fragmentation", json_real(facts->info.fragmentation)) != 0)
		err = -ENOMEM;
	if (!err)
		err = stat_mounts_json(&facts->mounts, object);
	return line_json_print(err, object);
}

static void print_metric(const char *path, const char *name, const char *help)
{
	const struct prometheus_label labels[] = {{"store", path}, {0}};

	prometheus_begin(name, "gauge", help);
	prometheus_sample(name, labels);
}

static int print_prometheus(const char *path, const struct facts *facts)
{
	struct fact list[FACT_COUNT];

	list_facts(facts, list);
	for (size_t i = 0; i < FACT_COUNT; i++) {
		print_metric(path, list[i].name, list[i].help);
		printf("%" PRIu64 "\n", list[i].number);
	}
	print_metric(path, "fragmentation", "Share of the file that compacting gives back.");
	printf("%.6f\n", facts->info.fragmentation);
	stat_mounts_prometheus(&facts->mounts, path);
	return 0;
}

static int add_snapshot(void *arg, const struct kt_snapshot *snapshot)
{
	struct facts *facts = arg;

	facts->snapshots++;
	facts->kept_bytes += snapshot->kept_bytes;
	return 0;
}

static int stat_add_process(void *arg, const struct kt_process *process)
{
	struct facts *facts = arg;

	if (process->writing)
		facts->writer_pid = process->pid;
	return 0;
}

static int print_facts(const char *path, const struct facts *facts, enum stat_format format)
{
	switch (format) {
	case STAT_JSON:
		return stat_print_json(facts);
	case STAT_PROMETHEUS:
		return print_prometheus(path, facts);
	default:
		return print_text(facts);
	}
}

static int show_facts(const char *path, struct kt_store *store, enum stat_format format)
{
	struct facts facts = {0};
	int err = kt_info(store, &facts.info);

	if (!err)
		err = kt_snapshot_list(store, add_snapshot, &facts);
	if (!err)
		err = kt_processes(store, stat_add_process, &facts);
	if (err == -EACCES) /* whoever may only read the store is not told */
		err = 0;
	if (!err)
		err = stat_mounts_read(path, &facts.mounts);
	if (!err)
		err = print_facts(path, &facts, format);
	stat_mounts_fini(&facts.mounts);
	return err;
}

static int stat_store(const char *path, enum stat_format format)
{
	struct kt_store *store;
	int status = command_open(path, KT_READONLY, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = show_facts(path, store, format);
	if (err != 0)
		status = command_fail_output(path, "stat", err);
	return command_close(path, store, status);
}

/* @param path  a store, or the directory one is mounted on */
static int stat_path(const char *path, enum stat_format format)
{
	char *store_path;
	int err = stat_mounts_store(path, &store_path), status;

	if (err != 0)
		return command_fail_errno(path, "stat", err);
	status = stat_store(store_path != NULL ? store_path : path, format);
	free(store_path);
	return status;
}

static int stat_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"prometheus", no_argument, NULL, 'p'},
		{0},
	};
	enum stat_format format = STAT_TEXT;
	char **operands;
	int option;

	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		format = option == 'j' ? STAT_JSON : STAT_PROMETHEUS;
	}
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	return stat_path(operands[0], format);
}

const struct command cmd_stat = {
	.name = "stat",
	.operands = "STORE [--json | --prometheus]",
	.summary = "show facts about a store",
	.help = "Prints the number of entries, the space they take, the free space, the space "
		"that\n"
		"snapshots keep, and the last transaction. For each mount of the store that is "
		"yours,\n"
		"prints how many requests the kernel sent, by kind, and how many requests were "
		"avoided.\n"
		"STORE may be the directory that the store is mounted on.\n\n"
		"  --json         print one JSON object\n"
		"  --prometheus   print the text format of Prometheus, for the textfile collector "
		"of its\n"
		"                 node exporter\n",
	.run = stat_run,
};
