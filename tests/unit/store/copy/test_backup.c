/* Backups: a copy that is one point in time, whole, and sound. */
#include "keytree_fs.h"
#include "tests/unit/rng.h"
#include "tests/unit/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- filling --------------------------------------------------------------------------------- */

static char bytes[1 << 20];

static int put_text(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

/* Keys and values of every size, in every tree. */
static void fill(struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t id;
	char key[KT_KEY_MAX];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 4096);
	memset(key, 'k', sizeof(key));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (size_t i = 0; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "small/%zu", i);
		assert_int_equal(kt_put(txn, name, strlen(name), bytes, i % 1500), 0);
	}
	assert_int_equal(kt_put(txn, "", 0, "of the empty key", 16), 0);
	assert_int_equal(kt_put(txn, key, sizeof(key), "of the longest", 14), 0);
	assert_int_equal(kt_put(txn, key, 1000, bytes, 5000), 0);
	assert_int_equal(kt_put(txn, "large", 5, bytes, sizeof(bytes)), 0);
	assert_int_equal(kt_set_attr(txn, "large", 5, bytes, 100000), 0);
	assert_int_equal(kt_set_mtime(txn, "large", 5, 12345), 0);
	for (uint64_t i = 0; i < 500; i++) /* a tree of extents, with holes */
		assert_int_equal(
			kt_write(txn, "sparse", 6, i * 20000, bytes + i, 100 + i % 9000), 0);
	assert_int_equal(kt_truncate(txn, "hole", 4, 0), -ENOENT);
	assert_int_equal(kt_write(txn, "hole", 4, 1 << 30, "x", 1), 0);
	assert_int_equal(kt_new_id(txn, &id), 0);
	assert_int_equal(put_text(kt_tree(txn, KT_DIRECTORIES), "made/", ""), 0);
	assert_int_equal(kt_put(kt_tree(txn, KT_NAMELESS), &id, sizeof(id), bytes, 300000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void put_keys(struct kt_store *store, unsigned from, unsigned to, const char *value)
{
	struct kt_txn *txn;
	char key[16];

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof(key), "n/%u", i);
		assert_int_equal(put_text(txn, key, value), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void assert_same_stat(const struct kt_entry_info *a, const struct kt_entry_info *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->stored, b->stored);
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->attr.size, b->attr.size);
	if (a->attr.size > 0)
		assert_memory_equal(a->attr.data, b->attr.data, a->attr.size);
}

static void assert_same_value(struct kt_cursor *a, struct kt_cursor *b, uint64_t size)
{
	struct kt_slice of_a, of_b;

	if (size > 1 << 24) /* the hole */
		return;
	assert_int_equal(kt_cursor_value(a, &of_a), 0);
	assert_int_equal(kt_cursor_value(b, &of_b), 0);
	assert_int_equal(of_a.size, of_b.size);
	if (of_a.size > 0)
		assert_memory_equal(of_a.data, of_b.data, of_a.size);
}

static void assert_same_tree(struct kt_txn *a, struct kt_txn *b)
{
	struct kt_cursor *in_a, *in_b;
	struct kt_entry_info of_a, of_b;

	assert_int_equal(kt_cursor_open(a, &in_a), 0);
	assert_int_equal(kt_cursor_open(b, &in_b), 0);
	while (kt_cursor_next(in_a) == 0) {
		struct kt_slice key = kt_cursor_key(in_a);

		assert_int_equal(kt_cursor_next(in_b), 0);
		assert_int_equal(kt_cursor_key(in_b).size, key.size);
		assert_memory_equal(kt_cursor_key(in_b).data, key.data, key.size);
		assert_int_equal(kt_cursor_stat(in_a, &of_a), 0);
		assert_int_equal(kt_cursor_stat(in_b, &of_b), 0);
		assert_same_stat(&of_a, &of_b);
		assert_same_value(in_a, in_b, of_a.size);
	}
	assert_int_equal(kt_cursor_next(in_b), -ENOENT);
	kt_cursor_close(in_a);
	kt_cursor_close(in_b);
}

/* Do two transactions, of different stores, see the same? */
static void assert_same(struct kt_txn *a, struct kt_txn *b)
{
	for (unsigned tree = KT_ENTRIES; tree <= KT_NAMELESS; tree++)
		assert_same_tree(kt_tree(a, tree), kt_tree(b, tree));
}

static struct kt_txn *begin_read(struct kt_store *store)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	return txn;
}

