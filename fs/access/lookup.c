/* Questions to the store and to what is not in it yet. See lookup.h.
 *
 * A name is a directory if it has a record or anything lies below it, in either tree, else a file.
 * Two searches tell: one in the records, from the directory's own on; one in the entries, from the
 * file's key on, since what lies below the directory mostly follows right behind it.
 */
#include "fs/access/lookup.h"

#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/tree/children.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lookup_node(const struct fs *fs, uint64_t number, struct inode **ret_node)
{
	*ret_node = inodes_by_number(&fs->nodes, number);
	return *ret_node ? 0 : -ESTALE;
}

int lookup_dir_node(const struct fs *fs, uint64_t number, struct inode **ret_node)
{
	int err = lookup_node(fs, number, ret_node);

	if (!err && (*ret_node)->kind == INODE_FILE)
		err = -ENOTDIR;
	if (!err && !inode_has_place(*ret_node))
		err = -ENOENT;
	return err;
}

int lookup_target(const struct fs *fs, uint64_t parent, const char *name, struct target *ret_target)
{
	struct target *target = ret_target;
	struct place directory;
	const void *piece;
	int err;

	err = lookup_dir_node(fs, parent, &target->directory);
	if (err)
		return err;
	directory = inode_place(target->directory);
	piece = directory.kind == INODE_PIECE ? directory.bytes : NULL;
	err = names_decode(fs->separator, inode_begins_keys(target->directory), piece,
		directory.size, name, &target->part);
	if (err)
		return err;
	target->place = (struct place){
		.parent = target->directory,
		.kind = target->part.kind == NAMES_PIECE ? INODE_PIECE : INODE_FILE,
		.bytes = target->part.bytes,
		.size = target->part.size,
	};
	if (target->part.kind != NAMES_VALUE)
		return 0;
	if (directory.parent == NULL)
		return -EINVAL;
	target->place = directory;
	target->place.kind = INODE_FILE;
	return 0;
}

struct place target_dir(const struct target *target)
{
	struct place place = target->place;

	place.kind = target->part.kind == NAMES_PIECE ? INODE_PIECE : INODE_DIR;
	return place;
}

static bool lookup_begins_with(struct kt_slice bytes, const struct key *prefix)
{
	return bytes.size >= prefix->size && memcmp(bytes.data, prefix->bytes, prefix->size) == 0;
}

/* Go to the first key of a tree that is not before the given one. @return 0; -ENOENT */
static int lookup_seek(struct kt_txn *txn, enum kt_tree_id tree, const struct key *key,
	struct kt_cursor **ret_cursor)
{
	int err = kt_cursor_open(kt_tree(txn, tree), ret_cursor);

	if (!err)
		err = kt_cursor_seek(*ret_cursor, key->bytes, key->size);
	return err;
}

/* What a directory shows that has no record: when the key was written that it is known by. */
static int lookup_infer_dir(struct kt_cursor *cursor, struct found *ret_found)
{
	struct kt_entry_info stat;
	int err = kt_cursor_stat(cursor, &stat);

	if (err)
		return err;
	ret_found->known = (struct known){.mtime_ns = stat.mtime_ns};
	ret_found->recorded = false;
	return 0;
}

static int lookup_record(struct kt_cursor *cursor, struct found *ret_found)
{
	struct kt_entry_info stat;
	int err = kt_cursor_stat(cursor, &stat);

	ret_found->recorded = true;
	return err ? err : stat_known(&stat, &ret_found->known);
}

/* Look for a directory in the records. @return 0; -ENOENT */
static int lookup_in_records(struct kt_txn *txn, const struct key *key, struct found *ret_found)
{
	struct kt_cursor *cursor = NULL;
	int err = lookup_seek(txn, KT_DIRECTORIES, key, &cursor);

	if (!err && !lookup_begins_with(kt_cursor_key(cursor), key))
		err = -ENOENT;
	if (!err) {
		bool own = kt_cursor_key(cursor).size == key->size;

		err = own ? lookup_record(cursor, ret_found) : lookup_infer_dir(cursor, ret_found);
	}
	kt_cursor_close(cursor);
	return err;
}

