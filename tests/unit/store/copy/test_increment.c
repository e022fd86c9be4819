/* Increments: which base they fit, what they contain, and the calls that make and apply them. */
#include "tests/unit/store/copy/increment_world.h"

#include "keytree_fs.h"

#include "store/copy/increment.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what it fits ---------------------------------------------------------------------------- */

/* An increment fits the base, and nothing else; nothing is lost unasked; once more is no harm. */
static void wrong_base(void **state)
{
	struct increment_world *f = *state;
	struct kt_store *other;
	uint64_t commit;
	int first, second;

	increment_prepare(f);
	increment_put_text(f->store, "a", "3");
	first = increment_make(f->store, "one", "two");
	second = increment_make(f->store, "two", NULL);
	commit = increment_commit_of(f->copy);
	assert_int_equal(increment_apply(f->copy, second, 0), -ESTALE);
	assert_non_null(strstr(kt_strerror(f->copy, -ESTALE), "'two'"));
	assert_int_equal(increment_apply(f->copy, second, KT_APPLY_REPLACE), -ESTALE);
	assert_int_equal(increment_commit_of(f->copy), commit);
	assert_int_equal(increment_apply(f->copy, first, 0), 0);
	increment_assert_same(f->store, "two", f->copy, "two");
	commit = increment_commit_of(f->copy);
	assert_int_equal(increment_apply(f->copy, first, 0), 0);
	assert_int_equal(increment_commit_of(f->copy), commit);
	assert_int_equal(increment_apply(f->copy, second, 0), 0);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	increment_put_text(f->copy, "mine", "x");
	assert_int_equal(increment_apply(f->copy, second, 0), -ENOTEMPTY);
	assert_int_equal(increment_apply(f->copy, second, KT_APPLY_REPLACE), 0);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	assert_int_equal(kt_open_memory("other", &other), 0);
	assert_int_equal(increment_apply(other, first, KT_APPLY_REPLACE), -EXDEV);
	assert_int_equal(kt_close(other), 0);
	close(first);
	close(second);
}

/* The live store has the base too, and goes to the end only when what would be lost may be. */
static void to_the_store_itself(void **state)
{
	struct increment_world *f = *state;
	int fd;

	increment_prepare(f);
	fd = increment_make(f->store, "one", "two");
	assert_int_equal(increment_apply(f->store, fd, 0), 0); /* it is there */
	increment_put_text(f->store, "a", "precious");
	assert_int_equal(increment_apply(f->store, fd, 0), -ENOTEMPTY);
	assert_int_equal(increment_apply(f->store, fd, KT_APPLY_REPLACE), 0);
	increment_assert_same(f->store, NULL, f->store, "two");
	close(fd);
}

/* A copy that was written to and has a snapshot of the same number is not the base. */
static void another_history(void **state)
{
	struct increment_world *f = *state;
	int fd;

	increment_put_text(f->store, "a", "1");
	increment_back_up(f, NULL);
	usleep(20000); /* the clock of commits is a coarse one */
	increment_put_text(f->store, "a", "2");
	usleep(20000);
	increment_put_text(f->copy, "a", "other");
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	assert_int_equal(kt_snapshot_create(f->copy, "s"), 0);
	assert_int_equal(increment_commit_of(f->store), increment_commit_of(f->copy));
	increment_put_text(f->store, "a", "3");
	fd = increment_make(f->store, "s", NULL);
	assert_int_equal(increment_apply(f->copy, fd, KT_APPLY_REPLACE), -ESTALE);
	close(fd);
}

/* A snapshot of the backup is not taken for another one of that name. */
static void name_is_taken(void **state)
{
	struct increment_world *f = *state;
	int fd;

	increment_prepare(f);
	fd = increment_make(f->store, "one", NULL);
	assert_int_equal(increment_apply(f->copy, fd, 0), 0);
	close(fd);
	assert_int_equal(kt_snapshot_create(f->copy, "two"), 0);
	fd = increment_make(f->store, "one", "two");
	assert_int_equal(increment_apply(f->copy, fd, KT_APPLY_REPLACE), -EEXIST);
	assert_int_equal(kt_snapshot_delete(f->copy, "two"), 0);
	assert_int_equal(increment_apply(f->copy, fd, KT_APPLY_REPLACE), 0);
	increment_assert_same(f->store, "one", f->copy, "one");
	increment_assert_same(f->store, "two", f->copy, "two");
	close(fd);
}

