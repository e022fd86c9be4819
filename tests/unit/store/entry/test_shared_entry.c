/* Keys that share an entry: each call on them, and random calls against a model. */
#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include "store/entry/shared_entry.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS 24
#define VALUE_MAX 9000
#define ATTR_MAX 400

/* An entry, as it must be. */
struct object {
	unsigned keys;
	size_t size, attr_size;
	bool copied;
	uint64_t stamp; /* another one after each change */
	uint8_t value[VALUE_MAX], attr[ATTR_MAX];
};

struct model {
	int at[KEYS]; /* index of the key's object; -1: there is no such key */
	struct object objects[KEYS];
};

struct fixture {
	struct temp temp;
	bool memory;
	struct kt_store *store;
	struct kt_txn *txn;
	struct rng rng;
	uint64_t stamp;
	uint8_t key[KEYS][KT_KEY_MAX];
	size_t key_size[KEYS];
	struct model before, now, kept; /* last commit; this transaction; the snapshot "s" */
	bool has_snapshot;
	pid_t child; /* that writes; 0: none */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(temp_make(&f->temp), 0);
	*state = f;
	return 0;
}

static int setup_file(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	return kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int setup_memory(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	f->memory = true;
	return kt_open_memory("test", &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->child > 0) {
		kill(f->child, SIGKILL);
		waitpid(f->child, NULL, 0);
	}
	kt_abort(f->txn);
	kt_close(f->store);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

static void begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
}

static void commit(struct fixture *f)
{
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
}

static void end(struct fixture *f)
{
	kt_abort(f->txn);
	f->txn = NULL;
}

static void tell(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("page %llu: %s\n", (unsigned long long)page, message);
}

static void assert_sound(struct fixture *f)
{
	uint64_t findings;

	assert_int_equal(kt_check(f->store, tell, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

static int put(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

static int link_to(struct kt_txn *txn, const char *from, const char *to)
{
	return kt_link(txn, from, strlen(from), txn, to, strlen(to));
}

static int drop_key(struct kt_txn *txn, const char *key)
{
	return kt_delete(txn, key, strlen(key), 0);
}

static struct kt_entry_info stat_of(struct kt_txn *txn, const char *key)
{
	struct kt_entry_info stat;

	assert_int_equal(kt_stat(txn, key, strlen(key), &stat), 0);
	return stat;
}

static void assert_value(struct kt_txn *txn, const char *key, const char *text)
{
	struct kt_slice value;
	char buf[100];
	size_t got;

	assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
	assert_int_equal(value.size, strlen(text));
	assert_memory_equal(value.data, text, value.size);
	assert_int_equal(kt_read(txn, key, strlen(key), 0, buf, sizeof(buf), &got), 0);
	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, got);
}

/* ---- the calls ------------------------------------------------------------------------------- */

/* Each key shows the entry in all calls, and keys that are not linked show that they are not. */
static void linked(void **state)
{
	struct fixture *f = *state;
	struct kt_cursor *cursor;
	struct kt_slice value;
	struct kt_entry_info a, c;
	uint64_t from, to;
	bool contains;

	begin(f, KT_WRITE);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "value", 5, "blob", 4, 77), 0);
	assert_int_equal(put(f->txn, "b", "other"), 0);
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(link_to(f->txn, "a", "c"), 0);
	commit(f);
	begin(f, KT_READ);
	assert_value(f->txn, "a", "value");
	assert_value(f->txn, "c", "value");
	a = stat_of(f->txn, "a");
	c = stat_of(f->txn, "c");
	assert_true(a.shared != 0 && a.shared == c.shared);
	assert_int_equal(a.keys, 2);
	assert_int_equal(c.keys, 2);
	assert_int_equal(c.mtime_ns, 77);
	assert_int_equal(c.version, 3);
	assert_int_equal(c.attr.size, 4);
	assert_memory_equal(c.attr.data, "blob", 4);
	assert_int_equal(stat_of(f->txn, "b").keys, 1);
	assert_int_equal(stat_of(f->txn, "b").shared, 0);
	assert_int_equal(kt_contains(f->txn, "c", 1, &contains), 0);
	assert_true(contains);
	assert_int_equal(kt_next_data(f->txn, "c", 1, 0, &from, &to), 0);
	assert_int_equal(to, 5);
	assert_int_equal(kt_cursor_open(f->txn, &cursor), 0);
	assert_int_equal(kt_cursor_last(cursor), 0);
	assert_int_equal(kt_cursor_value(cursor, &value), 0);
	assert_memory_equal(value.data, "value", 5);
	assert_int_equal(kt_cursor_stat(cursor, &c), 0);
	assert_int_equal(c.shared, a.shared);
	kt_cursor_close(cursor);
	end(f);
	assert_sound(f);
}

/* What changes a part of an entry is seen under each of its keys. */
static void changed_in_part(void **state)
{
	struct fixture *f = *state;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "0123456789"), 0);
	assert_int_equal(link_to(f->txn, "a", "b"), 0);
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(kt_write(f->txn, "b", 1, 3, "xyz", 3), 0);
	assert_value(f->txn, "a", "012xyz6789");
	assert_int_equal(kt_truncate(f->txn, "a", 1, 7), 0);
	assert_value(f->txn, "b", "012xyz6");
	assert_int_equal(kt_set_attr(f->txn, "b", 1, "new", 3), 0);
	assert_int_equal(stat_of(f->txn, "a").attr.size, 3);
	assert_int_equal(kt_set_mtime(f->txn, "a", 1, 99), 0);
	assert_int_equal(stat_of(f->txn, "b").mtime_ns, 99);
	assert_int_equal(kt_punch(f->txn, "b", 1, 0, 1), 0);
	assert_int_equal(kt_truncate(f->txn, "b", 1, 2), 0);
	commit(f);
	begin(f, KT_READ);
	assert_int_equal(stat_of(f->txn, "a").size, 2);
	assert_int_equal(stat_of(f->txn, "a").version, 3);
	end(f);
	assert_sound(f);
}

