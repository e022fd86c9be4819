/* Listing directories.
 *
 * A listing is ".", "..", "%value" if the directory has a value, and then its children in the
 * order of their keys: a walk finds those in the store, and those that are in memory only are
 * merged in. Each call begins its own transaction and goes on behind the key that its offset
 * stands for (dir_cookies.h). So nothing of the store is held between calls, and each call shows
 * the state of its moment.
 */
#include "fs/dirty/dirty_file.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/ops/new_node.h"
#include "fs/ops/ops_internal.h"
#include "fs/access/lookup.h"
#include "fs/tree/dir_cookies.h"
#include "fs/tree/children.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Offsets behind the first entries. */
enum { AFTER_DOT = 1, AFTER_DOT_DOT = 2, AFTER_VALUE = DIR_COOKIES_FIRST - 1 };

struct fs_dir {
	LIST_ENTRY(fs_dir) list; /* in fs->dirs */
	struct inode *node;	 /* its opens count the handle */
};

struct listing {
	struct fs *fs;
	struct kt_txn *txn;
	struct inode *node;
	struct place place;
	struct key prefix;
	bool plus;
	fs_readdir_fn *emit;
	void *arg;
	off_t offset;		  /* behind the last entry that was taken */
	off_t next_offset;	  /* behind the one that is emitted */
	struct dir_cookie *at;	  /* the last child with an offset, or NULL */
	struct position position; /* behind the last child that was listed */
	struct inode **unstored;  /* children that are in memory only, in order */
	size_t unstored_count, unstored_next;
};

/* ---- one entry ------------------------------------------------------------------------------- */

/* Emit what is at a place. Returns 0; 1 it was not taken; or an error. */
static int emit_place(
	struct listing *l, const char *name, const struct place *place, struct found *found)
{
	uint64_t shared = found->known.shared;
	struct inode *node = inodes_find_file(&l->fs->nodes, place, shared);
	struct fs_entry entry = {.node = 0};
	bool taken;
	int err = 0;

	if (l->plus)
		err = new_node_at(l->fs, place, found, &node);
	if (err)
		return err;
	if (l->plus)
		new_node_give(l->fs, node, found, &entry);
	else
		lookup_stat(l->fs, node, found, &entry.stat);
	taken = l->emit(l->arg, name, &entry, l->next_offset);
	assert(!l->plus || node->lookups > 0);
	if (l->plus && !taken) {
		node->lookups--;
		inodes_tidy(&l->fs->nodes, node);
	}
	if (taken)
		l->offset = l->next_offset;
	return taken ? 0 : 1;
}

/* Emit a name by itself. Returns 0; 1 it was not taken. */
static int emit_bare(struct listing *l, const char *name, const struct stat *stat)
{
	struct fs_entry entry = {.node = 0, .stat = *stat};

	if (!l->emit(l->arg, name, &entry, l->next_offset))
		return 1;
	l->offset = l->next_offset;
	return 0;
}

/* Emit a name whose attributes are unknown because the blob is damaged: the name is listed at
 * least. */
static int emit_unknown(
	struct listing *l, const char *name, enum inode_kind kind, const struct key *key)
{
	struct stat stat = {.st_ino = stat_derive_ino(kind, key)};

	return emit_bare(l, name, &stat);
}

/* ---- "." and ".." and "%value" --------------------------------------------------------------- */

static int emit_dots(struct listing *l)
{
	struct stat stat = {.st_mode = S_IFDIR};
	struct inode *parent = l->node->parent != NULL ? l->node->parent : l->node;
	struct found found;
	int err = 0;

	while (!err && l->offset < AFTER_DOT_DOT) {
		bool dot = l->offset < AFTER_DOT;

		l->next_offset = dot ? AFTER_DOT : AFTER_DOT_DOT;
		err = lookup_at_node(l->fs, l->txn, dot ? l->node : parent, &found);
		if (!err)
			lookup_stat(l->fs, dot ? l->node : parent, &found, &stat);
		if (!err)
			err = emit_bare(l, dot ? "." : "..", &stat);
	}
	return err;
}

static int emit_value(struct listing *l)
{
	struct target target = {.part = {.kind = NAMES_VALUE}, .place = l->place};
	struct found found;
	int err;

	if (l->offset != AFTER_DOT_DOT)
		return 0;
	l->next_offset = AFTER_VALUE;
	target.place.kind = INODE_FILE;
	err = l->place.kind == INODE_DIR && l->place.parent != NULL
		      ? lookup_at_target(l->fs, l->txn, &target, &found)
		      : -ENOENT;
	if (err == -ENOENT) {
		l->offset = AFTER_VALUE;
		return 0;
	}
	return err ? emit_unknown(l, "%value", INODE_FILE, &found.key)
		   : emit_place(l, "%value", &target.place, &found);
}