/* Look for a directory in the entries. @return 0; -ENOENT */
static int lookup_in_entries(struct kt_txn *txn, const struct key *key, struct found *ret_found)
{
	struct kt_cursor *cursor = NULL;
	int err = lookup_seek(txn, KT_ENTRIES, key, &cursor);

	if (!err && !lookup_begins_with(kt_cursor_key(cursor), key))
		err = -ENOENT;
	if (!err)
		err = lookup_infer_dir(cursor, ret_found);
	kt_cursor_close(cursor);
	return err;
}

/* Look for anything in a piece. @return 0; -ENOENT */
static int lookup_piece(struct fs *fs, struct kt_txn *txn, const struct place *place,
	const struct key *key, struct found *ret_found)
{
	struct child child;
	struct kt_entry_info stat;
	struct children children;
	int err = kt_stat(kt_tree(txn, KT_DIRECTORIES), key->bytes, key->size, &stat);

	ret_found->recorded = !err;
	if (err != -ENOENT)
		return err ? err : stat_known(&stat, &ret_found->known);
	err = children_open(txn, fs->separator, place, key, &children);
	if (!err)
		err = children_next(&children, &child);
	if (!err)
		ret_found->known = (struct known){.mtime_ns = child.stat.mtime_ns};
	children_close(&children);
	return err;
}

int lookup_dir(struct fs *fs, struct kt_txn *txn, const struct place *place, const struct key *key,
	struct found *ret_found)
{
	int err;

	ret_found->kind = place->kind;
	ret_found->unstored = false;
	if (place->kind == INODE_PIECE)
		return lookup_piece(fs, txn, place, key, ret_found);
	err = lookup_in_records(txn, key, ret_found);
	if (err == -ENOENT)
		err = lookup_in_entries(txn, key, ret_found);
	if (err == -ENOENT && place->parent == NULL) {
		ret_found->known = (struct known){0};
		ret_found->recorded = false;
		return 0;
	}
	return err;
}

/* What is known of a file that has content in memory. @return 0; -ENOENT it has none */
static int lookup_dirty(struct fs *fs, const struct place *place, struct found *ret_found)
{
	struct inode *node = inodes_find(&fs->nodes, place);

	if (node == NULL || node->dirty == NULL || !node->dirty->whole)
		return -ENOENT;
	ret_found->kind = INODE_FILE;
	ret_found->unstored = true;
	ret_found->known = (struct known){.links = 1};
	dirty_known(node->dirty, &ret_found->known);
	return 0;
}

static int lookup_entry(struct fs *fs, const struct place *place, const struct kt_entry_info *stat,
	struct found *ret_found)
{
	struct inode *node = inodes_find_file(&fs->nodes, place, stat->shared);
	int err = stat_known(stat, &ret_found->known);

	ret_found->kind = INODE_FILE;
	ret_found->unstored = false;
	if (node != NULL && stat->shared != 0)
		node->links = stat->keys;
	if (node != NULL && node->dirty != NULL)
		dirty_known(node->dirty, &ret_found->known);
	return err;
}

int lookup_by_stat(struct fs *fs, const struct place *place, bool known,
	const struct kt_entry_info *stat, struct found *ret_found)
{
	if (place->kind == INODE_FILE)
		return lookup_entry(fs, place, stat, ret_found);
	ret_found->kind = place->kind;
	ret_found->recorded = known;
	ret_found->unstored = false;
	ret_found->known = (struct known){.mtime_ns = stat->mtime_ns};
	return known ? stat_known(stat, &ret_found->known) : 0;
}

/* Look for a file, at the key in ret_found. @return 0; -ENOENT */
static int lookup_file(
	struct fs *fs, struct kt_txn *txn, const struct place *place, struct found *ret_found)
{
	struct kt_entry_info stat;
	int err = lookup_dirty(fs, place, ret_found);

	if (err != -ENOENT)
		return err;
	if (editors_hide(fs, &ret_found->key))
		return -ENOENT;
	err = kt_stat(txn, ret_found->key.bytes, ret_found->key.size, &stat);
	return err ? err : lookup_entry(fs, place, &stat, ret_found);
}

/* Look in the entries, from the key of a file on, for the file and a directory of its name.
 * @return 0; -ENOENT there is neither */
