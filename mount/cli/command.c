/* What commands share: options, error lines, opening and closing the store. */
#include "mount/cli/command.h"
#include "mount/text/line.h"

#include "keytree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The long option that has a letter; NULL if none has. */
static const char *long_name(const struct option *longs, int letter)
{
	for (; longs != NULL && longs->name != NULL; longs++) {
		if (letter != 0 && longs->val == letter)
			return longs->name;
	}
	return NULL;
}

int command_option(const struct command *command, int argc, char **argv, const char *letters,
	const struct option *longs)
{
	static const struct option none[] = {{0}};
	char expected[64];
	int option;

	snprintf(expected, sizeof(expected), ":%s", letters);
	opterr = 0;
	option = getopt_long(argc, argv, expected, longs != NULL ? longs : none, NULL);
	if (option == ':')
		command_usage(command, "option %s needs a value", argv[optind - 1]);
	else if (option == '?' && long_name(longs, optopt) != NULL)
		command_usage(command, "option --%s takes no value", long_name(longs, optopt));
	else if (option == '?' && optopt != 0)
		command_usage(command, "unknown option -%c", optopt);
	else if (option == '?')
		command_usage(command, "unknown option %s", argv[optind - 1]);
	return option == ':' ? '?' : option;
}

int command_operands(const struct command *command, int argc, char **argv, int min, int max,
	char ***ret_operands)
{
	int count = argc - optind;

	if (count < min) {
		command_usage(command, "too few arguments");
		return -1;
	}
	if (max >= 0 && count > max) {
		command_usage(command, "too many arguments: '%s'", argv[optind + max]);
		return -1;
	}
	*ret_operands = argv + optind;
	return count;
}

int command_usage(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "keytree: %s%s", command != NULL ? command->name : "",
		command != NULL ? ": " : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (command != NULL)
		fprintf(stderr, " (keytree %s --help)\n", command->name);
	else
		fputs(" (keytree help)\n", stderr);
	return COMMAND_USAGE;
}

bool command_number(const char *text, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*ret_number = number;
	return true;
}

int command_fail(const char *subject, const char *what, const char *why)
{
	fprintf(stderr, "keytree: %s: %s%s%s\n", subject, what != NULL ? what : "",
		what != NULL ? ": " : "", why);
	return COMMAND_FAILED;
}

int command_fail_errno(const char *subject, const char *what, int err)
{
	const char *why = kt_strerror(NULL, err);
	size_t size = strlen(subject);
	const char *end = strncmp(why, subject, size) == 0 ? why + size : NULL;

	/* The subject is not named twice, nor the path that a symbolic link leads to beside it. */
	if (*why == '/')
		end = strstr(why, ": ");
	return command_fail(
		subject, what, end != NULL && strncmp(end, ": ", 2) == 0 ? end + 2 : why);
}

int command_read_key(const char *path, const char *text, struct line_key *ret_key)
{
	int err = line_read_key(text, ret_key);

	return err ? command_fail_errno(path, "key", err) : COMMAND_DONE;
}

int command_fail_output(const char *subject, const char *what, int err)
{
	if (err == -EFAULT) /* what was to be printed lies in a page that cannot be read */
		return command_fail_errno(subject, what, -EIO);
	return ferror(stdout) ? command_fail(subject, "standard output", strerror(-err))
			      : command_fail_errno(subject, what, err);
}

/* How long a command waits before it says for whom. */
#define QUIET_MS 1000

static int command_name_writer(void *arg, const struct kt_process *process)
{
	const char *path = arg;

	if (process->writing)
		fprintf(stderr, "keytree: %s: waiting for process %u%s%s%s, which is writing\n",
			path, process->pid, *process->command != '\0' ? " (" : "", process->command,
			*process->command != '\0' ? ")" : "");
	return process->writing;
}

