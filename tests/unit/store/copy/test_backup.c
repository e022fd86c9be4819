/* Backups: a copy that is one point in time, complete and sound, in a file or through a pipe. */
#include "tests/unit/fixture.h"
#include "tests/unit/store/copy/backup_world.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what is copied -------------------------------------------------------------------------- */

/* A copy of an empty store is an empty store, of mode 0600 and with the same id. */
static void empty_store(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info of_store, of_copy;
	struct kt_store *copy;
	struct stat st;

	backup_make(f->store, f->temp.copy);
	assert_int_equal(stat(f->temp.copy, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	copy = backup_open_copy(f->temp.copy);
	assert_int_equal(kt_info(copy, &of_copy), 0);
	assert_int_equal(kt_info(f->store, &of_store), 0);
	assert_memory_equal(of_copy.id, of_store.id, sizeof(of_copy.id));
	assert_int_equal(of_copy.entries, 0);
	assert_int_equal(kt_close(copy), 0);
}

/* Keys, values, attributes, versions and times of all trees are the same; ids go on. The store that
 * was copied goes on too. */
static void everything(void **state)
{
	struct fixture *f = *state;
	uint64_t next_here, next_there;
	struct kt_txn *txn, *other;
	struct kt_store *copy;

	backup_fill(f->store);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(kt_tree(txn, KT_NAMELESS), f->temp.copy, 0, NULL, NULL), 0);
	backup_assert_copy_is(f, txn);
	kt_abort(txn);
	copy = backup_open_copy(f->temp.copy);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_begin(copy, KT_WRITE, &other), 0);
	assert_int_equal(kt_new_id(txn, &next_here), 0);
	assert_int_equal(kt_new_id(other, &next_there), 0);
	assert_int_equal(next_here, next_there);
	kt_abort(txn);
	kt_abort(other);
	assert_int_equal(kt_close(copy), 0);
	backup_put_keys(f->store, 0, 1000, "after");
	fixture_assert_sound(f->store);
}

/* A copy of a copy is the same again, and one that was changed keeps the changes. */
static void copy_of_a_copy(void **state)
{
	struct fixture *f = *state;
	struct kt_store *copy;
	struct kt_txn *txn;
	char path[128];

	backup_fill(f->store);
	backup_make(f->store, f->temp.copy);
	copy = backup_open_copy(f->temp.copy);
	backup_put_keys(copy, 0, 3000, "changed");
	snprintf(path, sizeof(path), "%s/second.kt", f->temp.dir);
	txn = backup_begin_read(copy);
	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), 0);
	strcpy(f->temp.copy, path);
	backup_assert_copy_is(f, txn);
	kt_abort(txn);
	assert_int_equal(kt_close(copy), 0);
}

/* Free pages, in thousands of places, are holes in the copy and free in its log; the file ends
 * behind the last page in use. */
