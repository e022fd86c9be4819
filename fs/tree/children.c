/* The children of a directory. See children.h.
 *
 * Both cursors stand on the next key or record not yet dealt with; the smaller of the two is looked
 * at. A tie is the record's, which can only be that of a piece or a directory.
 */
#include "fs/tree/children.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int children_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
	size_t both = a_size < b_size ? a_size : b_size;
	int order = both ? memcmp(a, b, both) : 0;

	return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static int children_cursor(
	struct children *children, enum kt_tree_id tree, struct kt_cursor **ret_cursor)
{
	int err = kt_cursor_open(kt_tree(children->txn, tree), ret_cursor);

	if (err)
		return err;
	kt_cursor_set_transient(*ret_cursor);
	return kt_cursor_set_prefix(*ret_cursor, children->prefix->bytes, children->prefix->size);
}

/* Take the result of a cursor's move. */
static int children_landed(int err, bool *ret_on)
{
	*ret_on = !err;
	return err == -ENOENT ? 0 : err;
}

/* What follows the prefix in the key that a cursor stands on. */
static struct kt_slice children_rest(
	const struct children *children, const struct kt_cursor *cursor)
{
	struct kt_slice key = kt_cursor_key(cursor);

	assert(key.size >= children->prefix->size);
	return (struct kt_slice){(const unsigned char *)key.data + children->prefix->size,
		key.size - children->prefix->size};
}

/* Move a cursor to the first key whose rest is not before the given bytes. */
static int children_seek_rest(struct children *children, struct kt_cursor *cursor,
	const unsigned char *rest, size_t rest_size, bool *ret_on)
{
	unsigned char key[2 * KT_KEY_MAX + 1];
	size_t size = children->prefix->size;

	memcpy(key, children->prefix->bytes, size);
	memcpy(key + size, rest, rest_size);
	return children_landed(kt_cursor_seek(cursor, key, size + rest_size), ret_on);
}

/* Move those cursors on that stand before walk->at. */
static int children_catch_up(struct children *children)
{
	struct kt_cursor *cursors[] = {children->entries, children->directories};
	bool *ons[] = {&children->entries_on, &children->directories_on};

	for (int i = 0; i < 2; i++) {
		struct kt_slice rest;
		int err;

		if (!*ons[i])
			continue;
		rest = children_rest(children, cursors[i]);
		if (children_compare(rest.data, rest.size, children->at.bytes, children->at.size) >=
			0)
			continue;
		err = children_seek_rest(
			children, cursors[i], children->at.bytes, children->at.size, ons[i]);
		if (err)
			return err;
	}
	return 0;
}

int children_open(struct kt_txn *txn, char separator, const struct place *directory,
	const struct key *prefix, struct children *ret_children)
{
	struct children *children = ret_children;
	int err;

	children->txn = txn;
	children->separator = separator;
	children->prefix = prefix;
	children->in_root =
		directory->parent == NULL ||
		(directory->kind == INODE_PIECE && inode_begins_keys(directory->parent));
	children->piece_size = directory->kind == INODE_PIECE ? directory->size : 0;
	children->entries = children->directories = NULL;
	children->probe_entries = children->probe_directories = NULL;
	children->at.size = children->at.piece_count = 0;
	err = children_cursor(children, KT_ENTRIES, &children->entries);
	if (!err)
		err = children_cursor(children, KT_DIRECTORIES, &children->directories);
	if (!err)
		err = children_landed(kt_cursor_first(children->entries), &children->entries_on);
	if (!err)
		err = children_landed(
			kt_cursor_first(children->directories), &children->directories_on);
	return err;
}

int children_seek(struct children *children, const struct position *position)
{
	position_copy(&children->at, position);
	return children_catch_up(children);
}

void children_close(struct children *children)
{
	kt_cursor_close(children->entries);
	kt_cursor_close(children->directories);
	kt_cursor_close(children->probe_entries);
	kt_cursor_close(children->probe_directories);
}

