/* keytree snapshot: keep points in time, list them, forget them, go back to one. */
#include "mount/cli/command.h"
#include "mount/text/line.h"
#include "mount/text/output.h"
#include "mount/text/human.h"
#include "mount/text/progress.h"

#include "keytree.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One use of the command. */
struct use {
	const char *path, *name; /* name: NULL, not given */
	char **names;		 /* all that were given, from name on */
	int name_count;
	uint64_t keep; /* how many of the newest stay; UINT64_MAX: not given */
	bool json;
};

static const char no_snapshot[] = "no such snapshot";

/* The error of a call on one snapshot. */
static int snapshot_fail(const struct use *use, const char *what, int err)
{
	char words[KT_NAME_MAX + 32];

	if (err == -ENOENT) {
		command_fail(use->path, use->name, no_snapshot);
		return COMMAND_NO;
	}
	snprintf(words, sizeof(words), "%s %s", what, use->name);
	return command_fail(use->path, words,
		err == -EEXIST ? "a snapshot of this name exists" : kt_strerror(NULL, err));
}

#define NAME_SIZE (HUMAN_TIME_SIZE + 12)

/* Of several in one second the later ones have a number as well. @param name  NAME_SIZE bytes */
static int create_named_by_time(struct kt_store *store, char *name)
{
	char at[HUMAN_TIME_SIZE];
	int err;

	human_utc_time((int64_t)time(NULL) * 1000000000, at);
	snprintf(name, NAME_SIZE, "%s", at);
	err = kt_snapshot_create(store, name);
	for (unsigned number = 2; err == -EEXIST; number++) {
		snprintf(name, NAME_SIZE, "%s-%u", at, number);
		err = kt_snapshot_create(store, name);
	}
	return err;
}

static int snapshot_create(const struct use *use, struct kt_store *store)
{
	struct use named = *use;
	char name[NAME_SIZE] = "";
	int err;

	if (named.name == NULL) {
		named.name = name;
		err = create_named_by_time(store, name);
	} else {
		err = kt_snapshot_create(store, named.name);
	}
	if (!err)
		err = kt_flush(store);
	if (err != 0)
		return snapshot_fail(&named, "snapshot", err);
	if (use->name == NULL)
		puts(name);
	return COMMAND_DONE;
}

static int snapshot_step(void *arg, uint64_t done, uint64_t total)
{
	struct progress *progress = arg;

	progress->total = total;
	return progress_step(progress, done);
}

static int snapshot_forget_one(const struct use *use, struct kt_store *store)
{
	struct progress progress;
	int err;

	progress_init(&progress, 0, true);
	err = kt_snapshot_delete_steps(store, use->name, snapshot_step, &progress);
	progress_fini(&progress);
	if (err == -EINTR)
		return command_fail(use->path, "delete", "interrupted; the snapshot stays");
	return err ? snapshot_fail(use, "delete", err) : COMMAND_DONE;
}

/* Names of snapshots, oldest first. */
struct names {
	char (*list)[KT_NAME_MAX + 1];
	size_t count;
};

static int names_add(void *arg, const struct kt_snapshot *snapshot)
{
	struct names *names = arg;
	void *list = reallocarray(names->list, names->count + 1, sizeof(names->list[0]));

	if (list == NULL)
		return -ENOMEM;
	names->list = list;
	snprintf(names->list[names->count++], sizeof(names->list[0]), "%s", snapshot->name);
	return 0;
}

/* Delete all but the newest. */
static int snapshot_forget_old(const struct use *use, struct kt_store *store)
{
	struct names names = {0};
	int status = COMMAND_DONE;
	int err = kt_snapshot_list(store, names_add, &names);

	if (err)
		status = command_fail_errno(use->path, "list", err);
	for (size_t i = 0; status == COMMAND_DONE && i + use->keep < names.count; i++)
		status = snapshot_forget_one(
			&(struct use){.path = use->path, .name = names.list[i]}, store);
	free(names.list);
	return status;
}

/* Delete those that were named; one that does not exist does not stop the others. */
static int snapshot_forget_named(const struct use *use, struct kt_store *store)
{
	int status = COMMAND_DONE;

	for (int i = 0; status != COMMAND_FAILED && i < use->name_count; i++) {
		struct use one = {.path = use->path, .name = use->names[i]};
		int result = snapshot_forget_one(&one, store);

		status = result != COMMAND_DONE ? result : status;
	}
	return status;
}

static int snapshot_forget(const struct use *use, struct kt_store *store)
{
	int status = use->name_count > 0 ? snapshot_forget_named(use, store)
					 : snapshot_forget_old(use, store);
	int err = kt_flush(store);

	return err && status != COMMAND_FAILED ? command_fail_errno(use->path, "flush", err)
					       : status;
}

static int snapshot_restore(const struct use *use, struct kt_store *store)
{
	struct kt_txn *point;
	int err = kt_snapshot_open(store, use->name, &point);

	if (err != 0)
		return snapshot_fail(use, "restore", err);
	err = kt_restore(store, point);
	kt_abort(point);
	if (!err)
		err = kt_flush(store);
	return err != 0 ? snapshot_fail(use, "restore", err) : COMMAND_DONE;
}

static int snapshot_print_json(const struct kt_snapshot *snapshot)
{
	json_t *object = json_object();
	struct kt_slice name = {snapshot->name, strlen(snapshot->name)};
	int err = line_json_bytes(object, "name", name);

	if (!err)
		err = line_json_number(object, "time_ns", snapshot->time_ns);
	if (!err)
		err = line_json_number(object, "transaction", (int64_t)snapshot->txn);
	if (!err)
		err = line_json_number(object, "entries", (int64_t)snapshot->entries);
	if (!err)
		err = line_json_number(object, "kept_bytes", (int64_t)snapshot->kept_bytes);
	return line_json_print(err, object);
}

