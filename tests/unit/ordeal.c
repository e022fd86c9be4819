#include "ordeal.h"

#include "store/share/handle.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char ordeal_doing[200];

/* ---- the original ---------------------------------------------------------------------------- */

static void put(struct ordeal *f, struct kt_txn *txn, int tree, const char *key, size_t key_size,
	size_t size)
{
	struct model_entry *entry = model_edit(&f->state.trees[tree], key, key_size);
	uint8_t *value = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)(i % 251 + key_size);
	assert_int_equal(
		kt_put(kt_tree(txn, (enum kt_tree_id)tree), key, key_size, value, size), 0);
	model_resize(entry, size);
	memcpy(entry->value, value, size);
	free(value);
}

static void put_attr(struct ordeal *f, struct kt_txn *txn, const char *key, size_t size)
{
	static uint8_t attr[8000];

	memset(attr, 'a', sizeof(attr));
	assert_int_equal(kt_set_attr(txn, key, strlen(key), attr, size), 0);
	model_set_attr(model_edit(&f->state.trees[0], key, strlen(key)), attr, size);
}

/* Take a snapshot, of the last commit. */
static void keep(struct ordeal *f, struct kt_store *store, const char *name)
{
	assert_int_equal(kt_snapshot_create(store, name), 0);
	state_keep(&f->state, &f->state, atomic_load(&store->root)->txn - 1, name);
}

/* Change what snapshots see, and drop a tree that is too large to be freed at once. */
static void fill_old(struct ordeal *f, struct kt_store *store)
{
	struct kt_txn *txn;
	char key[20];

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (int i = 0; i < 260; i++)
		put(f, txn, KT_NAMELESS, key, (size_t)sprintf(key, "%04d", i), 1000);
	assert_int_equal(kt_commit(txn, 0), 0);
	keep(f, store, "first");
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (int i = 0; i < 300; i += 5) {
		size_t size = (size_t)sprintf(key, "entry/%04d", i * 7);

		put(f, txn, 0, key, size, (size_t)i % 70);
	}
	put(f, txn, 0, "blocks", 6, 30000);
	assert_int_equal(kt_commit(txn, 0), 0);
	keep(f, store, "second");
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "tree", 4, 400);
	assert_int_equal(kt_clear(kt_tree(txn, KT_NAMELESS)), 0);
	model_fini(&f->state.trees[KT_NAMELESS]);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	assert_true(store->slot.trees[TREE_RECLAIM].entries > 0);
}

/* Something of everything that a store can hold. */
static void fill_rich(struct ordeal *f, struct kt_store *store)
{
	char key[KT_KEY_MAX];
	struct kt_txn *txn;

	memset(key, 'k', sizeof(key));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (int i = 0; i < 300; i++) {
		size_t size = (size_t)sprintf(key, "entry/%04d", i * 7);

		put(f, txn, i % 10 == 9 ? 1 + i % 3 % 2 : 0, key, size, (size_t)i % 90);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "blocks", 6, 20000);
	put(f, txn, 0, "tree", 4, 500000);
	assert_int_equal(kt_write(txn, "tree", 4, 600000, "end", 3), 0);
	model_resize(model_edit(&f->state.trees[0], "tree", 4), 600003);
	memcpy(model_edit(&f->state.trees[0], "tree", 4)->value + 600000, "end", 3);
	put_attr(f, txn, "entry/0007", 100);
	put_attr(f, txn, "entry/0014", 7000);
	memset(key, 'k', sizeof(key));
	for (size_t i = 0; i < 6; i++) {
		key[1000 + 500 * i] = 'l';
		put(f, txn, 0, key, 600 + 600 * i, 30);
	}
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	fill_old(f, store);
}

/* A little of everything, on few pages. */
static void fill_small(struct ordeal *f, struct kt_store *store)
{
	char key[400];
	struct kt_txn *txn;

	memset(key, 'k', sizeof(key));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "a", 1, 10);
	put(f, txn, 0, "b", 1, 5000);
	put(f, txn, 0, "c", 1, 100);
	put(f, txn, 0, key, sizeof(key), 10);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "d", 1, 10);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

