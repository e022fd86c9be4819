/* What is exported and imported into an empty store is the same: random stores, of keys that are
 * hard to tell apart, through each format that the program knows.
 *
 *     JSON lines  keys, values, times, attributes, made directories, entries with several keys
 *     tar         keys, values, times
 *     SQLite      keys, values
 */
#include "rng.h"
#include "temp.h"
#include "weird.h"

#include "fs/meta/attr.h"
#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define STORES 24
#define KEYS 60
#define LARGE ((size_t)2 * 1024 * 1024) /* over what is exported in one piece */

struct world {
	struct temp temp;
	struct rng rng;
	char *value; /* of LARGE bytes */
};

/* ---- a random store ---- */

static size_t random_value(struct world *w)
{
	struct rng *rng = &w->rng;
	size_t size;

	switch (rng_below(rng, 8)) {
	case 0:
		return 0;
	case 1: /* bytes of all kinds */
		size = rng_below(rng, 5000);
		for (size_t i = 0; i < size; i++)
			w->value[i] = (char)rng_next(rng);
		return size;
	case 2: /* large, once in a while */
		size = rng_below(rng, 8) ? 1 : LARGE - rng_below(rng, 5000);
		memset(w->value, (int)rng_below(rng, 256), size);
		return size;
	default:
		return weird_bytes(rng, w->value, 4096);
	}
}

static int64_t random_time(struct rng *rng)
{
	int64_t time = (int64_t)(rng_next(rng) >> 3);

	return rng_below(rng, 4) == 0 ? -time / 1000 : time;
}

/* Attributes of the file system, of an application's own, or none. */
static void random_attr(struct rng *rng, struct attr_blob *ret_blob)
{
	static const char own[] = "\xff not of the file system";
	struct attr attr = {
		.fields = ATTR_MODE | ATTR_UID | ATTR_GID,
		.mode = S_IFREG | (mode_t)rng_below(rng, 07777),
		.uid = (uid_t)rng_below(rng, UINT32_MAX),
		.gid = (gid_t)rng_below(rng, 70000),
	};

	*ret_blob = (struct attr_blob){0};
	if (rng_below(rng, 3) == 0)
		*ret_blob = (struct attr_blob){.bytes = own, .size = sizeof(own) - 1};
	else if (rng_below(rng, 2) == 0)
		assert_int_equal(attr_blob_init(&attr, ret_blob), 0);
}

static void put_random(struct world *w, struct kt_txn *txn, bool directory)
{
	char key[KT_KEY_MAX];
	size_t size = weird_bytes(&w->rng, key, rng_below(&w->rng, 4) ? 200 : KT_KEY_MAX);
	struct attr_blob blob;

	if (directory && (size == 0 || size == KT_KEY_MAX))
		return;
	if (directory)
		key[size++] = '/';
	random_attr(&w->rng, &blob);
	assert_int_equal(kt_put_entry(directory ? kt_tree(txn, KT_DIRECTORIES) : txn, key, size,
				 w->value, directory ? 0 : random_value(w), blob.bytes, blob.size,
				 random_time(&w->rng)),
		0);
	attr_blob_fini(&blob);
}

/* Another key for the entry of the first one. */
static void link_random(struct world *w, struct kt_txn *txn)
{
	struct kt_cursor *cursor;
	struct kt_slice first;
	char key[KT_KEY_MAX], to[KT_KEY_MAX];
	size_t size, to_size = weird_bytes(&w->rng, to, 300);
	bool taken;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	assert_int_equal(kt_cursor_next(cursor), 0);
	first = kt_cursor_key(cursor);
	size = first.size;
	memcpy(key, size > 0 ? first.data : "", size);
	kt_cursor_close(cursor);
	assert_int_equal(kt_contains(txn, to, to_size, &taken), 0);
	if (!taken)
		assert_int_equal(kt_link(txn, key, size, txn, to, to_size), 0);
}

static void make_random(struct world *w)
{
	struct kt_store *store;
	struct kt_txn *txn;

	assert_int_equal(kt_open(w->temp.path, KT_OPTIONS(.flags = KT_CREATE), &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < KEYS; i++)
		put_random(w, txn, i % 8 == 7);
	for (unsigned i = 0; i < 3; i++)
		link_random(w, txn);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(store), 0);
}

/* ---- comparison ---- */

enum { COMPARE_TIMES = 1, COMPARE_ALL = 2 };