static void back_up(struct kt_store *store, const char *path)
{
	struct kt_txn *txn = begin_read(store);

	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), 0);
	kt_abort(txn);
}

/* Open a copy, check it, and see that it takes changes. */
static struct kt_store *open_copy(const char *path)
{
	struct kt_store *copy;
	struct kt_txn *txn;

	assert_int_equal(kt_open(path, NULL, &copy), 0);
	fixture_assert_sound(copy);
	assert_int_equal(kt_begin(copy, KT_WRITE, &txn), 0);
	assert_int_equal(put_text(txn, "written to the copy", "x"), 0);
	assert_int_equal(kt_delete(txn, "written to the copy", 19, 0), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	fixture_assert_sound(copy);
	return copy;
}

static void assert_copy_is(struct fixture *f, struct kt_txn *expected)
{
	struct kt_store *copy = open_copy(f->temp.copy);
	struct kt_txn *txn = begin_read(copy);

	assert_same(expected, txn);
	kt_abort(txn);
	assert_int_equal(kt_close(copy), 0);
}

static unsigned count_names(const struct fixture *f)
{
	DIR *dir = opendir(f->temp.dir);
	unsigned names = 0;

	while (readdir(dir) != NULL)
		names++;
	closedir(dir);
	return names - 2;
}

/* Is nothing in the directory but the store and its lock file? */
static void assert_no_copy(const struct fixture *f)
{
	assert_int_equal(count_names(f), f->memory ? 0 : 2);
}

/* ---- what is copied -------------------------------------------------------------------------- */

/* A copy of an empty store is an empty store, of mode 0600 and with the same id. */
static void empty_store(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info of_store, of_copy;
	struct kt_store *copy;
	struct stat st;

	back_up(f->store, f->temp.copy);
	assert_int_equal(stat(f->temp.copy, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	copy = open_copy(f->temp.copy);
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

	fill(f->store);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(kt_tree(txn, KT_NAMELESS), f->temp.copy, 0, NULL, NULL), 0);
	assert_copy_is(f, txn);
	kt_abort(txn);
	copy = open_copy(f->temp.copy);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_begin(copy, KT_WRITE, &other), 0);
	assert_int_equal(kt_new_id(txn, &next_here), 0);
	assert_int_equal(kt_new_id(other, &next_there), 0);
	assert_int_equal(next_here, next_there);
	kt_abort(txn);
	kt_abort(other);
	assert_int_equal(kt_close(copy), 0);
	put_keys(f->store, 0, 1000, "after");
	fixture_assert_sound(f->store);
}

/* A copy of a copy is the same again, and one that was changed keeps the changes. */
static void copy_of_a_copy(void **state)
{
	struct fixture *f = *state;
	struct kt_store *copy;
	struct kt_txn *txn;
	char path[128];

	fill(f->store);
	back_up(f->store, f->temp.copy);
	copy = open_copy(f->temp.copy);
	put_keys(copy, 0, 3000, "changed");
	snprintf(path, sizeof(path), "%s/second.kt", f->temp.dir);
	txn = begin_read(copy);
	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), 0);
	strcpy(f->temp.copy, path);
	assert_copy_is(f, txn);
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

	memset(bytes, 'v', 8192);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < 6000; i++) {
		snprintf(key, sizeof(key), "n/%04u", i);
		assert_int_equal(kt_put(txn, key, strlen(key), bytes, 4096), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < 6000; i++) {
		snprintf(key, sizeof(key), "n/%04u", i);
		if (i % 2 == 0 || i > 4500)
			assert_int_equal(kt_delete(txn, key, strlen(key), 0), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	assert_int_equal(stat(f->temp.copy, &st), 0);
	assert_true(st.st_blocks * 512 < 2250 * 4096 * 12 / 10);
	assert_copy_is(f, txn);
	kt_abort(txn);
	copy = open_copy(f->temp.copy);
	put_keys(copy, 0, 1000, "new");
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

	fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	put_keys(f->store, 0, 2000, "second");
	assert_int_equal(kt_snapshot_create(f->store, "two"), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	back_up(f->store, f->temp.copy);
	copy = open_copy(f->temp.copy);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "one" : "two";

		assert_int_equal(kt_snapshot_open(f->store, name, &here), 0);
		assert_int_equal(kt_snapshot_open(copy, name, &there), 0);
		assert_same(here, there);
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
		put_keys(copy, i, i + 1, "last");
	fixture_assert_sound(copy);
	assert_int_equal(kt_close(copy), 0);
}

/* What kt_clear() left to be freed is not copied where no snapshot can see it. */
static void cleared_store(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;
	struct stat st;

	fill(f->store);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_clear(kt_tree(txn, KT_NAMELESS)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	assert_int_equal(stat(f->temp.copy, &st), 0);
	assert_true(st.st_blocks * 512 < 65536);
	assert_copy_is(f, txn);
	kt_abort(txn);
}

/* A snapshot is copied by itself. */
static void of_a_snapshot(void **state)
{
	struct fixture *f = *state;
	struct kt_store *copy;
	struct kt_txn *txn;

	fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "then"), 0);
	put_keys(f->store, 0, 2000, "later");
	assert_int_equal(kt_snapshot_open(f->store, "then", &txn), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	assert_copy_is(f, txn);
	kt_abort(txn);
	copy = open_copy(f->temp.copy);
	assert_int_equal(kt_snapshot_open(copy, "then", &txn), -ENOENT);
	assert_int_equal(kt_close(copy), 0);
}

/* ---- while others write ---------------------------------------------------------------------- */

#define ACCOUNTS 400
#define TOTAL (ACCOUNTS * UINT64_C(1000))

struct writer {
	struct kt_store *store;
	struct rng rng;
	_Atomic bool stop;
	_Atomic unsigned commits;
	_Atomic int err;
};

static int get_account(struct kt_txn *txn, unsigned account, uint64_t *ret_number)
{
	char key[32];

	snprintf(key, sizeof(key), "account/%u", account);
	return kt_get_uint(txn, key, strlen(key), 8, ret_number);
}

static int put_account(struct kt_txn *txn, unsigned account, uint64_t number)
{
	char key[32];

	snprintf(key, sizeof(key), "account/%u", account);
	return kt_put_uint(txn, key, strlen(key), 8, number);
}

/* Move an amount from one account to another, and write something that takes space. */
static int transfer(struct kt_txn *txn, struct rng *rng)
{
	unsigned from = (unsigned)rng_below(rng, ACCOUNTS), to = (unsigned)rng_below(rng, ACCOUNTS);
	uint64_t amount = rng_below(rng, 100), balance;
	char key[16];
	int err = get_account(txn, from, &balance);

	if (amount > balance)
		amount = balance;
	if (!err)
		err = put_account(txn, from, balance - amount);
	if (!err)
		err = get_account(txn, to, &balance);
	if (!err)
		err = put_account(txn, to, balance + amount);
	snprintf(key, sizeof(key), "bulk/%u", from);
	return err != 0 ? err : kt_put(txn, key, strlen(key), bytes, rng_below(rng, 20000));
}

static void *keep_writing(void *arg)
{
	struct writer *writer = arg;

	while (!writer->stop && !writer->err) {
		struct kt_txn *txn;

		writer->err = kt_begin(writer->store, KT_WRITE, &txn);
		if (writer->err != 0)
			break;
		writer->err = transfer(txn, &writer->rng);
		if (!writer->err)
			writer->err = kt_commit(txn, 0);
		else
			kt_abort(txn);
		writer->commits++;
	}
	return NULL;
}

static void assert_total(const char *path)
{
	struct kt_store *copy = open_copy(path);
	struct kt_txn *txn = begin_read(copy);
	uint64_t sum = 0, number;

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(get_account(txn, i, &number), 0);
		sum += number;
	}
	assert_int_equal(sum, TOTAL);
	kt_abort(txn);
	assert_int_equal(kt_close(copy), 0);
}

/* Writers move amounts between accounts all the while. In each copy the sum is right, and it is the
 * very commit that was asked for. */
static void one_point_in_time(void **state)
{
	struct fixture *f = *state;
	struct writer writers[2] = {{.store = f->store}, {.store = f->store}};
	pthread_t threads[2];
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(put_account(txn, i, 1000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		writers[i].rng = rng_seed("backup");
		assert_int_equal(pthread_create(&threads[i], NULL, keep_writing, &writers[i]), 0);
	}
	for (unsigned i = 0; i < 5; i++) {
		unsigned before = writers[0].commits;

		while (writers[0].commits < before + 20 && !writers[0].err)
			sched_yield();
		if (i == 2)
			assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
		txn = begin_read(f->store);
		assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
		assert_copy_is(f, txn);
		kt_abort(txn);
		assert_total(f->temp.copy);
		assert_int_equal(unlink(f->temp.copy), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		writers[i].stop = true;
		pthread_join(threads[i], NULL);
		assert_int_equal(writers[i].err, 0);
	}
	fixture_assert_sound(f->store);
}

static int stop(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	return total > 0 && done == total ? -ECANCELED : 0;
}

/* The same with a writer in another process, and a reader who may not write. */
static void beside_another_process(void **state)
{
	struct fixture *f = *state;
	struct writer writer = {.rng = rng_seed("backup, other process")};
	struct kt_txn *txn;
	pid_t child;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(put_account(txn, i, 1000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(f->store), 0);
	child = fork();
	if (child == 0) {
		if (kt_open(f->temp.path, NULL, &writer.store) == 0)
			keep_writing(&writer);
		_exit(1);
	}
	assert_int_equal(kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct kt_store_info before, info;

		assert_int_equal(kt_info(f->store, &before), 0);
		do
			assert_int_equal(kt_info(f->store, &info), 0);
		while (info.txn < before.txn + 10 && waitpid(child, NULL, WNOHANG) == 0);
		assert_true(info.txn >= before.txn + 10);
		txn = begin_read(f->store);
		assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
		assert_copy_is(f, txn);
		kt_abort(txn);
		assert_total(f->temp.copy);
		assert_int_equal(unlink(f->temp.copy), 0);
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

/* Nothing that exists is replaced, and what cannot be copied is refused. */
static void refused(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;
	char path[128];
	int fd;

	fill(f->store);
	fd = open(f->temp.copy, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EEXIST);
	fd = open(f->temp.copy, O_RDONLY);
	assert_int_equal(read(fd, bytes, 10), 4);
	close(fd);
	assert_int_equal(unlink(f->temp.copy), 0);
	if (!f->memory)
		assert_int_equal(kt_backup(txn, f->temp.path, 0, NULL, NULL), -EEXIST);
	assert_int_equal(kt_backup(txn, f->temp.dir, 0, NULL, NULL), -EEXIST);
	snprintf(path, sizeof(path), "%s/missing/copy.kt", f->temp.dir);
	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), -ENOENT);
	kt_abort(txn);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EINVAL);
	assert_int_equal(kt_backup_fd(txn, 1, NULL, NULL), -EINVAL);
	kt_abort(txn);
	assert_no_copy(f);
}

/* Another store is replaced where that is wished, also a damaged one; one that is open is not, nor
 * is what is no store. A backup that fails leaves the old one. */
static void replacing(void **state)
{
	struct fixture *f = *state;
	struct kt_store *copy;
	struct kt_txn *txn;
	int fd;

	put_keys(f->store, 0, 100, "old");
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	assert_copy_is(f, txn);
	kt_abort(txn);
	fill(f->store);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EEXIST);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	assert_copy_is(f, txn);
	copy = open_copy(f->temp.copy);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), -EBUSY);
	assert_int_equal(kt_close(copy), 0);
	if (!f->memory)
		assert_int_equal(
			kt_backup(txn, f->temp.path, KT_BACKUP_REPLACE, NULL, NULL), -EBUSY);
	assert_int_equal(kt_backup(txn, f->temp.dir, KT_BACKUP_REPLACE, NULL, NULL), -EISDIR);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, stop, NULL), -ECANCELED);
	assert_copy_is(f, txn);
	fd = open(f->temp.copy, O_WRONLY);
	assert_int_equal(pwrite(fd, "damaged", 7, 100), 7);
	close(fd);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), 0);
	assert_copy_is(f, txn);
	fd = open(f->temp.copy, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "notes", 5), 5);
	close(fd);
	assert_int_equal(kt_backup(txn, f->temp.copy, KT_BACKUP_REPLACE, NULL, NULL), -EMEDIUMTYPE);
	kt_abort(txn);
}

