/* kt_backup_since(): what changed since a point in time. See increment.h.
 *
 * The two points are compared by kt_diff(), so the cost follows what differs. Of a large value
 * whose entry was there before, only those blocks are written that lie in other pages than before:
 * both points are pinned, so a page that both show holds the same (I1).
 */
#include "store/copy/increment.h"

#include "store/entry/entry.h"
#include "store/error.h"
#include "store/history/link_map.h"
#include "store/copy/frame_stream.h"
#include "store/io/io.h"
#include "store/io/io_stream.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <string.h>

struct increment {
	struct kt_txn *since, *txn; /* of KT_ENTRIES */
	kt_backup_fn *progress;
	void *arg;
	struct frame_writer out;
	struct link_map links;
	enum kt_tree_id tree; /* that is compared */
	uint64_t frames;
};

int increment_sum(struct kt_txn *txn, struct increment_sums *ret_sums)
{
	struct kt_counts entries, directories;
	int err = kt_count(kt_tree(txn, KT_ENTRIES), &entries);

	if (!err)
		err = kt_count(kt_tree(txn, KT_DIRECTORIES), &directories);
	if (!err)
		*ret_sums = (struct increment_sums){entries.entries, entries.key_bytes,
			entries.value_bytes, directories.entries};
	return err;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static int increment_begin(struct increment *increment, uint32_t kind, size_t most)
{
	uint64_t done = increment->out.done + increment->out.used;
	int err = 0;

	if (increment->progress != NULL)
		err = increment->progress(increment->arg, done, 0);
	increment->frames++;
	return err != 0 ? err : frame_begin(&increment->out, kind, most);
}

static int increment_put_head(struct increment *increment)
{
	struct increment_head head = {.version = INCREMENT_VERSION};
	char names[2][KT_NAME_MAX + 1];
	int err = lineage_point(increment->since, &head.base.at, names[0]);

	if (!err)
		err = lineage_point(increment->txn, &head.end.at, names[1]);
	if (!err && head.base.at.txn > head.end.at.txn)
		err = error_set(-EINVAL, "the state to back up is older than the base");
	if (!err)
		err = increment_sum(increment->since, &head.base.sums);
	if (!err)
		err = increment_sum(increment->txn, &head.end.sums);
	if (err != 0)
		return err;
	memcpy(head.id, increment->txn->txn->store->id, sizeof(head.id));
	head.next_id = increment->txn->txn->root->next_id;
	head.base_name = (uint16_t)strlen(names[0]);
	head.end_name = (uint16_t)strlen(names[1]);
	frame_writer_raw(&increment->out, KT_INCREMENT_MAGIC, KT_INCREMENT_MAGIC_SIZE);
	err = increment_begin(increment, INCREMENT_HEAD, sizeof(head) + sizeof(names));
	if (err != 0)
		return err;
	frame_add(&increment->out, &head, sizeof(head));
	frame_add(&increment->out, names[0], head.base_name);
	frame_add(&increment->out, names[1], head.end_name);
	frame_end(&increment->out);
	return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Write the bytes of a range; they are verified. */
static int increment_put_data(
	struct increment *increment, const struct kt_slice *key, uint64_t at, uint64_t end)
{
	struct pager *pager = &increment->txn->txn->pager;
	int err = 0;

	while (!err && at < end) {
		size_t part =
			end - at < INCREMENT_DATA_MAX ? (size_t)(end - at) : INCREMENT_DATA_MAX;
		bool verify = pager->verify;
		size_t got;

		err = increment_begin(increment, INCREMENT_DATA, sizeof(at) + part);
		if (err != 0)
			break;
		frame_add(&increment->out, &at, sizeof(at));
		pager->verify = true;
		err = kt_read(increment->txn, key->data, key->size, at,
			frame_room(&increment->out, part), part, &got);
		pager->verify = verify;
		if (!err)
			frame_end(&increment->out);
		at += part;
	}
	return err;
}

/* Write all ranges of a value that are stored. */
static int increment_put_ranges(struct increment *increment, const struct kt_slice *key)
{
	uint64_t at, end = 0;
	int err = 0;

	while (!err) {
		err = kt_next_data(increment->txn, key->data, key->size, end, &at, &end);
		if (!err)
			err = increment_put_data(increment, key, at, end);
	}
	return err == -ENXIO ? 0 : err;
}

static int increment_put_hole(struct increment *increment, uint64_t begin_at, uint64_t end)
{
	struct increment_hole hole = {begin_at, end - begin_at};
	int err = increment_begin(increment, INCREMENT_HOLE, sizeof(hole));

	if (err != 0)
		return err;
	frame_add(&increment->out, &hole, sizeof(hole));
	frame_end(&increment->out);
	return 0;
}

/* Write the ranges of a value that are not as they were. */
static int increment_put_changes(struct increment *increment, const struct kt_slice *key)
{
	struct value_change change = {0};
	struct entry before, after;
	int err = entry_find(increment->since, key->data, key->size, &before);

	if (!err)
		err = entry_find(increment->txn, key->data, key->size, &after);
	while (!err) {
		err = value_next_change(&increment->since->txn->pager, &before.cell.value,
			&increment->txn->txn->pager, &after.cell.value, change.end, &change);
		if (!err && change.stored)
			err = increment_put_data(increment, key, change.begin, change.end);
		else if (!err)
			err = increment_put_hole(increment, change.begin, change.end);
	}
	return err == -ENXIO ? 0 : err;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* Does a key have an entry in blocks, and has never shared it? */
static bool is_changeable(const struct kt_entry_info *stat)
{
	return stat != NULL && stat->shared == 0 && stat->size > INCREMENT_WHOLE_MAX;
}

static int increment_put_entry_frame(struct increment *increment, const struct kt_slice *key,
	const struct kt_entry_info *stat, const struct increment_entry *entry)
{
	struct pager *pager = &increment->txn->txn->pager;
	size_t value = entry->flags & INCREMENT_WHOLE ? (size_t)stat->size : 0, got = 0;
	bool verify = pager->verify;
	int err = increment_begin(
		increment, INCREMENT_ENTRY, sizeof(*entry) + key->size + stat->attr.size + value);

	if (err != 0)
		return err;
	frame_add(&increment->out, entry, sizeof(*entry));
	frame_add(&increment->out, key->data, key->size);
	frame_add(&increment->out, stat->attr.data, stat->attr.size);
	pager->verify = true;
	if (value > 0)
		err = kt_read(kt_tree(increment->txn, increment->tree), key->data, key->size, 0,
			frame_room(&increment->out, value), value, &got);
	pager->verify = verify;
	if (!err)
		frame_end(&increment->out);
	return err;
}

static int increment_put_entry(struct increment *increment, const struct kt_slice *key,
	const struct kt_entry_info *from, const struct kt_entry_info *to)
{
	struct increment_entry entry = {
		.tree = (uint8_t)increment->tree,
		.key_size = (uint16_t)key->size,
		.attr_size = (uint32_t)to->attr.size,
		.mtime_ns = to->mtime_ns,
		.size = to->size,
		.shared = to->keys > 1 ? to->shared : 0,
	};
	int err;

	if (to->flags & KT_ATTR_COPIED)
		entry.flags |= INCREMENT_COPIED;
	if (to->size <= INCREMENT_WHOLE_MAX && to->stored >= to->size)
		entry.flags |= INCREMENT_WHOLE;
	else if (is_changeable(from) && is_changeable(to))
		entry.flags |= INCREMENT_KEEP;
	err = increment_put_entry_frame(increment, key, to, &entry);
	if (err != 0 || entry.flags & INCREMENT_WHOLE)
		return err;
	return entry.flags & INCREMENT_KEEP ? increment_put_changes(increment, key)
					    : increment_put_ranges(increment, key);
}

static int increment_put_delete(struct increment *increment, const struct kt_slice *key)
{
	uint8_t tree = (uint8_t)increment->tree;
	int err = increment_begin(increment, INCREMENT_DELETE, 1 + key->size);

	if (err != 0)
		return err;
	frame_add(&increment->out, &tree, 1);
	frame_add(&increment->out, key->data, key->size);
	frame_end(&increment->out);
	return 0;
}

static int increment_put_link(
	struct increment *increment, const struct kt_slice *key, uint64_t shared)
{
	int err = increment_begin(increment, INCREMENT_LINK, sizeof(shared) + key->size);

	if (err != 0)
		return err;
	frame_add(&increment->out, &shared, sizeof(shared));
	frame_add(&increment->out, key->data, key->size);
	frame_end(&increment->out);
	return 0;
}

/* If an entry that keys share differs, or any of its keys, all of them are told (restore.c): the
 * first one comes with the entry. */
static int increment_put_key(void *arg, const struct kt_slice *key,
	const struct kt_entry_info *from, const struct kt_entry_info *to)
{
	struct increment *increment = arg;
	int err = 0;

	if (to == NULL)
		return increment_put_delete(increment, key);
	if (to->keys > 1) {
		if (link_map_find(&increment->links, to->shared) != NULL)
			return increment_put_link(increment, key, to->shared);
		err = link_map_add(&increment->links, to->shared, "", 0);
	}
	return err != 0 ? err : increment_put_entry(increment, key, from, to);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int increment_put_end(struct increment *increment)
{
	struct increment_end end = {increment->frames};
	int err = increment_begin(increment, INCREMENT_END, sizeof(end));

	if (err != 0)
		return err;
	frame_add(&increment->out, &end, sizeof(end));
	frame_end(&increment->out);
	return frame_writer_flush(&increment->out);
}

static int increment_fill(void *arg, struct io *io)
{
	struct increment *increment = arg;
	int err = frame_writer_init(&increment->out, io);

	if (!err)
		err = increment_put_head(increment);
	for (unsigned tree = KT_ENTRIES; !err && tree <= KT_DIRECTORIES; tree++) {
		increment->tree = tree;
		err = kt_diff(kt_tree(increment->since, tree), kt_tree(increment->txn, tree),
			increment_put_key, increment);
	}
	if (!err)
		err = increment_put_end(increment);
	frame_writer_fini(&increment->out);
	link_map_fini(&increment->links);
	return err;
}

static int increment_check_points(const struct txn *since, const struct txn *txn)
{
	if (since->writing || txn->writing || since->store != txn->store)
		return error_say(-EINVAL, "not two read transactions of one store");
	return 0;
}

/* Only another increment may be replaced. */
static int increment_check_target(const char *path)
{
	uint8_t magic[KT_INCREMENT_MAGIC_SIZE];
	struct io *old;
	int err = io_file_open(path, true, &old);

	if (err != 0)
		return err == -ENOENT ? 0 : err;
	err = io_read(old, 0, magic, sizeof(magic));
	io_close(old);
	if (err == -EUCLEAN || (!err && memcmp(magic, KT_INCREMENT_MAGIC, sizeof(magic)) != 0))
		err = error_set(-EILSEQ, "%s exists and is not an increment", path);
	return err;
}

int kt_backup_since(struct kt_txn *txn, struct kt_txn *since, const char *path, unsigned flags,
	kt_backup_fn *progress, void *arg)
{
	struct increment increment = {.since = kt_tree(since, KT_ENTRIES),
		.txn = kt_tree(txn, KT_ENTRIES),
		.progress = progress,
		.arg = arg};
	bool replace = (flags & KT_BACKUP_REPLACE) != 0;
	struct io *io = NULL;
	int err;

	error_clear();
	err = error_unknown_flags(flags, KT_BACKUP_REPLACE);
	if (!err)
		err = increment_check_points(since->txn, txn->txn);
	if (!err && replace)
		err = increment_check_target(path);
	if (!err)
		err = (replace ? io_file_replace : io_file_create)(
			path, 0600, increment_fill, &increment, &io);
	if (!err)
		io_close(io);
	return err;
}

int kt_backup_since_fd(
	struct kt_txn *txn, struct kt_txn *since, int fd, kt_backup_fn *progress, void *arg)
{
	struct increment increment = {.since = kt_tree(since, KT_ENTRIES),
		.txn = kt_tree(txn, KT_ENTRIES),
		.progress = progress,
		.arg = arg};
	struct io *io;
	int err;

	error_clear();
	err = increment_check_points(since->txn, txn->txn);
	if (!err)
		err = io_stream_open(fd, &io);
	if (err != 0)
		return err;
	err = increment_fill(&increment, io);
	io_close(io);
	return err;
}