/* What replaces an entry gives its key one of its own, and the others keep theirs. The blob is
 * copied, and kt_stat() says so until there is another. */
static void replaced(void **state)
{
	struct fixture *f = *state;

	begin(f, KT_WRITE);
	assert_int_equal(kt_put_entry(f->txn, "a", 1, "value", 5, "blob", 4, 77), 0);
	assert_int_equal(link_to(f->txn, "a", "b"), 0);
	assert_int_equal(link_to(f->txn, "b", "c"), 0);
	assert_int_equal(stat_of(f->txn, "a").keys, 3);
	assert_int_equal(put(f->txn, "b", "own"), 0);
	assert_value(f->txn, "b", "own");
	assert_value(f->txn, "a", "value");
	assert_int_equal(stat_of(f->txn, "a").keys, 2);
	assert_int_equal(stat_of(f->txn, "b").keys, 1);
	assert_int_equal(stat_of(f->txn, "b").shared, 0);
	assert_int_equal(stat_of(f->txn, "b").attr.size, 4);
	assert_true(stat_of(f->txn, "b").flags & KT_ATTR_COPIED);
	assert_false(stat_of(f->txn, "a").flags & KT_ATTR_COPIED);
	assert_int_equal(put(f->txn, "b", "again"), 0);
	assert_true(stat_of(f->txn, "b").flags & KT_ATTR_COPIED);
	assert_int_equal(kt_set_attr(f->txn, "b", 1, "mine", 4), 0);
	assert_false(stat_of(f->txn, "b").flags & KT_ATTR_COPIED);
	assert_int_equal(kt_put_entry(f->txn, "c", 1, "", 0, "x", 1, 1), 0);
	assert_false(stat_of(f->txn, "c").flags & KT_ATTR_COPIED);
	assert_int_equal(stat_of(f->txn, "c").attr.size, 1);
	assert_int_equal(stat_of(f->txn, "a").keys, 1);
	assert_int_equal(put(f->txn, "a", "alone"), 0); /* nobody else has its blob */
	assert_false(stat_of(f->txn, "a").flags & KT_ATTR_COPIED);
	assert_value(f->txn, "a", "alone");
	commit(f);
	assert_sound(f);
}

