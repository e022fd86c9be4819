/* The children of a directory. See children.h.
 *
 * Both cursors stand on the next key or record not yet dealt with; the smaller of the two is looked
 * at. A tie is the record's, which can only be that of a piece or a directory.
 */
#include "fs/tree/children.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
	size_t both = a_size < b_size ? a_size : b_size;
	int order = both ? memcmp(a, b, both) : 0;

	return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static int cursor_open(struct walk *walk, enum kt_tree_id tree, struct kt_cursor **ret_cursor)
{
	int err = kt_cursor_open(kt_tree(walk->txn, tree), ret_cursor);

	if (!err)
		err = kt_cursor_set_prefix(*ret_cursor, walk->prefix->bytes, walk->prefix->size);
	return err;
}

/* Take the result of a cursor's move. */
static int landed(int err, bool *ret_on)
{
	*ret_on = !err;
	return err == -ENOENT ? 0 : err;
}

/* What follows the prefix in the key that a cursor stands on. */
static struct kt_slice rest_of(const struct walk *walk, const struct kt_cursor *cursor)
{
	struct kt_slice key = kt_cursor_key(cursor);

	assert(key.size >= walk->prefix->size);
	return (struct kt_slice){(const unsigned char *)key.data + walk->prefix->size,
		key.size - walk->prefix->size};
}

/* Move a cursor to the first key whose rest is not before the given bytes. */
static int seek_rest(struct walk *walk, struct kt_cursor *cursor, const unsigned char *rest,
	size_t rest_size, bool *ret_on)
{
	unsigned char key[2 * KT_KEY_MAX + 1];
	size_t size = walk->prefix->size;

	memcpy(key, walk->prefix->bytes, size);
	memcpy(key + size, rest, rest_size);
	return landed(kt_cursor_seek(cursor, key, size + rest_size), ret_on);
}

/* Move those cursors on that stand before walk->at. */
static int catch_up(struct walk *walk)
{
	struct kt_cursor *cursors[] = {walk->entries, walk->directories};
	bool *ons[] = {&walk->entries_on, &walk->directories_on};

	for (int i = 0; i < 2; i++) {
		struct kt_slice rest;
		int err;

		if (!*ons[i])
			continue;
		rest = rest_of(walk, cursors[i]);
		if (compare(rest.data, rest.size, walk->at.bytes, walk->at.size) >= 0)
			continue;
		err = seek_rest(walk, cursors[i], walk->at.bytes, walk->at.size, ons[i]);
		if (err)
			return err;
	}
	return 0;
}

int walk_open(struct kt_txn *txn, char separator, const struct place *directory,
	const struct key *prefix, struct walk *ret_walk)
{
	struct walk *walk = ret_walk;
	int err;

	walk->txn = txn;
	walk->separator = separator;
	walk->prefix = prefix;
	walk->in_root = directory->parent == NULL ||
			(directory->kind == INODE_PIECE && inode_begins_keys(directory->parent));
	walk->piece_size = directory->kind == INODE_PIECE ? directory->size : 0;
	walk->entries = walk->directories = NULL;
	walk->probe_entries = walk->probe_directories = NULL;
	walk->at.size = walk->at.piece_count = 0;
	err = cursor_open(walk, KT_ENTRIES, &walk->entries);
	if (!err)
		err = cursor_open(walk, KT_DIRECTORIES, &walk->directories);
	if (!err)
		err = landed(kt_cursor_first(walk->entries), &walk->entries_on);
	if (!err)
		err = landed(kt_cursor_first(walk->directories), &walk->directories_on);
	return err;
}

int walk_seek(struct walk *walk, const struct position *position)
{
	position_copy(&walk->at, position);
	return catch_up(walk);
}

void walk_close(struct walk *walk)
{
	kt_cursor_close(walk->entries);
	kt_cursor_close(walk->directories);
	kt_cursor_close(walk->probe_entries);
	kt_cursor_close(walk->probe_directories);
}

/* ---- is a file a directory too? -------------------------------------------------------------- */

