/* keytree readers: who has a store open, what each holds, and who is writing. */
#include "mount/cli/command.h"
#include "mount/text/human.h"
#include "mount/text/line.h"
#include "mount/text/output.h"

#include "keytree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The list is made before it is printed: printing may take long. */
struct list {
	struct kt_process *processes;
	size_t count;
};

static int list_add(void *arg, const struct kt_process *process)
{
	struct list *list = arg;
	void *processes;

	if (process->pid == (uint32_t)getpid()) /* this command */
		return 0;
	processes = reallocarray(list->processes, list->count + 1, sizeof(*process));
	if (processes == NULL)
		return -ENOMEM;
	list->processes = processes;
	list->processes[list->count++] = *process;
	return 0;
}

static int readers_print_json(const struct kt_process *process)
{
	struct kt_slice command = {process->command, strlen(process->command)};
	json_t *object = json_object();
	int err = line_json_number(object, "pid", process->pid);

	if (!err)
		err = line_json_bytes(object, "command", command);
	if (!err && json_object_set_new(object, "writing", json_boolean(process->writing)) != 0)
		err = -ENOMEM;
	if (!err)
		err = line_json_number(object, "readers", process->readers);
	if (!err)
		err = line_json_number(object, "oldest", (int64_t)process->oldest);
	if (!err)
		err = line_json_number(object, "age_ns", process->age_ns);
	return line_json_print(err, object);
}

/* @param last  number of the last commit */
static int readers_print_line(const struct kt_process *process, uint64_t last)
{
	uint64_t behind =
		process->oldest != 0 && last > process->oldest ? last - process->oldest : 0;
	char *command = line_name_text(process->command);
	int printed = printf("%10u  %-15s  %-7s  %7u  %9.1f  %10" PRIu64 "\n", process->pid,
		command != NULL && *command != '\0' ? command : "-",
		process->writing ? "writing" : "-", process->readers, (double)process->age_ns / 1e9,
		behind);

	free(command);
	return output_wrote(printed > 0);
}

static int readers_print(const struct list *list, uint64_t last, bool json)
{
	int err = 0;

	if (!json && human_is_reading())
		printf("%10s  %-15s  %-7s  %7s  %9s  %10s\n", "PID", "COMMAND", "WRITER", "READERS",
			"AGE", "BEHIND");
	for (size_t i = 0; !err && i < list->count; i++)
		err = json ? readers_print_json(&list->processes[i])
			   : readers_print_line(&list->processes[i], last);
	return err;
}

static int readers_run(const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {0}};
	struct list list = {0};
	struct kt_store_info info;
	struct kt_store *store;
	char **operands;
	bool json = false;
	int option, status, err;

	while ((option = command_option(command, argc, argv, "", longs)) != -1) {
		if (option == '?')
			return COMMAND_USAGE;
		json = true;
	}
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	status = command_open(operands[0], KT_READONLY, &store);
	if (status != COMMAND_DONE)
		return status;
	err = kt_info(store, &info);
	if (!err)
		err = kt_processes(store, list_add, &list);
	if (!err)
		err = readers_print(&list, info.txn, json);
	if (err)
		status = command_fail_output(operands[0], "readers", err);
	free(list.processes);
	return command_close(operands[0], store, status);
}

const struct command cmd_readers = {
	.name = "readers",
	.operands = "STORE [--json]",
	.summary = "list the processes that have a store open",
	.help = "Prints a line for each handle that other processes have: process id, command, "
		"whether "
		"it\n"
		"is writing, its read transactions, how long the oldest is open in seconds, and "
		"how "
		"many\n"
		"commits were made since. What a reader sees is not free: one that is old makes "
		"the "
		"file\n"
		"grow. Readers without write permission are not listed; stat counts them.\n\n"
		"  --json   print one object on a line: pid, command, writing, readers, oldest, "
		"age_ns\n",
	.run = readers_run,
};
