/* kt_apply(): an increment brings a backup to a later point in time. See increment.h.
 *
 * The store must have the point the increment begins at: as its last commit, or in a snapshot, to
 * which it goes back first. All of it is one transaction, which is committed when the end has come
 * and everything is as it says. What is read is not trusted, though its checksums be right.
 */
#include "store/copy/increment_apply_internal.h"

#include "store/entry/entry.h"
#include "store/error.h"
#include "store/history/snapshot.h"
#include "store/history/restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int apply_malformed(const struct increment_apply *apply, const char *why)
{
	return error_set(-EILSEQ, "%s, before byte %llu of the increment", why,
		(unsigned long long)apply->in.done);
}

/* ---- the base -------------------------------------------------------------------------------- */

/* How to call the base in a message. */
static const char *apply_base_words(
	const struct increment_apply *apply, char words[KT_NAME_MAX + 64])
{
	if (apply->base_name[0] == '\0')
		snprintf(words, KT_NAME_MAX + 64, "commit %llu",
			(unsigned long long)apply->head.base.at.txn);
	else
		snprintf(words, KT_NAME_MAX + 64, "'%s' (commit %llu)", apply->base_name,
			(unsigned long long)apply->head.base.at.txn);
	for (char *at = words; *at != '\0'; at++)
		if ((unsigned char)*at < ' ')
			*at = '?';
	return words;
}

/* Have the transaction show what a snapshot kept. */
static int apply_go_back(struct increment_apply *apply, const struct format_snapshot *kept)
{
	struct kt_txn *point;
	int err = kt_begin(apply->store, KT_READ, &point);

	if (err != 0)
		return err;
	err = txn_show(point->txn, kept);
	if (!err)
		err = restore_into(apply->last, point, apply->txn);
	kt_abort(point);
	return err;
}

/* The last commit is the base. Keep it under the name that it has in the original, so that other
 * increments can begin there, unless it is kept or the name is used. */
static int apply_keep_base(struct increment_apply *apply)
{
	struct format_snapshot kept;
	int err = lineage_find(apply->last, &apply->head.base.at, &kept);

	if (err != -ENOENT || apply->base_name[0] == '\0')
		return err == -ENOENT ? 0 : err;
	err = snapshot_keep(apply->txn, apply->base_name);
	return err == -EEXIST ? 0 : err;
}

/* Bring the transaction to the base, if the store has it and nothing else is lost. */
static int apply_go_to_base(struct increment_apply *apply)
{
	char words[KT_NAME_MAX + 64];
	struct format_snapshot kept;
	bool is_base;
	int err = lineage_is(apply->last, &apply->head.base.at, &is_base);

	if (err != 0 || is_base)
		return err != 0 ? err : apply_keep_base(apply);
	err = lineage_find(apply->last, &apply->head.base.at, &kept);
	if (err == -ENOENT)
		return error_set(-ESTALE,
			"the increment begins at %s, which the store does not have",
			apply_base_words(apply, words));
	if (!err && !(apply->flags & KT_APPLY_REPLACE))
		err = error_set(-ENOTEMPTY, "the store has changed since %s",
			apply_base_words(apply, words));
	return err != 0 ? err : apply_go_back(apply, &kept);
}

static int apply_compare_sums(struct increment_apply *apply, const struct increment_sums *expected)
{
	struct increment_sums sums;
	int err = increment_sum(apply->txn, &sums);

	if (!err && memcmp(&sums, expected, sizeof(sums)) != 0)
		err = error_set(
			-ESTALE, "the store does not have the entries that the increment expects");
	return err;
}

/* Is the end kept already? Another snapshot must not have its name. */
static int apply_find_end(struct increment_apply *apply)
{
	struct format_snapshot kept;
	struct kt_txn *named;
	int err = lineage_find(apply->last, &apply->head.end.at, &kept);

	apply->is_kept = !err;
	if ((err != 0 && err != -ENOENT) || apply->is_kept || apply->end_name[0] == '\0')
		return err == -ENOENT ? 0 : err;
	err = kt_snapshot_open(apply->store, apply->end_name, &named);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	kt_abort(named);
	return error_set(-EEXIST, "the store has another snapshot '%s'", apply->end_name);
}