/* Does a cursor's tree have a key that begins with the component and a separator? The cursor has
 * not passed the component yet. */
static int has_below(struct walk *walk, enum kt_tree_id tree, const struct kt_cursor *cursor,
	bool on, struct kt_cursor **probe, const unsigned char *dir, size_t size, bool *ret_has)
{
	struct kt_slice rest;
	int err = 0;

	*ret_has = false;
	if (!on)
		return 0;
	rest = rest_of(walk, cursor);
	if (rest.size >= size && memcmp(rest.data, dir, size) == 0) {
		*ret_has = true;
		return 0;
	}
	if (compare(rest.data, rest.size, dir, size) > 0)
		return 0;
	if (*probe == NULL)
		err = cursor_open(walk, tree, probe);
	if (!err)
		err = seek_rest(walk, *probe, dir, size, &on);
	if (err || !on)
		return err;
	rest = rest_of(walk, *probe);
	*ret_has = rest.size >= size && memcmp(rest.data, dir, size) == 0;
	return 0;
}

static int is_directory(struct walk *walk, const struct walk_child *file, bool *ret_is)
{
	unsigned char dir[NAMES_MAX + 1];
	int err;

	memcpy(dir, file->bytes, file->size);
	dir[file->size] = (unsigned char)walk->separator;
	err = has_below(walk, KT_ENTRIES, walk->entries, walk->entries_on, &walk->probe_entries,
		dir, file->size + 1, ret_is);
	if (err || *ret_is)
		return err;
	return has_below(walk, KT_DIRECTORIES, walk->directories, walk->directories_on,
		&walk->probe_directories, dir, file->size + 1, ret_is);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool begins_with(const unsigned char *bytes, size_t size, const struct position_piece *piece)
{
	return size >= piece->size && memcmp(bytes, piece->bytes, piece->size) == 0;
}

/* Was the piece of used bytes listed already? Forgets those that the component has left behind. */
static bool piece_listed(
	struct walk *walk, const unsigned char *component, size_t size, size_t used)
{
	struct position *at = &walk->at;
	unsigned kept = 0;
	bool listed = false;

	for (unsigned i = 0; i < at->piece_count; i++) {
		if (!begins_with(component, size, &at->pieces[i]))
			continue;
		listed = listed || at->pieces[i].size == used;
		at->pieces[kept++] = at->pieces[i];
	}
	at->piece_count = kept;
	return listed;
}

/* Those that are remembered begin alike, and differ in size, so there is room. */
static void piece_remember(struct walk *walk, const unsigned char *piece, size_t size)
{
	struct position_piece *last = walk->at.pieces + walk->at.piece_count++;

	assert(walk->at.piece_count <= POSITION_PIECES_MAX);
	last->size = size;
	memcpy(last->bytes, piece, size);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The key or record that is looked at. */
struct met {
	struct kt_cursor *cursor;
	const unsigned char *component;
	size_t size;   /* of the component */
	bool below;    /* a separator follows it */
	bool complete; /* it ends there; else it is a record of a piece, and goes on */
};

static bool meet(const struct walk *walk, struct met *ret_met)
{
	struct kt_slice entry = {NULL, 0}, record = {NULL, 0}, rest;
	const unsigned char *end;
	bool from_record;

	if (!walk->entries_on && !walk->directories_on)
		return false;
	if (walk->entries_on)
		entry = rest_of(walk, walk->entries);
	if (walk->directories_on)
		record = rest_of(walk, walk->directories);
	from_record = !walk->entries_on ||
		      (walk->directories_on &&
			      compare(record.data, record.size, entry.data, entry.size) <= 0);
	rest = from_record ? record : entry;
	end = memchr(rest.data, walk->separator, rest.size);
	ret_met->cursor = from_record ? walk->directories : walk->entries;
	ret_met->component = rest.data;
	ret_met->below = end != NULL;
	ret_met->size = end ? (size_t)(end - ret_met->component) : rest.size;
	ret_met->complete = end != NULL || !from_record;
	return true;
}

/* Go on behind what was met, and behind all that is below the same component if it is. */
static int leave(struct walk *walk, const struct met *met)
{
	size_t size = met->size;

	assert(walk->prefix->size + size <= KT_KEY_MAX);
	memcpy(walk->at.bytes, met->component, size);
	if (met->below) {
		walk->at.bytes[size] = (unsigned char)(walk->separator + 1);
		walk->at.size = size + 1;
		return catch_up(walk);
	}
	walk->at.size = size;
	if (met->cursor == walk->directories)
		return landed(kt_cursor_next(met->cursor), &walk->directories_on);
	walk->at.bytes[walk->at.size++] = '\0';
	return landed(kt_cursor_next(met->cursor), &walk->entries_on);
}

/* Is it the directory's own record, the key of another component than those of this piece, or a
 * record that no directory has here, as those made with another separator? */
static bool is_elsewhere(const struct walk *walk, const struct met *met)
{
	const unsigned char *whole = met->component - walk->piece_size;
	size_t size = walk->piece_size + met->size;
	char name[NAMES_MAX + 1];

	if (met->size == 0 && !met->below && (!met->complete || walk->piece_size > 0))
		return true;
	if (!met->complete && !names_are_pieces(walk->separator, met->component, met->size))
		return true;
	if (walk->piece_size == 0)
		return false;
	if (met->size == 0)
		return true;
	if (!met->complete)
		return names_cut(walk->separator, whole, size) != walk->piece_size;
	return names_encode(walk->separator, walk->in_root, whole, size, name) != walk->piece_size;
}

/* What is known of a directory: its record if it is what was met, else when its first key was
 * written. */
static int take_directory(const struct met *met, bool is_record, struct walk_child *child)
{
	child->known = is_record;
	return kt_cursor_stat(met->cursor, &child->stat);
}

/* Is it the record of the directory itself, not one below it? */
static bool is_record_of(const struct walk *walk, const struct met *met, size_t used)
{
	return met->cursor == walk->directories &&
	       kt_cursor_key(met->cursor).size == walk->prefix->size + used;
}

/* Make a child of what was met, and go on behind it. */
static int take(struct walk *walk, const struct met *met, size_t used, struct walk_child *child,
	bool *ret_found)
{
	int err;

	assert(used <= met->size && used <= NAMES_MAX);
	child->size = used;
	memcpy(child->bytes, met->component, used);
	*ret_found = true;
	if (used < met->size || !met->complete) {
		child->kind = INODE_PIECE;
		*ret_found = !piece_listed(walk, met->component, met->size, used);
		if (!*ret_found)
			return leave(walk, met);
		piece_remember(walk, met->component, used);
		walk->at.size = met->size; /* look at it again: it is not only in the piece */
		memcpy(walk->at.bytes, met->component, met->size);
		return take_directory(met, is_record_of(walk, met, used), child);
	}
	child->kind = met->below ? INODE_DIR : INODE_FILE;
	if (met->below) {
		err = take_directory(met, is_record_of(walk, met, used + 1), child);
		return err ? err : leave(walk, met);
	}
	child->known = true;
	err = kt_cursor_stat(met->cursor, &child->stat);
	if (!err)
		err = leave(walk, met);
	if (!err)
		err = is_directory(walk, child, ret_found);
	*ret_found = !*ret_found;
	return err;
}

int walk_next(struct walk *walk, struct walk_child *ret_child)
{
	struct met met;

	while (meet(walk, &met)) {
		char name[NAMES_MAX + 1];
		bool found = false;
		size_t used;
		int err;

		if (is_elsewhere(walk, &met)) {
			err = leave(walk, &met);
		} else {
			used = met.complete ? names_encode(walk->separator, walk->in_root,
						      met.component, met.size, name)
					    : names_cut(walk->separator, met.component, met.size);
			err = take(walk, &met, used, ret_child, &found);
		}
		if (err || found)
			return err;
	}
	return -ENOENT;
}
