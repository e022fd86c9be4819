/* One store, many processes: what each sees of the others, and what becomes of the dead.
 *
 * The other processes are children that open the store themselves. They talk with the test through
 * a page of shared memory and through their exit status: 0, or the line of what was not so.
 */
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

/* In a child: end with the line of what is not so. */
#define MUST(condition) ((condition) ? (void)0 : not_so(__LINE__, #condition))

struct shared {
	_Atomic int turn; /* rises as the test goes on; both sides wait for it */
	_Atomic uint64_t number;
	_Atomic bool stop;
};

struct fixture {
	char dir[64];
	char path[128];
	char lock[160];
	struct kt_store *store;
	struct shared *shared;
};

static void not_so(int line, const char *what)
{
	fprintf(stderr, "%s:%d: child: not so: %s\n", __FILE__, line, what);
	_exit(line % 250 + 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-process-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	snprintf(f->lock, sizeof(f->lock), "%s-lock", f->path);
	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*state = f;
	return kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_close(f->store);
	munmap(f->shared, sizeof(*f->shared));
	temp_remove_dir(f->dir);
	free(f);
	return 0;
}

/* ---- processes ------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Wait until the turn has come to a number. */
static void await(struct fixture *f, int turn)
{
	int64_t end = now_ns() + INT64_C(60000000000);

	while (atomic_load(&f->shared->turn) < turn && now_ns() < end)
		sched_yield();
}

static void advance(struct fixture *f, int turn)
{
	atomic_store(&f->shared->turn, turn);
}

static void join(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void kill_child(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static int put_number(struct kt_store *store, const char *key, uint64_t number, unsigned flags)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	err = kt_put_uint(txn, key, strlen(key), 8, number);
	if (err != 0) {
		kt_abort(txn);
		return err;
	}
	return kt_commit(txn, flags);
}

/* @return the number; UINT64_MAX: there is none */
static uint64_t number_in(struct kt_txn *txn, const char *key)
{
	uint64_t number = UINT64_MAX;

	kt_get_uint(txn, key, strlen(key), 8, &number);
	return number;
}

static uint64_t get_number(struct kt_store *store, const char *key)
{
	struct kt_txn *txn;
	uint64_t number;

	if (kt_begin(store, KT_READ, &txn) != 0)
		return UINT64_MAX;
	number = number_in(txn, key);
	kt_abort(txn);
	return number;
}

static void check(struct kt_store *store)
{
	uint64_t findings = 1;

	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Two handles of one process are as two processes: what one commits, the other sees at once, and
 * there is one writer at a time. */
static void two_handles(void **state)
{
	struct fixture *f = *state;
	struct kt_store *second;
	struct kt_txn *txn, *old, *none;

	assert_int_equal(put_number(f->store, "a", 1, 0), 0);
	assert_int_equal(kt_open(f->path, NULL, &second), 0);
	assert_int_equal(get_number(second, "a"), 1);
	assert_int_equal(kt_begin(second, KT_READ, &old), 0);
	for (uint64_t i = 2; i < 200; i++) {
		struct kt_store *writer = i % 3 == 0 ? f->store : second;

		assert_int_equal(put_number(writer, "a", i, i % 7 == 0 ? KT_FLUSH : 0), 0);
		assert_int_equal(get_number(f->store, "a"), i);
		assert_int_equal(get_number(second, "a"), i);
	}
	assert_int_equal(number_in(old, "a"), 1);
	kt_abort(old);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_begin(second, KT_WRITE | KT_TRY, &none), -EAGAIN);
	kt_abort(txn);
	assert_int_equal(kt_begin(second, KT_WRITE | KT_TRY, &txn), 0);
	kt_abort(txn);
	check(second);
	assert_int_equal(kt_close(second), 0);
	check(f->store);
}

/* Writers that take turns take over each other's free space: the file does not grow. */
static void free_space_is_shared(void **state)
{
	static unsigned char value[50000];
	struct fixture *f = *state;
	struct kt_store *second;
	struct kt_store_info info;
	struct kt_txn *txn;

	assert_int_equal(kt_open(f->path, NULL, &second), 0);
	for (int i = 0; i < 300; i++) {
		struct kt_store *writer = i % 2 == 0 ? f->store : second;
		char key[8];

		snprintf(key, sizeof(key), "%d", i % 10);
		memset(value, i, sizeof(value));
		assert_int_equal(kt_begin(writer, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, key, strlen(key), value, sizeof(value)), 0);
		if (i % 5 == 4) { /* what it took over is known to it alone */
			kt_abort(txn);
			continue;
		}
		assert_int_equal(kt_commit(txn, i % 4 == 0 ? KT_FLUSH : 0), 0);
	}
	assert_int_equal(kt_info(second, &info), 0);
	assert_true(info.pages < 1000);
	check(second);
	assert_int_equal(kt_close(second), 0);
}

/* What another process commits is seen at once, and its flush is everybody's. */
static void another_process(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		for (uint64_t i = 0; i < 100; i++) {
			MUST(put_number(store, "child", i, 0) == 0);
			advance(f, (int)(2 * i + 1));
			await(f, (int)(2 * i + 2));
			MUST(get_number(store, "parent") == i);
		}
		MUST(kt_flush(store) == 0);
		advance(f, 1000);
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	for (uint64_t i = 0; i < 100; i++) {
		await(f, (int)(2 * i + 1));
		assert_int_equal(get_number(f->store, "child"), i);
		assert_int_equal(put_number(f->store, "parent", i, 0), 0);
		advance(f, (int)(2 * i + 2));
	}
	await(f, 1000);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.durable_txn, info.txn);
	join(pid);
	check(f->store);
}

/* Overwrite values until the free space has gone round many times. */
static void churn(struct kt_store *store, int commits)
{
	static unsigned char value[30000];
	struct kt_txn *txn;

	for (int i = 0; i < commits; i++) {
		char key[16];

		snprintf(key, sizeof(key), "churn %d", i % 8);
		memset(value, i + 1, sizeof(value));
		assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, key, strlen(key), value, sizeof(value)), 0);
		assert_int_equal(kt_commit(txn, i % 4 == 0 ? KT_FLUSH : 0), 0);
	}
}

