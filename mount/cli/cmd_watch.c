/* keytree watch: a line for each key that somebody changes, until it is told to end. */
#include "mount/cli/print_changes.h"
#include "mount/cli/command.h"
#include "mount/text/line.h"
#include "mount/text/output.h"

#include "keytree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct watch {
	const char *path;
	struct kt_store *store;
	struct line_key prefix;
	struct print_changes print; /* from: what was told last */
};

static int print_in_prefix(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	struct watch *watch = arg;
	size_t size = watch->prefix.size;

	if (key->size < size || (size > 0 && memcmp(key->data, watch->prefix.bytes, size) != 0))
		return 0;
	return print_changes_print(&watch->print, key, from, to);
}

/* Print what changed since the last time. */
static int watch_print_commit(struct watch *watch)
{
	struct print_changes *print = &watch->print;
	int err = kt_begin(watch->store, KT_READ, &print->to);

	if (err != 0)
		return err;
	err = kt_diff(print->from, print->to, print_in_prefix, watch);
	kt_abort(print->from);
	print->from = print->to;
	if (!err)
		err = output_wrote(fflush(stdout) == 0);
	return err;
}

/* Print until a signal comes, or nobody reads any more. */
static int watch_until_end(struct watch *watch, struct kt_waiter *waiter, int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = kt_waiter_fd(waiter), .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
		{.fd = STDOUT_FILENO, .events = 0},
	};
	int err = 0;

	while (!err) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return command_fail_errno(watch->path, "watch", -errno);
		if (fds[1].revents != 0 || fds[2].revents & POLLERR)
			return COMMAND_NO;
		err = kt_waiter_clear(waiter, NULL);
		if (!err)
			err = watch_print_commit(watch);
	}
	return command_fail_output(watch->path, "watch", err);
}

static int watch_store(struct watch *watch)
{
	struct kt_waiter *waiter = NULL;
	sigset_t signals;
	int signal_fd = -1, status, err;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	status = command_open(watch->path, KT_READONLY, &watch->store);
	if (status != COMMAND_DONE)
		return status;
	err = kt_waiter_open(watch->store, 0, &waiter);
	if (!err)
		err = kt_begin(watch->store, KT_READ, &watch->print.from);
	if (!err) {
		signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
		err = signal_fd < 0 ? -errno : 0;
	}
	status = !err ? watch_until_end(watch, waiter, signal_fd)
		      : command_fail_errno(watch->path, "watch", err);
	if (signal_fd >= 0)
		close(signal_fd);
	kt_abort(watch->print.from);
	kt_waiter_close(waiter);
	return command_close(watch->path, watch->store, status);
}

static int watch_run(const struct command *command, int argc, char **argv)
{
	static struct watch watch;
	char **operands;
	int count;

	if (print_changes_parse(command, argc, argv, &watch.print) != COMMAND_DONE)
		return COMMAND_USAGE;
	count = command_operands(command, argc, argv, 1, 2, &operands);
	if (count < 0)
		return COMMAND_USAGE;
	watch.path = operands[0];
	if (count > 1 && command_read_key(watch.path, operands[1], &watch.prefix) != 0)
		return COMMAND_FAILED;
	return watch_store(&watch);
}

const struct command cmd_watch = {
	.name = "watch",
	.operands = "STORE [PREFIX] [-0 | --json]",
	.summary = "print changed keys as they change",
	.help = "Prints a line for each key that begins with PREFIX when an application, a command "
		"or a\n"
		"mount changes it, until it is interrupted:\n\n"
		"  + KEY        it was added\n"
		"  - KEY        it was removed\n"
		"  ~ KEY        its value or attributes were changed\n\n"
		"Keys of one commit are printed in their order. Commits that come faster than they "
		"can\n"
		"be read are printed as one.\n\n"
		"  -0, --null   print raw bytes of the keys, each line ended by a NUL\n"
		"  --json       print one object on a line: change, key, from_size, to_size, "
		"...\n\n"
		"Exit status 1: a signal ended it.\n",
	.run = watch_run,
};
