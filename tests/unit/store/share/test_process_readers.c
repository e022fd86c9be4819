/* Readers in other processes, with and without permissions, and dead processes. */
#include "tests/unit/store/share/process_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A reader in another process keeps what it sees, and is told of. */
static void reader_elsewhere(void **state)
{
	struct process_world *f = *state;
	struct kt_store_info info;
	uint64_t before;
	pid_t pid;

	process_churn(f->store, 8);
	assert_int_equal(kt_info(f->store, &info), 0);
	before = info.txn;
	pid = process_start_reader(f, 0, 0);
	process_churn(f->store, 100);
	assert_int_equal(process_put_number(f->store, "after", 7, 0), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.readers, 1);
	assert_int_equal(info.oldest_reader, before);
	assert_int_equal(info.oldest_reader_pid, pid);
	process_advance(f, 2);
	process_join(pid);
	process_check(f->store);
}

/* Who may read the store, but write neither it, nor its lock file, nor the directory, reads all the
 * same, and what it sees is kept. */
static void reader_without_permission(void **state)
{
	struct process_world *f = *state;
	struct kt_store_info info;
	uint64_t before;
	pid_t pid;

	if (getuid() != 0)
		skip();
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->path, 0644), 0);
	assert_int_equal(chmod(f->lock, 0644), 0);
	process_churn(f->store, 8);
	assert_int_equal(kt_info(f->store, &info), 0);
	before = info.txn;
	pid = process_start_reader(f, KT_READONLY, 65534);
	process_churn(f->store, 100);
	assert_int_equal(process_put_number(f->store, "after", 7, 0), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.readers, 1);
	assert_int_equal(info.oldest_reader, before);
	process_advance(f, 2);
	process_join(pid);
	/* Nor does it need a lock file to be there: nobody has the store open. */
	assert_int_equal(kt_close(f->store), 0);
	f->store = NULL;
	assert_int_equal(unlink(f->lock), 0);
	process_advance(f, 0);
	pid = process_start_reader(f, KT_READONLY, 65534);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	process_churn(f->store, 100);
	assert_int_equal(process_put_number(f->store, "after", 7, 0), 0);
	process_advance(f, 2);
	process_join(pid);
	process_check(f->store);
}

/* Through a mount that is read-only, in a namespace of its own, the same. */
static void reader_through_readonly_mount(void **state)
{
	struct process_world *f = *state;
	pid_t pid;

	if (getuid() != 0)
		skip();
	process_churn(f->store, 8);
	pid = fork();
	if (pid == 0) {
		struct kt_store *store;
		struct kt_txn *txn;

		if (unshare(CLONE_NEWNS) != 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount(f->dir, f->dir, NULL, MS_BIND, NULL) != 0 ||
			mount(NULL, f->dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) {
			process_advance(f, 3);
			_exit(0);
		}
		MUST(kt_open(f->path, NULL, &store) == -EROFS);
		MUST(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &store) == 0);
		MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
		process_advance(f, 1);
		process_await(f, 2);
		MUST(process_is_whole(txn));
		kt_abort(txn);
		MUST(process_get_number(store, "after") == 7);
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	process_await(f, 1);
	process_churn(f->store, 100);
	assert_int_equal(process_put_number(f->store, "after", 7, 0), 0);
	if (atomic_load(&f->shared->turn) < 3)
		process_advance(f, 2);
	process_join(pid);
	process_check(f->store);
}

/* The first to open it in a process namespace of its own may have the number 1, as others have. */
static void process_namespaces(void **state)
{
	struct process_world *f = *state;
	int status;
	pid_t pid;

	if (getuid() != 0)
		skip();
	process_churn(f->store, 8);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0) {
			struct kt_store *store;
			struct kt_txn *txn;

			if (unshare(CLONE_NEWPID) != 0)
				_exit(0);
			pid = fork();
			if (pid != 0) {
				waitpid(pid, &status, 0);
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
			}
			MUST(getpid() == 1);
			MUST(kt_open(f->path, NULL, &store) == 0);
			MUST(kt_begin(store, KT_READ, &txn) == 0);
			for (int n = 0; n < 50; n++)
				MUST(process_put_number(store, "n", (uint64_t)n, 0) == 0);
			MUST(process_is_whole(txn));
			kt_abort(txn);
			_exit(0);
		}
		process_churn(f->store, 30);
		process_join(pid);
	}
	process_check(f->store);
}