/* Is each value all of one byte, and whole? */
static bool is_whole(struct kt_txn *txn)
{
	for (int i = 0; i < 8; i++) {
		struct kt_slice value;
		char key[16];

		snprintf(key, sizeof(key), "churn %d", i);
		if (kt_get(txn, key, strlen(key), &value) != 0 || value.size != 30000)
			return false;
		for (size_t at = 1; at < value.size; at++)
			if (((const unsigned char *)value.data)[at] !=
				((const unsigned char *)value.data)[0])
				return false;
	}
	return true;
}

/* A child that holds a read transaction while the parent writes. */
static pid_t start_reader(struct fixture *f, unsigned flags, uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;
		struct kt_txn *txn;

		MUST(uid == 0 || (setgid(uid) == 0 && setuid(uid) == 0));
		MUST(kt_open(f->path, KT_OPTIONS(.flags = flags), &store) == 0);
		MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
		MUST(is_whole(txn));
		advance(f, 1);
		await(f, 2);
		MUST(is_whole(txn));
		kt_abort(txn);
		MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
		MUST(number_in(txn, "after") == 7);
		MUST(is_whole(txn));
		kt_abort(txn);
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	await(f, 1);
	return pid;
}

/* A reader in another process keeps what it sees, and is told of. */
static void reader_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	uint64_t before;
	pid_t pid;

	churn(f->store, 8);
	assert_int_equal(kt_info(f->store, &info), 0);
	before = info.txn;
	pid = start_reader(f, 0, 0);
	churn(f->store, 100);
	assert_int_equal(put_number(f->store, "after", 7, 0), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.readers, 1);
	assert_int_equal(info.oldest_reader, before);
	assert_int_equal(info.oldest_reader_pid, pid);
	advance(f, 2);
	join(pid);
	check(f->store);
}

