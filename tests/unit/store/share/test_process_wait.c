/* Waiting for commits of other processes. */
#include "tests/unit/store/share/process_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A wait ends with the next commit by another process, soon, or when its time is up. */
static void wait_for_commits(void **state)
{
	struct process_world *f = *state;
	struct kt_store_info info;
	uint64_t txn, sum = 0;
	int64_t begin;
	pid_t pid;

	assert_int_equal(kt_info(f->store, &info), 0);
	begin = process_now_ns();
	assert_int_equal(kt_wait(f->store, info.txn, 30, &txn), -ETIMEDOUT);
	assert_true(process_now_ns() - begin >= 30 * INT64_C(1000000));
	assert_int_equal(kt_wait(f->store, info.txn, 0, &txn), -ETIMEDOUT);
	assert_int_equal(kt_wait(f->store, info.txn - 1, 0, &txn), 0);
	assert_int_equal(txn, info.txn);
	pid = fork();
	if (pid == 0) {
		struct timespec pause = {0, 2000000};
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		for (uint64_t i = 0; i < 50; i++) {
			nanosleep(&pause, NULL);
			MUST(process_put_number(store, "at", (uint64_t)process_now_ns(), 0) == 0);
		}
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	txn = info.txn;
	for (int i = 0; i < 50; i++) {
		uint64_t at;

		assert_int_equal(kt_wait(f->store, txn, 60000, &txn), 0);
		at = process_get_number(f->store, "at");
		sum += (uint64_t)process_now_ns() - at;
		if (txn == info.txn + 50)
			break;
	}
	process_join(pid);
	fprintf(stderr, "waiting: seen %llu us after the commit began, on average\n",
		(unsigned long long)(sum / 50 / 1000));
}

/* A descriptor tells poll() of commits; a reader without permission has one too. */
static void wait_in_poll(void **state)
{
	struct process_world *f = *state;
	int readers = getuid() == 0 ? 2 : 1;

	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->path, 0644), 0);
	for (int i = 0; i < readers; i++) {
		pid_t pid;

		process_advance(f, 0);
		assert_int_equal(process_put_number(f->store, "n", 0, 0), 0);
		pid = fork();
		if (pid == 0) {
			struct pollfd fd = {.events = POLLIN};
			struct kt_store_info info;
			struct kt_waiter *waiter;
			struct kt_store *store;
			uint64_t txn, before;

			MUST(i == 0 || setuid(65534) == 0);
			MUST(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &store) == 0);
			MUST(kt_info(store, &info) == 0);
			before = info.txn;
			MUST(kt_waiter_open(store, 0, &waiter) == 0);
			fd.fd = kt_waiter_fd(waiter);
			MUST(poll(&fd, 1, 0) == 0);
			for (uint64_t n = 1; n <= 20; n++) {
				process_advance(f, (int)n);
				/* An unprivileged reader is also told of pages written before the
				 * commit, which it may find at any moment after that. */
				do {
					MUST(poll(&fd, 1, 60000) == 1);
					MUST(kt_waiter_clear(waiter, &txn) == 0);
				} while (txn <= before);
				MUST(process_get_number(store, "n") == n);
				before = txn;
			}
			MUST(kt_wait(store, before, 20, &txn) == -ETIMEDOUT);
			MUST(kt_wait(store, before - 1, 20, &txn) == 0);
			kt_waiter_close(waiter);
			MUST(kt_close(store) == 0);
			_exit(0);
		}
		for (uint64_t n = 1; n <= 20; n++) {
			process_await(f, (int)n);
			assert_int_equal(process_put_number(f->store, "n", n, 0), 0);
		}
		process_join(pid);
	}
}

/* Who asks for the commits of others alone hears of those. */
static void wait_for_others(void **state)
{
	struct process_world *f = *state;
	struct kt_waiter *waiter;
	struct kt_store *second;
	struct pollfd fd = {.events = POLLIN};
	uint64_t txn;

	assert_int_equal(kt_open(f->path, NULL, &second), 0);
	assert_int_equal(kt_waiter_open(f->store, KT_OTHERS, &waiter), 0);
	fd.fd = kt_waiter_fd(waiter);
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(process_put_number(f->store, "own", i, 0), 0);
		assert_int_equal(process_put_number(second, "other", i, 0), 0);
		assert_int_equal(poll(&fd, 1, 60000), 1);
		do
			assert_int_equal(kt_waiter_clear(waiter, &txn), 0);
		while (process_get_number(f->store, "other") < i);
	}
	kt_waiter_close(waiter);
	assert_int_equal(kt_close(second), 0);
}

static void *wait_in_thread(void *arg)
{
	struct process_world *f = arg;
	uint64_t txn;

	return kt_wait(f->store, 1, -1, &txn) == 0 ? f : NULL;
}

/* A store in memory is waited for as well. */
static void wait_in_memory(void **state)
{
	struct process_world *f = *state;
	struct kt_waiter *waiter;
	pthread_t thread;
	void *result;

	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open_memory("m", &f->store), 0);
	assert_int_equal(kt_waiter_open(f->store, 0, &waiter), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, f), 0);
	assert_int_equal(process_put_number(f->store, "n", 1, 0), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_int_equal(
		poll(&(struct pollfd){.fd = kt_waiter_fd(waiter), .events = POLLIN}, 1, 60000), 1);
	kt_waiter_close(waiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(wait_for_commits),
		PROCESS_TEST(wait_in_poll),
		PROCESS_TEST(wait_for_others),
		PROCESS_TEST(wait_in_memory),
	};

	return cmocka_run_group_tests_name("process_wait", tests, NULL, NULL);
}
