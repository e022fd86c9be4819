/* From keys that differ to what is told of them. See invalidate.h. */
#include "fs/foreign/invalidate.h"

#include "fs/core.h"

#include "fs/names/names.h"
#include "fs/meta/stat.h"

#include <errno.h>
#include <string.h>

/* A comparison. */
struct telling {
	struct fs *fs;
	struct kt_txn *from, *to; /* that are compared */
	bool records;		  /* of made directories; else entries */
	fs_notice_fn *tell;
	void *arg;
	struct key before; /* the key that was told last */
	bool told_root;	   /* its times may be those of any key */
};

/* One key that differs, on the way down. */
struct way {
	struct telling *telling;
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
struct stage {
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

static void tell(const struct way *way, enum fs_notice_kind kind, uint64_t node, uint64_t parent,
	const char *name)
{
	const struct fs_notice notice = {kind, node, parent, name, false};

	way->telling->tell(way->telling->arg, &notice);
}

/* The names in a directory, and one of them, have changed.
 * @param stays  as in a notice */
static void tell_name(const struct way *way, uint64_t node, uint64_t parent, const char *name,
	const char *changed, bool stays)
{
	const struct fs_notice notice = {FS_NOTICE_NAME, node, node, changed, stays};

	way->telling->tell(way->telling->arg, &notice);
	tell(way, FS_NOTICE_LISTING, node, parent, name);
}

static bool has_prefix(
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
static int look(
	const struct way *way, size_t end, struct kt_txn *txn, bool *ret_dir, bool *ret_file)
{
	unsigned char prefix[KT_KEY_MAX + 1];
	int err = 0;

	memcpy(prefix, way->key, end);
	prefix[end] = (unsigned char)way->telling->fs->separator;
	*ret_dir = has_prefix(txn, KT_ENTRIES, prefix, end + 1, &err) ||
		   has_prefix(txn, KT_DIRECTORIES, prefix, end + 1, &err);
	*ret_file = false;
	return err ? err : kt_contains(txn, way->key, end, ret_file);
}

/* Find out what changed in what the component of a stage means. */
static int compare(const struct way *way, struct stage *stage)
{
	const struct telling *telling = way->telling;
	bool was_file, is_file;
	int err;

	if (way->moved) {
		stage->is_dir = stage->directory != 0;
		stage->has_changed = true;
		return 0;
	}
	if (!way->appeared)
		return stage->is_last ? look(way, stage->end, telling->to, &stage->is_dir, &is_file)
				      : 0;
	err = look(way, stage->end, telling->from, &stage->was_dir, &was_file);
	if (!err)
		err = look(way, stage->end, telling->to, &stage->is_dir, &is_file);
	stage->has_changed = stage->was_dir != stage->is_dir ||
			     (!stage->is_dir && (stage->is_last || was_file != is_file));
	return err;
}

/* The node of a directory that the next name means, if it is known. */
static void directory_at(
	const struct fs *fs, struct inode *parent, const void *bytes, struct stage *stage)
{
	const struct place place = {
		parent, stage->is_piece ? INODE_PIECE : INODE_DIR, bytes, stage->used};
	const struct inode *node =
		stage->used <= NAMES_MAX ? inodes_find(&fs->nodes, &place) : NULL;

	stage->directory = node != NULL ? node->number : 0;
	stage->given = node != NULL ? node->given : 0;
}

/* Does the key still lead to the entry to which it led at the end of the span? */
static int leads_still(const struct way *way, bool *ret_still)
{
	struct kt_txn *txn;
	struct kt_stat stat;
	int err = kt_begin(way->telling->fs->store, KT_READ, &txn);

	if (err)
		return err;
	err = kt_stat(txn, way->key, way->size, &stat);
	*ret_still = !err && stat.shared == way->entry;
	kt_abort(txn);
	return err == -ENOENT ? 0 : err;
}

/* A node was known by the place of a key that leads to an entry which others gave more keys. It is
 * known by the entry from now on, unless another node is: then it has lost its place, but for what
 * is still to be stored there. But if the key leads elsewhere by now, the node may have come there
 * since: then all of this is past.
 * @param node    at the place
 * @param shared  node of the entry, or NULL */
static int share_node(struct way *way, struct inode *node, const struct inode *shared)
{
	struct inodes *nodes = &way->telling->fs->nodes;
	bool still;
	int err = leads_still(way, &still);

	if (err || !still)
		return err;
	if (shared == NULL) {
		inodes_share(nodes, node, way->entry);
	} else if (node->content == NULL) {
		inodes_detach(nodes, node);
		inodes_tidy(nodes, node);
	}
	return 0;
}

/* The nodes of a file whose key ends there: one that was known by its place, of the entry it shared
 * before, and of the one it leads to. */
static int files_at(struct way *way, struct inode *directory, const void *bytes, size_t size,
	struct stage *stage)
{
	struct inodes *nodes = &way->telling->fs->nodes;
	const struct place place = {directory, INODE_FILE, bytes, size};
	struct inode *files[FILES_MAX] = {NULL};

	if (size > NAMES_MAX)
		return 0;
	files[0] = inodes_find(nodes, &place);
	if (way->entry_from != 0)
		files[1] = inodes_find_file(nodes, &place, way->entry_from);
	if (way->entry != 0)
		files[2] = inodes_find_file(nodes, &place, way->entry);
	for (int i = 0; i < FILES_MAX; i++)
		stage->files[i] = files[i] != NULL ? files[i]->number : 0;
	if (files[0] == NULL || way->entry == 0)
		return 0;
	return share_node(way, files[0], files[2]);
}

/* Find the next name of a way, and the nodes that it means.
 * @return 0; -ENOENT nothing is known below any more */
static int enter(struct way *way, struct stage *stage)
{
	struct fs *fs = way->telling->fs;
	const unsigned char *rest = way->key + way->at;
	const unsigned char *end = memchr(rest, fs->separator, way->size - way->at);
	struct inode *directory;
	size_t size;
	int err = 0;

	*stage = (struct stage){.end = end != NULL ? (size_t)(end - way->key) : way->size};
	size = stage->end - way->at;
	pthread_mutex_lock(&fs->lock);
	directory = inodes_by_number(&fs->nodes, way->node);
	if (directory != NULL && inode_has_place(directory)) {
		bool in_root = inode_begins_keys(directory);

		stage->used = names_encode(fs->separator, in_root, rest, size, stage->name);
		stage->is_piece = stage->used < size;
		directory_at(fs, directory, rest, stage);
		if (!stage->is_piece && end == NULL && !way->telling->records)
			err = files_at(way, directory, rest, stage->used, stage);
	} else {
		err = -ENOENT;
	}
	pthread_mutex_unlock(&fs->lock);
	stage->is_last = end == NULL && !stage->is_piece && !way->telling->records;
	stage->is_record = end != NULL && !stage->is_piece && stage->end + 1 == way->size &&
			   way->telling->records;
	return err;
}

/* A piece is a directory of names that have nothing else in common: all of it may have changed. */
static void tell_piece(
	const struct way *way, const struct stage *stage, uint64_t grandparent, const char *parent)
{
	tell_name(way, way->node, grandparent, parent, stage->name, stage->directory != 0);
	if (stage->directory != 0)
		tell(way, FS_NOTICE_LISTING, stage->directory, way->node, stage->name);
}

/* The entry whose key ends here. Below a directory of its name it is its value. */
static void tell_entry(const struct way *way, const struct stage *stage)
{
	bool in_directory = stage->is_dir && stage->directory != 0;

	if (stage->directory != 0 && way->appeared)
		tell_name(way, stage->directory, way->node, stage->name, "%value", false);
	for (int i = 0; i < FILES_MAX; i++) {
		if (stage->files[i] != 0)
			tell(way, FS_NOTICE_DATA, stage->files[i],
				in_directory ? stage->directory : way->node,
				in_directory ? "%value" : stage->name);
	}
}

/* A directory on the way. If it came or went, its value is a name in it, or not any more. */
static void tell_directory(const struct way *way, const struct stage *stage)
{
	if (stage->has_changed)
		tell_name(way, stage->directory, way->node, stage->name, "%value", false);
	else
		tell(way, FS_NOTICE_ATTR, stage->directory, way->node, stage->name);
}

/* Does a name mean a directory that it may have meant before, too? It did not if a file became one,
 * and does not if one became a file; but since it became one it may have been looked up. */
static bool stays(const struct way *way, const struct stage *stage)
{
	if (stage->directory == 0)
		return false;
	return way->moved || stage->was_dir == stage->is_dir ||
	       (stage->is_dir && stage->given >= kt_txn_id(way->telling->to));
}

/* Whether a directory is there any more is remembered: see changes_reviving(). */
static void note_gone(const struct way *way, const struct stage *stage)
{
	struct fs *fs = way->telling->fs;
	struct inode *node;

	pthread_mutex_lock(&fs->lock);
	node = inodes_by_number(&fs->nodes, stage->directory);
	if (node != NULL)
		node->gone = !stage->is_dir;
	pthread_mutex_unlock(&fs->lock);
}

/* Tell what changed at a name, and go on behind it.
 * @return 0; -ENOENT the way ends here */
static int pass(
	struct way *way, const struct stage *stage, uint64_t grandparent, const char *parent)
{
	if (stage->is_piece) {
		tell_piece(way, stage, grandparent, parent);
		way->at += stage->used;
	} else {
		if (stage->was_dir != stage->is_dir && stage->directory != 0 && !way->moved)
			note_gone(way, stage);
		if (stage->has_changed)
			tell_name(way, way->node, grandparent, parent, stage->name,
				stays(way, stage));
		if (stage->is_last)
			tell_entry(way, stage);
		else if (stage->directory != 0)
			tell_directory(way, stage);
		way->at = stage->end + 1;
	}
	way->node = stage->directory;
	return stage->is_last || stage->is_record || way->node == 0 ? -ENOENT : 0;
}

/* Go down from the root, along a key that differs. What the key before shares was told with it. */
static int go(struct way *way)
{
	char parent[NAMES_MAX + 1] = "";
	uint64_t grandparent = 0;
	struct stage stage;
	int err = 0;

	while (!err && way->at <= way->size && (err = enter(way, &stage)) == 0) {
		uint64_t node = way->node;
		bool told = !stage.is_piece && !stage.is_last && stage.end < way->same;

		if (told) {
			way->at = stage.end + 1;
			way->node = stage.directory;
			err = stage.is_record || way->node == 0 ? -ENOENT : 0;
		} else {
			err = stage.is_piece ? 0 : compare(way, &stage);
			if (!err)
				err = pass(way, &stage, grandparent, parent);
		}
		grandparent = node;
		memcpy(parent, stage.name, sizeof(parent));
	}
	return err == -ENOENT ? 0 : err;
}

static size_t shared(const struct key *before, const struct kt_slice *key)
{
	size_t limit = before->size < key->size ? before->size : key->size, same = 0;

	while (same < limit && before->bytes[same] == ((const unsigned char *)key->data)[same])
		same++;
	return same;
}

/* What type of file is an entry? Of damaged attributes it is not known: as without. */
static mode_t type_of(const struct kt_stat *stat)
{
	struct known known;

	if (stat_known(stat, &known) != 0 || !(known.attr.fields & ATTR_MODE))
		return S_IFREG;
	return known.attr.mode & S_IFMT;
}

/* Does a key lie below the root? */
static bool is_shown(const void *key, size_t size, const struct key *root)
{
	return size >= root->size && (root->size == 0 || memcmp(key, root->bytes, root->size) == 0);
}

/* Where is a key by now that we have moved since?
 * @return how often it has moved */
static size_t follow(const struct way *past, struct key *ret_key)
{
	struct fs *fs = past->telling->fs;
	size_t count;

	ret_key->size = past->size;
	if (past->size > 0)
		memcpy(ret_key->bytes, past->key, past->size);
	pthread_mutex_lock(&fs->lock);
	count = changes_moved(fs, kt_txn_id(past->telling->to), ret_key);
	pthread_mutex_unlock(&fs->lock);
	return count;
}

/* Go along another key, on which all may have changed. */
static int go_anew(struct way *way, const struct key *key, const struct key *root)
{
	if (!is_shown(key->bytes, key->size, root))
		return 0;
	way->key = key->bytes;
	way->size = key->size;
	way->same = 0;
	way->at = root->size;
	way->node = FS_ROOT;
	way->moved = way->appeared = true;
	return go(way);
}

/* A key that we have moved since: its nodes are elsewhere. If it moves again on the way there, they
 * may have been missed. */
static int tell_moved(const struct way *past, const struct key *root)
{
	size_t followed = 0, count;
	struct key key;
	int err = 0;

	while (!err && (count = follow(past, &key)) != followed) {
		struct way way = *past;

		followed = count;
		err = go_anew(&way, &key, root);
	}
	return err;
}

/* The key of the root, with which all keys that are shown begin. */
static int find_root(struct fs *fs, struct key *ret_key)
{
	int err;

	pthread_mutex_lock(&fs->lock);
	err = inode_key(fs->separator, fs->nodes.root, ret_key);
	pthread_mutex_unlock(&fs->lock);
	return err;
}

static int tell_key(
	void *arg, const struct kt_slice *key, const struct kt_stat *from, const struct kt_stat *to)
{
	struct telling *telling = arg;
	struct key root;
	struct way way = {.telling = telling,
		.key = key->data,
		.size = key->size,
		.same = shared(&telling->before, key),
		.appeared = from == NULL || to == NULL || type_of(from) != type_of(to) ||
			    from->shared != to->shared,
		.entry_from = from != NULL ? from->shared : 0,
		.entry = to != NULL ? to->shared : 0,
		.node = FS_ROOT};
	int err;

	err = find_root(telling->fs, &root);
	if (err || !is_shown(key->data, key->size, &root))
		return err;
	way.at = root.size;
	if (!telling->told_root)
		tell(&way, FS_NOTICE_ATTR, FS_ROOT, 0, "");
	telling->told_root = true;
	err = telling->records && key->size == root.size ? 0 : go(&way);
	if (!err)
		err = tell_moved(&way, &root);
	telling->before.size = key->size;
	if (key->size > 0)
		memcpy(telling->before.bytes, key->data, key->size);
	return err;
}

static int compare_trees(struct telling *telling, enum kt_tree_id tree)
{
	telling->records = tree == KT_DIRECTORIES;
	telling->before.size = 0;
	telling->told_root = false;
	return kt_diff(kt_tree(telling->from, tree), kt_tree(telling->to, tree), tell_key, telling);
}

int notices_tell(
	struct fs *fs, struct kt_txn *from, struct kt_txn *to, fs_notice_fn *tell_to, void *arg)
{
	struct telling telling = {.fs = fs, .from = from, .to = to, .tell = tell_to, .arg = arg};
	int err = compare_trees(&telling, KT_ENTRIES);

	return err ? err : compare_trees(&telling, KT_DIRECTORIES);
}

int notices_tell_directory(struct fs *fs, const struct key *key, fs_notice_fn *tell_to, void *arg)
{
	struct telling telling = {.fs = fs, .records = true, .tell = tell_to, .arg = arg};
	struct way way = {.telling = &telling};
	struct key root;
	int err = find_root(fs, &root);

	return err ? err : go_anew(&way, key, &root);
}