/* Who may read the store, but write neither it, nor its lock file, nor the directory, reads all the
 * same, and what it sees is kept. */
static void reader_without_permission(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	uint64_t before;
	pid_t pid;

	if (getuid() != 0)
		skip();
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->path, 0644), 0);
	assert_int_equal(chmod(f->lock, 0644), 0);
	churn(f->store, 8);
	assert_int_equal(kt_info(f->store, &info), 0);
	before = info.txn;
	pid = start_reader(f, KT_READONLY, 65534);
	churn(f->store, 100);
	assert_int_equal(put_number(f->store, "after", 7, 0), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.readers, 1);
	assert_int_equal(info.oldest_reader, before);
	advance(f, 2);
	join(pid);
	/* Nor does it need a lock file to be there: nobody has the store open. */
	assert_int_equal(kt_close(f->store), 0);
	f->store = NULL;
	assert_int_equal(unlink(f->lock), 0);
	advance(f, 0);
	pid = start_reader(f, KT_READONLY, 65534);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	churn(f->store, 100);
	assert_int_equal(put_number(f->store, "after", 7, 0), 0);
	advance(f, 2);
	join(pid);
	check(f->store);
}

/* Through a mount that is read-only, in a namespace of its own, the same. */
static void reader_through_readonly_mount(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	if (getuid() != 0)
		skip();
	churn(f->store, 8);
	pid = fork();
	if (pid == 0) {
		struct kt_store *store;
		struct kt_txn *txn;

		if (unshare(CLONE_NEWNS) != 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount(f->dir, f->dir, NULL, MS_BIND, NULL) != 0 ||
			mount(NULL, f->dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) {
			advance(f, 3);
			_exit(0);
		}
		MUST(kt_open(f->path, NULL, &store) == -EROFS);
		MUST(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &store) == 0);
		MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
		advance(f, 1);
		await(f, 2);
		MUST(is_whole(txn));
		kt_abort(txn);
		MUST(get_number(store, "after") == 7);
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	await(f, 1);
	churn(f->store, 100);
	assert_int_equal(put_number(f->store, "after", 7, 0), 0);
	if (atomic_load(&f->shared->turn) < 3)
		advance(f, 2);
	join(pid);
	check(f->store);
}

/* The first to open it in a process namespace of its own may have the number 1, as others have. */
static void process_namespaces(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (getuid() != 0)
		skip();
	churn(f->store, 8);
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
				MUST(put_number(store, "n", (uint64_t)n, 0) == 0);
			MUST(is_whole(txn));
			kt_abort(txn);
			_exit(0);
		}
		churn(f->store, 30);
		join(pid);
	}
	check(f->store);
}

/* The pins of a reader that was killed are dropped: what it kept comes free. */
static void dead_reader(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	uint64_t kept;
	pid_t pid;

	churn(f->store, 8);
	for (int i = 0; i < 5; i++) {
		advance(f, 0);
		pid = start_reader(f, 0, 0);
		churn(f->store, 30);
		assert_int_equal(kt_info(f->store, &info), 0);
		kept = info.pending_pages;
		assert_int_equal(info.readers, 1);
		kill_child(pid);
		assert_int_equal(kt_info(f->store, &info), 0);
		assert_int_equal(info.readers, 0);
		churn(f->store, 30);
		assert_int_equal(kt_info(f->store, &info), 0);
		assert_true(info.pending_pages < kept / 2);
	}
	check(f->store);
}