/* ---- is a file a directory too? -------------------------------------------------------------- */

/* Does a cursor's tree have a key that begins with the component and a separator? The cursor has
 * not passed the component yet. */
static int child_has_below(struct children *children, enum kt_tree_id tree,
	const struct kt_cursor *cursor, bool on, struct kt_cursor **probe, const unsigned char *dir,
	size_t size, bool *ret_has)
{
	struct kt_slice rest;
	int err = 0;

	*ret_has = false;
	if (!on)
		return 0;
	rest = children_rest(children, cursor);
	if (rest.size >= size && memcmp(rest.data, dir, size) == 0) {
		*ret_has = true;
		return 0;
	}
	if (children_compare(rest.data, rest.size, dir, size) > 0)
		return 0;
	if (*probe == NULL)
		err = children_cursor(children, tree, probe);
	if (!err)
		err = children_seek_rest(children, *probe, dir, size, &on);
	if (err || !on)
		return err;
	rest = children_rest(children, *probe);
	*ret_has = rest.size >= size && memcmp(rest.data, dir, size) == 0;
	return 0;
}

static int child_is_dir(struct children *children, const struct child *file, bool *ret_is)
{
	unsigned char dir[NAMES_MAX + 1];
	int err;

	memcpy(dir, file->bytes, file->size);
	dir[file->size] = (unsigned char)children->separator;
	err = child_has_below(children, KT_ENTRIES, children->entries, children->entries_on,
		&children->probe_entries, dir, file->size + 1, ret_is);
	if (err || *ret_is)
		return err;
	return child_has_below(children, KT_DIRECTORIES, children->directories,
		children->directories_on, &children->probe_directories, dir, file->size + 1,
		ret_is);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool begins_with_piece(
	const unsigned char *bytes, size_t size, const struct position_piece *piece)
{
	return size >= piece->size && memcmp(bytes, piece->bytes, piece->size) == 0;
}

/* Was the piece of used bytes listed already? Forgets those that the component has left behind. */
static bool piece_listed(
	struct children *children, const unsigned char *component, size_t size, size_t used)
{
	struct position *at = &children->at;
	unsigned kept = 0;
	bool listed = false;

	for (unsigned i = 0; i < at->piece_count; i++) {
		if (!begins_with_piece(component, size, &at->pieces[i]))
			continue;
		listed = listed || at->pieces[i].size == used;
		at->pieces[kept++] = at->pieces[i];
	}
	at->piece_count = kept;
	return listed;
}

/* Those that are remembered begin alike, and differ in size, so there is room. */
static void piece_remember(struct children *children, const unsigned char *piece, size_t size)
{
	struct position_piece *last = children->at.pieces + children->at.piece_count++;

	assert(children->at.piece_count <= POSITION_PIECES_MAX);
	last->size = size;
	memcpy(last->bytes, piece, size);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The key or record that is looked at. */
struct child_key {
	struct kt_cursor *cursor;
	const unsigned char *component;
	size_t size;   /* of the component */
	bool below;    /* a separator follows it */
	bool complete; /* it ends there; else it is a record of a piece, and goes on */
};

static bool children_meet(const struct children *children, struct child_key *ret_met)
{
	struct kt_slice entry = {NULL, 0}, record = {NULL, 0}, rest;
	const unsigned char *end;
	bool from_record;

	if (!children->entries_on && !children->directories_on)
		return false;
	if (children->entries_on)
		entry = children_rest(children, children->entries);
	if (children->directories_on)
		record = children_rest(children, children->directories);
	from_record = !children->entries_on ||
		      (children->directories_on && children_compare(record.data, record.size,
							   entry.data, entry.size) <= 0);
	rest = from_record ? record : entry;
	end = memchr(rest.data, children->separator, rest.size);
	ret_met->cursor = from_record ? children->directories : children->entries;
	ret_met->component = rest.data;
	ret_met->below = end != NULL;
	ret_met->size = end ? (size_t)(end - ret_met->component) : rest.size;
	ret_met->complete = end != NULL || !from_record;
	return true;
}

/* Go on behind what was met, and behind all that is below the same component if it is. */
static int children_leave(struct children *children, const struct child_key *met)
{
	size_t size = met->size;

	assert(children->prefix->size + size <= KT_KEY_MAX);
	memcpy(children->at.bytes, met->component, size);
	if (met->below) {
		children->at.bytes[size] = (unsigned char)(children->separator + 1);
		children->at.size = size + 1;
		return children_catch_up(children);
	}
	children->at.size = size;
	if (met->cursor == children->directories)
		return children_landed(kt_cursor_next(met->cursor), &children->directories_on);
	children->at.bytes[children->at.size++] = '\0';
	return children_landed(kt_cursor_next(met->cursor), &children->entries_on);
}

/* Is it the directory's own record, the key of another component than those of this piece, or a
 * record that no directory has here, as those made with another separator? */
static bool children_is_elsewhere(const struct children *children, const struct child_key *met)
{
	const unsigned char *whole = met->component - children->piece_size;
	size_t size = children->piece_size + met->size;
	char name[NAMES_MAX + 1];

	if (met->size == 0 && !met->below && (!met->complete || children->piece_size > 0))
		return true;
	if (!met->complete && !names_are_pieces(children->separator, met->component, met->size))
		return true;
	if (children->piece_size == 0)
		return false;
	if (met->size == 0)
		return true;
	if (!met->complete)
		return names_cut(children->separator, whole, size) != children->piece_size;
	return names_encode(children->separator, children->in_root, whole, size, name) !=
	       children->piece_size;
}

/* What is known of a directory: its record if it is what was met, else when its first key was
 * written. */
static int children_take_dir(const struct child_key *met, bool is_record, struct child *child)
{
	child->known = is_record;
	return kt_cursor_stat(met->cursor, &child->stat);
}

/* Is it the record of the directory itself, not one below it? */
static bool children_is_record(
	const struct children *children, const struct child_key *met, size_t used)
{
	return met->cursor == children->directories &&
	       kt_cursor_key(met->cursor).size == children->prefix->size + used;
}

/* Make a child of what was met, and go on behind it. */
static int children_take(struct children *children, const struct child_key *met, size_t used,
	struct child *child, bool *ret_found)
{
	int err;

	assert(used <= met->size && used <= NAMES_MAX);
	child->size = used;
	memcpy(child->bytes, met->component, used);
	*ret_found = true;
	if (used < met->size || !met->complete) {
		child->kind = INODE_PIECE;
		*ret_found = !piece_listed(children, met->component, met->size, used);
		if (!*ret_found)
			return children_leave(children, met);
		piece_remember(children, met->component, used);
		children->at.size = met->size; /* look at it again: it is not only in the piece */
		memcpy(children->at.bytes, met->component, met->size);
		return children_take_dir(met, children_is_record(children, met, used), child);
	}
	child->kind = met->below ? INODE_DIR : INODE_FILE;
	if (met->below) {
		err = children_take_dir(met, children_is_record(children, met, used + 1), child);
		return err ? err : children_leave(children, met);
	}
	child->known = true;
	err = kt_cursor_stat(met->cursor, &child->stat);
	if (!err)
		err = children_leave(children, met);
	if (!err)
		err = child_is_dir(children, child, ret_found);
	*ret_found = !*ret_found;
	return err;
}

int children_next(struct children *children, struct child *ret_child)
{
	struct child_key met;

	while (children_meet(children, &met)) {
		char name[NAMES_MAX + 1];
		bool found = false;
		size_t used;
		int err;

		if (children_is_elsewhere(children, &met)) {
			err = children_leave(children, &met);
		} else {
			used = met.complete
				       ? names_encode(children->separator, children->in_root,
						 met.component, met.size, name)
				       : names_cut(children->separator, met.component, met.size);
			err = children_take(children, &met, used, ret_child, &found);
		}
		if (err || found)
			return err;
	}
	return -ENOENT;
}