/* Ids are not given again; entries without a name are nobody's business. */
static void ids_and_nameless(void **state)
{
	struct increment_world *f = *state;
	uint64_t here, there, id;
	struct kt_txn *txn;

	txn = increment_begin_write(f->store);
	assert_int_equal(kt_nameless_new(txn, &id), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	increment_prepare(f);
	txn = increment_begin_write(f->store);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(kt_new_id(txn, &here), 0);
	assert_int_equal(kt_nameless_drop(txn, id), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	increment_follow(f, "one", NULL, 0);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	txn = increment_begin_write(f->copy);
	assert_int_equal(kt_new_id(txn, &there), 0);
	kt_abort(txn);
	assert_true(there > here);
}

/* ---- size and cost --------------------------------------------------------------------------- */

/* Of a large value only the blocks that changed are written; it is cut, holed and extended. */
static void large_values(void **state)
{
	struct increment_world *f = *state;
	struct kt_txn *txn = increment_begin_write(f->store);
	int fd;

	for (uint64_t at = 0; at < 64 << 20; at += sizeof(increment_bytes))
		assert_int_equal(
			kt_write(txn, "large", 5, at, increment_bytes, sizeof(increment_bytes)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s0"), 0);
	increment_back_up(f, "s0");
	txn = increment_begin_write(f->store);
	assert_int_equal(kt_write(txn, "large", 5, 12345678, "changed", 7), 0);
	assert_int_equal(kt_punch(txn, "large", 5, 30 << 20, 5 << 20), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s1"), 0);
	fd = increment_make(f->store, "s0", "s1");
	assert_true(increment_size(fd) < 10000);
	assert_int_equal(increment_apply(f->copy, fd, 0), 0);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	close(fd);
	txn = increment_begin_write(f->store);
	assert_int_equal(kt_truncate(txn, "large", 5, (50 << 20) + 100), 0);
	assert_int_equal(kt_truncate(txn, "large", 5, 60 << 20), 0);
	assert_int_equal(kt_write(txn, "large", 5, 80 << 20, increment_bytes, 5000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	fd = increment_make(f->store, "s1", NULL);
	assert_true(increment_size(fd) < 30000);
	assert_int_equal(increment_apply(f->copy, fd, 0), 0);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	increment_assert_sound(f->copy);
	close(fd);
}

/* The increment of one key among a hundred thousand is small; of nothing, it is empty, and says so.
 */
static void small_change(void **state)
{
	struct increment_world *f = *state;
	struct kt_txn *txn = increment_begin_write(f->store);
	char key[16];
	int fd;

	for (unsigned i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "key %06u", i);
		assert_int_equal(kt_put(txn, key, strlen(key), increment_bytes, 50), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	increment_back_up(f, NULL);
	increment_follow(f, "s", NULL, 0);
	increment_put_text(f->store, "key 050000", "changed");
	fd = increment_make(f->store, "s", NULL);
	assert_true(increment_size(fd) < 400);
	assert_int_equal(increment_apply(f->copy, fd, 0), 0);
	increment_assert_same(f->store, NULL, f->copy, NULL);
	close(fd);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int stop_at(void *arg, uint64_t done, uint64_t whole)
{
	unsigned *left = arg;

	(void)done;
	assert_int_equal(whole, 0);
	return (*left)-- == 0 ? -ECANCELED : 0;
}

/* Files appear whole or not at all, and only increments are replaced; progress can stop both ways
 * at any time. */
static void files(void **state)
{
	struct increment_world *f = *state;
	struct kt_txn *base, *end;
	uint64_t commit;
	struct stat st;
	int fd, err;

	increment_prepare(f);
	base = increment_open_snapshot(f->store, "one");
	end = increment_open_snapshot(f->store, "two");
	assert_int_equal(kt_backup_since(base, end, f->path, 0, NULL, NULL), -EINVAL);
	for (unsigned i = 0; i < 100; i++) {
		unsigned left = i;

		err = kt_backup_since(end, base, f->path, 0, stop_at, &left);
		if (!err)
			break;
		assert_int_equal(err, -ECANCELED);
		assert_int_equal(stat(f->path, &st), -1);
	}
	assert_int_equal(err, 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(kt_backup_since(end, base, f->path, 0, NULL, NULL), -EEXIST);
	assert_int_equal(kt_backup_since(end, base, f->path, KT_BACKUP_REPLACE, NULL, NULL), 0);
	assert_int_equal(
		kt_backup_since(end, base, f->copy_path, KT_BACKUP_REPLACE, NULL, NULL), -EILSEQ);
	fd = open(f->path, O_RDONLY | O_CLOEXEC);
	commit = increment_commit_of(f->copy);
	for (unsigned i = 0; i < 5; i++) {
		unsigned left = i;

		lseek(fd, 0, SEEK_SET);
		assert_int_equal(kt_apply(f->copy, fd, 0, stop_at, &left), -ECANCELED);
		assert_int_equal(increment_commit_of(f->copy), commit);
	}
	assert_int_equal(increment_apply(f->copy, fd, 0), 0);
	increment_assert_same(f->store, "two", f->copy, NULL);
	close(fd);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(kt_backup_since_fd(end, base, fd, NULL, NULL), -ENOSPC);
	close(fd);
	kt_abort(base);
	kt_abort(end);
}

/* What is no increment, and calls that make no sense, are refused. */
static void refused(void **state)
{
	struct increment_world *f = *state;
	struct kt_store *other;
	struct kt_txn *base, *txn;
	int fd;

	increment_prepare(f);
	fd = open(f->temp.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(kt_apply(f->copy, fd, 0, NULL, NULL), -EILSEQ);
	close(fd);
	assert_int_equal(kt_apply(f->copy, -1, 0, NULL, NULL), -EBADF);
	fd = increment_make(f->store, "one", "two");
	assert_int_equal(kt_open(f->copy_path, KT_OPTIONS(.flags = KT_READONLY), &other), 0);
	assert_int_equal(increment_apply(other, fd, 0), -EROFS);
	base = increment_begin_read(other);
	txn = increment_begin_read(f->store);
	assert_int_equal(kt_backup_since_fd(txn, base, fd, NULL, NULL), -EINVAL);
	kt_abort(base);
	kt_abort(txn);
	assert_int_equal(kt_close(other), 0);
	txn = increment_begin_write(f->copy);
	assert_int_equal(increment_apply(f->copy, fd, 0), -EDEADLK);
	assert_int_equal(kt_backup_since_fd(txn, txn, fd, NULL, NULL), -EINVAL);
	kt_abort(txn);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INCREMENT_TEST(wrong_base),
		INCREMENT_TEST(to_the_store_itself),
		INCREMENT_TEST(another_history),
		INCREMENT_TEST(name_is_taken),
		INCREMENT_TEST(ids_and_nameless),
		INCREMENT_TEST(large_values),
		INCREMENT_TEST(small_change),
		INCREMENT_TEST(files),
		INCREMENT_TEST(refused),
	};

	return cmocka_run_group_tests_name("increment", tests, NULL, NULL);
}