/* ---- children -------------------------------------------------------------------------------- */

/* Emit a child that the walk has found. */
static int emit_child(struct listing *l, const struct child *child)
{
	struct place place = {
		.parent = l->node, .kind = child->kind, .bytes = child->bytes, .size = child->size};
	char name[NAMES_MAX + 1];
	struct found found;
	int err;

	if (child->kind == INODE_PIECE)
		names_encode_piece(l->fs->separator, child->bytes, child->size, name);
	else
		names_encode(l->fs->separator, inode_begins_keys(l->node), child->bytes,
			child->size, name);
	err = place_key(l->fs->separator, &place, &found.key);
	if (err)
		return err;
	err = lookup_by_stat(l->fs, &place, child->known, &child->stat, &found);
	return err ? emit_unknown(l, name, child->kind, &found.key)
		   : emit_place(l, name, &place, &found);
}

/* Emit a child that is in memory only. If the store has a directory of its name, the child is
 * the value of that directory and not a name here. */
static int emit_unstored(struct listing *l, struct inode *node)
{
	struct place place = inode_place(node), directory = place;
	char name[NAMES_MAX + 1];
	struct found found;
	int err;

	directory.kind = INODE_DIR;
	err = place_key(l->fs->separator, &directory, &found.key);
	if (!err)
		err = lookup_dir(l->fs, l->txn, &directory, &found.key, &found);
	if (err != -ENOENT && err != -ENAMETOOLONG)
		return err;
	err = lookup_at_node(l->fs, l->txn, node, &found);
	if (err)
		return err;
	names_encode(l->fs->separator, inode_begins_keys(l->node), place.bytes, place.size, name);
	return emit_place(l, name, &place, &found);
}

static int readdir_compare(const struct place *a, const void *bytes, size_t size)
{
	size_t both = a->size < size ? a->size : size;
	int order = both ? memcmp(a->bytes, bytes, both) : 0;

	return order ? order : (a->size > size) - (a->size < size);
}

static int readdir_compare_nodes(const void *a, const void *b)
{
	struct place place_a = inode_place(*(struct inode *const *)a);
	struct place place_b = inode_place(*(struct inode *const *)b);

	return readdir_compare(&place_a, place_b.bytes, place_b.size);
}

/* Collect the children that are in memory only, from the position on. */
static int collect_unstored(struct listing *l)
{
	size_t count = 0;

	for (struct dirty_file *c = l->fs->dirty_files; c != NULL; c = c->next)
		count += c->whole && c->node->parent == l->node;
	if (count == 0)
		return 0;
	l->unstored = malloc(count * sizeof(l->unstored[0]));
	if (l->unstored == NULL)
		return -ENOMEM;
	for (struct dirty_file *c = l->fs->dirty_files; c != NULL; c = c->next) {
		struct place place;

		if (!c->whole || c->node->parent != l->node)
			continue;
		place = inode_place(c->node);
		if (readdir_compare(&place, l->position.bytes, l->position.size) >= 0)
			l->unstored[l->unstored_count++] = c->node;
	}
	qsort(l->unstored, l->unstored_count, sizeof(l->unstored[0]), readdir_compare_nodes);
	return 0;
}

/* Does the next child in memory come before that of the walk? A child of the walk has the
 * position where its keys begin; for a piece, that is the position of the walk. */
static bool unstored_is_first(
	const struct listing *l, const struct children *children, const struct child *child)
{
	unsigned char directory[NAMES_MAX + 1];
	struct place place;

	if (l->unstored_next == l->unstored_count)
		return false;
	place = inode_place(l->unstored[l->unstored_next]);
	if (child == NULL)
		return true;
	if (child->kind == INODE_PIECE)
		return readdir_compare(&place, children->at.bytes, children->at.size) < 0;
	if (child->kind == INODE_FILE)
		return readdir_compare(&place, child->bytes, child->size) < 0;
	memcpy(directory, child->bytes, child->size);
	directory[child->size] = (unsigned char)l->fs->separator;
	return readdir_compare(&place, directory, child->size + 1) < 0;
}

/* Is the next child in memory the same file as that of the walk, with another value? */
static bool unstored_is_same(const struct listing *l, const struct child *child)
{
	struct place place;

	if (l->unstored_next == l->unstored_count || child->kind != INODE_FILE)
		return false;
	place = inode_place(l->unstored[l->unstored_next]);
	return readdir_compare(&place, child->bytes, child->size) == 0;
}

/* Does the mount show the file of the walk under another name? */
static bool is_hidden(const struct listing *l, const struct child *child)
{
	struct place place = {
		.parent = l->node, .kind = child->kind, .bytes = child->bytes, .size = child->size};
	struct key key;

	return l->fs->aside_count > 0 && child->kind == INODE_FILE && !unstored_is_same(l, child) &&
	       place_key(l->fs->separator, &place, &key) == 0 && editors_hide(l->fs, &key);
}