/* Each delete takes one key, the last one the entry with all it holds. */
static void deleted(void **state)
{
	static char large[100000];
	struct fixture *f = *state;
	struct kt_store_info info;

	memset(large, 'L', sizeof(large));
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, large, sizeof(large)), 0);
	assert_int_equal(link_to(f->txn, "a", "b"), 0);
	commit(f);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 2);
	assert_int_equal(info.value_bytes, sizeof(large));
	begin(f, KT_WRITE);
	assert_int_equal(drop_key(f->txn, "a"), 0);
	assert_int_equal(drop_key(f->txn, "a"), -ENOENT);
	assert_int_equal(stat_of(f->txn, "b").keys, 1);
	assert_int_equal(stat_of(f->txn, "b").size, sizeof(large));
	commit(f);
	begin(f, KT_WRITE);
	assert_int_equal(drop_key(f->txn, "b"), 0);
	assert_int_equal(f->txn->txn->trees[TREE_SHARED].root, 0);
	commit(f);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_int_equal(info.entries, 0);
	assert_int_equal(info.value_bytes, 0);
	assert_sound(f);
}

/* A key moves with its link, also onto another key of the entry; the last one takes the entry to
 * another tree; kt_clear() leaves nothing. */
static void moved(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "value"), 0);
	assert_int_equal(put(f->txn, "plain", "plain"), 0);
	assert_int_equal(link_to(f->txn, "a", "b"), 0);
	assert_int_equal(link_to(f->txn, "a", "c"), 0);
	assert_int_equal(kt_move(f->txn, "b", 1, f->txn, "moved", 5), 0);
	assert_value(f->txn, "moved", "value");
	assert_int_equal(stat_of(f->txn, "a").keys, 3);
	assert_int_equal(kt_move(f->txn, "moved", 5, f->txn, "c", 1), 0);
	assert_int_equal(stat_of(f->txn, "a").keys, 2);
	assert_int_equal(kt_nameless_take(f->txn, "a", 1, &id), -EMLINK);
	assert_int_equal(kt_move(f->txn, "plain", 5, f->txn, "a", 1), 0);
	assert_value(f->txn, "a", "plain");
	assert_value(f->txn, "c", "value");
	assert_int_equal(kt_nameless_take(f->txn, "c", 1, &id), 0);
	assert_int_equal(f->txn->txn->trees[TREE_SHARED].root, 0);
	assert_int_equal(kt_nameless_link(f->txn, id, "back", 4), 0);
	assert_value(f->txn, "back", "value");
	assert_int_equal(stat_of(f->txn, "back").shared, 0);
	assert_int_equal(link_to(f->txn, "back", "twice"), 0);
	commit(f);
	assert_sound(f);
	begin(f, KT_WRITE);
	assert_int_equal(kt_clear(f->txn), 0);
	assert_int_equal(f->txn->txn->trees[TREE_SHARED].root, 0);
	commit(f);
	assert_sound(f);
}

/* Through KT_SHARED an entry is replaced for all of its keys, and nothing is made or deleted. */
static void replaced_for_all(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *shared;
	unsigned char key[KT_ID_KEY_SIZE], none[KT_ID_KEY_SIZE];
	struct kt_slice value;
	uint64_t id, nameless;

	begin(f, KT_WRITE);
	shared = kt_tree(f->txn, KT_SHARED);
	assert_int_equal(put(f->txn, "a", "value"), 0);
	assert_int_equal(link_to(f->txn, "a", "b"), 0);
	id = stat_of(f->txn, "a").shared;
	kt_id_key(id, key);
	kt_id_key(id + 1000, none);
	assert_int_equal(kt_put_entry(shared, key, sizeof(key), "all", 3, "blob", 4, 5), 0);
	assert_value(f->txn, "a", "all");
	assert_value(f->txn, "b", "all");
	assert_int_equal(stat_of(f->txn, "b").keys, 2);
	assert_int_equal(kt_link(shared, key, sizeof(key), f->txn, "c", 1), 0);
	assert_int_equal(stat_of(f->txn, "b").keys, 3);
	assert_int_equal(kt_put(f->txn, "new", 3, "moved here", 10), 0);
	assert_int_equal(kt_nameless_take(f->txn, "new", 3, &nameless), 0);
	assert_int_equal(
		kt_nameless_link(kt_tree(f->txn, KT_SHARED), nameless, key, sizeof(key)), 0);
	assert_value(f->txn, "a", "moved here");
	assert_value(f->txn, "c", "moved here");
	assert_int_equal(stat_of(f->txn, "a").keys, 3);
	assert_int_equal(kt_put(shared, none, sizeof(none), "", 0), -ENOENT);
	assert_int_equal(kt_write(shared, none, sizeof(none), 0, "x", 1), -ENOENT);
	assert_int_equal(kt_put(shared, "", 0, "", 0), -ENOENT);
	assert_int_equal(kt_move(f->txn, "c", 1, shared, key, sizeof(key)), -EINVAL);
	assert_int_equal(kt_move(shared, key, sizeof(key), f->txn, "d", 1), -EINVAL);
	assert_int_equal(kt_put(f->txn, "d", 1, "", 0), 0);
	assert_int_equal(kt_move(f->txn, "d", 1, shared, none, sizeof(none)), -ENOENT);
	assert_int_equal(kt_delete(shared, key, sizeof(key), 0), -EINVAL);
	assert_int_equal(kt_clear(shared), -EINVAL);
	assert_int_equal(kt_get(shared, key, sizeof(key), &value), 0);
	commit(f);
	assert_sound(f);
}