/* A reader that is stopped is not dead: what it sees stays. */
static void stopped_reader(void **state)
{
	struct fixture *f = *state;
	pid_t pid;
	int status;

	churn(f->store, 8);
	pid = start_reader(f, 0, 0);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	churn(f->store, 100);
	assert_int_equal(put_number(f->store, "after", 7, 0), 0);
	advance(f, 2);
	assert_int_equal(kill(pid, SIGCONT), 0);
	join(pid);
}

/* A writer that is killed in its transaction leaves nothing: the next one goes on. */
static void dead_writer(void **state)
{
	static unsigned char value[200000];
	struct fixture *f = *state;
	pid_t pid;

	assert_int_equal(put_number(f->store, "a", 1, 0), 0);
	for (uint64_t i = 0; i < 5; i++) {
		advance(f, 0);
		pid = fork();
		if (pid == 0) {
			struct kt_store *store;
			struct kt_txn *txn;

			MUST(kt_open(f->path, NULL, &store) == 0);
			MUST(put_number(store, "child", i, 0) == 0);
			MUST(kt_begin(store, KT_WRITE, &txn) == 0);
			MUST(kt_put(txn, "lost", 4, value, sizeof(value)) == 0);
			advance(f, 1);
			pause();
		}
		await(f, 1);
		if (i == 2)
			assert_int_equal(get_number(f->store, "child"), 2);
		kill_child(pid);
		assert_int_equal(put_number(f->store, "a", i, i == 3 ? KT_FLUSH : 0), 0);
		assert_int_equal(get_number(f->store, "child"), i);
		assert_int_equal(get_number(f->store, "lost"), UINT64_MAX);
		check(f->store);
	}
}

/* All are killed: no commit is lost. */
static void all_dead(void **state)
{
	struct fixture *f = *state;
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
				MUST(put_number(store, key, n, 0) == 0);
			atomic_fetch_add(&f->shared->turn, 1);
			pause();
		}
	}
	await(f, 3);
	for (int i = 0; i < 3; i++)
		kill_child(pids[i]);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(get_number(f->store, (char[]){(char)('0' + i), '\0'}), 49);
	check(f->store);
}

/* Who commits in a loop lets a waiting process in between. */
static void fairness(void **state)
{
	struct fixture *f = *state;
	uint64_t before, after;
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		for (uint64_t i = 0; !atomic_load(&f->shared->stop); i++) {
			MUST(put_number(store, "loop", i, 0) == 0);
			atomic_store(&f->shared->number, i);
		}
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	while (atomic_load(&f->shared->number) < 100)
		sched_yield();
	before = atomic_load(&f->shared->number);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(put_number(f->store, "other", i, 0), 0);
	after = atomic_load(&f->shared->number);
	atomic_store(&f->shared->stop, true);
	join(pid);
	/* The loop runs on while this process is woken; that is not starving. */
	assert_true(after - before < 50 * 200);
	check(f->store);
}

/* A child cannot use its parent's handle, is told so, and does no harm by trying. */
static void forked(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *reader, *writer, *none;
	struct kt_store *second;
	pid_t pid;

	churn(f->store, 8);
	assert_int_equal(kt_open(f->path, NULL, &second), 0);
	assert_int_equal(kt_begin(second, KT_READ, &reader), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &writer), 0);
	assert_int_equal(kt_put_uint(writer, "w", 1, 8, 5), 0);
	pid = fork();
	if (pid == 0) {
		static unsigned char value[100000];
		uint64_t number;

		MUST(kt_begin(f->store, KT_READ, &none) == -ECHILD);
		MUST(strstr(kt_strerror(f->store, -ECHILD), "before a fork") != NULL);
		MUST(kt_begin(second, KT_WRITE, &none) == -ECHILD);
		MUST(kt_flush(second) == -ECHILD);
		MUST(kt_wait(second, 0, 0, &number) == -ECHILD);
		MUST(kt_put(writer, "x", 1, value, sizeof(value)) == -ECHILD);
		MUST(kt_delete(writer, "churn 0", 7, 0) == -ECHILD);
		MUST(kt_clear(writer) == -ECHILD);
		MUST(kt_commit(writer, 0) == -ECHILD);
		kt_abort(reader);
		MUST(kt_close(f->store) == 0);
		MUST(kt_close(second) == 0);
		MUST(kt_open(f->path, NULL, &second) == 0);
		MUST(get_number(second, "w") == UINT64_MAX);
		MUST(kt_begin(second, KT_WRITE | KT_TRY, &none) == -EAGAIN);
		MUST(kt_close(second) == 0);
		_exit(0);
	}
	join(pid);
	assert_int_equal(kt_begin(second, KT_WRITE | KT_TRY, &none), -EAGAIN);
	assert_int_equal(kt_commit(writer, KT_FLUSH), 0);
	assert_int_equal(get_number(second, "w"), 5);
	churn(f->store, 50);
	assert_true(is_whole(reader));
	kt_abort(reader);
	assert_int_equal(kt_close(second), 0);
	check(f->store);
}