static int lookup_either(struct fs *fs, struct kt_txn *txn, const struct place *file,
	const struct key *directory, struct found *ret_found)
{
	struct key key = {.size = directory->size - 1};
	struct kt_cursor *cursor = NULL;
	struct kt_entry_info stat;
	bool is_file = false;
	int err;

	memcpy(key.bytes, directory->bytes, key.size);
	err = lookup_seek(txn, KT_ENTRIES, &key, &cursor);
	if (!err && kt_cursor_key(cursor).size == key.size &&
		lookup_begins_with(kt_cursor_key(cursor), &key)) {
		is_file = !editors_hide(fs, &key);
		err = kt_cursor_stat(cursor, &stat);
		if (!err)
			err = kt_cursor_next(cursor);
	}
	/* "a-" is between "a" and "a/" */
	if (!err && lookup_begins_with(kt_cursor_key(cursor), &key) &&
		memcmp(kt_cursor_key(cursor).data, directory->bytes, directory->size) < 0)
		err = kt_cursor_seek(cursor, directory->bytes, directory->size);
	if (!err && !lookup_begins_with(kt_cursor_key(cursor), directory))
		err = -ENOENT;
	if (!err) {
		ret_found->kind = INODE_DIR;
		err = lookup_infer_dir(cursor, ret_found);
	} else if (err == -ENOENT && is_file) {
		err = lookup_entry(fs, file, &stat, ret_found);
	}
	kt_cursor_close(cursor);
	return err;
}

/* Look for a directory and a file of a target's name. @param key  of the directory */
static int lookup_both(struct fs *fs, struct kt_txn *txn, const struct place *file,
	const struct key *key, struct found *ret_found)
{
	int unstored, err = lookup_in_records(txn, key, ret_found);

	if (err != -ENOENT) {
		ret_found->kind = INODE_DIR;
		return err;
	}
	err = lookup_either(fs, txn, file, key, ret_found);
	if (err && err != -ENOENT)
		return err;
	if (!err && ret_found->kind == INODE_DIR)
		return 0;
	unstored = lookup_dirty(fs, file, ret_found);
	return unstored == -ENOENT ? err : unstored;
}

/* Find what is at the place of a component: a directory, or a file. */
static int lookup_component(
	struct fs *fs, struct kt_txn *txn, struct target *target, struct found *ret_found)
{
	struct place directory = target_dir(target);
	struct key key;
	int err;

	target->place.kind = INODE_FILE;
	err = place_key(fs->separator, &directory, &key);
	if (!err) {
		err = lookup_both(fs, txn, &target->place, &key, ret_found);
		if (err)
			return err;
		target->place.kind = ret_found->kind;
		return place_key(fs->separator, &target->place, &ret_found->key);
	}
	/* the longest key can be that of a file, and nothing is below it */
	err = place_key(fs->separator, &target->place, &ret_found->key);
	return err ? err : lookup_file(fs, txn, &target->place, ret_found);
}

int lookup_at_target(
	struct fs *fs, struct kt_txn *txn, struct target *target, struct found *ret_found)
{
	int err;

	ret_found->tree = KT_ENTRIES;
	if (target->part.kind == NAMES_COMPONENT)
		return lookup_component(fs, txn, target, ret_found);
	err = place_key(fs->separator, &target->place, &ret_found->key);
	if (err)
		return err;
	if (target->part.kind == NAMES_PIECE)
		return lookup_dir(fs, txn, &target->place, &ret_found->key, ret_found);
	return lookup_file(fs, txn, &target->place, ret_found);
}

/* Find out about the node of a shared entry. txn: may be NULL if its content is whole */
static int lookup_shared(
	struct fs *fs, struct kt_txn *txn, const struct inode *node, struct found *ret_found)
{
	const struct dirty_file *dirty = node->dirty;
	bool whole = dirty != NULL && dirty->whole;
	struct known *known = &ret_found->known;
	struct kt_txn *tree;
	struct kt_entry_info stat;
	int err = -ENOENT;

	ret_found->kind = INODE_FILE;
	ret_found->tree = KT_SHARED;
	ret_found->unstored = whole;
	if (txn != NULL) {
		inode_entry(fs->separator, node, txn, &tree, &ret_found->key);
		err = kt_stat(tree, ret_found->key.bytes, ret_found->key.size, &stat);
	}
	if (!err)
		err = stat_known(&stat, known);
	else if (err == -ENOENT && whole)
		*known = (struct known){.shared = node->shared, .links = node->links};
	if (dirty != NULL && (!err || whole))
		dirty_known(dirty, known);
	return whole ? 0 : err;
}

