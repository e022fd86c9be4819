/* Telling of nodes. See tell_nodes.h. */
#include "fs/foreign/tell_nodes.h"

#include "fs/core.h"
#include "fs/foreign/bare_names.h"
#include "fs/names/names.h"

#include <string.h>

/* Nodes that are looked at, and told, at once. */
#define BATCH 64

/* One node to be told. */
struct told_node {
	uint64_t node, parent; /* parent 0: it has no name */
	uint64_t directory;    /* that the file is the value of, or 0 */
	enum inode_kind kind;
	bool stays; /* it is there now */
	char name[NAMES_MAX + 1];
};

struct batch {
	struct told_node nodes[BATCH];
	size_t count;
};

void tell_nodes_name(const struct fs *fs, const struct place *place, char *ret_name)
{
	if (place->kind == INODE_PIECE)
		names_encode_piece(fs->separator, place->bytes, place->size, ret_name);
	else
		names_encode(fs->separator, inode_begins_keys(place->parent), place->bytes,
			place->size, ret_name);
}

/* Is a directory still there? That is remembered: see foreign_reviving(). Where it cannot be read, it
 * may be gone. */
static void tell_note_gone(const struct fs *fs, struct kt_txn *txn, struct inode *node)
{
	struct place place = inode_place(node);
	struct kt_cursor *cursor = NULL;
	struct key key;
	int err = 0;

	if (node->kind != INODE_DIR)
		return;
	node->gone = true;
	if (txn == NULL || place_key(fs->separator, &place, &key) != 0)
		return;
	for (int i = 0; i < 2 && node->gone; i++) {
		err = kt_cursor_open(kt_tree(txn, i == 0 ? KT_ENTRIES : KT_DIRECTORIES), &cursor);
		if (!err)
			err = kt_cursor_set_prefix(cursor, key.bytes, key.size);
		if (!err)
			err = kt_cursor_first(cursor);
		kt_cursor_close(cursor);
		cursor = NULL;
		node->gone = err != 0;
	}
}

/* Is a file still there? Then its node is kept: what is asked again finds it. */
static bool tell_is_there(const struct fs *fs, struct kt_txn *txn, const struct place *place)
{
	struct key key;
	bool there = false;

	return txn != NULL && place_key(fs->separator, place, &key) == 0 &&
	       kt_contains(txn, key.bytes, key.size, &there) == 0 && there;
}

static void batch_add(struct batch *batch, struct fs *fs, struct kt_txn *txn, struct inode *node)
{
	struct told_node *told = &batch->nodes[batch->count++];
	struct place place = inode_place(node), directory;
	const struct inode *value_of;
	struct key key;

	*told = (struct told_node){.node = node->number, .kind = node->kind};
	if (node->parent == NULL)
		return;
	told->parent = node->parent->number;
	tell_nodes_name(fs, &place, told->name);
	if (node->kind != INODE_FILE) {
		tell_note_gone(fs, txn, node);
		told->stays = !node->gone;
		return;
	}
	told->stays = tell_is_there(fs, txn, &place);
	if (place_key(fs->separator, &place, &key) == 0)
		contested_add(&fs->foreign.contested, key.bytes, key.size, flusher_clock_ms());
	directory = place;
	directory.kind = INODE_DIR;
	value_of = inodes_find(&fs->nodes, &directory);
	told->directory = value_of != NULL ? value_of->number : 0;
}

/* @return a read transaction; NULL: nothing can be read */
static struct kt_txn *tell_begin(const struct fs *fs)
{
	struct kt_txn *txn;

	return kt_begin(fs->store, KT_READ, &txn) == 0 ? txn : NULL;
}