/* A store that is rotten anywhere is not copied: for each page in use, one bit of it is turned. */
static void rot(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info info;
	struct kt_txn *txn;
	unsigned found = 0;
	int fd;

	fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	put_keys(f->store, 0, 300, "more");
	assert_int_equal(kt_flush(f->store), 0);
	assert_int_equal(kt_info(f->store, &info), 0);
	fd = open(f->temp.path, O_RDWR);
	txn = begin_read(f->store);
	for (uint64_t page = 8; page < info.pages; page += page < 200 ? 3 : 41) {
		off_t at = (off_t)(page * 4096 + page * 37 % 4096);
		char byte;
		int err;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		err = kt_backup(txn, f->temp.copy, 0, NULL, NULL);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (!err) { /* a free page, or one of the log */
			assert_int_equal(unlink(f->temp.copy), 0);
			continue;
		}
		assert_true(err == -EUCLEAN || err == -EBADMSG);
		assert_non_null(strstr(kt_strerror(f->store, err), "page "));
		assert_no_copy(f);
		found++;
	}
	assert_true(found > 50);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	kt_abort(txn);
	close(fd);
}

/* Where there is no room for the copy, there is none, and the store is as it was. A limit on the
 * size of files stands for the full disk. */
static void no_room(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	struct kt_txn *txn;

	fill(f->store);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	txn = begin_read(f->store);
	for (rlim_t size = 0; size < 2000000; size += 300000) {
		limit.rlim_cur = size;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), -EFBIG);
		assert_non_null(strstr(kt_strerror(f->store, -EFBIG), f->temp.copy));
		assert_no_copy(f);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, NULL, NULL), 0);
	kt_abort(txn);
	fixture_assert_sound(f->store);
}

