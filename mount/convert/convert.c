/* What all formats share: which there are, and the store's side. See convert.h. */
#include "mount/convert/convert.h"
#include "mount/convert/formats.h"

#include "fs/meta/attr.h"
#include "fs/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct format *const formats[] = {
	&format_jsonl,
#ifdef KEYTREE_ARCHIVE
	&format_tar,
#endif
#ifdef KEYTREE_SQLITE
	&format_sqlite,
#endif
};

/* Does a path end in one of the endings? */
static bool has_ending(const char *path, const char *endings)
{
	size_t length = strlen(path);

	while (*endings != '\0') {
		size_t size = strcspn(++endings, " ");

		if (length > size && memcmp(path + length - size, endings, size) == 0)
			return true;
		endings += size;
	}
	return false;
}

const struct format *convert_find_format(const char *name, const char *path)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (name != NULL ? strcmp(formats[i]->name, name) == 0
				 : has_ending(path, formats[i]->endings))
			return formats[i];
	}
	return NULL;
}

int convert_malformed(struct convert *convert, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(convert->why, sizeof(convert->why), text, args);
	va_end(args);
	for (char *at = convert->why; *at != '\0'; at++) { /* it is one line */
		if ((unsigned char)*at < ' ')
			*at = '?';
	}
	return -EILSEQ;
}

/* Attributes without the number that means something in one store only. A blob that is not of the
 * file system stays as it is. */
static int portable_attr(const struct kt_slice *blob, struct attr_blob *ret_blob)
{
	struct attr attr;
	int err = attr_decode(blob->data, blob->size, &attr);

	*ret_blob = (struct attr_blob){.bytes = blob->data, .size = blob->size};
	if (err != 0 || blob->size == 0)
		return 0;
	attr.fields &= ~(unsigned)ATTR_INO;
	return attr_blob_init(&attr, ret_blob);
}

/* ---- export ---- */

struct convert_shared_entry {
	uint64_t id; /* of the entry */
	UT_hash_handle hh;
	size_t size;
	unsigned char key[]; /* the first one */
};

/* Find the first key of an entry that several share, or remember this one. */
static int find_link(struct convert *convert, struct record *record)
{
	struct convert_shared_entry *shared;

	if (record->is_directory || record->stat.keys < 2)
		return 0;
	HASH_FIND(hh, convert->shared, &record->stat.shared, sizeof(shared->id), shared);
	if (shared != NULL) {
		record->is_link = true;
		record->link = (struct kt_slice){shared->key, shared->size};
		return 0;
	}
	shared = calloc(1, sizeof(*shared) + record->key.size);
	if (shared == NULL)
		return -ENOMEM;
	shared->id = record->stat.shared;
	shared->size = record->key.size;
	if (shared->size > 0)
		memcpy(shared->key, record->key.data, shared->size);
	HASH_ADD(hh, convert->shared, id, sizeof(shared->id), shared);
	if (shared->hh.tbl != NULL)
		return 0;
	free(shared);
	return -ENOMEM;
}

static void forget_links(struct convert *convert)
{
	struct convert_shared_entry *shared = convert->shared, *next;

	HASH_CLEAR(hh, convert->shared);
	for (; shared != NULL; shared = next) {
		next = shared->hh.next;
		free(shared);
	}
}

static int visit(struct convert *convert, struct kt_cursor *cursor, bool is_directory,
	convert_record_fn *each, void *arg)
{
	struct record record = {
		.is_directory = is_directory,
		.key = kt_cursor_key(cursor),
		.cursor = cursor,
	};
	struct attr_blob blob;
	int err = kt_cursor_stat(cursor, &record.stat);

	if (!err)
		err = find_link(convert, &record);
	if (!err)
		err = portable_attr(&record.stat.attr, &blob);
	if (err != 0)
		return err;
	record.stat.attr = (struct kt_slice){blob.bytes, blob.size};
	err = each(arg, convert, &record);
	attr_blob_fini(&blob);
	convert->records++;
	convert->done += record.key.size + record.stat.size;
	return err;
}

/* A cursor of each tree, made directories first. */
struct merge {
	struct kt_cursor *cursors[2];
	bool on[2]; /* it stands on a key */
};

static int merge_step(struct merge *merge, int tree)
{
	int err = kt_cursor_next(merge->cursors[tree]);

	merge->on[tree] = !err;
	return err == -ENOENT ? 0 : err;
}

static int merge_open(struct convert *convert, struct merge *merge)
{
	static const enum kt_tree_id trees[] = {KT_DIRECTORIES, KT_ENTRIES};
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		err = kt_cursor_open(kt_tree(convert->txn, trees[i]), &merge->cursors[i]);
		if (err)
			break;
		kt_cursor_set_transient(merge->cursors[i]);
		err = merge_step(merge, i);
	}
	return err;
}