void ordeal_init(struct ordeal *f, struct rng rng, bool rich)
{
	struct kt_store *store;
	struct io *io;

	*f = (struct ordeal){.rng = rng, .original = disk_new(), .image = disk_new()};
	io = disk_handle(f->original);
	assert_int_equal(store_format(io), 0);
	assert_int_equal(store_open(io, "disk", "original", 0, &store), 0);
	if (rich)
		fill_rich(f, store);
	else
		fill_small(f, store);
	f->seed = store->seed;
	assert_int_equal(kt_close(store), 0);
	disk_settle(f->original);
}

void ordeal_fini(struct ordeal *f)
{
	state_fini(&f->state);
	disk_free(f->original);
	disk_free(f->image);
}

/* ---- trying an image ------------------------------------------------------------------------- */

/* Errors that a damaged store may give. */
static bool is_expected(int err)
{
	switch (err) {
	case 0:
	case -ENOENT:
	case -EUCLEAN:
	case -EBADMSG:
	case -EMEDIUMTYPE:
	case -ENOTSUP:
	case -ENOMEM: /* an entry that claims to be huge */
	case -ENOSPC:
	case -EROFS:
	case -EFBIG:
	case -ENXIO:
	case -EOVERFLOW:
		return true;
	default:
		return false;
	}
}

static void expect(int err)
{
	if (!is_expected(err))
		fail_msg("%s: error %d, %s", ordeal_doing, err, strerror(-err));
}

/* Read all there is, both ways, whatever it may be. */
static void scan(struct kt_txn *txn, bool forward)
{
	struct kt_cursor *cursor;
	struct kt_slice value;
	struct kt_entry_info stat;
	unsigned steps = 0;
	int err;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while ((err = forward ? kt_cursor_next(cursor) : kt_cursor_prev(cursor)) == 0) {
		assert_true(steps++ < 1000000);
		err = kt_cursor_stat(cursor, &stat);
		expect(err);
		if (!err && stat.size < 4 << 20)
			expect(kt_cursor_value(cursor, &value));
	}
	expect(err);
	kt_cursor_close(cursor);
}

/* Change an entry in every way that there is. */
static int change(struct ordeal *f, struct kt_txn *txn, const void *key, size_t size)
{
	uint8_t bytes[6000] = {0};
	int err = 0;

	switch (rng_below(&f->rng, 8)) {
	case 0:
		err = kt_delete(txn, key, size, 0);
		break;
	case 1:
		err = kt_put(txn, key, size, bytes, rng_below(&f->rng, sizeof(bytes)));
		break;
	case 2:
		err = kt_write(txn, key, size, rng_below(&f->rng, 30000), bytes, 5000);
		break;
	case 3:
		err = kt_truncate(txn, key, size, rng_below(&f->rng, 10000));
		break;
	case 4:
		err = kt_punch(txn, key, size, rng_below(&f->rng, 10000), 9000);
		break;
	case 5:
		err = kt_set_attr(txn, key, size, bytes, rng_below(&f->rng, 600));
		break;
	case 6:
		err = kt_move(txn, key, size, txn, "moved", 5);
		break;
	default:
		err = kt_put(txn, bytes, rng_below(&f->rng, 700), bytes, 50);
		break;
	}
	expect(err);
	return err;
}

static int note_name(void *arg, const struct kt_snapshot *snapshot)
{
	strcpy(arg, snapshot->name);
	return 0;
}

/* More keys than the image has bytes are told only by a walk without end. */
static int count_told(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	unsigned *told = arg;

	(void)key;
	(void)from;
	(void)to;
	if (++*told > 1000000)
		fail_msg("%s: a difference does not end", ordeal_doing);
	return 0;
}

static int count_written(void *arg, uint64_t done, uint64_t total)
{
	(void)total;
	return count_told(arg, NULL, NULL, NULL) != 0 || done > UINT64_C(1) << 30 ? -EFBIG : 0;
}