/* One who is to be alone gets it only if nobody else writes, and keeps others from it. */
static void alone(void **state)
{
	struct fixture *f = *state;
	struct kt_store *second;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_ALONE), &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "open for writing"));
	assert_int_equal(
		kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY | KT_ALONE), &second), -EBUSY);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_ALONE), &f->store), 0);
	assert_int_equal(put_number(f->store, "a", 1, 0), 0);
	assert_int_equal(kt_open(f->path, NULL, &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "keeps it"));
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &second), 0);
	assert_int_equal(get_number(second, "a"), 1);
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(
		kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY | KT_ALONE), &f->store), 0);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY | KT_ALONE), &second), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), -EBUSY);
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
}

/* Two who cannot see each other do not both write: by another name of the file, or with another
 * lock file. A symbolic link is no other name. */
static void other_names(void **state)
{
	struct fixture *f = *state;
	struct kt_store *second;
	char other[160];

	snprintf(other, sizeof(other), "%s/other.kt", f->dir);
	assert_int_equal(symlink(f->path, other), 0);
	assert_int_equal(kt_open(other, NULL, &second), 0);
	assert_int_equal(put_number(second, "a", 3, 0), 0);
	assert_int_equal(get_number(f->store, "a"), 3);
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(link(f->path, other), 0);
	assert_int_equal(kt_open(other, NULL, &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "another name"));
	/* A reader finds its way without a lock file. */
	assert_int_equal(kt_open(other, KT_OPTIONS(.flags = KT_READONLY), &second), 0);
	assert_int_equal(put_number(f->store, "a", 4, 0), 0);
	assert_int_equal(get_number(second, "a"), 4);
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(kt_open(f->path, NULL, &second), -EBUSY);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
}

/* A lock file is made with the mode of the store, and what lies there is not believed. */
static void lock_file(void **state)
{
	struct fixture *f = *state;
	unsigned char noise[8192];
	struct stat st;
	int fd;

	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(put_number(f->store, "a", 1, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	memset(noise, 0xa5, sizeof(noise));
	fd = open(f->lock, O_WRONLY);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 8), sizeof(noise)); /* behind the magic */
	close(fd);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_int_equal(get_number(f->store, "a"), 1);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_int_equal(get_number(f->store, "a"), 1);
	assert_int_equal(put_number(f->store, "a", 2, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(symlink("/etc/passwd", f->lock), 0);
	assert_true(kt_open(f->path, NULL, &f->store) < 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

/* A program that locks all of the file keeps everybody out. */
static void foreign_lock(void **state)
{
	struct fixture *f = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(f->path, O_RDWR);

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), -1);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), -EBUSY);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &f->store), -EBUSY);
	close(fd);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
}