static void assert_same_bytes(struct kt_slice a, struct kt_slice b)
{
	assert_int_equal(a.size, b.size);
	if (a.size > 0)
		assert_memory_equal(a.data, b.data, a.size);
}

static void compare_entries(struct kt_cursor *a, struct kt_cursor *b, unsigned what)
{
	struct kt_slice values[2];
	struct kt_entry_info stats[2];

	assert_same_bytes(kt_cursor_key(a), kt_cursor_key(b));
	assert_int_equal(kt_cursor_stat(a, &stats[0]), 0);
	assert_int_equal(kt_cursor_stat(b, &stats[1]), 0);
	assert_int_equal(kt_cursor_value(a, &values[0]), 0);
	assert_int_equal(kt_cursor_value(b, &values[1]), 0);
	assert_same_bytes(values[0], values[1]);
	if (what & (COMPARE_TIMES | COMPARE_ALL))
		assert_int_equal(stats[0].mtime_ns, stats[1].mtime_ns);
	if (!(what & COMPARE_ALL))
		return;
	assert_same_bytes(stats[0].attr, stats[1].attr);
	assert_int_equal(stats[0].keys, stats[1].keys);
}

static void compare_trees(struct kt_txn *a, struct kt_txn *b, enum kt_tree_id tree, unsigned what)
{
	struct kt_cursor *cursors[2];
	int err = 0, other;

	assert_int_equal(kt_cursor_open(kt_tree(a, tree), &cursors[0]), 0);
	assert_int_equal(kt_cursor_open(kt_tree(b, tree), &cursors[1]), 0);
	while (!err) {
		err = kt_cursor_next(cursors[0]);
		other = kt_cursor_next(cursors[1]);
		assert_int_equal(err, other);
		if (!err)
			compare_entries(cursors[0], cursors[1], what);
	}
	assert_int_equal(err, -ENOENT);
	kt_cursor_close(cursors[0]);
	kt_cursor_close(cursors[1]);
}

static void compare_stores(struct world *w, unsigned what)
{
	const char *paths[] = {w->temp.path, w->temp.copy};
	struct kt_store *stores[2];
	struct kt_txn *txns[2];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			kt_open(paths[i], KT_OPTIONS(.flags = KT_READONLY), &stores[i]), 0);
		assert_int_equal(kt_begin(stores[i], KT_READ, &txns[i]), 0);
	}
	compare_trees(txns[0], txns[1], KT_ENTRIES, what);
	if (what & COMPARE_ALL)
		compare_trees(txns[0], txns[1], KT_DIRECTORIES, what);
	for (int i = 0; i < 2; i++) {
		kt_abort(txns[i]);
		assert_int_equal(kt_close(stores[i]), 0);
	}
}

/* ---- the tests ---- */

/* Run the program. @return its exit status */
static int run(const char *command, const char *store, const char *file)
{
	char line[512];
	int status;

	snprintf(line, sizeof(line), "exec \"$KEYTREE\" %s %s %s", command, store, file);
	status = system(line); /* NOLINT: of a test's own directory */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void go_round(struct world *w, const char *ending, unsigned what)
{
	char file[160];

	snprintf(file, sizeof(file), "%s/file%s", w->temp.dir, ending);
	if (run("export 2>/dev/null", "missing.kt", file) == 2)
		skip(); /* not in this build */
	for (unsigned i = 0; i < rng_cases(STORES); i++) {
		make_random(w);
		assert_int_equal(run("export", w->temp.path, file), 0);
		assert_int_equal(run("create", w->temp.copy, ""), 0);
		assert_int_equal(run("import", w->temp.copy, file), 0);
		compare_stores(w, what);
		assert_int_equal(remove(w->temp.path), 0);
		assert_int_equal(remove(w->temp.copy), 0);
	}
}

static void test_jsonl(void **state)
{
	go_round(*state, ".jsonl", COMPARE_ALL);
}

static void test_tar(void **state)
{
	go_round(*state, ".tar", COMPARE_TIMES);
}

static void test_sqlite(void **state)
{
	go_round(*state, ".sqlite", 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (w == NULL || temp_make(&w->temp) != 0)
		return -1;
	w->rng = rng_seed("test_identity");
	w->value = malloc(LARGE);
	return w->value != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	temp_remove(&w->temp);
	free(w->value);
	free(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_jsonl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tar, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sqlite, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