int apply_begin(struct increment_apply *apply)
{
	int err;

	if (memcmp(apply->head.id, apply->store->id, sizeof(apply->head.id)) != 0)
		return error_set(-EXDEV, "the increment was made from a different store");
	err = kt_begin(apply->store, KT_WRITE, &apply->txn);
	if (!err)
		err = kt_begin(apply->store, KT_READ, &apply->last);
	if (!err)
		apply->last_commit = kt_txn_id(apply->last);
	if (!err)
		err = apply_find_end(apply);
	if (!err)
		err = lineage_is(apply->last, &apply->head.end.at, &apply->is_there);
	if (!err && apply->is_there)
		return apply_compare_sums(apply, &apply->head.end.sums);
	if (err != 0)
		return err;
	err = apply_go_to_base(apply);
	return err != 0 ? err : apply_compare_sums(apply, &apply->head.base.sums);
}

/* ---- entries --------------------------------------------------------------------------------- */

static struct kt_txn *apply_tree(struct increment_apply *apply, unsigned tree)
{
	return kt_tree(apply->txn, tree == KT_ENTRIES ? KT_ENTRIES : KT_DIRECTORIES);
}

/* Is there an entry whose value can be changed in parts? */
static int apply_check_kept(struct increment_apply *apply, struct kt_txn *tree)
{
	struct kt_entry_info stat;
	int err = kt_stat(tree, apply->key, apply->entry.key_size, &stat);

	if (err == -ENOENT || (!err && stat.keys > 1))
		err = apply_malformed(apply, "a change of an entry that cannot be changed");
	return err;
}

static int apply_start_entry(struct increment_apply *apply, const uint8_t *attr,
	const struct kt_slice *value, struct kt_txn *tree)
{
	const struct increment_entry *entry = &apply->entry;
	size_t size = entry->key_size;
	int err = 0;

	if (entry->flags & INCREMENT_KEEP) {
		err = apply_check_kept(apply, tree);
		if (!err)
			err = kt_set_attr(tree, apply->key, size, attr, entry->attr_size);
	} else {
		/* not to be shared by then with keys that were not told yet */
		if (entry->shared != 0)
			err = kt_delete(tree, apply->key, size, KT_MISSING_OK);
		if (!err)
			err = kt_put_entry(tree, apply->key, size, value->data, value->size, attr,
				entry->attr_size, entry->mtime_ns);
		if (!err && entry->shared != 0)
			err = link_map_add(&apply->links, entry->shared, apply->key, size);
	}
	if (!err && entry->flags & INCREMENT_COPIED)
		err = entry_mark_copied(tree, apply->key, size);
	if (!err && !(entry->flags & INCREMENT_WHOLE))
		err = kt_truncate(tree, apply->key, size, entry->size);
	apply->open = !err && !(entry->flags & INCREMENT_WHOLE);
	return err;
}

static bool apply_is_sound(const struct increment_entry *entry, const struct frame *frame)
{
	uint64_t value = entry->flags & INCREMENT_WHOLE ? entry->size : 0;

	return entry->tree <= KT_DIRECTORIES &&
	       entry->flags <= (INCREMENT_WHOLE | INCREMENT_KEEP | INCREMENT_COPIED) &&
	       entry->key_size <= KT_KEY_MAX && entry->attr_size <= KT_ATTR_MAX &&
	       entry->size <= INT64_MAX && value <= INCREMENT_WHOLE_MAX &&
	       !(entry->flags & INCREMENT_KEEP &&
		       (entry->flags & INCREMENT_WHOLE || entry->shared != 0)) &&
	       (entry->tree == KT_ENTRIES || entry->shared == 0) &&
	       frame->size == sizeof(*entry) + entry->key_size + entry->attr_size + value;
}