/* What cannot be linked says why, and changes nothing. */
static void refused(void **state)
{
	static char too_long[KT_KEY_MAX + 1];
	struct fixture *f = *state;
	struct kt_txn *directories;

	begin(f, KT_WRITE);
	directories = kt_tree(f->txn, KT_DIRECTORIES);
	assert_int_equal(put(f->txn, "a", "value"), 0);
	assert_int_equal(put(f->txn, "b", "value"), 0);
	assert_int_equal(link_to(f->txn, "missing", "c"), -ENOENT);
	assert_int_equal(link_to(f->txn, "a", "b"), -EEXIST);
	assert_int_equal(link_to(f->txn, "a", "a"), -EEXIST);
	assert_int_equal(
		kt_link(f->txn, "a", 1, f->txn, too_long, sizeof(too_long)), -ENAMETOOLONG);
	assert_int_equal(kt_link(f->txn, "a", 1, directories, "c", 1), -EINVAL);
	assert_int_equal(kt_link(directories, "a", 1, f->txn, "c", 1), -EINVAL);
	assert_int_equal(stat_of(f->txn, "a").shared, 0);
	commit(f);
	begin(f, KT_READ);
	assert_int_equal(link_to(f->txn, "a", "c"), -EROFS);
	end(f);
}

/* KT_LINK_MAX keys can share an entry, and no more. */
static void at_most(void **state)
{
	struct fixture *f = *state;
	char key[16];

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "key", "value"), 0);
	for (unsigned i = 1; i < KT_LINK_MAX; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(link_to(f->txn, "key", key), 0);
	}
	assert_int_equal(link_to(f->txn, "key", "more"), -EMLINK);
	assert_int_equal(drop_key(f->txn, "7"), 0);
	assert_int_equal(link_to(f->txn, "key", "more"), 0);
	commit(f);
	assert_sound(f);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void count_finding(void *arg, uint64_t page, const char *message)
{
	(void)page;
	(void)message;
	++*(unsigned *)arg;
}