/* The tree whose next key comes first; of equal ones that of a directory. */
static int first_tree(const struct merge *merge)
{
	struct kt_slice a, b;
	int order;

	if (!merge->on[0] || !merge->on[1])
		return merge->on[0] ? 0 : 1;
	a = kt_cursor_key(merge->cursors[0]);
	b = kt_cursor_key(merge->cursors[1]);
	if (a.size == 0 || b.size == 0)
		return a.size == 0 ? 0 : 1;
	order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
	return order < 0 || (order == 0 && a.size <= b.size) ? 0 : 1;
}

int convert_each_record(struct convert *convert, convert_record_fn *each, void *arg)
{
	struct merge merge = {0};
	int err = merge_open(convert, &merge);

	while (!err && (merge.on[0] || merge.on[1])) {
		int tree = first_tree(&merge);

		err = visit(convert, merge.cursors[tree], tree == 0, each, arg);
		if (!err)
			err = progress_step(&convert->progress, convert->done);
		if (!err)
			err = merge_step(&merge, tree);
	}
	for (int i = 0; i < 2; i++)
		kt_cursor_close(merge.cursors[i]);
	forget_links(convert);
	return err;
}

/* Visit the pieces of one stored range. */
static int each_in_range(struct convert *convert, const struct kt_slice *key, uint64_t begin,
	uint64_t end, char *buf, convert_piece_fn *each, void *arg)
{
	int err = 0;

	while (!err && begin < end) {
		size_t size = end - begin < CONVERT_PIECE_SIZE ? (size_t)(end - begin)
							       : CONVERT_PIECE_SIZE;

		err = kt_read(convert->txn, key->data, key->size, begin, buf, size, &size);
		if (!err)
			err = each(arg, begin, buf, size);
		begin += size;
		if (!err) /* one value may take long */
			err = progress_step(&convert->progress, convert->done + begin);
	}
	return err;
}

int convert_each_piece(
	struct convert *convert, const struct record *record, convert_piece_fn *each, void *arg)
{
	const struct kt_slice *key = &record->key;
	char *buf = malloc(CONVERT_PIECE_SIZE);
	uint64_t begin, end = 0;
	int err = buf != NULL ? 0 : -ENOMEM;

	while (!err) {
		err = kt_next_data(convert->txn, key->data, key->size, end, &begin, &end);
		if (!err)
			err = each_in_range(convert, key, begin, end, buf, each, arg);
	}
	free(buf);
	return err == -ENXIO ? 0 : err;
}

/* ---- import ---- */

int convert_put(struct convert *convert, const struct record *record, const struct kt_slice *value)
{
	struct kt_txn *tree =
		kt_tree(convert->txn, record->is_directory ? KT_DIRECTORIES : KT_ENTRIES);
	struct attr_blob blob;
	int err = portable_attr(&record->stat.attr, &blob);

	if (err != 0)
		return err;
	err = kt_put_entry(tree, record->key.data, record->key.size, value->data, value->size,
		blob.bytes, blob.size, record->stat.mtime_ns);
	attr_blob_fini(&blob);
	return err;
}

int convert_put_value(
	struct convert *convert, const struct kt_slice *key, const struct kt_slice *value)
{
	return kt_put(convert->txn, key->data, key->size, value->data, value->size);
}

int convert_put_piece(struct convert *convert, const struct kt_slice *key, uint64_t offset,
	const struct kt_slice *piece, int64_t mtime_ns)
{
	int err = kt_write(convert->txn, key->data, key->size, offset, piece->data, piece->size);

	return err != 0 ? err : kt_set_mtime(convert->txn, key->data, key->size, mtime_ns);
}

int convert_put_link(
	struct convert *convert, const struct kt_slice *from, const struct kt_slice *to)
{
	struct kt_txn *txn = convert->txn;
	int err;

	if (from->size == to->size && (to->size == 0 || !memcmp(from->data, to->data, to->size)))
		return -ENOENT;
	err = kt_delete(txn, to->data, to->size, KT_MISSING_OK);
	return err != 0 ? err : kt_link(txn, from->data, from->size, txn, to->data, to->size);
}

int convert_record_done(struct convert *convert, uint64_t done)
{
	struct kt_txn *txn = convert->txn;
	int err = 0;

	convert->records++;
	if (convert->batch != 0 && convert->records % convert->batch == 0) {
		convert->txn = NULL;
		err = kt_commit(txn, 0);
		if (!err)
			err = kt_begin(convert->store, KT_WRITE, &convert->txn);
	}
	return err != 0 ? err : progress_step(&convert->progress, done);
}
