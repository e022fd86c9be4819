/* From keys that differ to invalidations. See invalidate.h. */
#include "fs/foreign/invalidate.h"

#include "fs/core.h"

#include "fs/names/names.h"
#include "fs/meta/stat.h"

#include <errno.h>
#include <string.h>

/* A comparison. */
struct diff {
	struct fs *fs;
	struct kt_txn *from, *to; /* that are compared */
	bool records;		  /* of made directories; else entries */
	fs_invalidate_fn *invalidate;
	void *arg;
	struct key before; /* the key that was invalidated last */
	bool told_root;	   /* its times may be those of any key */
};

/* One key that differs, on the way down. */
struct path {
	struct diff *diff;
	const unsigned char *key;
	size_t size;
	size_t same;   /* bytes that it shares with the key before */
	bool moved;    /* it is where it is now, not where it was: all on the way may differ */
	bool appeared; /* it was added, removed, or made another type of file, or another's name */
	uint64_t entry_from,
		entry; /* number of its entry, before and now, if keys share it; else 0 */
	size_t at;     /* how far the way went: where the next name begins */
	uint64_t node; /* the directory there */
};

/* Nodes that one name of a file may have, and have had: see files_at(). */
#define FILES_MAX 3

/* One name on the way. */
struct component {
	size_t end;	/* of the component in the key, without separator */
	bool is_piece;	/* the name is one of a piece, which ends at used */
	bool is_last;	/* the key of an entry ends here */
	bool is_record; /* that of a record of this directory does */
	size_t used;	/* bytes of the name's place */
	bool was_dir, is_dir;
	bool has_changed; /* it means something else than before */
	char name[NAMES_MAX + 1];
	uint64_t files[FILES_MAX], directory; /* nodes that are known there; 0: none */
	uint64_t given;			      /* as of the directory's node */
};

static void emit(const struct path *path, enum fs_invalidate_kind kind, uint64_t node,
	uint64_t parent, const char *name)
{
	const struct fs_invalidation notice = {kind, node, parent, name, false};

	path->diff->invalidate(path->diff->arg, &notice);
}

/* The names in a directory, and one of them, have changed.
 * @param stays  as in a notice */
static void emit_name_change(const struct path *path, uint64_t node, uint64_t parent,
	const char *name, const char *changed, bool stays)
{
	const struct fs_invalidation notice = {FS_INVALIDATE_NAME, node, node, changed, stays};

	path->diff->invalidate(path->diff->arg, &notice);
	emit(path, FS_INVALIDATE_LISTING, node, parent, name);
}

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

/* Find out what changed in what the component of a stage means. */
static int path_compare(const struct path *path, struct component *component)
{
	const struct diff *diff = path->diff;
	bool was_file, is_file;
	int err;

	if (path->moved) {
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
	for (int i = 0; i < FILES_MAX; i++) {
		component->files[i] = files[i] != NULL ? files[i]->number : 0;
		if (files[i] != NULL)
			files[i]->contested_ms = flusher_clock_ms();
	}
	if (files[0] == NULL || path->entry == 0)
		return 0;
	return path_share_node(path, files[0], files[2]);
}

/* Find the next name of a way, and the nodes that it means.
 * @return 0; -ENOENT nothing is known below any more */
static int path_enter(struct path *path, struct component *component)
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
		path_dir_node(fs, directory, rest, component);
		if (!component->is_piece && end == NULL && !path->diff->records)
			err = path_file_nodes(path, directory, rest, component->used, component);
	} else {
		err = -ENOENT;
	}
	pthread_mutex_unlock(&fs->lock);
	component->is_last = end == NULL && !component->is_piece && !path->diff->records;
	component->is_record = end != NULL && !component->is_piece &&
			       component->end + 1 == path->size && path->diff->records;
	return err;
}

/* A piece is a directory of names that have nothing else in common: all of it may have changed. */
static void emit_piece(const struct path *path, const struct component *component,
	uint64_t grandparent, const char *parent)
{
	emit_name_change(
		path, path->node, grandparent, parent, component->name, component->directory != 0);
	if (component->directory != 0)
		emit(path, FS_INVALIDATE_LISTING, component->directory, path->node,
			component->name);
}

