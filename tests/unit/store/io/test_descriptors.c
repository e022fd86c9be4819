/* A program whose standard descriptors are closed, and the numbers that the library's own get. */
#include "keytree.h"

#include "tests/unit/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct temp *temp = calloc(1, sizeof(*temp));

	*state = temp;
	return temp_make(temp);
}

static int teardown(void **state)
{
	temp_remove(*state);
	free(*state);
	return 0;
}

/* No descriptor below 3 is open: what the program prints goes nowhere. */
static bool standard_are_closed(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) >= 0 || write(fd, "message", 7) >= 0)
			return false;
	return true;
}

static int told(void *arg, uint64_t done, uint64_t total)
{
	bool *closed = arg;

	(void)done;
	(void)total;
	*closed = *closed && standard_are_closed();
	return 0;
}

/* Everything that opens a descriptor: a store that is created, one that is opened, one in memory, a
 * waiter, a backup while it is written, an increment's destination.
 * @return the line that failed, or 0 */
static int open_all(const struct temp *temp)
{
	struct kt_store *store, *again, *memory;
	struct kt_waiter *waiter;
	struct kt_txn *txn;
	bool closed = true;

#define TRY(call)                                                                                  \
	do {                                                                                       \
		if ((call) != 0 || !standard_are_closed())                                         \
			return __LINE__;                                                           \
	} while (0)
	TRY(kt_open(temp->path, KT_OPTIONS(.flags = KT_CREATE), &store));
	TRY(kt_open(temp->path, NULL, &again));
	TRY(kt_open_memory("m", &memory));
	TRY(kt_waiter_open(store, 0, &waiter));
	TRY(kt_begin(store, KT_WRITE, &txn));
	TRY(kt_put(txn, "key", 3, "value", 5));
	TRY(kt_commit(txn, KT_FLUSH));
	TRY(kt_begin(store, KT_READ, &txn));
	TRY(kt_backup(txn, temp->copy, 0, told, &closed));
	TRY(!closed);
	kt_abort(txn);
	kt_waiter_close(waiter);
	TRY(kt_close(memory));
	TRY(kt_close(again));
	TRY(kt_close(store));
#undef TRY
	return 0;
}

/* The library never holds a descriptor below 3, whatever the program has closed. */
static void test_closed(void **state)
{
	struct temp *temp = *state;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		for (int fd = 0; fd <= STDERR_FILENO; fd++)
			close(fd);
		_exit(open_all(temp) & 0xff);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
