/* Going back to a point in time (kt_restore): the difference is applied, in one transaction. */
#include "store/entry/entry.h"
#include "store/history/link_map.h"
#include "store/history/restore.h"
#include "store/error.h"

#include <errno.h>
#include <stdlib.h>

struct restore {
	struct kt_txn *point, *to; /* trees */
	uint8_t *buf;
	struct entry_memory value; /* at most COPY_BYTES */
	struct link_map links;
};

#define COPY_BYTES ((size_t)1 << 20)

/* Copy the stored ranges of a value that is large, or has holes. */
static int restore_ranges(struct restore *restore, const struct kt_slice *key, uint64_t size)
{
	uint64_t at = 0, end = 0;
	int err = kt_truncate(restore->to, key->data, key->size, size);

	while (!err) {
		size_t part, got;

		if (at == end)
			err = kt_next_data(restore->point, key->data, key->size, at, &at, &end);
		if (err != 0)
			break;
		part = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
		err = kt_read(restore->point, key->data, key->size, at, restore->buf, part, &got);
		if (!err)
			err = kt_write(restore->to, key->data, key->size, at, restore->buf, got);
		at += part;
	}
	return err == -ENXIO ? 0 : err;
}

static int restore_entry(
	struct restore *restore, const struct kt_slice *key, const struct kt_entry_info *stat)
{
	struct kt_slice value = {NULL, 0};
	bool in_ranges = stat->size > COPY_BYTES || stat->stored < stat->size;
	struct entry entry;
	int err = in_ranges ? 0 : entry_read_part(restore->point, key->data, key->size, &entry);

	if (!err && !in_ranges)
		err = entry_value(restore->point->txn, &restore->value, &entry.cell, &value);
	if (!err)
		err = kt_put_entry(restore->to, key->data, key->size, value.data, value.size,
			stat->attr.data, stat->attr.size, stat->mtime_ns);
	if (!err && in_ranges)
		err = restore_ranges(restore, key, stat->size);
	if (!err && in_ranges)
		err = kt_set_mtime(restore->to, key->data, key->size, stat->mtime_ns);
	if (!err && (stat->flags & KT_ATTR_COPIED))
		err = entry_mark_copied(restore->to, key->data, key->size);
	return err;
}

/* A key of an entry that keys shared. If the entry differs, or any of its keys, then all of them
 * are told, since its version differs; so all of them come by here. The first gets the entry back,
 * as its own; the others are linked to that. */
static int restore_shared(
	struct restore *restore, const struct kt_slice *key, const struct kt_entry_info *then)
{
	const struct link_map_entry *linked = link_map_find(&restore->links, then->shared);
	int err;

	if (linked != NULL) {
		err = kt_delete(restore->to, key->data, key->size, KT_MISSING_OK);
		return err != 0 ? err
				: kt_link(restore->to, linked->key, linked->size, restore->to,
					  key->data, key->size);
	}
	/* not to be shared by then with others that were not told yet */
	err = kt_delete(restore->to, key->data, key->size, KT_MISSING_OK);
	if (!err)
		err = restore_entry(restore, key, then);
	return err != 0 ? err : link_map_add(&restore->links, then->shared, key->data, key->size);
}

static int restore_key(void *arg, const struct kt_slice *key, const struct kt_entry_info *now,
	const struct kt_entry_info *then)
{
	struct restore *restore = arg;

	(void)now;
	if (then == NULL)
		return kt_delete(restore->to, key->data, key->size, 0);
	if (then->shared != 0 && then->keys > 1)
		return restore_shared(restore, key, then);
	return restore_entry(restore, key, then);
}

int restore_into(struct kt_txn *last, struct kt_txn *point, struct kt_txn *to)
{
	struct restore restore = {.buf = malloc(COPY_BYTES)};
	int err = restore.buf == NULL ? -ENOMEM : 0;

	for (unsigned tree = KT_ENTRIES; !err && tree <= KT_DIRECTORIES; tree++) {
		restore.point = kt_tree(point, tree);
		restore.to = kt_tree(to, tree);
		err = kt_diff(kt_tree(last, tree), restore.point, restore_key, &restore);
	}
	entry_memory_fini(&restore.value);
	link_map_fini(&restore.links);
	free(restore.buf);
	return err;
}

int kt_restore(struct kt_store *store, struct kt_txn *point)
{
	struct kt_txn *last = NULL, *to = NULL;
	int err = point->txn->writing || point->txn->store != store
			  ? error_say(-EINVAL, "not a read transaction of this store")
			  : kt_begin(store, KT_WRITE, &to);

	if (!err)
		err = kt_begin(store, KT_READ, &last);
	if (!err)
		err = restore_into(last, point, to);
	kt_abort(last);
	if (!err)
		return kt_commit(to, 0);
	kt_abort(to);
	return err;
}