void lookup_keep(struct inode *node, const struct found *found)
{
	struct known *last = malloc(sizeof(*last));

	if (last == NULL)
		return;
	*last = found->known;
	stat_keep_ino(found->kind, &found->key, last);
	if (found->kind != INODE_FILE)
		node->ino = last->attr.ino;
	attr_set_xattrs(&last->attr, (struct kt_slice){0});
	stat_touch(last);
	free(node->last);
	node->last = last;
}

/* What a node was. @return 0; -ENOENT that is not known */
static int lookup_last(const struct inode *node, struct found *ret_found)
{
	if (node->last == NULL)
		return -ENOENT;
	ret_found->kind = node->kind;
	ret_found->unstored = true;
	ret_found->recorded = false;
	ret_found->known = *node->last;
	return 0;
}

int lookup_at_node(
	struct fs *fs, struct kt_txn *txn, const struct inode *node, struct found *ret_found)
{
	struct place place = inode_place(node);
	int err;

	if (node->shared != 0) {
		err = lookup_shared(fs, txn, node, ret_found);
		return !err && inode_is_other(node, &ret_found->known.attr) ? -ESTALE : err;
	}
	ret_found->tree = KT_ENTRIES;
	if (!inode_has_place(node)) {
		if (node->dirty == NULL || !node->dirty->whole)
			return lookup_last(node, ret_found);
		ret_found->kind = INODE_FILE;
		ret_found->unstored = true;
		ret_found->known = (struct known){.links = 1};
		dirty_known(node->dirty, &ret_found->known);
		return 0;
	}
	err = place_key(fs->separator, &place, &ret_found->key);
	if (err)
		return err;
	if (place.kind != INODE_FILE)
		return lookup_dir(fs, txn, &place, &ret_found->key, ret_found);
	err = lookup_file(fs, txn, &place, ret_found);
	return !err && inode_is_other(node, &ret_found->known.attr) ? -ESTALE : err;
}

/* Has a directory files in memory only, at any depth? The value of the directory itself counts. */
static bool has_dirty_files(const struct fs *fs, const struct place *place)
{
	struct inode *directory = inodes_find(&fs->nodes, place);
	struct place value = *place;

	for (struct dirty_file *c = fs->dirty_files; c != NULL; c = c->next) {
		if (directory != NULL && inode_is_below(c->node, directory))
			return true;
	}
	value.kind = INODE_FILE;
	return place->kind == INODE_DIR && inodes_find(&fs->nodes, &value) != NULL &&
	       inodes_find(&fs->nodes, &value)->dirty != NULL;
}

int lookup_dir_is_empty(struct fs *fs, struct kt_txn *txn, const struct place *place,
	const struct key *key, bool *ret_empty)
{
	struct child child;
	bool has_value = false;
	struct children children;
	int err;

	*ret_empty = false;
	if (has_dirty_files(fs, place))
		return 0;
	if (place->kind == INODE_DIR) {
		err = kt_contains(txn, key->bytes, key->size - 1, &has_value);
		if (err || has_value)
			return err;
	}
	err = children_open(txn, fs->separator, place, key, &children);
	if (!err)
		err = children_next(&children, &child);
	children_close(&children);
	*ret_empty = err == -ENOENT;
	return *ret_empty ? 0 : err;
}

void lookup_stat(
	struct fs *fs, struct inode *node, const struct found *found, struct stat *ret_stat)
{
	struct known known = found->known;

	if (node != NULL && node->kind != INODE_FILE) {
		if (node->touched_ns != 0)
			known.mtime_ns = node->touched_ns;
		if (node->ino == 0)
			node->ino = stat_derive_ino(found->kind, &found->key);
		if (!(known.attr.fields & ATTR_INO)) {
			known.attr.fields |= ATTR_INO;
			known.attr.ino = node->ino;
		}
	}
	stat_fill(fs, found->kind, &found->key, &known, ret_stat);
	if (node != NULL &&
		(node->kind == INODE_FILE ? !inode_has_name(node) : !inode_has_place(node)))
		ret_stat->st_nlink = 0;
}
