/* From keys that differ to invalidations. See invalidate.h. */
#include "fs/foreign/invalidate.h"
#include "fs/foreign/path_internal.h"

#include "fs/core.h"

#include "fs/foreign/bare_names.h"
#include "fs/foreign/notices.h"
#include "fs/names/names.h"
#include "fs/meta/stat.h"

#include <errno.h>
#include <string.h>

/* It took more time or room than it has. */
#define DIFF_GIVEN_UP 1

static void diff_emit(struct diff *diff, const struct fs_invalidation *notice)
{
	if (diff->notices != NULL)
		notices_add(diff->notices, notice);
	else
		diff->invalidate(diff->arg, notice);
}

static void emit(const struct path *path, enum fs_invalidate_kind kind, uint64_t node,
	uint64_t parent, const char *name)
{
	const struct fs_invalidation notice = {
		.kind = kind, .node = node, .parent = parent, .name = name};

	diff_emit(path->diff, &notice);
}

/* May somebody keep what a name means? */
static bool name_is_kept(
	struct fs *fs, uint64_t directory, const char *name, const struct component *component)
{
	bool kept;

	if (component->is_known)
		return true;
	pthread_mutex_lock(&fs->lock);
	kept = bare_names_has(fs->foreign.bare, directory, name);
	pthread_mutex_unlock(&fs->lock);
	return kept;
}

/* The names in a directory, and one of them, have changed.
 * @param component  what the changed name stands for, if anything
 * @param stays      as in a notice */
static void emit_name_change(const struct path *path, uint64_t node, uint64_t parent,
	const char *name, const char *changed, const struct component *component, bool stays)
{
	const struct fs_invalidation notice = {.kind = FS_INVALIDATE_NAME,
		.node = node,
		.parent = node,
		.name = changed,
		.stays = stays};

	if (name_is_kept(path->diff->fs, node, changed, component))
		diff_emit(path->diff, &notice);
	emit(path, FS_INVALIDATE_LISTING, node, parent, name);
}

/* A piece is a directory of names that have nothing else in common: all of it may have changed. */
static void emit_piece(const struct path *path, const struct component *component,
	uint64_t grandparent, const char *parent)
{
	emit_name_change(path, path->node, grandparent, parent, component->name, component,
		component->directory != 0);
	if (component->directory != 0)
		emit(path, FS_INVALIDATE_LISTING, component->directory, path->node,
			component->name);
}

/* The entry whose key ends here. Below a directory of its name it is its value. */
static void emit_file(const struct path *path, const struct component *component)
{
	bool in_directory = component->is_dir && component->directory != 0;

	if (component->directory != 0 && path->appeared)
		emit_name_change(path, component->directory, path->node, component->name, "%value",
			component, false);
	for (int i = 0; i < FILES_MAX; i++) {
		if (component->files[i] != 0)
			emit(path, FS_INVALIDATE_DATA, component->files[i],
				in_directory ? component->directory : path->node,
				in_directory ? "%value" : component->name);
	}
}

/* A directory on the way. If it came or went, its value is a name in it, or not any more. */
static void emit_dir(const struct path *path, const struct component *component)
{
	if (component->has_changed)
		emit_name_change(path, component->directory, path->node, component->name, "%value",
			component, false);
	else
		emit(path, FS_INVALIDATE_ATTR, component->directory, path->node, component->name);
}

/* Does a name mean a directory that it may have meant before, too? It did not if a file became one,
 * and does not if one became a file; but since it became one it may have been looked up. */
static bool stays_dir(const struct path *path, const struct component *component)
{
	if (component->directory == 0)
		return false;
	return path->revived || component->was_dir == component->is_dir ||
	       (component->is_dir && component->given > kt_txn_id(path->diff->from));
}

/* Whether a directory is there any more is remembered: see foreign_reviving(). */
static void path_note_gone(const struct path *path, const struct component *component)
{
	struct fs *fs = path->diff->fs;
	struct inode *node;

	pthread_mutex_lock(&fs->lock);
	node = inodes_by_number(&fs->nodes, component->directory);
	if (node != NULL)
		node->gone = !component->is_dir;
	pthread_mutex_unlock(&fs->lock);
}

/* Tell what changed at a name, and go on behind it.
 * @return 0; -ENOENT the way ends here */
static int path_step(struct path *path, const struct component *component, uint64_t grandparent,
	const char *parent)
{
	if (component->is_piece) {
		emit_piece(path, component, grandparent, parent);
		path->at += component->used;
	} else {
		if (component->was_dir != component->is_dir && component->directory != 0 &&
			!path->revived)
			path_note_gone(path, component);
		if (component->has_changed)
			emit_name_change(path, path->node, grandparent, parent, component->name,
				component, stays_dir(path, component));
		if (component->is_last)
			emit_file(path, component);
		else if (component->directory != 0)
			emit_dir(path, component);
		path->at = component->end + 1;
	}
	path->node = component->directory;
	return component->is_last || component->is_record || path->node == 0 ? -ENOENT : 0;
}

