/* Snapshots: commits that are kept under a name (I2; format.h has the scheme).
 *
 * Taking one writes a record of the current roots. From then on what is freed and was born up to it
 * goes to its dead list instead of the free space. Reading one is a read transaction with its
 * roots; a pin on the current commit protects it, because its pages cannot become free before a
 * later one.
 */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/history/lineage.h"
#include "store/space/space.h"
#include "store/history/snapshot_internal.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- records --------------------------------------------------------------------------------- */

static void snapshot_put_number(uint8_t *at, uint64_t number)
{
	big64_store(at, number);
}

static uint64_t snapshot_get_number(const uint8_t *at)
{
	return big64_load(at);
}

void snapshot_record_key(uint64_t snapshot, uint8_t key[RECORD_KEY])
{
	key[0] = SNAPSHOT_RECORD;
	snapshot_put_number(key + 1, snapshot);
}

void snapshot_dead_key(uint64_t snapshot, uint64_t freed, uint8_t key[DEAD_KEY])
{
	key[0] = SNAPSHOT_DEAD;
	snapshot_put_number(key + 1, snapshot);
	snapshot_put_number(key + 9, freed);
}

static int snapshot_parse_record(const struct kt_slice *value, struct snapshot_record *record)
{
	size_t name = value->size - sizeof(record->kept);

	if (value->size < sizeof(record->kept) || name == 0 || name > KT_NAME_MAX)
		return error_damaged(0, "malformed snapshot");
	memcpy(&record->kept, value->data, sizeof(record->kept));
	memcpy(record->name, (const char *)value->data + sizeof(record->kept), name);
	record->name[name] = '\0';
	return 0;
}

struct dead snapshot_parse_dead(const struct kt_slice *list, size_t index)
{
	const uint8_t *at = (const uint8_t *)list->data + index * sizeof(struct format_dead);
	uint64_t word = load64(at);

	return (struct dead){{ref_page(word), word >> PAGE_BITS}, load64(at + 8)};
}

struct kt_txn snapshot_tree(struct kt_txn *handle)
{
	return (struct kt_txn){.txn = handle->txn, .tree = TREE_SNAPSHOTS};
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Step through the records with a cursor that is confined to them. @return 0; -ENOENT no more */
static int snapshot_next_record(struct kt_cursor *cursor, struct snapshot_record *record)
{
	struct kt_slice value;
	int err = kt_cursor_next(cursor);

	if (!err)
		err = kt_cursor_value(cursor, &value);
	return err != 0 ? err : snapshot_parse_record(&value, record);
}

static int snapshot_open_records(struct kt_txn *tree, struct kt_cursor **ret_cursor)
{
	int err = kt_cursor_open(tree, ret_cursor);

	return err != 0 ? err : kt_cursor_set_prefix(*ret_cursor, (uint8_t[]){SNAPSHOT_RECORD}, 1);
}

int snapshot_find_name(
	struct kt_txn *tree, const char *name, struct snapshot_record *record, uint64_t *ret_before)
{
	struct kt_cursor *cursor = NULL;
	uint64_t before = 0;
	int err = snapshot_open_records(tree, &cursor);

