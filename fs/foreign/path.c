/* The path of a key. See path_internal.h. */
#include "fs/foreign/path_internal.h"

#include "fs/core.h"

#include <errno.h>
#include <string.h>

static bool prefix_exists(
	struct kt_txn *txn, enum kt_tree_id tree, const void *prefix, size_t size, int *err)
{
	struct kt_cursor *cursor = NULL;

	if (*err)
		return false;
	*err = kt_cursor_open(kt_tree(txn, tree), &cursor);
	if (!*err)
		*err = kt_cursor_set_prefix(cursor, prefix, size);
	if (!*err)
		*err = kt_cursor_first(cursor);
	kt_cursor_close(cursor);
	if (*err != -ENOENT)
		return !*err;
	*err = 0;
	return false;
}

/* What did a component mean at one end of the span? */
static int path_look(
	const struct path *path, size_t end, struct kt_txn *txn, bool *ret_dir, bool *ret_file)
{
	unsigned char prefix[KT_KEY_MAX + 1];
	int err = 0;

	memcpy(prefix, path->key, end);
	prefix[end] = (unsigned char)path->diff->fs->separator;
	*ret_dir = prefix_exists(txn, KT_ENTRIES, prefix, end + 1, &err) ||
		   prefix_exists(txn, KT_DIRECTORIES, prefix, end + 1, &err);
	*ret_file = false;
	return err ? err : kt_contains(txn, path->key, end, ret_file);
}

int path_compare(const struct path *path, struct component *component)
{
	const struct diff *diff = path->diff;
	bool was_file, is_file;
	int err;

	if (path->revived) {
		component->is_dir = component->directory != 0;
		component->has_changed = true;
		return 0;
	}
	if (!path->appeared)
		return component->is_last ? path_look(path, component->end, diff->to,
						    &component->is_dir, &is_file)
					  : 0;
	err = path_look(path, component->end, diff->from, &component->was_dir, &was_file);
	if (!err)
		err = path_look(path, component->end, diff->to, &component->is_dir, &is_file);
	component->has_changed =
		component->was_dir != component->is_dir ||
		(!component->is_dir && (component->is_last || was_file != is_file));
	return err;
}

/* The node of a directory that the next name means, if it is known. */
static void path_dir_node(
	const struct fs *fs, struct inode *parent, const void *bytes, struct component *component)
{
	const struct place place = {
		parent, component->is_piece ? INODE_PIECE : INODE_DIR, bytes, component->used};
	const struct inode *node =
		component->used <= NAMES_MAX ? inodes_find(&fs->nodes, &place) : NULL;

	component->directory = node != NULL ? node->number : 0;
	component->given = node != NULL ? node->given : 0;
	component->is_known = node != NULL;
}

/* Is a file known that has the name, or is the value of the directory that has it? */
static void path_note_file(
	const struct fs *fs, struct inode *parent, const void *bytes, struct component *component)
{
	const struct place place = {parent, INODE_FILE, bytes, component->used};

	if (!component->is_piece && component->used <= NAMES_MAX)
		component->is_known |= inodes_find(&fs->nodes, &place) != NULL;
}

/* Does the key still lead to the entry to which it led at the end of the span? */
static int path_leads_still(const struct path *path, bool *ret_still)
{
	struct kt_txn *txn;
	struct kt_entry_info stat;
	int err = kt_begin(path->diff->fs->store, KT_READ, &txn);

	if (err)
		return err;
	err = kt_stat(txn, path->key, path->size, &stat);
	*ret_still = !err && stat.shared == path->entry;
	kt_abort(txn);
	return err == -ENOENT ? 0 : err;
}

/* A node was known by the place of a key that leads to an entry which others gave more keys. It is
 * known by the entry from now on, unless another node is: then it has lost its place, but for what
 * is still to be stored there. But if the key leads elsewhere by now, the node may have come there
 * since: then all of this is past.
 * @param node    at the place
 * @param shared  node of the entry, or NULL */
static int path_share_node(struct path *path, struct inode *node, const struct inode *shared)
{
	struct inodes *nodes = &path->diff->fs->nodes;
	bool still;
	int err = path_leads_still(path, &still);

	if (err || !still)
		return err;
	if (shared == NULL) {
		inodes_share(nodes, node, path->entry);
	} else if (node->dirty == NULL) {
		inodes_detach(nodes, node);
		inodes_tidy(nodes, node);
	}
	return 0;
}

/* The nodes of a file whose key ends there: one that was known by its place, of the entry it shared
 * before, and of the one it leads to. */
static int path_file_nodes(struct path *path, struct inode *directory, const void *bytes,
	size_t size, struct component *component)
{
	struct inodes *nodes = &path->diff->fs->nodes;
	const struct place place = {directory, INODE_FILE, bytes, size};
	struct inode *files[FILES_MAX] = {NULL};

	if (size > NAMES_MAX)
		return 0;
	files[0] = inodes_find(nodes, &place);
	if (path->entry_from != 0)
		files[1] = inodes_find_file(nodes, &place, path->entry_from);
	if (path->entry != 0)
		files[2] = inodes_find_file(nodes, &place, path->entry);
	for (int i = 0; i < FILES_MAX; i++)
		component->files[i] = files[i] != NULL ? files[i]->number : 0;
	if (path->had_value)
		contested_add(&path->diff->fs->foreign.contested, path->key, path->size,
			flusher_clock_ms());
	if (files[0] == NULL || path->entry == 0)
		return 0;
	return path_share_node(path, files[0], files[2]);
}

/* The record of a piece ends in it, and not in a separator. */
static void path_enter_piece(
	const struct fs *fs, const void *rest, size_t size, struct component *component)
{
	if (size == 0 || !names_are_pieces(fs->separator, rest, size))
		return;
	component->used = names_cut(fs->separator, rest, size);
	component->is_piece = true;
	names_encode_piece(fs->separator, rest, component->used, component->name);
}

int path_enter(struct path *path, struct component *component)
{
	struct fs *fs = path->diff->fs;
	const unsigned char *rest = path->key + path->at;
	const unsigned char *end = memchr(rest, fs->separator, path->size - path->at);
	struct inode *directory;
	size_t size;
	int err = 0;

	*component =
		(struct component){.end = end != NULL ? (size_t)(end - path->key) : path->size};
	size = component->end - path->at;
	pthread_mutex_lock(&fs->lock);
	directory = inodes_by_number(&fs->nodes, path->node);
	if (directory != NULL && inode_has_place(directory)) {
		bool in_root = inode_begins_keys(directory);

		component->used = names_encode(fs->separator, in_root, rest, size, component->name);
		component->is_piece = component->used < size;
		if (path->diff->records && end == NULL)
			path_enter_piece(fs, rest, size, component);
		path_dir_node(fs, directory, rest, component);
		path_note_file(fs, directory, rest, component);
		if (!component->is_piece && end == NULL && !path->diff->records)
			err = path_file_nodes(path, directory, rest, component->used, component);
	} else {
		err = -ENOENT;
	}
	pthread_mutex_unlock(&fs->lock);
	component->is_last = end == NULL && !component->is_piece && !path->diff->records;
	component->is_record =
		path->diff->records &&
		(end != NULL ? !component->is_piece && component->end + 1 == path->size
			     : path->at + component->used == path->size);
	return err;
}
