/* One store, many processes: commits, the writer lock, forks, the lock file and copies. */
#include "tests/unit/store/share/process_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- tests ----------------------------------------------------------------------------------- */

/* Two handles of one process are as two processes: what one commits, the other sees at once, and
 * there is one writer at a time. */
static void two_handles(void **state)
{
	struct process_world *f = *state;
	struct kt_store *second;
	struct kt_txn *txn, *old, *none;

	assert_int_equal(process_put_number(f->store, "a", 1, 0), 0);
	assert_int_equal(kt_open(f->path, NULL, &second), 0);
	assert_int_equal(process_get_number(second, "a"), 1);
	assert_int_equal(kt_begin(second, KT_READ, &old), 0);
	for (uint64_t i = 2; i < 200; i++) {
		struct kt_store *writer = i % 3 == 0 ? f->store : second;

		assert_int_equal(process_put_number(writer, "a", i, i % 7 == 0 ? KT_FLUSH : 0), 0);
		assert_int_equal(process_get_number(f->store, "a"), i);
		assert_int_equal(process_get_number(second, "a"), i);
	}
	assert_int_equal(process_number_in(old, "a"), 1);
	kt_abort(old);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_begin(second, KT_WRITE | KT_TRY, &none), -EAGAIN);
	kt_abort(txn);
	assert_int_equal(kt_begin(second, KT_WRITE | KT_TRY, &txn), 0);
	kt_abort(txn);
	process_check(second);
	assert_int_equal(kt_close(second), 0);
	process_check(f->store);
}

/* Writers that take turns take over each other's free space: the file does not grow. */
static void free_space_is_shared(void **state)
{
	static unsigned char value[50000];
	struct process_world *f = *state;
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
	process_check(second);
	assert_int_equal(kt_close(second), 0);
}

/* What another process commits is seen at once, and its flush is everybody's. */
static void another_process(void **state)
{
	struct process_world *f = *state;
	struct kt_store_info info;
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		for (uint64_t i = 0; i < 100; i++) {
			MUST(process_put_number(store, "child", i, 0) == 0);
			process_advance(f, (int)(2 * i + 1));
			process_await(f, (int)(2 * i + 2));
			MUST(process_get_number(store, "parent") == i);
		}
		MUST(kt_flush(store) == 0);
		process_advance(f, 1000);
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	for (uint64_t i = 0; i < 100; i++) {
		process_await(f, (int)(2 * i + 1));
		assert_int_equal(process_get_number(f->store, "child"), i);
		assert_int_equal(process_put_number(f->store, "parent", i, 0), 0);
		process_advance(f, (int)(2 * i + 2));
	}
	process_await(f, 1000);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.durable_txn, info.txn);
	process_join(pid);
	process_check(f->store);
}

/* Who commits in a loop lets a waiting process in between. */
static void fairness(void **state)
{
	struct process_world *f = *state;
	uint64_t before, after;
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		for (uint64_t i = 0; !atomic_load(&f->shared->stop); i++) {
			MUST(process_put_number(store, "loop", i, 0) == 0);
			atomic_store(&f->shared->number, i);
		}
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	while (atomic_load(&f->shared->number) < 100)
		sched_yield();
	before = atomic_load(&f->shared->number);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(process_put_number(f->store, "other", i, 0), 0);
	after = atomic_load(&f->shared->number);
	atomic_store(&f->shared->stop, true);
	process_join(pid);
	/* The loop runs on while this process is woken; that is not starving. */
	assert_true(after - before < 50 * 200);
	process_check(f->store);
}

/* A child cannot use its parent's handle, is told so, and does no harm by trying. */
static void forked(void **state)
{
	struct process_world *f = *state;
	struct kt_txn *reader, *writer, *none;
	struct kt_store *second;
	pid_t pid;

	process_churn(f->store, 8);
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
		MUST(process_get_number(second, "w") == UINT64_MAX);
		MUST(kt_begin(second, KT_WRITE | KT_TRY, &none) == -EAGAIN);
		MUST(kt_close(second) == 0);
		_exit(0);
	}
	process_join(pid);
	assert_int_equal(kt_begin(second, KT_WRITE | KT_TRY, &none), -EAGAIN);
	assert_int_equal(kt_commit(writer, KT_FLUSH), 0);
	assert_int_equal(process_get_number(second, "w"), 5);
	process_churn(f->store, 50);
	assert_true(process_is_whole(reader));
	kt_abort(reader);
	assert_int_equal(kt_close(second), 0);
	process_check(f->store);
}