/* A number names an opening for as long as it lasts. */
static void openers(void **state)
{
	struct fixture *f = *state;
	uint64_t child;
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		atomic_store(&f->shared->number, kt_opener_id(store));
		advance(f, 1);
		pause();
	}
	await(f, 1);
	child = atomic_load(&f->shared->number);
	assert_true(child != 0 && child != kt_opener_id(f->store));
	assert_true(kt_opener_is_alive(f->store, child));
	assert_true(kt_opener_is_alive(f->store, kt_opener_id(f->store)));
	assert_false(kt_opener_is_alive(f->store, child + 1));
	kill_child(pid);
	assert_false(kt_opener_is_alive(f->store, child));
}

/* Thousands of dead openers do not use up the places. */
static void many_openers(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 1200; i += 6) {
		pid_t pid = fork();

		if (pid == 0) {
			struct kt_store *stores[6];

			for (int n = 0; n < 6; n++)
				MUST(kt_open(f->path, NULL, &stores[n]) == 0);
			MUST(put_number(stores[3], "n", (uint64_t)i, 0) == 0);
			_exit(0); /* none of them is closed */
		}
		join(pid);
		assert_int_equal(get_number(f->store, "n"), i);
	}
	check(f->store);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* A wait ends with the next commit by another process, soon, or when its time is up. */
static void wait_for_commits(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	uint64_t txn, sum = 0;
	int64_t begin;
	pid_t pid;

	assert_int_equal(kt_info(f->store, &info), 0);
	begin = now_ns();
	assert_int_equal(kt_wait(f->store, info.txn, 30, &txn), -ETIMEDOUT);
	assert_true(now_ns() - begin >= 30 * INT64_C(1000000));
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
			MUST(put_number(store, "at", (uint64_t)now_ns(), 0) == 0);
		}
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	txn = info.txn;
	for (int i = 0; i < 50; i++) {
		uint64_t at;

		assert_int_equal(kt_wait(f->store, txn, 60000, &txn), 0);
		at = get_number(f->store, "at");
		sum += (uint64_t)now_ns() - at;
		if (txn == info.txn + 50)
			break;
	}
	join(pid);
	fprintf(stderr, "waiting: seen %llu us after the commit began, on average\n",
		(unsigned long long)(sum / 50 / 1000));
}

/* A descriptor tells poll() of commits; a reader without permission has one too. */
static void wait_in_poll(void **state)
{
	struct fixture *f = *state;
	int readers = getuid() == 0 ? 2 : 1;

	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->path, 0644), 0);
	for (int i = 0; i < readers; i++) {
		pid_t pid;

		advance(f, 0);
		assert_int_equal(put_number(f->store, "n", 0, 0), 0);
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
				advance(f, (int)n);
				/* An unprivileged reader is also told of pages written before the
				 * commit, which it may find at any moment after that. */
				do {
					MUST(poll(&fd, 1, 60000) == 1);
					MUST(kt_waiter_clear(waiter, &txn) == 0);
				} while (txn <= before);
				MUST(get_number(store, "n") == n);
				before = txn;
			}
			MUST(kt_wait(store, before, 20, &txn) == -ETIMEDOUT);
			MUST(kt_wait(store, before - 1, 20, &txn) == 0);
			kt_waiter_close(waiter);
			MUST(kt_close(store) == 0);
			_exit(0);
		}
		for (uint64_t n = 1; n <= 20; n++) {
			await(f, (int)n);
			assert_int_equal(put_number(f->store, "n", n, 0), 0);
		}
		join(pid);
	}
}

/* Who asks for the commits of others alone hears of those. */
static void wait_for_others(void **state)
{
	struct fixture *f = *state;
	struct kt_waiter *waiter;
	struct kt_store *second;
	struct pollfd fd = {.events = POLLIN};
	uint64_t txn;

	assert_int_equal(kt_open(f->path, NULL, &second), 0);
	assert_int_equal(kt_waiter_open(f->store, KT_OTHERS, &waiter), 0);
	fd.fd = kt_waiter_fd(waiter);
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(put_number(f->store, "own", i, 0), 0);
		assert_int_equal(put_number(second, "other", i, 0), 0);
		assert_int_equal(poll(&fd, 1, 60000), 1);
		do
			assert_int_equal(kt_waiter_clear(waiter, &txn), 0);
		while (get_number(f->store, "other") < i);
	}
	kt_waiter_close(waiter);
	assert_int_equal(kt_close(second), 0);
}