static void free_space(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info of_store, of_copy;
	struct kt_store *copy;
	struct stat st;
	struct kt_txn *txn;
	char key[16];

	memset(backup_bytes, 'v', 8192);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < 6000; i++) {
		snprintf(key, sizeof(key), "n/%04u", i);
		assert_int_equal(kt_put(txn, key, strlen(key), backup_bytes, 4096), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < 6000; i++) {
		snprintf(key, sizeof(key), "n/%04u", i);
		if (i % 2 == 0 || i > 4500)
			assert_int_equal(kt_delete(txn, key, strlen(key), 0), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	assert_int_equal(stat(f->temp.copy, &st), 0);
	assert_true(st.st_blocks * 512 < 2250 * 4096 * 12 / 10);
	backup_assert_copy_is(f, txn);
	kt_abort(txn);
	copy = backup_open_copy(f->temp.copy);
	backup_put_keys(copy, 0, 1000, "new");
	assert_int_equal(kt_info(copy, &of_copy), 0);
	assert_int_equal(kt_info(f->store, &of_store), 0);
	assert_true(of_copy.pages < of_store.pages);
	assert_true(of_copy.free_pages > 2000);
	assert_int_equal(kt_close(copy), 0);
}

/* Named snapshots come along, with what they keep, also of a tree that was cleared and is not freed
 * yet; they are deleted and restored there as here. */
static void with_snapshots(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *here, *there, *txn;
	struct kt_store *copy;

	backup_fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	backup_put_keys(f->store, 0, 2000, "second");
	assert_int_equal(kt_snapshot_create(f->store, "two"), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	backup_make(f->store, f->temp.copy);
	copy = backup_open_copy(f->temp.copy);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "one" : "two";

		assert_int_equal(kt_snapshot_open(f->store, name, &here), 0);
		assert_int_equal(kt_snapshot_open(copy, name, &there), 0);
		backup_assert_same(here, there);
		kt_abort(here);
		kt_abort(there);
	}
	assert_int_equal(kt_snapshot_open(copy, "one", &there), 0);
	assert_int_equal(kt_restore(copy, there), 0);
	kt_abort(there);
	fixture_assert_sound(copy);
	assert_int_equal(kt_snapshot_delete(copy, "one"), 0);
	fixture_assert_sound(copy);
	assert_int_equal(kt_snapshot_delete(copy, "two"), 0);
	for (unsigned i = 0; i < 20; i++) /* free what was cleared */
		backup_put_keys(copy, i, i + 1, "last");
	fixture_assert_sound(copy);
	assert_int_equal(kt_close(copy), 0);
}

/* What kt_clear() left to be freed is not copied where no snapshot can see it. */
static void cleared_store(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;
	struct stat st;

	backup_fill(f->store);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_clear(kt_tree(txn, KT_NAMELESS)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	assert_int_equal(stat(f->temp.copy, &st), 0);
	assert_true(st.st_blocks * 512 < 65536);
	backup_assert_copy_is(f, txn);
	kt_abort(txn);
}

/* A snapshot is copied by itself. */
static void of_a_snapshot(void **state)
{
	struct fixture *f = *state;
	struct kt_store *copy;
	struct kt_txn *txn;

	backup_fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "then"), 0);
	backup_put_keys(f->store, 0, 2000, "later");
	assert_int_equal(kt_snapshot_open(f->store, "then", &txn), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	backup_assert_copy_is(f, txn);
	kt_abort(txn);
	copy = backup_open_copy(f->temp.copy);
	assert_int_equal(kt_snapshot_open(copy, "then", &txn), -ENOENT);
	assert_int_equal(kt_close(copy), 0);
}

/* ---- streams --------------------------------------------------------------------------------- */

struct reader {
	int from;
	const char *path;
	bool ok;
};

static void *save_stream(void *arg)
{
	struct reader *reader = arg;
	int to = open(reader->path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	char buf[10000];
	ssize_t n;

	while ((n = read(reader->from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			break;
	reader->ok = n == 0 && close(to) == 0;
	return NULL;
}

/* Through a pipe, also one that does not block, comes the same store. */
static void through_a_pipe(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;

	backup_fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	backup_put_keys(f->store, 0, 500, "more");
	txn = backup_begin_read(f->store);
	for (int i = 0; i < 2; i++) {
		struct reader reader = {.path = f->temp.copy};
		struct backup_progress whole = {0};
		pthread_t thread;
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		if (i == 1)
			assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
		reader.from = ends[0];
		assert_int_equal(pthread_create(&thread, NULL, save_stream, &reader), 0);
		assert_int_equal(kt_backup_fd(txn, ends[1], backup_note_progress, &whole), 0);
		close(ends[1]);
		pthread_join(thread, NULL);
		close(ends[0]);
		assert_true(reader.ok);
		assert_int_equal(whole.done, whole.total);
		backup_assert_copy_is(f, txn);
		assert_int_equal(unlink(f->temp.copy), 0);
	}
	kt_abort(txn);
}

/* Nobody reads the pipe any more: that is the error. */
static void broken_pipe(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;
	int ends[2];

	backup_fill(f->store);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	txn = backup_begin_read(f->store);
	assert_int_equal(kt_backup_fd(txn, ends[1], NULL, NULL), -EPIPE);
	assert_int_equal(kt_backup_fd(txn, -1, NULL, NULL), -EBADF);
	kt_abort(txn);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(empty_store),
		FIXTURE_BOTH(everything),
		FIXTURE_BOTH(copy_of_a_copy),
		FIXTURE_BOTH(free_space),
		FIXTURE_BOTH(with_snapshots),
		FIXTURE_BOTH(cleared_store),
		FIXTURE_BOTH(of_a_snapshot),
		FIXTURE_BOTH(through_a_pipe),
		FIXTURE_BOTH(broken_pipe),
	};

	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