	while (!err) {
		err = snapshot_next_record(cursor, record);
		if (err != 0 || strcmp(record->name, name) == 0)
			break;
		before = record->kept.txn;
	}
	kt_cursor_close(cursor);
	if (!err && ret_before != NULL)
		*ret_before = before;
	return err;
}

int snapshot_find(struct kt_txn *txn, uint64_t commit, struct format_snapshot *ret_kept,
	char ret_name[KT_NAME_MAX + 1])
{
	struct kt_txn tree = snapshot_tree(txn);
	struct snapshot_record record;
	struct kt_slice value;
	uint8_t key[RECORD_KEY];
	int err;

	snapshot_record_key(commit, key);
	err = kt_get(&tree, key, sizeof(key), &value);
	if (!err)
		err = snapshot_parse_record(&value, &record);
	if (err != 0)
		return err;
	*ret_kept = record.kept;
	memcpy(ret_name, record.name, sizeof(record.name));
	return 0;
}

int snapshot_newest(struct kt_store *store, uint64_t *ret_txn)
{
	struct kt_txn *txn, tree;
	struct kt_cursor *cursor = NULL;
	int err = kt_begin(store, KT_READ, &txn);

	if (err != 0)
		return err;
	tree = snapshot_tree(txn);
	err = snapshot_open_records(&tree, &cursor);
	if (!err)
		err = kt_cursor_last(cursor);
	if (!err)
		*ret_txn = snapshot_get_number((const uint8_t *)kt_cursor_key(cursor).data + 1);
	else if (err == -ENOENT)
		*ret_txn = 0;
	kt_cursor_close(cursor);
	kt_abort(txn);
	return err == -ENOENT ? 0 : err;
}

/* ---- dead lists ------------------------------------------------------------------------------ */

int snapshot_add_dead(struct kt_txn *tree, uint64_t snapshot, uint64_t freed,
	const struct dead *dead, size_t count)
{
	struct format_dead *records;
	struct kt_entry_info there;
	uint8_t key[DEAD_KEY];
	int err;

	if (count == 0)
		return 0;
	records = malloc(count * sizeof(*records));
	if (records == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		records[i] = (struct format_dead){
			dead[i].run.start | dead[i].run.count << PAGE_BITS, dead[i].birth};
	snapshot_dead_key(snapshot, freed, key);
	err = kt_stat(tree, key, sizeof(key), &there);
	if (!err || err == -ENOENT)
		err = kt_write(tree, key, sizeof(key), !err ? there.size : 0, records,
			count * sizeof(*records));
	free(records);
	return err;
}

int snapshot_store_dead(struct txn *txn)
{
	struct kt_txn tree = {.txn = txn, .tree = TREE_SNAPSHOTS};
	int err;

	pager_begin_internal(&txn->pager);
	err = snapshot_add_dead(
		&tree, txn->pager.snapshot, txn->number, txn->pager.dead, txn->pager.dead_count);
	pager_end_internal(&txn->pager);
	txn->pager.dead_count = 0;
	return err;
}

int snapshot_at_most(struct txn *txn, uint64_t commit, uint64_t *ret_snapshot)
{
	struct kt_txn tree = {.txn = txn, .tree = TREE_SNAPSHOTS};
	struct kt_cursor *cursor = NULL;
	uint8_t above[RECORD_KEY];
	int err;

	*ret_snapshot = 0;
	if (commit == 0)
		return 0;
	snapshot_record_key(commit + 1, above);
	err = kt_cursor_open(&tree, &cursor);
	if (!err)
		err = kt_cursor_set_range(
			cursor, (uint8_t[]){SNAPSHOT_RECORD}, 1, above, sizeof(above));
	if (!err)
		err = kt_cursor_last(cursor);
	if (!err)
		*ret_snapshot =
			snapshot_get_number((const uint8_t *)kt_cursor_key(cursor).data + 1);
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

int snapshot_each_list(struct kt_txn *tree, uint64_t snapshot, snapshot_list_fn *each, void *arg)
{
	uint8_t prefix[DEAD_KEY];
	struct kt_cursor *cursor;
	int err = kt_cursor_open(tree, &cursor);

	if (err != 0)
		return err;
	kt_cursor_set_transient(cursor);
	snapshot_dead_key(snapshot, 0, prefix);
	err = kt_cursor_set_prefix(cursor, prefix, RECORD_KEY);
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor), list;

		err = kt_cursor_value(cursor, &list);
		if (!err && (key.size != DEAD_KEY || list.size % sizeof(struct format_dead) != 0))
			err = error_damaged(0, "malformed dead list");
		if (!err)
			err = each(arg, tree, snapshot_get_number((const uint8_t *)key.data + 9),
				&list);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

struct snapshot_visit {
	snapshot_dead_fn *each;
	void *arg;
};

static int snapshot_visit_list(
	void *arg, struct kt_txn *tree, uint64_t freed, const struct kt_slice *list)
{
	const struct snapshot_visit *visit = arg;
	int err = 0;

	(void)tree;
	(void)freed;
	for (size_t i = 0; !err && i < list->size / sizeof(struct format_dead); i++) {
		struct dead dead = snapshot_parse_dead(list, i);

		err = visit->each(visit->arg, &dead);
	}
	return err;
}

int snapshot_each_dead(struct kt_txn *txn, uint64_t snapshot, snapshot_dead_fn *each, void *arg)
{
	struct kt_txn tree = snapshot_tree(txn);
	struct snapshot_visit visit = {each, arg};

	return snapshot_each_list(&tree, snapshot, snapshot_visit_list, &visit);
}

int snapshot_each(struct kt_txn *txn, snapshot_each_fn *each, void *arg)
{
	struct kt_txn tree = snapshot_tree(txn);
	struct kt_cursor *cursor = NULL;
	struct snapshot_record record;
	int err = snapshot_open_records(&tree, &cursor);

	while (!err && (err = snapshot_next_record(cursor, &record)) == 0)
		err = each(arg, txn, &record.kept);
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

/* ---- public ---------------------------------------------------------------------------------- */

int snapshot_check_name(const char *name)
{
	if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
		strcmp(name, "..") == 0)
		return error_say(
			-EINVAL, "the name of a snapshot is not empty, . or .., nor has it a /");
	return strlen(name) > KT_NAME_MAX
		       ? error_say(-ENAMETOOLONG, "the name of a snapshot is too long")
		       : 0;
}

int snapshot_keep(struct kt_txn *txn, const char *name)
{
	const struct root *root = atomic_load(&txn->txn->store->root);
	struct format_snapshot kept = {.txn = root->txn, .time_ns = root->time_ns};
	struct kt_txn tree = snapshot_tree(txn);
	uint8_t key[RECORD_KEY], value[sizeof(kept) + KT_NAME_MAX];
	size_t size = strlen(name);
	struct snapshot_record record;
	int err = snapshot_find_name(&tree, name, &record, NULL);

	if (err != -ENOENT)
		return !err ? error_say(-EEXIST, "a snapshot of this name exists") : err;
	memcpy(kept.trees, root->trees, sizeof(kept.trees));
	memcpy(value, &kept, sizeof(kept));
	memcpy(value + sizeof(kept), name, size);
	snapshot_record_key(kept.txn, key);
	tree.txn->snapshot = kept.txn;
	pager_begin_internal(&tree.txn->pager);
	err = kt_put(&tree, key, sizeof(key), value, sizeof(kept) + size);
	pager_end_internal(&tree.txn->pager);
	(void)pager_set_snapshot(&tree.txn->pager, kept.txn);
	return err;
}

int snapshot_create(struct kt_store *store, const char *name, uint64_t commit, unsigned flags)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	err = commit != 0 && commit + 1 != kt_txn_id(txn) ? -EAGAIN : snapshot_keep(txn, name);
	if (!err)
		return kt_commit(txn, flags);
	kt_abort(txn);
	return err;
}

int kt_snapshot_create(struct kt_store *store, const char *name)
{
	int err = snapshot_check_name(name);

	return err != 0 ? err : snapshot_create(store, name, 0, 0);
}

/* Begin to read the tree of snapshots. */
static int snapshot_begin_read(
	struct kt_store *store, struct kt_txn **ret_txn, struct kt_txn *ret_tree)
{
	int err = kt_begin(store, KT_READ, ret_txn);

	if (!err)
		*ret_tree = snapshot_tree(*ret_txn);
	return err;
}

int kt_snapshot_open(struct kt_store *store, const char *name, struct kt_txn **ret_txn)
{
	struct snapshot_record record;
	struct kt_txn *txn, tree;
	int err = snapshot_begin_read(store, &txn, &tree);

	if (err != 0)
		return err;
	err = snapshot_find_name(&tree, name, &record, NULL);
	if (err == -ENOENT)
		err = error_say(-ENOENT, SNAPSHOT_MISSING);
	if (!err)
		err = txn_show(txn->txn, &record.kept);
	if (err != 0)
		kt_abort(txn);
	else
		*ret_txn = txn;
	return err;
}

static int snapshot_add_pages(void *arg, const struct dead *dead)
{
	*(uint64_t *)arg += dead->run.count;
	return 0;
}

int kt_snapshot_list(struct kt_store *store, kt_snapshot_fn *each, void *arg)
{
	struct kt_cursor *cursor = NULL;
	struct snapshot_record record;
	struct kt_txn *txn, tree;
	int err = snapshot_begin_read(store, &txn, &tree);

	if (err != 0)
		return err;
	err = snapshot_open_records(&tree, &cursor);
	while (!err && (err = snapshot_next_record(cursor, &record)) == 0) {
		struct kt_snapshot snapshot = {.name = record.name,
			.txn = record.kept.txn,
			.time_ns = record.kept.time_ns,
			.entries = record.kept.trees[TREE_ENTRIES].entries};
		uint64_t pages = 0;

		err = snapshot_each_dead(txn, record.kept.txn, snapshot_add_pages, &pages);
		if (!err) {
			snapshot.kept_bytes = pages * PAGE_SIZE;
			err = each(arg, &snapshot);
		}
	}
	kt_cursor_close(cursor);
	kt_abort(txn);
	return err == -ENOENT ? 0 : err;
}