/* @param by_all  all names have been told of */
static void tell_node(
	const struct told_node *told, bool by_all, fs_invalidate_fn *invalidate, void *arg)
{
	bool is_file = told->kind == INODE_FILE;
	struct fs_invalidation notice = {.kind = FS_INVALIDATE_NAME,
		.node = told->parent,
		.parent = told->parent,
		.name = told->name,
		.stays = told->stays,
		.by_all = by_all};

	if (told->parent != 0)
		invalidate(arg, &notice);
	if (told->directory != 0) {
		notice.node = notice.parent = told->directory;
		notice.name = "%value";
		invalidate(arg, &notice);
	}
	notice.kind = is_file ? FS_INVALIDATE_DATA : FS_INVALIDATE_LISTING;
	notice.node = told->node;
	notice.stays = notice.by_all = false;
	if (told->parent == 0)
		notice.name = "";
	invalidate(arg, &notice);
}

/* Tell of those nodes that are wanted.
 * @param all  that is each; else those in doubt */
static void tell_table(struct fs *fs, bool all, fs_invalidate_fn *invalidate, void *arg)
{
	bool more = true;
	struct batch batch;

	for (uint32_t i = FS_ROOT; more && !atomic_load(&fs->foreign.stop);) {
		uint32_t end = i + 16 * BATCH; /* others want the lock, too */
		struct kt_txn *txn;

		batch.count = 0;
		pthread_mutex_lock(&fs->lock);
		txn = tell_begin(fs);
		for (; i < fs->nodes.slot_count && i < end && batch.count < BATCH; i++) {
			struct inode *node = fs->nodes.slots[i].node;

			if (node == NULL || (!all && !doubts_has(node)))
				continue;
			batch_add(&batch, fs, txn, node);
		}
		more = i < fs->nodes.slot_count;
		kt_abort(txn);
		pthread_mutex_unlock(&fs->lock);
		for (size_t n = 0; n < batch.count; n++)
			tell_node(&batch.nodes[n], true, invalidate, arg);
	}
}

static void tell_all_names(fs_invalidate_fn *invalidate, void *arg)
{
	const struct fs_invalidation notice = {
		.kind = FS_INVALIDATE_NAMES, .node = FS_ROOT, .name = ""};

	invalidate(arg, &notice);
}

void tell_nodes_all(struct fs *fs, fs_invalidate_fn *invalidate, void *arg)
{
	pthread_mutex_lock(&fs->lock);
	memset(fs->foreign.bare, 0, sizeof(*fs->foreign.bare));
	pthread_mutex_unlock(&fs->lock);
	tell_all_names(invalidate, arg);
	tell_table(fs, true, invalidate, arg);
}

static void tell_list(
	struct fs *fs, const struct doubts *taken, fs_invalidate_fn *invalidate, void *arg)
{
	for (size_t i = 0; i < taken->count && !atomic_load(&fs->foreign.stop); i++) {
		struct batch batch = {.count = 0};
		struct kt_txn *txn;
		struct inode *node;

		pthread_mutex_lock(&fs->lock);
		txn = tell_begin(fs);
		node = inodes_by_number(&fs->nodes, taken->nodes[i]);
		if (node != NULL)
			batch_add(&batch, fs, txn, node);
		kt_abort(txn);
		pthread_mutex_unlock(&fs->lock);
		if (node != NULL)
			tell_node(&batch.nodes[0], false, invalidate, arg);
	}
}

void tell_nodes_in_doubt(
	struct fs *fs, const struct doubts *taken, fs_invalidate_fn *invalidate, void *arg)
{
	for (size_t i = 0; i < taken->name_count; i++) {
		const struct doubt_name *name = &taken->names[i];
		const struct fs_invalidation notice = {.kind = FS_INVALIDATE_NAME,
			.node = name->directory,
			.parent = name->directory,
			.name = name->name};

		invalidate(arg, &notice);
	}
	/* What is in a directory that has moved has names that mean nothing, and names of files
	 * that have several: no node says which. */
	if (taken->below)
		tell_all_names(invalidate, arg);
	if (taken->below)
		tell_table(fs, false, invalidate, arg);
	else
		tell_list(fs, taken, invalidate, arg);
}