/* The pins of a reader that was killed are dropped: what it kept comes free. */
static void dead_reader(void **state)
{
	struct process_world *f = *state;
	struct kt_store_info info;
	uint64_t kept;
	pid_t pid;

	process_churn(f->store, 8);
	for (int i = 0; i < 5; i++) {
		process_advance(f, 0);
		pid = process_start_reader(f, 0, 0);
		process_churn(f->store, 30);
		assert_int_equal(kt_info(f->store, &info), 0);
		kept = info.pending_pages;
		assert_int_equal(info.readers, 1);
		process_kill_child(pid);
		assert_int_equal(kt_info(f->store, &info), 0);
		assert_int_equal(info.readers, 0);
		process_churn(f->store, 30);
		assert_int_equal(kt_info(f->store, &info), 0);
		assert_true(info.pending_pages < kept / 2);
	}
	process_check(f->store);
}

/* A reader that is stopped is not dead: what it sees stays. */
static void stopped_reader(void **state)
{
	struct process_world *f = *state;
	pid_t pid;
	int status;

	process_churn(f->store, 8);
	pid = process_start_reader(f, 0, 0);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	process_churn(f->store, 100);
	assert_int_equal(process_put_number(f->store, "after", 7, 0), 0);
	process_advance(f, 2);
	assert_int_equal(kill(pid, SIGCONT), 0);
	process_join(pid);
}

/* A writer that is killed in its transaction leaves nothing: the next one goes on. */
static void dead_writer(void **state)
{
	static unsigned char value[200000];
	struct process_world *f = *state;
	pid_t pid;

	assert_int_equal(process_put_number(f->store, "a", 1, 0), 0);
	for (uint64_t i = 0; i < 5; i++) {
		process_advance(f, 0);
		pid = fork();
		if (pid == 0) {
			struct kt_store *store;
			struct kt_txn *txn;

			MUST(kt_open(f->path, NULL, &store) == 0);
			MUST(process_put_number(store, "child", i, 0) == 0);
			MUST(kt_begin(store, KT_WRITE, &txn) == 0);
			MUST(kt_put(txn, "lost", 4, value, sizeof(value)) == 0);
			process_advance(f, 1);
			pause();
		}
		process_await(f, 1);
		if (i == 2)
			assert_int_equal(process_get_number(f->store, "child"), 2);
		process_kill_child(pid);
		assert_int_equal(process_put_number(f->store, "a", i, i == 3 ? KT_FLUSH : 0), 0);
		assert_int_equal(process_get_number(f->store, "child"), i);
		assert_int_equal(process_get_number(f->store, "lost"), UINT64_MAX);
		process_check(f->store);
	}
}

/* All are killed: no commit is lost. */
static void all_dead(void **state)
{
	struct process_world *f = *state;
	pid_t pids[3];

	assert_int_equal(kt_close(f->store), 0);
	f->store = NULL;
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct kt_store *store;
			char key[8];

			snprintf(key, sizeof(key), "%d", i);
			MUST(kt_open(f->path, NULL, &store) == 0);
			for (uint64_t n = 0; n < 50; n++)
				MUST(process_put_number(store, key, n, 0) == 0);
			atomic_fetch_add(&f->shared->turn, 1);
			pause();
		}
	}
	process_await(f, 3);
	for (int i = 0; i < 3; i++)
		process_kill_child(pids[i]);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(process_get_number(f->store, (char[]){(char)('0' + i), '\0'}), 49);
	process_check(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(reader_elsewhere),
		PROCESS_TEST(reader_without_permission),
		PROCESS_TEST(reader_through_readonly_mount),
		PROCESS_TEST(process_namespaces),
		PROCESS_TEST(dead_reader),
		PROCESS_TEST(stopped_reader),
		PROCESS_TEST(dead_writer),
		PROCESS_TEST(all_dead),
	};

	return cmocka_run_group_tests_name("process_readers", tests, NULL, NULL);
}