static int apply_put_entry(struct increment_apply *apply, const struct frame *frame)
{
	struct increment_entry *entry = &apply->entry;
	const uint8_t *at = frame->payload + sizeof(*entry);
	struct kt_slice value = {NULL, 0};

	if (frame->size < sizeof(*entry))
		return apply_malformed(apply, "a short entry");
	memcpy(entry, frame->payload, sizeof(*entry));
	if (!apply_is_sound(entry, frame) || link_map_find(&apply->links, entry->shared) != NULL)
		return apply_malformed(apply, "an entry that makes no sense");
	if (apply->is_there)
		return 0;
	memcpy(apply->key, at, entry->key_size);
	at += entry->key_size;
	if (entry->flags & INCREMENT_WHOLE)
		value = (struct kt_slice){at + entry->attr_size, (size_t)entry->size};
	return apply_start_entry(apply, at, &value, apply_tree(apply, entry->tree));
}

/* The next key: the value of the one before is complete. */
static int apply_end_entry(struct increment_apply *apply)
{
	const struct increment_entry *entry = &apply->entry;

	if (!apply->open)
		return 0;
	apply->open = false;
	return kt_set_mtime(
		apply_tree(apply, entry->tree), apply->key, entry->key_size, entry->mtime_ns);
}

static int apply_delete_key(struct increment_apply *apply, const struct frame *frame)
{
	int err;

	if (frame->size < 1 || frame->payload[0] > KT_DIRECTORIES)
		return apply_malformed(apply, "a deletion that makes no sense");
	if (apply->is_there)
		return 0;
	err = kt_delete(
		apply_tree(apply, frame->payload[0]), frame->payload + 1, frame->size - 1, 0);
	return err == -ENOENT ? apply_malformed(apply, "a deletion of what is not there") : err;
}

static int apply_link_key(struct increment_apply *apply, const struct frame *frame)
{
	struct kt_txn *tree = kt_tree(apply->txn, KT_ENTRIES);
	size_t prefix = sizeof(uint64_t), size = frame->size - prefix;
	const uint8_t *key = frame->payload + prefix;
	const struct link_map_entry *first;
	int err;

	if (frame->size < prefix || size > KT_KEY_MAX)
		return apply_malformed(apply, "a link that makes no sense");
	if (apply->is_there)
		return 0;
	first = link_map_find(&apply->links, load64(frame->payload));
	if (first == NULL)
		return apply_malformed(apply, "a link to no entry");
	err = kt_delete(tree, key, size, KT_MISSING_OK);
	if (!err)
		err = kt_link(tree, first->key, first->size, tree, key, size);
	return err == -ENOENT ? apply_malformed(apply, "a link to itself") : err;
}

/* ---- values ---------------------------------------------------------------------------------- */

static int apply_put_data(struct increment_apply *apply, const struct frame *frame)
{
	size_t prefix = sizeof(uint64_t), size = frame->size - prefix;
	uint64_t offset;

	if (frame->size <= prefix)
		return apply_malformed(apply, "data that make no sense");
	offset = load64(frame->payload);
	if (apply->is_there)
		return 0;
	if (!apply->open || size > apply->entry.size || offset > apply->entry.size - size)
		return apply_malformed(apply, "data of no value");
	return kt_write(apply_tree(apply, apply->entry.tree), apply->key, apply->entry.key_size,
		offset, frame->payload + prefix, size);
}