/* Emit the next child in memory, and go on behind it. */
static int list_unstored(struct listing *l)
{
	struct inode *node = l->unstored[l->unstored_next];
	struct place place = inode_place(node);
	int err;

	position_set_behind(&l->position, place.bytes, place.size);
	err = dir_cookies_next(l->node->cookies, &l->at, &l->position, &l->next_offset);
	if (!err)
		err = emit_unstored(l, node);
	if (!err)
		l->unstored_next++;
	return err;
}

/* Emit the next child of those in the store, which ends where the cursor of children is. */
static int list_stored(
	struct listing *l, const struct children *children, const struct child *child)
{
	int err = 0;

	position_copy(&l->position, &children->at);
	if (!is_hidden(l, child)) {
		err = dir_cookies_next(l->node->cookies, &l->at, &l->position, &l->next_offset);
		if (!err)
			err = emit_child(l, child);
	}
	if (!err)
		l->unstored_next += unstored_is_same(l, child);
	return err;
}

static int list_children(struct listing *l, struct children *children)
{
	struct child child;
	int next, err = children_seek(children, &l->position);

	if (err)
		return err;
	next = children_next(children, &child);
	while (next == 0 || next == -ENOENT) {
		bool have = next == 0;

		if (unstored_is_first(l, children, have ? &child : NULL)) {
			err = list_unstored(l);
		} else if (have) {
			err = list_stored(l, children, &child);
			next = err ? 0 : children_next(children, &child);
		} else {
			dir_cookies_end(l->node->cookies, l->at);
			return 0;
		}
		if (err)
			return err;
	}
	return next;
}

/* List from the offset on. Returns 0 at the end; 1 when an entry was not taken; or an error. */
static int list_from(struct listing *l)
{
	struct children children;
	int err;

	err = emit_dots(l);
	if (!err)
		err = emit_value(l);
	if (!err)
		err = collect_unstored(l);
	if (err)
		return err;
	err = children_open(l->txn, l->fs->separator, &l->place, &l->prefix, &children);
	if (!err)
		err = list_children(l, &children);
	children_close(&children);
	free(l->unstored);
	l->unstored = NULL;
	l->unstored_count = l->unstored_next = 0;
	return err;
}

/* ---- the operations -------------------------------------------------------------------------- */

/* Find out where to go on. */
static int list_seek(struct listing *l, off_t offset)
{
	struct inode *node = l->node;

	if (node->cookies == NULL)
		node->cookies = dir_cookies_new();
	if (node->cookies == NULL)
		return -ENOMEM;
	l->offset = offset;
	dir_cookies_seek(node->cookies, offset, &l->at, &l->position);
	return 0;
}

int fs_opendir(struct fs *fs, uint64_t number, struct fs_dir **ret_dir)
{
	struct fs_dir *dir = malloc(sizeof(*dir));
	struct inode *node;
	int err;

	if (dir == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&fs->lock);
	err = lookup_node(fs, number, &node);
	if (!err && node->kind == INODE_FILE)
		err = -ENOTDIR; /* a removed directory can be opened, and is empty */
	if (!err) {
		node->opens++;
		dir->node = node;
		LIST_INSERT_HEAD(&fs->dirs, dir, list);
	}
	pthread_mutex_unlock(&fs->lock);
	if (err)
		free(dir);
	else
		*ret_dir = dir;
	return err;
}

int fs_readdir(
	struct fs *fs, struct fs_dir *dir, off_t offset, bool plus, fs_readdir_fn *emit, void *arg)
{
	struct listing l = {.fs = fs, .node = dir->node, .plus = plus, .emit = emit, .arg = arg};
	int err;

	err = query_begin(fs, &l.txn);
	if (err)
		return err;
	foreign_shown(fs, l.node);
	if (inode_has_place(l.node)) { /* a directory that was removed is empty */
		l.place = inode_place(l.node);
		err = place_key(fs->separator, &l.place, &l.prefix);
		if (!err)
			err = list_seek(&l, offset);
		if (!err)
			err = list_from(&l);
	}
	query_end(fs, l.txn, 0);
	return err == 1 ? 0 : err;
}

void fs_releasedir(struct fs *fs, struct fs_dir *dir)
{
	pthread_mutex_lock(&fs->lock);
	dir->node->opens--;
	inodes_tidy(&fs->nodes, dir->node);
	LIST_REMOVE(dir, list);
	pthread_mutex_unlock(&fs->lock);
	free(dir);
}

void dir_free_all(struct fs *fs)
{
	while (!LIST_EMPTY(&fs->dirs)) {
		struct fs_dir *dir = LIST_FIRST(&fs->dirs);

		LIST_REMOVE(dir, list);
		free(dir);
	}
}