static void *wait_in_thread(void *arg)
{
	struct fixture *f = arg;
	uint64_t txn;

	return kt_wait(f->store, 1, -1, &txn) == 0 ? f : NULL;
}

/* A store in memory is waited for as well. */
static void wait_in_memory(void **state)
{
	struct fixture *f = *state;
	struct kt_waiter *waiter;
	pthread_t thread;
	void *result;

	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open_memory("m", &f->store), 0);
	assert_int_equal(kt_waiter_open(f->store, 0, &waiter), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, f), 0);
	assert_int_equal(put_number(f->store, "n", 1, 0), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_int_equal(
		poll(&(struct pollfd){.fd = kt_waiter_fd(waiter), .events = POLLIN}, 1, 60000), 1);
	kt_waiter_close(waiter);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
	static unsigned char buf[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/* A copy that is made while others write is a commit, or is refused, or found damaged; it never
 * shows what never was. Each commit writes one number to two keys far apart. */
static void copies(void **state)
{
	struct fixture *f = *state;
	unsigned opened = 0;
	char copy[160];
	pid_t pid = fork();

	snprintf(copy, sizeof(copy), "%s/copy.kt", f->dir);
	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		for (uint64_t i = 0; !atomic_load(&f->shared->stop); i++) {
			static unsigned char value[20000];
			struct kt_txn *txn;

			memset(value, (int)i, sizeof(value));
			MUST(kt_begin(store, KT_WRITE, &txn) == 0);
			MUST(kt_put_uint(txn, "a", 1, 8, i) == 0);
			MUST(kt_put(txn, "m", 1, value, sizeof(value)) == 0);
			MUST(kt_put_uint(txn, "z", 1, 8, i) == 0);
			MUST(kt_commit(txn, i % 3 == 0 ? KT_FLUSH : 0) == 0);
			atomic_store(&f->shared->number, i);
		}
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	while (atomic_load(&f->shared->number) < 10)
		sched_yield();
	for (int i = 0; i < 60; i++) {
		struct kt_store *store;
		struct kt_txn *txn;

		copy_file(f->path, copy);
		if (kt_open(copy, KT_OPTIONS(.flags = i % 2 == 0 ? KT_READONLY : 0), &store) != 0)
			continue;
		if (kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0) {
			uint64_t a = number_in(txn, "a"), z = number_in(txn, "z");

			if (a != UINT64_MAX && z != UINT64_MAX) {
				assert_int_equal(a, z);
				opened++;
			}
			kt_abort(txn);
		}
		kt_close(store);
		unlink(copy);
	}
	atomic_store(&f->shared->stop, true);
	join(pid);
	fprintf(stderr, "copies: %u of 60 could be read\n", opened);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(two_handles),
		TEST(free_space_is_shared),
		TEST(another_process),
		TEST(reader_elsewhere),
		TEST(reader_without_permission),
		TEST(reader_through_readonly_mount),
		TEST(process_namespaces),
		TEST(dead_reader),
		TEST(stopped_reader),
		TEST(dead_writer),
		TEST(all_dead),
		TEST(fairness),
		TEST(forked),
		TEST(alone),
		TEST(other_names),
		TEST(lock_file),
		TEST(foreign_lock),
		TEST(openers),
		TEST(many_openers),
		TEST(wait_for_commits),
		TEST(wait_in_poll),
		TEST(wait_for_others),
		TEST(wait_in_memory),
		TEST(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