/* Tell, and write, what differs between two points in time, whichever is older. */
static void compare(struct kt_txn *from, struct kt_txn *to)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), err;
	unsigned told = 0;

	assert_true(null >= 0);
	expect(kt_diff(from, to, count_told, &told));
	told = 0;
	err = kt_backup_since_fd(to, from, null, count_written, &told);
	if (err != -EINVAL) /* from is newer */
		expect(err);
	close(null);
}

/* Read the newest snapshot, what differs, and go back to it or forget it. */
static void look_back(struct ordeal *f, struct kt_store *store)
{
	char name[KT_NAME_MAX + 1] = "";
	struct kt_txn *txn, *now;
	int err = kt_snapshot_list(store, note_name, name);

	expect(err);
	err = kt_snapshot_open(store, name, &txn);
	expect(err);
	if (err != 0)
		return;
	scan(kt_tree(txn, (enum kt_tree_id)rng_below(&f->rng, 3)), true);
	assert_int_equal(kt_begin(store, KT_READ, &now), 0);
	compare(txn, now);
	compare(now, txn);
	kt_abort(now);
	if (rng_below(&f->rng, 4) == 0)
		expect(kt_restore(store, txn));
	kt_abort(txn);
	if (rng_below(&f->rng, 4) == 0)
		expect(kt_snapshot_delete(store, name));
}

static int change_some(struct ordeal *f, struct kt_txn *txn)
{
	const struct model *model = &f->state.trees[0];
	int err = 0;

	for (int i = 0; i < 6 && (!err || err == -ENOENT || err == -EFBIG); i++) {
		const struct model_entry *entry = &model->entries[rng_below(&f->rng, model->count)];

		err = change(f, txn, entry->key, entry->key_size);
	}
	return err;
}

/* Some of what is changed is undone, whether it has failed or not. */
static void write_to(struct ordeal *f, struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t savepoint;
	int err = kt_begin(store, KT_WRITE, &txn);

	expect(err);
	if (err != 0)
		return;
	if (change_some(f, txn) == 0 && kt_savepoint(txn, &savepoint) == 0) {
		err = change_some(f, txn);
		if (rng_below(&f->rng, 2) == 0)
			expect(kt_rollback_to(txn, savepoint));
		else if (!err)
			expect(kt_release(txn, savepoint));
	}
	change_some(f, txn);
	if (rng_below(&f->rng, 4) == 0)
		kt_abort(txn);
	else
		expect(kt_commit(txn, KT_FLUSH));
}

static int count_steps(void *arg, const struct kt_compaction *compaction)
{
	unsigned *steps = arg;

	(void)compaction;
	if (++*steps > 10000)
		fail_msg("%s: compaction does not end", ordeal_doing);
	return 0;
}

/* Move all there is. */
static void compact(struct kt_store *store)
{
	unsigned steps = 0;

	expect(kt_compact(store, count_steps, &steps));
}

void ordeal_try(struct ordeal *f, bool exact)
{
	struct kt_store *store;
	struct kt_txn *txn;
	const char *why;
	uint64_t findings;
	int err = store_open(disk_handle(f->image), "disk", "hostile", 0, &store);

	expect(err);
	if (err != 0)
		return;
	expect(kt_check(store, NULL, NULL, &findings));
	assert_int_equal(kt_begin(store, KT_READ | KT_VERIFY, &txn), 0);
	if (exact && !state_equals(&f->state, txn, NULL, true, &why))
		fail_msg("%s: %s", ordeal_doing, why);
	if (exact && !state_snapshots_equal(&f->state, store, true, &why))
		fail_msg("%s: %s", ordeal_doing, why);
	for (int i = 0; i < 6 && !exact; i++)
		scan(kt_tree(txn, (enum kt_tree_id)(i / 2)), i % 2 == 0);
	kt_abort(txn);
	if (!exact)
		look_back(f, store);
	write_to(f, store);
	if (rng_below(&f->rng, 4) == 0)
		compact(store);
	if (!exact)
		expect(kt_check(store, NULL, NULL, &findings));
	expect(kt_close(store));
}
