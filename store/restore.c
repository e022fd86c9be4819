/* Going back to a point in time (kt_restore): the difference is applied, in one transaction. */
#include "entry.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct restore {
	struct kt_txn *point, *to; /* trees */
	uint8_t *buf;
	struct first *firsts; /* by id */
	size_t first_count, first_room;
};

#define COPY_BYTES ((size_t)1 << 20)

/* Copy the stored ranges of a large value. */
static int copy_ranges(struct restore *restore, const struct kt_slice *key, uint64_t size)
{
	uint64_t at = 0, end = 0;
	int err = kt_truncate(restore->to, key->data, key->size, size);

	while (err == 0) {
		size_t part, got;

		if (at == end)
			err = kt_next_data(restore->point, key->data, key->size, at, &at, &end);
		if (err != 0)
			break;
		part = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
		err = kt_read(restore->point, key->data, key->size, at, restore->buf, part, &got);
		if (err == 0)
			err = kt_write(restore->to, key->data, key->size, at, restore->buf, got);
		at += part;
	}
	return err == -ENXIO ? 0 : err;
}

static int copy_entry(
	struct restore *restore, const struct kt_slice *key, const struct kt_stat *stat)
{
	struct kt_slice value = {NULL, 0};
	bool large = stat->size > COPY_BYTES;
	int err = large ? 0 : kt_get(restore->point, key->data, key->size, &value);

	if (err == 0)
		err = kt_put_entry(restore->to, key->data, key->size, value.data, value.size,
			stat->attr.data, stat->attr.size, stat->mtime_ns);
	if (err == 0 && large)
		err = copy_ranges(restore, key, stat->size);
	if (err == 0 && large)
		err = kt_set_mtime(restore->to, key->data, key->size, stat->mtime_ns);
	if (err == 0 && stat->attr_copied)
		err = entry_mark_copied(restore->to, key->data, key->size);
	return err;
}

/* The first key that has got back an entry which keys shared at the point. */
struct first {
	uint64_t shared; /* id of the entry, at the point */
	size_t size;
	uint8_t *key;
};

/* Index of an id among the firsts, or where it belongs. */
static size_t find_first(const struct restore *restore, uint64_t shared)
{
	size_t low = 0, high = restore->first_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (restore->firsts[middle].shared < shared)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int add_first(
	struct restore *restore, size_t at, const struct kt_slice *key, uint64_t shared)
{
	struct first first = {shared, key->size, malloc(key->size + 1)};

	if (first.key == NULL)
		return -ENOMEM;
	if (restore->first_count == restore->first_room) {
		size_t room = restore->first_room > 0 ? 2 * restore->first_room : 16;
		struct first *more = realloc(restore->firsts, room * sizeof(*more));

		if (more == NULL) {
			free(first.key);
			return -ENOMEM;
		}
		restore->firsts = more;
		restore->first_room = room;
	}
	if (key->size > 0)
		memcpy(first.key, key->data, key->size);
	memmove(restore->firsts + at + 1, restore->firsts + at,
		(restore->first_count - at) * sizeof(first));
	restore->firsts[at] = first;
	restore->first_count++;
	return 0;
}

/* A key of an entry that keys shared. If the entry differs, or any of its keys, then all of them
 * are told, since its version differs; so all of them come by here. The first gets the entry back,
 * as its own; the others are linked to that. */
static int restore_shared(
	struct restore *restore, const struct kt_slice *key, const struct kt_stat *then)
{
	size_t at = find_first(restore, then->shared);
	const struct first *first = at < restore->first_count ? &restore->firsts[at] : NULL;
	int err;

	if (first != NULL && first->shared == then->shared) {
		err = kt_delete(restore->to, key->data, key->size, KT_MISSING_OK);
		return err != 0 ? err
				: kt_link(restore->to, first->key, first->size, restore->to,
					  key->data, key->size);
	}
	/* not to be shared by then with others that were not told yet */
	err = kt_delete(restore->to, key->data, key->size, KT_MISSING_OK);
	if (err == 0)
		err = copy_entry(restore, key, then);
	return err != 0 ? err : add_first(restore, at, key, then->shared);
}

static int apply(void *arg, const struct kt_slice *key, const struct kt_stat *now,
	const struct kt_stat *then)
{
	struct restore *restore = arg;

	(void)now;
	if (then == NULL)
		return kt_delete(restore->to, key->data, key->size, 0);
	if (then->shared != 0 && then->keys > 1)
		return restore_shared(restore, key, then);
	return copy_entry(restore, key, then);
}

/* Apply the difference between the last commit and a point in time to a write transaction. */
static int go_back(struct kt_txn *last, struct kt_txn *point, struct kt_txn *to)
{
	struct restore restore = {.buf = malloc(COPY_BYTES)};
	int err = restore.buf == NULL ? -ENOMEM : 0;

	for (unsigned tree = KT_ENTRIES; err == 0 && tree <= KT_DIRECTORIES; tree++) {
		restore.point = kt_tree(point, tree);
		restore.to = kt_tree(to, tree);
		err = kt_diff(kt_tree(last, tree), restore.point, apply, &restore);
	}
	for (size_t i = 0; i < restore.first_count; i++)
		free(restore.firsts[i].key);
	free(restore.firsts);
	free(restore.buf);
	return err;
}

int kt_restore(struct kt_store *store, struct kt_txn *point)
{
	struct kt_txn *last = NULL, *to = NULL;
	int err = point->txn->writing || point->txn->store != store
			  ? -EINVAL
			  : kt_begin(store, KT_WRITE, &to);

	if (err == 0)
		err = kt_begin(store, KT_READ, &last);
	if (err == 0)
		err = go_back(last, point, to);
	kt_abort(last);
	if (err == 0)
		return kt_commit(to, 0);
	kt_abort(to);
	return err;
}