/* Go down from the root, along a key that differs. What the key before shares was told with it. */
static int path_walk(struct path *path)
{
	char parent[NAMES_MAX + 1] = "";
	uint64_t grandparent = 0;
	struct component component;
	int err = 0;

	while (!err && path->at <= path->size && (err = path_enter(path, &component)) == 0) {
		uint64_t node = path->node;
		bool told = !component.is_piece && !component.is_last && component.end < path->same;

		if (told) {
			path->at = component.end + 1;
			path->node = component.directory;
			err = component.is_record || path->node == 0 ? -ENOENT : 0;
		} else {
			err = component.is_piece ? 0 : path_compare(path, &component);
			if (!err)
				err = path_step(path, &component, grandparent, parent);
		}
		grandparent = node;
		memcpy(parent, component.name, sizeof(parent));
	}
	return err == -ENOENT ? 0 : err;
}

static size_t shared_size(const struct key *before, const struct kt_slice *key)
{
	size_t limit = before->size < key->size ? before->size : key->size, same = 0;

	while (same < limit && before->bytes[same] == ((const unsigned char *)key->data)[same])
		same++;
	return same;
}

/* What type of file is an entry? Of damaged attributes it is not known: as without. */
static mode_t type_of_stat(const struct kt_entry_info *stat)
{
	struct known known;

	if (stat_known(stat, &known) != 0 || !(known.attr.fields & ATTR_MODE))
		return S_IFREG;
	return known.attr.mode & S_IFMT;
}

/* Does a key lie below the root? */
static bool is_below_root(const void *key, size_t size, const struct key *root)
{
	return size >= root->size && (root->size == 0 || memcmp(key, root->bytes, root->size) == 0);
}

/* Go along the key of a directory that is back. */
static int path_walk_revived(struct path *path, const struct key *key, const struct key *root)
{
	if (!is_below_root(key->bytes, key->size, root))
		return 0;
	path->key = key->bytes;
	path->size = key->size;
	path->same = 0;
	path->at = root->size;
	path->node = FS_ROOT;
	path->revived = path->appeared = true;
	return path_walk(path);
}

/* The key of the root, with which all keys that are shown begin. */
static int root_key(struct fs *fs, struct key *ret_key)
{
	int err;

	pthread_mutex_lock(&fs->lock);
	err = inode_key(fs->separator, fs->nodes.root, ret_key);
	pthread_mutex_unlock(&fs->lock);
	return err;
}

static int invalidate_key(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	struct diff *diff = arg;
	struct key root;
	struct path path = {.diff = diff,
		.key = key->data,
		.size = key->size,
		.same = shared_size(&diff->before, key),
		.had_value = from != NULL,
		.appeared = from == NULL || to == NULL || type_of_stat(from) != type_of_stat(to) ||
			    from->shared != to->shared,
		.entry_from = from != NULL ? from->shared : 0,
		.entry = to != NULL ? to->shared : 0,
		.node = FS_ROOT};
	int err;

	if (diff->notices->full || flusher_clock_ms() > diff->end_ms ||
		atomic_load(&diff->fs->foreign.stop))
		return DIFF_GIVEN_UP;
	err = root_key(diff->fs, &root);
	if (err || !is_below_root(key->data, key->size, &root))
		return err;
	path.at = root.size;
	if (!diff->told_root)
		emit(&path, FS_INVALIDATE_ATTR, FS_ROOT, 0, "");
	diff->told_root = true;
	err = diff->records && key->size == root.size ? 0 : path_walk(&path);
	diff->before.size = key->size;
	if (key->size > 0)
		memcpy(diff->before.bytes, key->data, key->size);
	return err;
}

static int invalidate_tree(struct diff *diff, enum kt_tree_id tree)
{
	diff->records = tree == KT_DIRECTORIES;
	diff->before.size = 0;
	diff->told_root = false;
	return kt_diff(kt_tree(diff->from, tree), kt_tree(diff->to, tree), invalidate_key, diff);
}

int invalidate_diff(struct fs *fs, struct kt_txn *from, struct kt_txn *to, struct notices *notices)
{
	struct diff diff = {.fs = fs,
		.from = from,
		.to = to,
		.end_ms = flusher_clock_ms() + FOREIGN_PIN_MS,
		.notices = notices};
	int err = invalidate_tree(&diff, KT_ENTRIES);

	if (!err)
		err = invalidate_tree(&diff, KT_DIRECTORIES);
	return err ? err : notices->full ? DIFF_GIVEN_UP : 0;
}

int invalidate_revived(
	struct fs *fs, const struct key *key, fs_invalidate_fn *invalidate, void *arg)
{
	struct diff diff = {.fs = fs, .records = true, .invalidate = invalidate, .arg = arg};
	struct path path = {.diff = &diff};
	struct key root;
	int err = root_key(fs, &root);

	return err ? err : path_walk_revived(&path, key, &root);
}