/* The entry whose key ends here. Below a directory of its name it is its value. */
static void emit_file(const struct path *path, const struct component *component)
{
	bool in_directory = component->is_dir && component->directory != 0;

	if (component->directory != 0 && path->appeared)
		emit_name_change(
			path, component->directory, path->node, component->name, "%value", false);
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
		emit_name_change(
			path, component->directory, path->node, component->name, "%value", false);
	else
		emit(path, FS_INVALIDATE_ATTR, component->directory, path->node, component->name);
}

/* Does a name mean a directory that it may have meant before, too? It did not if a file became one,
 * and does not if one became a file; but since it became one it may have been looked up. */
static bool stays_dir(const struct path *path, const struct component *component)
{
	if (component->directory == 0)
		return false;
	return path->moved || component->was_dir == component->is_dir ||
	       (component->is_dir && component->given >= kt_txn_id(path->diff->to));
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
			!path->moved)
			path_note_gone(path, component);
		if (component->has_changed)
			emit_name_change(path, path->node, grandparent, parent, component->name,
				stays_dir(path, component));
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

/* Where is a key by now that we have moved since?
 * @return how often it has moved */
static size_t path_follow(const struct path *past, struct key *ret_key)
{
	struct fs *fs = past->diff->fs;
	size_t count;

	ret_key->size = past->size;
	if (past->size > 0)
		memcpy(ret_key->bytes, past->key, past->size);
	pthread_mutex_lock(&fs->lock);
	count = foreign_moved(fs, kt_txn_id(past->diff->to), ret_key);
	pthread_mutex_unlock(&fs->lock);
	return count;
}

/* Go along another key, on which all may have changed. */
static int path_walk_again(struct path *path, const struct key *key, const struct key *root)
{
	if (!is_below_root(key->bytes, key->size, root))
		return 0;
	path->key = key->bytes;
	path->size = key->size;
	path->same = 0;
	path->at = root->size;
	path->node = FS_ROOT;
	path->moved = path->appeared = true;
	return path_walk(path);
}

/* A key that we have moved since: its nodes are elsewhere. If it moves again on the way there, they
 * may have been missed. */
static int invalidate_moved(const struct path *past, const struct key *root)
{
	size_t followed = 0, count;
	struct key key;
	int err = 0;

	while (!err && (count = path_follow(past, &key)) != followed) {
		struct path path = *past;

		followed = count;
		err = path_walk_again(&path, &key, root);
	}
	return err;
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
		.appeared = from == NULL || to == NULL || type_of_stat(from) != type_of_stat(to) ||
			    from->shared != to->shared,
		.entry_from = from != NULL ? from->shared : 0,
		.entry = to != NULL ? to->shared : 0,
		.node = FS_ROOT};
	int err;

	err = root_key(diff->fs, &root);
	if (err || !is_below_root(key->data, key->size, &root))
		return err;
	path.at = root.size;
	if (!diff->told_root)
		emit(&path, FS_INVALIDATE_ATTR, FS_ROOT, 0, "");
	diff->told_root = true;
	err = diff->records && key->size == root.size ? 0 : path_walk(&path);
	if (!err)
		err = invalidate_moved(&path, &root);
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

int invalidate_diff(struct fs *fs, struct kt_txn *from, struct kt_txn *to,
	fs_invalidate_fn *invalidate, void *arg)
{
	struct diff diff = {.fs = fs, .from = from, .to = to, .invalidate = invalidate, .arg = arg};
	int err = invalidate_tree(&diff, KT_ENTRIES);

	return err ? err : invalidate_tree(&diff, KT_DIRECTORIES);
}

int invalidate_revived(
	struct fs *fs, const struct key *key, fs_invalidate_fn *invalidate, void *arg)
{
	struct diff diff = {.fs = fs, .records = true, .invalidate = invalidate, .arg = arg};
	struct path path = {.diff = &diff};
	struct key root;
	int err = root_key(fs, &root);

	return err ? err : path_walk_again(&path, key, &root);
}