/* Damage the cell of a shared entry, or of the record of one of its keys, or of a link. */
static void damage(struct fixture *f, unsigned what)
{
	struct kt_txn shared;
	unsigned char key[KT_ID_KEY_SIZE];
	struct kt_txn *txn;
	struct entry entry;
	struct cell cell;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	kt_id_key(stat_of(txn, "a").shared, key);
	shared = (struct kt_txn){.txn = txn->txn, .tree = TREE_SHARED};
	if (what < 3) {
		assert_int_equal(entry_open(&shared, key, sizeof(key), &entry), 0);
		if (what == 0)
			entry.cell.keys = 7;
		else if (what == 1)
			entry.cell.keys = 0;
		else
			entry.cell.flags &= (uint8_t)~CELL_SHARED;
	} else {
		assert_int_equal(entry_open(txn, "a", 1, &entry), 0);
		cell = entry.cell;
		if (what == 3) /* to an entry that is not there */
			cell.value.root += 100;
		else if (what == 4) /* by a number of no record */
			cell.value.blocks += 100;
		else /* a link for a record's value */
			assert_int_equal(entry_open(&shared, key, sizeof(key), &entry), 0);
		entry.cell.value = cell.value;
	}
	assert_int_equal(entry_store(&entry, entry.cell.value.size), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* Links that lead nowhere and counts that are wrong are found by a check, and are errors when they
 * are met; nothing crashes, and other keys are there. */
static void damaged(void **state)
{
	struct fixture *f = *state;

	for (unsigned what = 0; what < 6; what++) {
		struct kt_slice value;
		uint64_t findings;
		unsigned told = 0;
		int err;

		begin(f, KT_WRITE);
		assert_int_equal(kt_clear(f->txn), 0);
		assert_int_equal(put(f->txn, "a", "value"), 0);
		assert_int_equal(put(f->txn, "z", "other"), 0);
		assert_int_equal(link_to(f->txn, "a", "b"), 0);
		commit(f);
		assert_sound(f);
		damage(f, what);
		assert_int_equal(kt_check(f->store, count_finding, &told, &findings), 0);
		assert_true(findings > 0 && told == findings);
		begin(f, KT_WRITE);
		err = kt_get(f->txn, "a", 1, &value);
		assert_true(err == -EUCLEAN || (!err && (what == 0 || what == 4)));
		err = drop_key(f->txn, "a");
		assert_true(err == -EUCLEAN || (!err && what == 0));
		assert_value(f->txn, "z", "other");
		assert_int_equal(kt_commit(f->txn, 0), err);
		f->txn = NULL;
		begin(f, KT_WRITE);
		assert_value(f->txn, "z", "other");
		assert_int_equal(kt_clear(f->txn), 0);
		commit(f);
	}
}

/* ---- beside a writer ------------------------------------------------------------------------- */

/* Link and delete, for ever, in a process of its own. */
static void write_links(const char *path)
{
	struct kt_store *store;
	struct kt_txn *txn;

	if (kt_open(path, NULL, &store) != 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%u", i % 100);
		if (kt_begin(store, KT_WRITE, &txn) != 0)
			_exit(1);
		if (link_to(txn, "a", key) != 0)
			drop_key(txn, key);
		if (kt_commit(txn, 0) != 0)
			_exit(1);
	}
}

/* A check compares keys and entries of one commit, while others commit. */
static void checked_meanwhile(void **state)
{
	struct fixture *f = *state;
	uint64_t first, last;

	begin(f, KT_WRITE);
	assert_int_equal(put(f->txn, "a", "value"), 0);
	assert_int_equal(link_to(f->txn, "a", "b"), 0);
	commit(f);
	begin(f, KT_READ);
	first = last = kt_txn_id(f->txn);
	end(f);
	f->child = fork();
	assert_true(f->child >= 0);
	if (f->child == 0)
		write_links(f->temp.path);
	while (last < first + 400) {
		assert_sound(f);
		assert_int_equal(waitpid(f->child, NULL, WNOHANG), 0);
		begin(f, KT_READ);
		last = kt_txn_id(f->txn);
		end(f);
	}
}

/* ---- the model ------------------------------------------------------------------------------- */

/* Keys in and out of a collection, some of them very long. */
static void make_keys(struct fixture *f)
{
	for (unsigned i = 0; i < KEYS; i++) {
		f->key_size[i] = (size_t)sprintf(
			(char *)f->key[i], i % 3 == 0 ? "coll/%02u" : "key/%02u", i);
		if (i % 7 == 6) {
			size_t more = i == 6 ? KT_KEY_MAX - f->key_size[i] : 600;

			memset(f->key[i] + f->key_size[i], 'l', more);
			f->key_size[i] += more;
		}
	}
	f->key_size[1] = 0;
	for (unsigned i = 0; i < KEYS; i++)
		f->now.at[i] = -1;
	f->before = f->now;
}

static struct object *object_of(struct model *model, unsigned key)
{
	return model->at[key] < 0 ? NULL : &model->objects[model->at[key]];
}

static void leave(struct fixture *f, unsigned key)
{
	struct object *object = object_of(&f->now, key);

	f->now.at[key] = -1;
	if (object != NULL) {
		object->keys--;
		object->stamp = ++f->stamp;
	}
}

static void join(struct fixture *f, unsigned key, int index)
{
	f->now.at[key] = index;
	f->now.objects[index].keys++;
	f->now.objects[index].stamp = ++f->stamp;
}

/* The object of a key that gets one of its own, if it does not have that. */
static struct object *own(struct fixture *f, unsigned key, bool keep_attr)
{
	struct object *old = object_of(&f->now, key), *object;
	int index = 0;

	if (old != NULL && old->keys == 1)
		return old;
	while (f->now.objects[index].keys > 0)
		index++;
	object = &f->now.objects[index];
	object->size = object->attr_size = 0;
	if (old != NULL && keep_attr) {
		object->attr_size = old->attr_size;
		memcpy(object->attr, old->attr, ATTR_MAX);
	}
	object->copied = object->attr_size > 0;
	leave(f, key);
	join(f, key, index);
	return object;
}

static size_t random_size(struct fixture *f, size_t most)
{
	return rng_below(&f->rng, 3) == 0 ? rng_below(&f->rng, most + 1)
					  : rng_below(&f->rng, most / 20);
}

static void fill(struct fixture *f, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rng_next(&f->rng);
}

static void set_value(struct fixture *f, struct object *object)
{
	object->size = random_size(f, VALUE_MAX);
	fill(f, object->value, object->size);
	object->stamp = ++f->stamp;
}

static void set_attr(struct fixture *f, struct object *object)
{
	object->attr_size = random_size(f, ATTR_MAX);
	fill(f, object->attr, object->attr_size);
	object->copied = false;
	object->stamp = ++f->stamp;
}

/* ---- random calls ---------------------------------------------------------------------------- */

static void do_put(struct fixture *f, unsigned key)
{
	bool with_attr = rng_below(&f->rng, 2) == 0;
	struct object *object = own(f, key, !with_attr);
	int err;

	set_value(f, object);
	if (with_attr) {
		set_attr(f, object);
		err = kt_put_entry(f->txn, f->key[key], f->key_size[key], object->value,
			object->size, object->attr, object->attr_size, 1);
	} else {
		err = kt_put(f->txn, f->key[key], f->key_size[key], object->value, object->size);
	}
	assert_int_equal(err, 0);
}

/* Change a part of an entry, by one of its keys or by its id. */
static void do_change(struct fixture *f, unsigned key)
{
	struct object *object = object_of(&f->now, key);
	unsigned char id[KT_ID_KEY_SIZE];
	struct kt_txn *txn = f->txn;
	const void *name = f->key[key];
	size_t size = f->key_size[key], at, part;
	struct kt_entry_info stat;

	if (object == NULL)
		return;
	assert_int_equal(kt_stat(txn, name, size, &stat), 0);
	if (stat.shared != 0 && rng_below(&f->rng, 3) == 0) {
		txn = kt_tree(txn, KT_SHARED);
		kt_id_key(stat.shared, id);
		name = id;
		size = sizeof(id);
	}
	object->stamp = ++f->stamp;
	at = rng_below(&f->rng, object->size + 1);
	part = random_size(f, VALUE_MAX - at);
	switch (rng_below(&f->rng, 4)) {
	case 0:
		set_attr(f, object);
		assert_int_equal(kt_set_attr(txn, name, size, object->attr, object->attr_size), 0);
		break;
	case 1:
		assert_int_equal(kt_truncate(txn, name, size, at), 0);
		object->size = at;
		break;
	case 2:
		set_value(f, object);
		assert_int_equal(kt_truncate(txn, name, size, 0), 0);
		assert_int_equal(kt_write(txn, name, size, 0, object->value, object->size), 0);
		break;
	default:
		fill(f, object->value + at, part);
		object->size = at + part > object->size ? at + part : object->size;
		assert_int_equal(kt_write(txn, name, size, at, object->value + at, part), 0);
		break;
	}
}

static void do_link(struct fixture *f, unsigned key)
{
	unsigned to = (unsigned)rng_below(&f->rng, KEYS);
	int err =
		kt_link(f->txn, f->key[key], f->key_size[key], f->txn, f->key[to], f->key_size[to]);

	if (f->now.at[key] < 0) {
		assert_int_equal(err, -ENOENT);
	} else if (f->now.at[to] >= 0) {
		assert_int_equal(err, -EEXIST);
	} else {
		assert_int_equal(err, 0);
		join(f, to, f->now.at[key]);
	}
}

static void do_move(struct fixture *f, unsigned key)
{
	unsigned to = (unsigned)rng_below(&f->rng, KEYS);
	int index = f->now.at[key];
	int err =
		kt_move(f->txn, f->key[key], f->key_size[key], f->txn, f->key[to], f->key_size[to]);

	assert_int_equal(err, index < 0 ? -ENOENT : 0);
	if (index < 0 || to == key)
		return;
	leave(f, to);
	join(f, to, index);
	leave(f, key);
}

static void do_delete(struct fixture *f, unsigned key)
{
	int err = kt_delete(f->txn, f->key[key], f->key_size[key], 0);

	assert_int_equal(err, f->now.at[key] < 0 ? -ENOENT : 0);
	leave(f, key);
}

static void do_clear(struct fixture *f)
{
	assert_int_equal(kt_clear(f->txn), 0);
	for (unsigned i = 0; i < KEYS; i++)
		leave(f, i);
}

static void do_one(struct fixture *f)
{
	unsigned key = (unsigned)rng_below(&f->rng, KEYS);

	switch (rng_below(&f->rng, 12)) {
	case 0:
	case 1:
	case 2:
		do_put(f, key);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		do_link(f, key);
		break;
	case 7:
	case 8:
		do_change(f, key);
		break;
	case 9:
		do_move(f, key);
		break;
	default:
		do_delete(f, key);
		break;
	}
	if (rng_below(&f->rng, 200) == 0)
		do_clear(f);
}

/* ---- comparison ------------------------------------------------------------------------------ */

static void compare_key(struct fixture *f, struct kt_txn *txn, struct model *model, unsigned key)
{
	const struct object *object = object_of(model, key);
	struct kt_slice value;
	struct kt_entry_info stat;
	int err = kt_stat(txn, f->key[key], f->key_size[key], &stat);

	assert_int_equal(err, object == NULL ? -ENOENT : 0);
	if (object == NULL)
		return;
	assert_int_equal(kt_get(txn, f->key[key], f->key_size[key], &value), 0);
	assert_int_equal(stat.size, object->size);
	assert_int_equal(value.size, object->size);
	assert_memory_equal(value.data, object->value, object->size);
	assert_int_equal(stat.attr.size, object->attr_size);
	if (object->attr_size > 0)
		assert_memory_equal(stat.attr.data, object->attr, object->attr_size);
	assert_int_equal(stat.keys, object->keys);
	assert_true(object->keys == 1 || stat.shared != 0);
	assert_int_equal((stat.flags & KT_ATTR_COPIED) != 0, object->copied);
	for (unsigned other = 0; other < key; other++) { /* the same id: the same object */
		struct kt_entry_info other_stat;

		if (model->at[other] < 0 || stat.shared == 0)
			continue;
		assert_int_equal(kt_stat(txn, f->key[other], f->key_size[other], &other_stat), 0);
		assert_int_equal(
			other_stat.shared == stat.shared, model->at[other] == model->at[key]);
	}
}

static void compare(struct fixture *f, struct kt_txn *txn, struct model *model)
{
	struct kt_counts count;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		compare_key(f, txn, model, i);
		bytes += model->objects[i].keys > 0 ? model->objects[i].size : 0;
	}
	assert_int_equal(kt_count(txn, &count), 0);
	assert_int_equal(count.value_bytes, bytes);
}

struct differences {
	struct fixture *f;
	const char *prefix;
	bool told[KEYS];
	size_t last_size;
	uint8_t last[KT_KEY_MAX];
	bool any;
};

static int note(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	struct differences *differences = arg;
	size_t prefix = strlen(differences->prefix);
	size_t both = key->size < differences->last_size ? key->size : differences->last_size;
	int order = memcmp(key->data, differences->last, both);

	if (differences->any)
		assert_true(order > 0 || (order == 0 && key->size > differences->last_size));
	differences->any = true;
	differences->last_size = key->size;
	memcpy(differences->last, key->data, key->size);
	for (unsigned i = 0; i < KEYS; i++) {
		struct fixture *f = differences->f;

		if (f->key_size[i] != prefix + key->size ||
			memcmp(f->key[i], differences->prefix, prefix) != 0 ||
			memcmp(f->key[i] + prefix, key->data, key->size) != 0)
			continue;
		differences->told[i] = true;
		assert_int_equal(from == NULL, f->before.at[i] < 0);
		assert_int_equal(to == NULL, f->now.at[i] < 0);
	}
	return 0;
}

/* Just the keys whose entries differ are told, in order, also within a collection. */
static void compare_difference(struct fixture *f, struct kt_txn *from, struct kt_txn *to)
{
	struct differences whole = {.f = f, .prefix = ""}, part = {.f = f, .prefix = "coll/"};
	struct kt_collection *collection;

	assert_int_equal(kt_diff(from, to, note, &whole), 0);
	if (kt_collection_open(f->store, "coll", 4, 0, &collection) == 0) {
		assert_int_equal(kt_collection_view(collection, from, &from), 0);
		assert_int_equal(kt_collection_view(collection, to, &to), 0);
		assert_int_equal(kt_diff(from, to, note, &part), 0);
		kt_collection_close(collection);
		for (unsigned i = 0; i < KEYS; i += 3)
			assert_int_equal(part.told[i], whole.told[i]);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		const struct object *a = object_of(&f->before, i), *b = object_of(&f->now, i);
		bool differs = a == NULL || b == NULL ? a != b : a->stamp != b->stamp;

		assert_int_equal(whole.told[i], differs);
	}
}

/* ---- the test -------------------------------------------------------------------------------- */

/* Take or drop the snapshot, or go back to it. */
static void do_snapshot(struct fixture *f)
{
	struct kt_txn *point;

	if (!f->has_snapshot) {
		assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
		f->kept = f->now;
		f->has_snapshot = true;
		return;
	}
	assert_int_equal(kt_snapshot_open(f->store, "s", &point), 0);
	compare(f, point, &f->kept);
	if (rng_below(&f->rng, 2) == 0) {
		assert_int_equal(kt_restore(f->store, point), 0);
		f->now = f->before = f->kept;
	}
	kt_abort(point);
	if (rng_below(&f->rng, 2) == 0) {
		assert_int_equal(kt_snapshot_delete(f->store, "s"), 0);
		f->has_snapshot = false;
	}
	begin(f, KT_READ);
	compare(f, f->txn, &f->now);
	end(f);
}

static void one_transaction(struct fixture *f)
{
	struct kt_txn *before;

	assert_int_equal(kt_begin(f->store, KT_READ, &before), 0);
	begin(f, KT_WRITE);
	for (unsigned i = (unsigned)rng_below(&f->rng, 20); i > 0; i--)
		do_one(f);
	compare(f, f->txn, &f->now);
	compare_difference(f, before, f->txn);
	if (rng_below(&f->rng, 8) == 0) {
		end(f);
		f->now = f->before;
	} else {
		commit(f);
	}
	begin(f, KT_READ);
	compare(f, f->txn, &f->now);
	compare_difference(f, before, f->txn);
	end(f);
	kt_abort(before);
	f->before = f->now;
}

/* Keys, entries, counts and differences agree with the model, through snapshots, going back, and
 * opening again. */
static void random_calls(void **state)
{
	struct fixture *f = *state;

	f->rng = rng_seed("shared");
	make_keys(f);
	for (unsigned i = rng_cases(400); i > 0; i--) {
		one_transaction(f);
		if (rng_below(&f->rng, 6) == 0)
			do_snapshot(f);
		if (rng_below(&f->rng, 4) == 0)
			assert_sound(f);
		if (!f->memory && rng_below(&f->rng, 30) == 0) {
			assert_int_equal(kt_close(f->store), 0);
			f->store = NULL;
			assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
		}
	}
	assert_sound(f);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, setup_file, teardown),                               \
		cmocka_unit_test_setup_teardown(name, setup_memory, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linked),
		TEST(changed_in_part),
		TEST(replaced),
		TEST(deleted),
		TEST(moved),
		TEST(replaced_for_all),
		TEST(refused),
		cmocka_unit_test_setup_teardown(at_most, setup_memory, teardown),
		TEST(damaged),
		cmocka_unit_test_setup_teardown(checked_meanwhile, setup_file, teardown),
		TEST(random_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
