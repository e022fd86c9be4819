/* Exchanging two names. See rename_exchange.h.
 *
 * All that belongs to one name changes places with all that belongs to the other: the entry, which
 * is a file or the value of a directory, and the keys and records below. If only one side has
 * keys, they just move.
 *
 *     a       <->  b          p, more bytes of 0xff than any key begins with, is the prefix of
 *     a/...   <->  b/...      one side meanwhile
 */
#include "fs/ops/rename_exchange.h"

#include "fs/ops/ops_internal.h"
#include "fs/dirty/conflict.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/access/dir_record.h"
#include "fs/access/lookup.h"
#include "fs/ops/move_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct side {
	struct target target;
	struct found found;
	struct place file, directory; /* places of the file and the directory of this name */
	struct key key, prefix;	      /* keys of both places */
	struct inode *file_node, *directory_node;
	unsigned char *file_id,
		*directory_id; /* for the nodes of the other side, which move here */
};

struct exchange_op {
	struct fs *fs;
	struct kt_txn *txn;
	struct side side[2];
};

/* Find what is at one name. */
static int find_side(struct exchange_op *x, uint64_t parent, const char *name, struct side *side)
{
	struct fs *fs = x->fs;
	int err = query_name(fs, x->txn, parent, name, &side->target, &side->found);

	if (!err)
		err = update_keep_xattrs(fs, &side->found.known);
	if (err)
		return err;
	if (side->found.kind == INODE_PIECE)
		return -EXDEV;
	side->file = side->directory = side->target.place;
	side->file.kind = INODE_FILE;
	side->directory.kind = INODE_DIR;
	side->file_node = inodes_find(&fs->nodes, &side->file);
	err = conflict_lost(fs, side->file_node);
	if (!err)
		err = place_key(fs->separator, &side->file, &side->key);
	/* a key of the greatest length has nothing below it */
	if (!err && place_key(fs->separator, &side->directory, &side->prefix) != 0)
		side->prefix.size = 0;
	return err;
}

/* Check that directories can be exchanged. */
static int check_directories(struct exchange_op *x)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &x->side[i], *other = &x->side[!i];

		/* the value of a directory cannot become a directory */
		if (side->target.part.kind == NAMES_VALUE)
			return -EINVAL;
		if (side->prefix.size == 0)
			return -ENAMETOOLONG;
		side->directory_node = inodes_find(&x->fs->nodes, &side->directory);
		if (side->directory_node != NULL &&
			inode_is_below(other->target.directory, side->directory_node))
			return -EINVAL;
	}
	return 0;
}

/* Count the bytes of 0xff that a key begins with. */
static size_t count_run(const unsigned char *key, size_t size)
{
	size_t count = 0;

	while (count < size && key[count] == 0xff)
		count++;
	return count;
}

