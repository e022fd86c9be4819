/* Waiting to write with a limit, who has a store open, and flushing by itself. */
#include "tests/unit/store/share/process_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- waiting to write ------------------------------------------------------------------------ */

struct waiting {
	struct kt_store *store;
	int timeout_ms, result;
	char words[200];
};

/* Begin to write, and abort. */
static void *wait_to_write(void *arg)
{
	struct waiting *waiting = arg;
	struct kt_txn *txn;

	waiting->result = kt_begin_wait(waiting->store, KT_WRITE, waiting->timeout_ms, &txn);
	snprintf(waiting->words, sizeof(waiting->words), "%s", kt_strerror(NULL, waiting->result));
	if (waiting->result == 0)
		kt_abort(txn);
	return NULL;
}

/* Threads whose time is up leave the line; those behind them are served. */
static void limited_thread(void **state)
{
	struct process_world *f = *state;
	struct waiting waiting[6];
	pthread_t threads[6];
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (int i = 0; i < 6; i++) {
		waiting[i] = (struct waiting){f->store, i % 2 ? -1 : 1 + i * 10, 1, ""};
		assert_int_equal(pthread_create(&threads[i], NULL, wait_to_write, &waiting[i]), 0);
	}
	for (int i = 0; i < 6; i += 2) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(waiting[i].result, -ETIMEDOUT);
		assert_string_equal(
			waiting[i].words, "timed out: another thread of this process is writing");
	}
	assert_int_equal(kt_begin_wait(f->store, KT_WRITE, 60000, &txn), -EDEADLK);
	assert_int_equal(kt_abort(txn), 0);
	for (int i = 1; i < 6; i += 2) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(waiting[i].result, 0);
	}
	assert_int_equal(kt_begin_wait(f->store, KT_WRITE, 0, &txn), 0);
	waiting[0] = (struct waiting){f->store, 0, 1, ""};
	assert_int_equal(pthread_create(&threads[0], NULL, wait_to_write, &waiting[0]), 0);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(waiting[0].result, -EAGAIN);
	assert_int_equal(kt_abort(txn), 0);
}

/* A child that writes until it is killed. It ends its turn at 1. */
static pid_t start_writer(struct process_world *f)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;
		struct kt_txn *txn;

		MUST(kt_open(f->path, NULL, &store) == 0);
		MUST(kt_begin(store, KT_WRITE, &txn) == 0);
		process_advance(f, 1);
		for (;;)
			pause();
	}
	process_await(f, 1);
	return pid;
}

/* Waiting for another process ends too, and the error names it. */
static void limited_process(void **state)
{
	struct process_world *f = *state;
	pid_t pid = start_writer(f);
	struct kt_store *limited;
	int64_t begin = process_now_ns();
	struct kt_txn *txn;
	char words[100];

	assert_int_equal(kt_begin_wait(f->store, KT_WRITE, 30, &txn), -ETIMEDOUT);
	assert_true(process_now_ns() - begin >= 30 * INT64_C(1000000));
	snprintf(words, sizeof(words), "timed out: process %d is writing", (int)pid);
	assert_string_equal(kt_strerror(NULL, -ETIMEDOUT), words);
	assert_int_equal(kt_begin_wait(f->store, KT_WRITE, 0, &txn), -EAGAIN);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.write_wait_ms = 20), &limited), 0);
	assert_int_equal(kt_begin(limited, KT_WRITE, &txn), -ETIMEDOUT);
	assert_int_equal(kt_begin(limited, KT_READ, &txn), 0);
	assert_int_equal(kt_abort(txn), 0);
	process_kill_child(pid);
	assert_int_equal(kt_begin(limited, KT_WRITE, &txn), 0);
	assert_int_equal(kt_abort(txn), 0);
	assert_int_equal(kt_close(limited), 0);
	assert_int_equal(kt_begin_wait(f->store, KT_WRITE, 60000, &txn), 0);
	assert_int_equal(kt_abort(txn), 0);
	assert_int_equal(
		kt_open(f->path, KT_OPTIONS(.write_wait_ms = 1u << 31), &limited), -EINVAL);
}

/* ---- who has it open ------------------------------------------------------------------------- */

struct list {
	unsigned count, writing, readers;
	struct kt_process child;
	pid_t pid;
};

static int add_process(void *arg, const struct kt_process *process)
{
	struct list *list = arg;

	list->count++;
	list->writing += process->writing;
	list->readers += process->readers;
	if (process->pid == (uint32_t)list->pid)
		list->child = *process;
	return 0;
}

static int stop_at_once(void *arg, const struct kt_process *process)
{
	(void)process;
	++*(int *)arg;
	return -ECANCELED;
}