static int apply_put_hole(struct increment_apply *apply, const struct frame *frame)
{
	struct increment_hole hole;

	if (frame->size != sizeof(hole))
		return apply_malformed(apply, "a hole that makes no sense");
	if (apply->is_there)
		return 0;
	memcpy(&hole, frame->payload, sizeof(hole));
	if (!apply->open || hole.size > apply->entry.size ||
		hole.offset > apply->entry.size - hole.size)
		return apply_malformed(apply, "a hole in no value");
	return kt_punch(apply_tree(apply, apply->entry.tree), apply->key, apply->entry.key_size,
		hole.offset, hole.size);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int apply_read_end(struct increment_apply *apply, const struct frame *frame)
{
	struct increment_end end;

	if (frame->size != sizeof(end))
		return apply_malformed(apply, "an end that makes no sense");
	memcpy(&end, frame->payload, sizeof(end));
	if (end.frames != apply->frames)
		return apply_malformed(apply, "a wrong number of records");
	return frame_reader_end(&apply->in);
}

static int apply_frame(struct increment_apply *apply, const struct frame *frame)
{
	int err = frame->kind == INCREMENT_DATA || frame->kind == INCREMENT_HOLE
			  ? 0
			  : apply_end_entry(apply);

	if (err != 0)
		return err;
	switch (frame->kind) {
	case INCREMENT_DELETE:
		return apply_delete_key(apply, frame);
	case INCREMENT_ENTRY:
		return apply_put_entry(apply, frame);
	case INCREMENT_LINK:
		return apply_link_key(apply, frame);
	case INCREMENT_DATA:
		return apply_put_data(apply, frame);
	case INCREMENT_HOLE:
		return apply_put_hole(apply, frame);
	case INCREMENT_END:
		return apply_read_end(apply, frame);
	default:
		return apply_malformed(apply, "an unknown record");
	}
}

static int apply_read_frames(struct increment_apply *apply)
{
	struct frame frame;
	int err;

	do {
		err = frame_read(&apply->in, &frame);
		if (!err)
			err = apply_frame(apply, &frame);
		apply->frames++;
		if (!err && apply->progress != NULL)
			err = apply->progress(apply->arg, apply->in.done, 0);
	} while (!err && frame.kind != INCREMENT_END);
	return err;
}

/* Ids that the original has given are not given again. */
static int apply_finish(struct increment_apply *apply)
{
	struct txn *txn = apply->txn->txn;
	int err = apply_compare_sums(apply, &apply->head.end.sums);

	if (err != 0)
		return err;
	if (txn->own->next_id < apply->head.next_id)
		txn->own->next_id = apply->head.next_id;
	return lineage_note(apply->txn, &apply->head.end.at);
}

/* Commit, and keep that under the name that it has in the original. */
static int apply_commit(struct increment_apply *apply)
{
	bool keep = apply->end_name[0] != '\0' && !apply->is_kept;
	uint64_t commit = apply->is_there ? apply->last_commit : kt_txn_id(apply->txn);
	struct kt_txn *txn = apply->txn;
	int err;

	apply->txn = NULL;
	err = kt_commit(txn, KT_FLUSH);
	if (!err && keep)
		err = snapshot_create(apply->store, apply->end_name, commit, KT_FLUSH);
	if (err == -EAGAIN)
		err = error_set(err,
			"it is applied, but not kept as '%s': somebody wrote at the same time",
			apply->end_name);
	return err;
}

int kt_apply(struct kt_store *store, int fd, unsigned flags, kt_backup_fn *progress, void *arg)
{
	struct increment_apply *apply;
	int err, spool = -1;

	error_clear();
	err = error_unknown_flags(flags, KT_APPLY_REPLACE);
	if (err != 0)
		return err;
	apply = calloc(1, sizeof(*apply));
	if (apply == NULL)
		return -ENOMEM;
	*apply = (struct increment_apply){
		.store = store, .flags = flags, .progress = progress, .arg = arg};
	err = apply_receive(apply, fd, &spool);
	if (!err)
		err = apply_begin(apply);
	if (!err)
		err = apply_read_frames(apply);
	if (!err && !apply->is_there)
		err = apply_finish(apply);
	kt_abort(apply->last);
	if (!err)
		err = apply_commit(apply);
	kt_abort(apply->txn);
	frame_reader_fini(&apply->in);
	link_map_fini(&apply->links);
	if (spool >= 0)
		close(spool);
	free(apply);
	return err;
}