/* ---- progress -------------------------------------------------------------------------------- */

struct progress {
	uint64_t done, total;
	unsigned calls, stop_at; /* 0: never */
};

static int note_progress(void *arg, uint64_t done, uint64_t total)
{
	struct progress *progress = arg;

	assert_true(done >= progress->done);
	assert_true(total == progress->total || progress->total == 0);
	progress->done = done;
	progress->total = total;
	return ++progress->calls == progress->stop_at ? -ECANCELED : 0;
}

/* Progress goes up to the whole; whenever it is told to stop, the backup ends and nothing is left.
 */
static void progress(void **state)
{
	struct fixture *f = *state;
	struct progress whole = {0};
	struct kt_txn *txn;

	fill(f->store);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup(txn, f->temp.copy, 0, note_progress, &whole), 0);
	assert_true(whole.total > sizeof(bytes));
	assert_int_equal(whole.done, whole.total);
	assert_int_equal(unlink(f->temp.copy), 0);
	for (unsigned i = 1; i <= whole.calls; i += 1 + i / 5) {
		struct progress stopped = {.stop_at = i};

		assert_int_equal(
			kt_backup(txn, f->temp.copy, 0, note_progress, &stopped), -ECANCELED);
		assert_int_equal(stopped.calls, i);
		assert_no_copy(f);
	}
	kt_abort(txn);
}

