/* What others change in the store. See changes.h. */
#include "core.h"

#include "conflict.h"
#include "names.h"
#include "stat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Two commits to be compared. */
struct change_span {
	struct kt_txn *from, *to;
	struct change_span *next;
};

/* ---- spans ----------------------------------------------------------------------------------- */

static void span_free(struct change_span *span)
{
	if (span == NULL)
		return;
	kt_abort(span->from);
	kt_abort(span->to);
	free(span);
}

void changes_fini(struct changes *changes)
{
	while (changes->first != NULL) {
		struct change_span *span = changes->first;

		changes->first = span->next;
		span_free(span);
	}
	kt_abort(changes->seen);
	changes->seen = NULL;
}

int fs_watch(struct fs *fs)
{
	struct changes *changes = &fs->changes;
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (changes->seen == NULL) {
		changes->last = &changes->first;
		err = kt_begin(fs->store, KT_READ, &changes->seen);
	}
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* Begin two read transactions of the same commit, the last. Others may be committing. */
static int begin_both(struct kt_store *store, struct kt_txn **ret_a, struct kt_txn **ret_b)
{
	struct kt_txn *a = NULL, *b;
	int err = kt_begin(store, KT_READ, &b);

	do {
		kt_abort(a);
		if (err)
			return err;
		a = b;
		err = kt_begin(store, KT_READ, &b);
	} while (err || kt_txn_id(a) != kt_txn_id(b));
	*ret_a = a;
	*ret_b = b;
	return 0;
}

/* Set aside what was committed since changes->seen, if anything, and move that on. The caller has
 * the lock. */
static int set_aside(struct fs *fs)
{
	struct changes *changes = &fs->changes;
	struct kt_txn *to, *seen;
	struct change_span *span;
	int err = begin_both(fs->store, &to, &seen);

	if (err)
		return err;
	span = NULL;
	if (kt_txn_id(to) != kt_txn_id(changes->seen)) {
		span = malloc(sizeof(*span));
		err = span != NULL ? conflict_look(fs, to) : -ENOMEM;
	}
	if (span == NULL || err) {
		kt_abort(to);
		kt_abort(seen);
		free(span);
		return err;
	}
	*span = (struct change_span){changes->seen, to, NULL};
	changes->seen = seen;
	*changes->last = span;
	changes->last = &span->next;
	return 0;
}

int changes_before(struct fs *fs, const struct kt_txn *txn)
{
	const struct kt_txn *seen = fs->changes.seen;

	return seen == NULL || kt_txn_id(txn) == kt_txn_id(seen) + 1 ? 0 : set_aside(fs);
}

bool changes_are_told(const struct fs *fs, const struct kt_txn *txn)
{
	const struct changes *changes = &fs->changes;

	return changes->seen == NULL || (changes->first == NULL && !changes->telling &&
						kt_txn_id(txn) == kt_txn_id(changes->seen));
}

/* The next span. @param ret_span  NULL: there is none */
static int take_span(struct fs *fs, struct change_span **ret_span)
{
	struct changes *changes = &fs->changes;
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (changes->first == NULL && changes->seen != NULL)
		err = set_aside(fs);
	*ret_span = changes->first;
	if (changes->first != NULL) {
		changes->first = changes->first->next;
		if (changes->first == NULL)
			changes->last = &changes->first;
	}
	changes->telling = *ret_span != NULL;
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* It could not be told: it is to be told again. */
static void put_back(struct fs *fs, struct change_span *span)
{
	struct changes *changes = &fs->changes;

	pthread_mutex_lock(&fs->lock);
	span->next = changes->first;
	if (changes->first == NULL)
		changes->last = &span->next;
	changes->first = span;
	changes->telling = false;
	pthread_mutex_unlock(&fs->lock);
}

/* ---- notices --------------------------------------------------------------------------------- */

/* A comparison. */
struct telling {
	struct fs *fs;
	const struct change_span *span;
	bool records; /* of made directories; else entries */
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
};

static void tell(const struct way *way, enum fs_notice_kind kind, uint64_t node, uint64_t parent,
	const char *name)
{
	const struct fs_notice notice = {kind, node, parent, name};

	way->telling->tell(way->telling->arg, &notice);
}

/* The names in a directory, and one of them, have changed. */
static void tell_name(const struct way *way, uint64_t node, uint64_t parent, const char *name,
	const char *changed)
{
	tell(way, FS_NOTICE_NAME, node, node, changed);
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
	const struct change_span *span = way->telling->span;
	bool was_file, is_file;
	int err;

	if (!way->appeared)
		return stage->is_last ? look(way, stage->end, span->to, &stage->is_dir, &is_file)
				      : 0;
	err = look(way, stage->end, span->from, &stage->was_dir, &was_file);
	if (!err)
		err = look(way, stage->end, span->to, &stage->is_dir, &is_file);
	stage->has_changed = stage->was_dir != stage->is_dir ||
			     (!stage->is_dir && (stage->is_last || was_file != is_file));
	return err;
}

static uint64_t number_at(const struct fs *fs, struct inode *directory, enum inode_kind kind,
	const void *bytes, size_t size)
{
	const struct place place = {directory, kind, bytes, size};
	struct inode *node = size <= NAMES_MAX ? inodes_find(&fs->nodes, &place) : NULL;

	return node != NULL ? node->number : 0;
}

/* The nodes of a file whose key ends there: of the entry it leads to, of the one it shared before,
 * and one that was known by its place. If that is the only one, and others have given its entry
 * more keys, it is known by the entry from now on; else it has lost its place. */
static void files_at(struct way *way, struct inode *directory, const void *bytes, size_t size,
	struct stage *stage)
{
	struct inodes *nodes = &way->telling->fs->nodes;
	const struct place place = {directory, INODE_FILE, bytes, size};
	struct inode *files[FILES_MAX] = {NULL};

	if (size > NAMES_MAX)
		return;
	files[0] = inodes_find(nodes, &place);
	if (way->entry_from != 0)
		files[1] = inodes_find_file(nodes, &place, way->entry_from);
	if (way->entry != 0)
		files[2] = inodes_find_file(nodes, &place, way->entry);
	for (int i = 0; i < FILES_MAX; i++)
		stage->files[i] = files[i] != NULL ? files[i]->number : 0;
	if (files[0] == NULL || way->entry == 0)
		return;
	if (files[2] == NULL) {
		inodes_share(nodes, files[0], way->entry);
	} else {
		inodes_detach(nodes, files[0]);
		inodes_tidy(nodes, files[0]);
	}
}

/* Find the next name of a way, and the nodes that it means.
 * @return false: nothing is known below any more */
static bool enter(struct way *way, struct stage *stage)
{
	struct fs *fs = way->telling->fs;
	const unsigned char *rest = way->key + way->at;
	const unsigned char *end = memchr(rest, fs->separator, way->size - way->at);
	struct inode *directory;
	size_t size;

	*stage = (struct stage){.end = end != NULL ? (size_t)(end - way->key) : way->size};
	size = stage->end - way->at;
	pthread_mutex_lock(&fs->lock);
	directory = inodes_by_number(&fs->nodes, way->node);
	if (directory != NULL && inode_has_place(directory)) {
		bool in_root = inode_begins_keys(directory);

		stage->used = names_encode(fs->separator, in_root, rest, size, stage->name);
		stage->is_piece = stage->used < size;
		stage->directory = number_at(fs, directory,
			stage->is_piece ? INODE_PIECE : INODE_DIR, rest, stage->used);
		if (!stage->is_piece && end == NULL && !way->telling->records)
			files_at(way, directory, rest, stage->used, stage);
	} else {
		directory = NULL;
	}
	pthread_mutex_unlock(&fs->lock);
	stage->is_last = end == NULL && !stage->is_piece && !way->telling->records;
	stage->is_record = end != NULL && !stage->is_piece && stage->end + 1 == way->size &&
			   way->telling->records;
	return directory != NULL;
}

/* A piece is a directory of names that have nothing else in common: all of it may have changed. */
static void tell_piece(
	const struct way *way, const struct stage *stage, uint64_t grandparent, const char *parent)
{
	tell_name(way, way->node, grandparent, parent, stage->name);
	if (stage->directory != 0)
		tell(way, FS_NOTICE_LISTING, stage->directory, way->node, stage->name);
}

/* The entry whose key ends here. Below a directory of its name it is its value. */
static void tell_entry(const struct way *way, const struct stage *stage)
{
	bool in_directory = stage->is_dir && stage->directory != 0;

	if (stage->directory != 0 && way->appeared)
		tell_name(way, stage->directory, way->node, stage->name, "%value");
	for (int i = 0; i < FILES_MAX; i++) {
		if (stage->files[i] != 0)
			tell(way, FS_NOTICE_DATA, stage->files[i],
				in_directory ? stage->directory : way->node,
				in_directory ? "%value" : stage->name);
	}
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
		if (stage->has_changed)
			tell_name(way, way->node, grandparent, parent, stage->name);
		if (stage->is_last)
			tell_entry(way, stage);
		else if (stage->directory != 0)
			tell(way, FS_NOTICE_ATTR, stage->directory, way->node, stage->name);
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

	while (!err && way->at <= way->size && enter(way, &stage)) {
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

	pthread_mutex_lock(&telling->fs->lock);
	err = inode_key(telling->fs->separator, telling->fs->nodes.root, &root);
	pthread_mutex_unlock(&telling->fs->lock);
	if (err || key->size < root.size ||
		(root.size > 0 && memcmp(key->data, root.bytes, root.size)))
		return err;
	way.at = root.size;
	if (!telling->told_root)
		tell(&way, FS_NOTICE_ATTR, FS_ROOT, 0, "");
	telling->told_root = true;
	err = telling->records && key->size == root.size ? 0 : go(&way);
	telling->before.size = key->size;
	if (key->size > 0)
		memcpy(telling->before.bytes, key->data, key->size);
	return err;
}

static int compare_trees(struct fs *fs, const struct change_span *span, enum kt_tree_id tree,
	fs_notice_fn *tell_to, void *arg)
{
	struct telling telling = {.fs = fs,
		.span = span,
		.records = tree == KT_DIRECTORIES,
		.tell = tell_to,
		.arg = arg};

	return kt_diff(kt_tree(span->from, tree), kt_tree(span->to, tree), tell_key, &telling);
}

int fs_tell(struct fs *fs, fs_notice_fn *tell_to, void *arg)
{
	struct change_span *span;
	int err = take_span(fs, &span);

	while (!err && span != NULL) {
		err = compare_trees(fs, span, KT_ENTRIES, tell_to, arg);
		if (!err)
			err = compare_trees(fs, span, KT_DIRECTORIES, tell_to, arg);
		if (err) {
			put_back(fs, span);
			return err;
		}
		span_free(span);
		err = take_span(fs, &span);
	}
	return err;
}
