/* keytree compact: make the file of a store as small as it can be. */
#include "command.h"
#include "show.h"

#include "keytree.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A signal ends the work between two steps. */
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	stopped = number;
}

static int show_progress(void *arg, const struct kt_compaction *compaction)
{
	char size[SHOW_SIZE_SIZE];

	(void)arg;
	if (isatty(STDERR_FILENO)) {
		show_size(compaction->pages * 4096, size);
		fprintf(stderr, "\rcompacting: %3" PRIu64 " %%, the file has %s\033[K",
			compaction->total > 0 ? compaction->done * 100 / compaction->total : 100,
			size);
	}
	return stopped;
}

static void hide_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* On a terminal, say what came of it. */
static void print_result(const struct kt_info *before, const struct kt_info *after)
{
	char sizes[2][SHOW_SIZE_SIZE];

	if (!show_columns())
		return;
	show_size(before->pages * before->page_size, sizes[0]);
	show_size(after->pages * after->page_size, sizes[1]);
	printf("%s, %s before\n", sizes[1], sizes[0]);
}

static int compact_store(const char *path)
{
	const struct sigaction action = {.sa_handler = stop};
	struct kt_info before, after;
	struct kt_store *store;
	int status = command_open(path, 0, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	err = kt_info(store, &before);
	if (err == 0)
		err = kt_compact(store, show_progress, NULL);
	hide_progress();
	if (err > 0)
		status = command_fail(path, "compact", "interrupted; what was done stays");
	else if (err < 0)
		status = command_fail_errno(path, "compact", err);
	else if (kt_info(store, &after) == 0)
		print_result(&before, &after);
	return command_close(path, store, status);
}

static int run(const struct command *command, int argc, char **argv)
{
	char **operands;

	if (command_option(command, argc, argv, "", NULL) != -1)
		return COMMAND_USAGE;
	if (command_operands(command, argc, argv, 1, 1, &operands) < 0)
		return COMMAND_USAGE;
	return compact_store(operands[0]);
}

const struct command cmd_compact = {
	.name = "compact",
	.operands = "STORE",
	.summary = "make the file of a store smaller",
	.help = "Makes the file about as small as that of a store freshly loaded with the same\n"
		"content, in small steps. It may be interrupted: what was done stays. What "
		"snapshots\n"
		"keep is not moved; delete them first to get the smallest file.\n",
	.run = run,
};