static int die(void *arg, uint64_t done, uint64_t total)
{
	const uint64_t *at = arg;

	if (done >= *at && total > 0)
		raise(SIGKILL);
	return 0;
}

/* A process that is killed in the middle leaves no copy. Only a hidden file may remain, and only on
 * file systems that have no files without a name. */
static void killed(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int status;

	fill(f->store);
	assert_int_equal(kt_close(f->store), 0);
	for (uint64_t at = 0; at < 4 << 20; at += 1 << 20) {
		pid_t child = fork();

		if (child == 0) {
			if (kt_open(f->temp.path, KT_OPTIONS(.flags = KT_READONLY), &f->store) == 0)
				kt_backup(begin_read(f->store), f->temp.copy, 0, die, &at);
			_exit(1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(stat(f->temp.copy, &st), -1);
	}
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	fixture_assert_sound(f->store);
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

	fill(f->store);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	put_keys(f->store, 0, 500, "more");
	txn = begin_read(f->store);
	for (int i = 0; i < 2; i++) {
		struct reader reader = {.path = f->temp.copy};
		struct progress whole = {0};
		pthread_t thread;
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		if (i == 1)
			assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
		reader.from = ends[0];
		assert_int_equal(pthread_create(&thread, NULL, save_stream, &reader), 0);
		assert_int_equal(kt_backup_fd(txn, ends[1], note_progress, &whole), 0);
		close(ends[1]);
		pthread_join(thread, NULL);
		close(ends[0]);
		assert_true(reader.ok);
		assert_int_equal(whole.done, whole.total);
		assert_copy_is(f, txn);
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

	fill(f->store);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	txn = begin_read(f->store);
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
		FIXTURE_BOTH(one_point_in_time),
		FIXTURE_FILE(beside_another_process),
		FIXTURE_BOTH(refused),
		FIXTURE_BOTH(replacing),
		FIXTURE_FILE(rot),
		FIXTURE_BOTH(no_room),
		FIXTURE_BOTH(progress),
		FIXTURE_FILE(killed),
		FIXTURE_BOTH(through_a_pipe),
		FIXTURE_BOTH(broken_pipe),
	};

	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