/* One who is to be alone gets it only if nobody else writes, and keeps others from it. */
static void alone(void **state)
{
	struct process_world *f = *state;
	struct kt_store *second;

	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_ALONE), &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "open for writing"));
	assert_int_equal(
		kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY | KT_ALONE), &second), -EBUSY);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_ALONE), &f->store), 0);
	assert_int_equal(process_put_number(f->store, "a", 1, 0), 0);
	assert_int_equal(kt_open(f->path, NULL, &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "keeps it"));
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &second), 0);
	assert_int_equal(process_get_number(second, "a"), 1);
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
	struct process_world *f = *state;
	struct kt_store *second;
	char other[160];

	snprintf(other, sizeof(other), "%s/other.kt", f->dir);
	assert_int_equal(symlink(f->path, other), 0);
	assert_int_equal(kt_open(other, NULL, &second), 0);
	assert_int_equal(process_put_number(second, "a", 3, 0), 0);
	assert_int_equal(process_get_number(f->store, "a"), 3);
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(link(f->path, other), 0);
	assert_int_equal(kt_open(other, NULL, &second), -EBUSY);
	assert_non_null(strstr(kt_strerror(NULL, -EBUSY), "another name"));
	/* A reader finds its way without a lock file. */
	assert_int_equal(kt_open(other, KT_OPTIONS(.flags = KT_READONLY), &second), 0);
	assert_int_equal(process_put_number(f->store, "a", 4, 0), 0);
	assert_int_equal(process_get_number(second, "a"), 4);
	assert_int_equal(kt_close(second), 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(kt_open(f->path, NULL, &second), -EBUSY);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
}

/* Those who may write the store may read and write the lock file, and nobody else; what lies in it is
 * not believed. */
static void lock_file(void **state)
{
	struct process_world *f = *state;
	unsigned char noise[8192];
	struct stat st;
	int fd;

	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(process_put_number(f->store, "a", 1, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	memset(noise, 0xa5, sizeof(noise));
	fd = open(f->lock, O_WRONLY);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 8), sizeof(noise)); /* behind the magic */
	close(fd);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_int_equal(process_get_number(f->store, "a"), 1);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_int_equal(process_get_number(f->store, "a"), 1);
	assert_int_equal(process_put_number(f->store, "a", 2, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(symlink("/etc/passwd", f->lock), 0);
	assert_true(kt_open(f->path, NULL, &f->store) < 0);
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(chmod(f->path, 0664), 0);
	assert_int_equal(kt_open(f->path, NULL, &f->store), 0);
	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

/* A program that locks all of the file keeps everybody out. */
static void foreign_lock(void **state)
{
	struct process_world *f = *state;
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
	struct process_world *f = *state;
	uint64_t child;
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;

		MUST(kt_open(f->path, NULL, &store) == 0);
		atomic_store(&f->shared->number, kt_opener_id(store));
		process_advance(f, 1);
		pause();
	}
	process_await(f, 1);
	child = atomic_load(&f->shared->number);
	assert_true(child != 0 && child != kt_opener_id(f->store));
	assert_true(kt_opener_is_alive(f->store, child));
	assert_true(kt_opener_is_alive(f->store, kt_opener_id(f->store)));
	assert_false(kt_opener_is_alive(f->store, child + 1));
	process_kill_child(pid);
	assert_false(kt_opener_is_alive(f->store, child));
}

/* Thousands of dead openers do not use up the places. */
static void many_openers(void **state)
{
	struct process_world *f = *state;

	for (int i = 0; i < 1200; i += 6) {
		pid_t pid = fork();

		if (pid == 0) {
			struct kt_store *stores[6];

			for (int n = 0; n < 6; n++)
				MUST(kt_open(f->path, NULL, &stores[n]) == 0);
			MUST(process_put_number(stores[3], "n", (uint64_t)i, 0) == 0);
			_exit(0); /* none of them is closed */
		}
		process_join(pid);
		assert_int_equal(process_get_number(f->store, "n"), i);
	}
	process_check(f->store);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static void process_copy_file(const char *from, const char *to)
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
	struct process_world *f = *state;
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

		process_copy_file(f->path, copy);
		if (kt_open(copy, KT_OPTIONS(.flags = i % 2 == 0 ? KT_READONLY : 0), &store) != 0)
			continue;
		if (kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0) {
			uint64_t a = process_number_in(txn, "a"), z = process_number_in(txn, "z");

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
	process_join(pid);
	fprintf(stderr, "copies: %u of 60 could be read\n", opened);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(two_handles),
		PROCESS_TEST(free_space_is_shared),
		PROCESS_TEST(another_process),
		PROCESS_TEST(fairness),
		PROCESS_TEST(forked),
		PROCESS_TEST(alone),
		PROCESS_TEST(other_names),
		PROCESS_TEST(lock_file),
		PROCESS_TEST(foreign_lock),
		PROCESS_TEST(openers),
		PROCESS_TEST(many_openers),
		PROCESS_TEST(copies),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