/* Each handle is listed with what it holds: who writes, who reads, what, and for how long. */
static void processes(void **state)
{
	struct process_world *f = *state;
	struct list list = {.pid = start_writer(f)};
	struct kt_store_info info;
	struct kt_txn *first, *second;
	int calls = 0;

	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(kt_processes(f->store, add_process, &list), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.writing, 1);
	assert_int_equal(list.readers, 0);
	assert_true(list.child.writing);
	assert_true(strlen(list.child.command) > 0);
	process_kill_child(list.pid);
	list = (struct list){.pid = getpid()};
	assert_int_equal(kt_processes(f->store, add_process, &list), 0);
	assert_int_equal(list.count, 1); /* the dead one is not, though nobody has cleared it */
	assert_int_equal(list.child.oldest, 0);
	assert_int_equal(list.child.age_ns, 0);

	assert_int_equal(kt_begin(f->store, KT_READ, &first), 0);
	assert_int_equal(process_put_number(f->store, "n", 1, 0), 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &second), 0);
	do { /* the clock moves on */
		list = (struct list){.pid = getpid()};
		assert_int_equal(kt_processes(f->store, add_process, &list), 0);
	} while (list.child.age_ns == 0);
	assert_int_equal(list.child.readers, 2);
	assert_int_equal(list.child.oldest, info.txn);
	assert_false(list.child.writing);
	assert_int_equal(kt_processes(f->store, stop_at_once, &calls), -ECANCELED);
	assert_int_equal(calls, 1);
	assert_int_equal(kt_abort(first), 0);
	assert_int_equal(kt_abort(second), 0);
}

/* Where a reader is why there is no room, the error says so and names its process. */
static void no_room_for_a_reader(void **state)
{
	static char value[100000];
	struct process_world *f = *state;
	struct kt_txn *reader;
	char words[100];
	int err = 0;

	assert_int_equal(kt_set_max_size(f->store, 1 << 20), 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	for (int i = 0; !err && i < 100; i++) {
		struct kt_txn *txn;

		assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
		err = kt_put(txn, "k", 1, value, sizeof(value));
		if (err)
			kt_abort(txn);
		else
			err = kt_commit(txn, KT_FLUSH);
	}
	assert_int_equal(err, -ENOSPC);
	snprintf(words, sizeof(words), "No space left on device: a read transaction of process %d",
		(int)getpid());
	assert_ptr_equal(strstr(kt_strerror(NULL, err), words), kt_strerror(NULL, err));
	assert_int_equal(kt_abort(reader), 0);
	assert_int_equal(process_put_number(f->store, "k", 1, KT_FLUSH), 0);
}

/* ---- flushing by itself ---------------------------------------------------------------------- */

static uint64_t durable(struct kt_store *store, uint64_t *ret_txn)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(store, &info), 0);
	*ret_txn = info.txn;
	return info.durable_txn;
}

/* A commit is on the disk some time later, without a call; without the option it is not. */
static void flushed_by_itself(void **state)
{
	struct process_world *f = *state;
	struct kt_store *store;
	uint64_t txn;

	assert_int_equal(process_put_number(f->store, "n", 1, 0), 0);
	assert_true(durable(f->store, &txn) < txn);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flush_interval_ms = 5), &store), 0);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(process_put_number(store, "n", i, 0), 0);
		while (durable(store, &txn) < txn)
			sched_yield();
	}
	assert_int_equal(kt_close(store), 0);
	/* A time that does not come does not keep the handle from being closed, which flushes. */
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flush_interval_ms = 3600000), &store), 0);
	assert_int_equal(process_put_number(store, "n", 1, 0), 0);
	assert_true(durable(store, &txn) < txn);
	assert_int_equal(kt_close(store), 0);
	assert_int_equal(durable(f->store, &txn), txn);
	/* A reader has nothing to flush, and says so. */
	assert_int_equal(
		kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY, .flush_interval_ms = 5), &store),
		0);
	assert_int_equal(kt_flush(store), -EROFS);
	assert_string_equal(kt_strerror(NULL, -EROFS), "opened for reading only");
	assert_int_equal(kt_close(store), 0);
}

/* The thread is the parent's: a child closes the handle without it. */
static void flushing_and_fork(void **state)
{
	struct process_world *f = *state;
	struct kt_store *store;
	pid_t pid;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flush_interval_ms = 1), &store), 0);
	assert_int_equal(process_put_number(store, "n", 1, 0), 0);
	pid = fork();
	if (pid == 0) {
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	process_join(pid);
	assert_int_equal(process_put_number(store, "n", 2, 0), 0);
	assert_int_equal(kt_close(store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(limited_thread),
		PROCESS_TEST(limited_process),
		PROCESS_TEST(processes),
		PROCESS_TEST(no_room_for_a_reader),
		PROCESS_TEST(flushed_by_itself),
		PROCESS_TEST(flushing_and_fork),
	};

	return cmocka_run_group_tests_name("process_list", tests, NULL, NULL);
}