/* Tell a terminal whom the command waits for. What it is about to do may wait all the same. */
static void command_explain_wait(const char *path, struct kt_store *store)
{
	struct kt_txn *txn;
	int err;

	if (!isatty(STDERR_FILENO))
		return;
	err = kt_begin_wait(store, KT_WRITE, QUIET_MS, &txn);
	if (!err)
		kt_abort(txn);
	else if (err == -ETIMEDOUT)
		kt_processes(store, command_name_writer, (void *)path);
}

/* Does the user say that it is right to open a store on a network file system? */
static bool command_allows_any_fs(void)
{
	const char *any = getenv(COMMAND_ANY_FS);

	return any != NULL && *any != '\0' && strcmp(any, "0") != 0;
}

int command_open_only(const char *path, unsigned flags, struct kt_store **ret_store)
{
	unsigned any = command_allows_any_fs() ? KT_ANY_FS : 0;
	const char *what = flags & KT_CREATE ? "create" : "open";
	char why[512];
	int err = kt_open(path, KT_OPTIONS(.flags = flags | any), ret_store);

	if (err == -EREMOTE) {
		snprintf(why, sizeof(why),
			"%s; if only this machine opens it, and through this mount, "
			"set " COMMAND_ANY_FS "=1",
			kt_strerror(NULL, err) + strlen(path) + 2);
		return command_fail(path, what, why);
	}
	return err ? command_fail_errno(path, what, err) : COMMAND_DONE;
}

int command_open(const char *path, unsigned flags, struct kt_store **ret_store)
{
	int status = command_open_only(path, flags, ret_store);

	if (status == COMMAND_DONE && !(flags & KT_READONLY))
		command_explain_wait(path, *ret_store);
	return status;
}

int command_begin(const char *path, unsigned begin_flags, struct kt_store **ret_store,
	struct kt_txn **ret_txn)
{
	struct kt_store *store;
	int status = command_open(path, begin_flags & KT_WRITE ? 0 : KT_READONLY, &store);
	int err;

	if (status != COMMAND_DONE)
		return status;
	err = kt_begin(store, begin_flags, ret_txn);
	if (err != 0)
		return command_close(path, store, command_fail_errno(path, "begin", err));
	*ret_store = store;
	return COMMAND_DONE;
}

int command_begin_in(
	const char *path, struct kt_store *store, const char *snapshot, struct kt_txn **ret_txn)
{
	bool now = snapshot == NULL || strcmp(snapshot, COMMAND_NOW) == 0;
	int err = now ? kt_begin(store, KT_READ, ret_txn)
		      : kt_snapshot_open(store, snapshot, ret_txn);

	if (err == -ENOENT) {
		command_fail(path, snapshot, "no such snapshot");
		return COMMAND_NO;
	}
	return err ? command_fail_errno(path, now ? "begin" : snapshot, err) : COMMAND_DONE;
}

int command_begin_at(const char *path, const char *snapshot, struct kt_store **ret_store,
	struct kt_txn **ret_txn)
{
	struct kt_store *store;
	int status = command_open(path, KT_READONLY, &store);

	if (status != COMMAND_DONE)
		return status;
	status = command_begin_in(path, store, snapshot, ret_txn);
	if (status != COMMAND_DONE)
		return command_close(path, store, status);
	*ret_store = store;
	return COMMAND_DONE;
}

int command_end_write(const char *path, struct kt_txn *txn, int status)
{
	int err;

	if (status == COMMAND_FAILED) {
		kt_abort(txn);
		return status;
	}
	err = kt_commit(txn, KT_FLUSH);
	return err ? command_fail_errno(path, "commit", err) : status;
}

int command_close(const char *path, struct kt_store *store, int status)
{
	int err = kt_close(store);

	if (err != 0 && status != COMMAND_FAILED)
		status = command_fail_errno(path, "close", err);
	errno = 0;
	if (status == COMMAND_DONE && kt_fault_count() > 0)
		status = command_fail(path, NULL,
			"the file was cut off by another program, or the disk cannot read it");
	if ((fflush(stdout) != 0 || ferror(stdout)) && status != COMMAND_FAILED)
		status = command_fail(path, "standard output", strerror(errno != 0 ? errno : EIO));
	return status;
}