/* Find a prefix that no key of a tree has, now or after the exchange. */
static int free_key(struct exchange_op *x, enum kt_tree_id id, struct key *ret_key)
{
	struct kt_cursor *cursor = NULL;
	int err = kt_cursor_open(kt_tree(x->txn, id), &cursor);
	size_t longest = 0;

	for (int i = 0; i < 2; i++) {
		size_t run = count_run(x->side[i].key.bytes, x->side[i].key.size);

		longest = run > longest ? run : longest;
	}
	if (!err)
		err = kt_cursor_last(cursor);
	if (!err) {
		struct kt_slice last = kt_cursor_key(cursor);
		size_t run = count_run(last.data, last.size);

		longest = run > longest ? run : longest;
	}
	kt_cursor_close(cursor);
	if (err && err != -ENOENT)
		return err;
	ret_key->size = longest + 1;
	if (ret_key->size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	memset(ret_key->bytes, 0xff, ret_key->size);
	return 0;
}

/* Move an entry, if there is one. */
static int move_if_there(struct kt_txn *txn, const struct key *from, const struct key *to)
{
	struct kt_entry_info stat;
	int err = kt_stat(txn, from->bytes, from->size, &stat);

	if (err)
		return err == -ENOENT ? 0 : err;
	return move_keys_entry(txn, &stat, from, to);
}

static int exchange_entries(struct exchange_op *x)
{
	const struct key *a = &x->side[0].key, *b = &x->side[1].key;
	struct key p;
	int err = free_key(x, KT_ENTRIES, &p);

	if (!err)
		err = editors_yield(x->fs, x->txn, a);
	if (!err)
		err = editors_yield(x->fs, x->txn, b);
	if (!err)
		err = move_if_there(x->txn, a, &p);
	if (!err)
		err = move_if_there(x->txn, b, a);
	return err ? err : move_if_there(x->txn, &p, b);
}

static int exchange_trees(struct exchange_op *x, enum kt_tree_id id)
{
	const struct key *a = &x->side[0].prefix, *b = &x->side[1].prefix;
	struct key p;
	int err = free_key(x, id, &p);

	if (!err)
		err = move_keys_below(x->txn, id, a, &p);
	if (!err)
		err = move_keys_below(x->txn, id, b, a);
	return err ? err : move_keys_below(x->txn, id, &p, b);
}

/* Write the attributes of a side at its new key: its ctime is now. */
static int mark_changed(struct exchange_op *x, const struct side *from, const struct side *to)
{
	struct known known = from->found.known;

	if (from->found.kind != INODE_FILE)
		return move_keys_record(x->txn, &from->found, from->directory_node, &to->prefix);
	return update_touch_entry(x->txn, &from->key, &to->key, &known);
}

/* Publish the content of a file, if it has some in memory. */
static int store_side(struct exchange_op *x, const struct side *side)
{
	if (side->file_node == NULL || side->file_node->dirty == NULL)
		return 0;
	return publish_file(side->file_node->dirty, x->txn, &side->key);
}

/* Get the memory that moving the nodes needs. */
static int exchange_prepare(struct side *side)
{
	int err = inodes_prepare_move(&side->file, &side->file_id);

	return err ? err : inodes_prepare_move(&side->directory, &side->directory_id);
}

/* The nodes of one side are about to move to the other. */
static void exchange_moving(struct exchange_op *x, const struct side *from, const struct side *to)
{
	foreign_moving(x->fs, from->file_node, &to->file);
	foreign_moving(x->fs, from->directory_node, &to->directory);
}

static int exchange_keys(struct exchange_op *x)
{
	struct side *a = &x->side[0], *b = &x->side[1];
	bool directories = a->found.kind != INODE_FILE || b->found.kind != INODE_FILE;
	int err = directories ? check_directories(x) : 0;

	exchange_moving(x, a, b);
	exchange_moving(x, b, a);
	if (!err)
		err = store_side(x, a);
	if (!err)
		err = store_side(x, b);
	if (!err)
		err = exchange_entries(x);
	if (!err && directories)
		err = exchange_trees(x, KT_ENTRIES);
	if (!err && directories)
		err = exchange_trees(x, KT_DIRECTORIES);
	return err;
}

static int exchange_sides(struct exchange_op *x)
{
	struct side *a = &x->side[0], *b = &x->side[1];
	int err = exchange_keys(x);

	if (!err)
		err = mark_changed(x, a, b);
	if (!err)
		err = mark_changed(x, b, a);
	if (!err)
		err = exchange_prepare(a);
	return err ? err : exchange_prepare(b);
}

static bool same_key(const struct key *a, const struct key *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Exchange the nodes of two places of one kind, either of which may be missing. */
static void exchange_nodes(struct fs *fs, struct inode *a, struct inode *b,
	const struct place *at_a, const struct place *at_b, unsigned char **id_a,
	unsigned char **id_b)
{
	if (a != NULL && b != NULL) {
		inodes_swap(&fs->nodes, a, b, *id_b, *id_a);
		*id_a = *id_b = NULL;
	} else if (a != NULL) {
		inodes_move(&fs->nodes, a, at_b, *id_b);
		*id_b = NULL;
	} else if (b != NULL) {
		inodes_move(&fs->nodes, b, at_a, *id_a);
		*id_a = NULL;
	}
}

/* Exchange the nodes, after the commit. */
static void exchange_done(struct exchange_op *x)
{
	struct side *a = &x->side[0], *b = &x->side[1];
	struct inode *files[2] = {a->file_node, b->file_node};

	exchange_nodes(
		x->fs, a->file_node, b->file_node, &a->file, &b->file, &a->file_id, &b->file_id);
	exchange_nodes(x->fs, a->directory_node, b->directory_node, &a->directory, &b->directory,
		&a->directory_id, &b->directory_id);
	for (int i = 0; i < 2; i++) {
		if (files[i] != NULL)
			dirty_drop(files[i]);
	}
	for (int i = 0; i < 2; i++)
		inodes_tidy(&x->fs->nodes, files[i]);
	flusher_touch(x->fs, a->target.directory);
	flusher_touch(x->fs, b->target.directory);
}

static void free_sides(struct exchange_op *x)
{
	for (int i = 0; i < 2; i++) {
		free(x->side[i].file_id);
		free(x->side[i].directory_id);
	}
}

int rename_exchange(
	struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name)
{
	struct exchange_op *x = calloc(1, sizeof(*x));
	struct side *a, *b;
	bool same;
	int err;

	if (x == NULL)
		return -ENOMEM;
	x->fs = fs;
	a = &x->side[0];
	b = &x->side[1];
	err = update_begin(fs, &x->txn);
	if (err)
		goto out;
	err = find_side(x, parent, name, a);
	if (!err)
		err = find_side(x, new_parent, new_name, b);
	same = !err && same_key(&a->key, &b->key);
	if (!err && !same)
		err = exchange_sides(x);
	err = update_commit(fs, x->txn, err);
	if (!err && !same)
		exchange_done(x);
	err = update_end(fs, err);
out:
	free_sides(x);
	free(x);
	return err;
}
