/* See application.h. */
#include "tests/unit/application.h"

#include "tests/unit/weird.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

const char *application_value(struct rng *rng)
{
	static const char *const values[] = {
		"", "1", "twenty-two", "a longer value, of some bytes"};

	return values[rng_below(rng, 4)];
}

void application_init(struct application *a, struct kt_store *store, struct rng *rng)
{
	a->store = store;
	a->rng = rng;
	for (size_t i = 0; i < APPLICATION_KEYS; i++) {
		size_t from = i > 0 && rng_below(a->rng, 3) ? rng_below(a->rng, i) : i;
		size_t base = from == i ? 0 : a->keys[from].size;

		if (base > 300)
			base = 0;
		memcpy(a->keys[i].bytes, a->keys[from].bytes, base);
		if (base > 0) /* something below an earlier key */
			a->keys[i].bytes[base++] = '/';
		a->keys[i].size = base + weird_bytes(a->rng, a->keys[i].bytes + base,
						 rng_below(a->rng, 8) ? 12 : 290);
	}
}

/* Make the directory of a key's name, or remove it. */
static int change_directory(struct kt_txn *txn, const void *bytes, size_t size, bool make)
{
	struct kt_txn *records = kt_tree(txn, KT_DIRECTORIES);
	unsigned char record[700];

	memcpy(record, bytes, size);
	record[size++] = '/';
	return make ? kt_put(records, record, size, "", 0)
		    : kt_delete(records, record, size, KT_MISSING_OK);
}

/* Change one key, or the entry that it shares. */
static void change_key(struct application *a, struct kt_txn *txn, size_t key)
{
	const void *bytes = a->keys[key].bytes;
	size_t size = a->keys[key].size, other = rng_below(a->rng, APPLICATION_KEYS);
	const char *value = application_value(a->rng);
	int err = 0;

	switch (rng_below(a->rng, 10)) {
	case 0:
	case 1:
	case 2:
		err = kt_put_entry(txn, bytes, size, value, strlen(value), "", 0,
			(int64_t)rng_below(a->rng, 1000000));
		break;
	case 3:
	case 4:
		err = kt_link(txn, bytes, size, txn, a->keys[other].bytes, a->keys[other].size);
		break;
	case 5:
		err = kt_truncate(txn, bytes, size, rng_below(a->rng, 20));
		break;
	case 6:
	case 7:
		err = change_directory(txn, bytes, size, rng_below(a->rng, 2));
		break;
	default:
		err = kt_delete(txn, bytes, size, 0);
		break;
	}
	assert_true(!err || err == -ENOENT || err == -EEXIST);
}

void application_change(struct application *a)
{
	size_t count = rng_below(a->rng, 6) ? 1 + rng_below(a->rng, 3) : APPLICATION_KEYS;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(a->store, KT_WRITE, &txn), 0);
	for (size_t i = 0; i < count; i++)
		change_key(a, txn, rng_below(a->rng, APPLICATION_KEYS));
	if (rng_below(a->rng, 30) == 0)
		assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* Go back to a snapshot, or take it anew. */
void application_go_back(struct application *a)
{
	struct kt_txn *point;
	int err = kt_snapshot_open(a->store, "before", &point);

	if (!err) {
		assert_int_equal(kt_restore(a->store, point), 0);
		kt_abort(point);
		assert_int_equal(kt_snapshot_delete(a->store, "before"), 0);
		return;
	}
	assert_int_equal(kt_snapshot_create(a->store, "before"), 0);
}