static int print_snapshot(void *arg, const struct kt_snapshot *snapshot)
{
	const struct use *use = arg;
	char time[HUMAN_TIME_SIZE], size[HUMAN_SIZE_SIZE];
	int err;

	if (use->json)
		return snapshot_print_json(snapshot);
	if (human_is_reading()) {
		human_local_time(snapshot->time_ns, time);
		human_size(snapshot->kept_bytes, size);
		printf("%s  %10s  %10" PRIu64 "  ", time, size, snapshot->entries);
	} else {
		human_utc_time(snapshot->time_ns, time);
		printf("%s\t%" PRIu64 "\t%" PRIu64 "\t", time, snapshot->kept_bytes,
			snapshot->entries);
	}
	err = line_write_name(snapshot->name);
	return err != 0 ? err : output_wrote(putchar('\n') != EOF);
}

static int snapshot_list(const struct use *use, struct kt_store *store)
{
	int err;

	if (!use->json && human_is_reading())
		printf("%-19s  %10s  %10s  %s\n", "TIME", "KEPT", "ENTRIES", "NAME");
	err = kt_snapshot_list(store, print_snapshot, (void *)use);
	if (err != 0)
		return command_fail_output(use->path, "list", err);
	return COMMAND_DONE;
}

static const struct action {
	const char *word;
	int min, max; /* operands behind the word */
	unsigned open_flags;
	int (*run)(const struct use *use, struct kt_store *store);
} actions[] = {
	{"create", 1, 2, 0, snapshot_create},
	{"list", 1, 1, KT_READONLY, snapshot_list},
	{"delete", 2, INT_MAX, 0, snapshot_forget},
	{"restore", 2, 2, 0, snapshot_restore},
};

static const struct action *find_action(const char *word)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].word, word) == 0)
			return &actions[i];
	}
	return NULL;
}

static int run_action(const struct action *action, const struct use *use)
{
	struct kt_store *store;
	int status = command_open(use->path, action->open_flags, &store);

	if (status != COMMAND_DONE)
		return status;
	return command_close(use->path, store, action->run(use, store));
}

/* Read the options. @return false after a usage error, which has been printed */
static bool snapshot_parse(
	const struct command *command, int argc, char **argv, struct use *ret_use)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"keep", required_argument, NULL, 'k'},
		{0},
	};
	int option;

	*ret_use = (struct use){.keep = UINT64_MAX};
	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return false;
		if (option == 'j')
			ret_use->json = true;
		else if (!command_number(optarg, &ret_use->keep)) {
			command_usage(command, "'%s' is not a number", optarg);
			return false;
		}
	}
	return true;
}

/* Do the operands and options fit the action? @return COMMAND_DONE or COMMAND_USAGE */
static int snapshot_check_use(const struct command *command, const struct action *action,
	const struct use *use, int count)
{
	bool keeps = use->keep != UINT64_MAX;

	if (keeps && action->run != snapshot_forget)
		return command_usage(command, "--keep is for delete");
	if (keeps && count > 2)
		return command_usage(command, "--keep and a name exclude each other");
	if (count - 1 < action->min && !keeps)
		return command_usage(command, "%s needs a name", action->word);
	if (count - 1 > action->max)
		return action->max > 1 ? command_usage(command, "%s takes one name", action->word)
				       : command_usage(command, "%s takes no name", action->word);
	if (use->json && action->run != snapshot_list)
		return command_usage(command, "--json is for list");
	if (use->name != NULL && action->run == snapshot_create &&
		strcmp(use->name, COMMAND_NOW) == 0)
		return command_usage(command, "'%s' means the present", COMMAND_NOW);
	return COMMAND_DONE;
}

static int snapshot_run(const struct command *command, int argc, char **argv)
{
	const struct action *action;
	struct use use;
	char **operands;
	int count;

	if (!snapshot_parse(command, argc, argv, &use))
		return COMMAND_USAGE;
	count = command_operands(command, argc, argv, 2, -1, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	action = find_action(operands[0]);
	if (action == NULL)
		return command_usage(
			command, "'%s' is not create, list, delete or restore", operands[0]);
	use.path = operands[1];
	use.names = operands + 2;
	use.name_count = count - 2;
	for (int i = 0; i < use.name_count; i++)
		line_read_name(use.names[i]);
	use.name = use.name_count > 0 ? use.names[0] : NULL;
	if (snapshot_check_use(command, action, &use, count) != COMMAND_DONE)
		return COMMAND_USAGE;
	return run_action(action, &use);
}

const struct command cmd_snapshot = {
	.name = "snapshot",
	.operands = "create|list|delete|restore STORE [NAME...] [--keep N] [--json]",
	.summary = "take, list, delete and restore snapshots",
	.help = "  create STORE [NAME]   keep the current state; takes the same time whatever the "
		"size of\n"
		"                        the store. Without NAME the time is its name, and is "
		"printed\n"
		"  list STORE [--json]   print time, space used only by it, entries and name, "
		"oldest first\n"
		"  delete STORE NAME...  delete snapshots; space used only by them is released\n"
		"  delete STORE --keep N   delete all but the N newest\n"
		"  restore STORE NAME    bring all keys back to that state, in one transaction; "
		"snapshots\n"
		"                        remain, so a snapshot taken before can undo it\n\n"
		"Exit status 1: there is no such snapshot.\n",
	.run = snapshot_run,
};
