#include "store/history/lineage.h"

#include "store/tree/cell.h"
#include "store/error.h"
#include "store/history/snapshot.h"
#include "store/util/bytes.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define LINEAGE_KEY 9

static void lineage_key(uint64_t commit, uint8_t key[LINEAGE_KEY])
{
	key[0] = SNAPSHOT_LINEAGE;
	big64_store(key + 1, commit);
}

/* What does not belong to a point in time but to processes is left out. */
static const unsigned trees_of_point[] = {TREE_ENTRIES, TREE_DIRECTORIES, TREE_SHARED};

#define TREES_OF_POINT (sizeof(trees_of_point) / sizeof(trees_of_point[0]))

/* The point that a commit is in this store. */
static struct lineage_point lineage_of(
	uint64_t commit, int64_t time_ns, const struct format_tree *trees)
{
	uint64_t facts[1 + TREES_OF_POINT] = {(uint64_t)time_ns};

	for (size_t i = 0; i < TREES_OF_POINT; i++)
		facts[1 + i] = trees[trees_of_point[i]].root;
	return (struct lineage_point){commit, XXH3_64bits(facts, sizeof(facts))};
}

/* Is a commit of this store one and the same with a point of the original, or, made by an
 * increment, like it? */
static int lineage_matches(struct kt_txn *txn, const struct lineage_point *own,
	const struct lineage_point *point, bool *ret_is)
{
	struct kt_txn tree = snapshot_tree(txn);
	struct format_lineage origin = {own->txn, own->digest};
	struct kt_slice value;
	uint8_t key[LINEAGE_KEY];
	int err;

	lineage_key(own->txn, key);
	err = kt_get(&tree, key, sizeof(key), &value);
	if (!err && value.size != sizeof(origin))
		err = error_damaged(0, "malformed origin of a commit");
	if (err != 0 && err != -ENOENT)
		return err;
	if (!err)
		memcpy(&origin, value.data, sizeof(origin));
	*ret_is = origin.txn == point->txn && origin.digest == point->digest;
	return 0;
}

int lineage_point(
	struct kt_txn *txn, struct lineage_point *ret_point, char ret_name[KT_NAME_MAX + 1])
{
	struct format_snapshot kept;
	struct kt_txn *present; /* that of a snapshot does not see snapshots */
	int err = kt_begin(txn->txn->store, KT_READ, &present);

	if (err != 0)
		return err;
	*ret_point = lineage_of(txn->txn->number, txn->txn->time_ns, txn->txn->trees);
	err = snapshot_find(present, ret_point->txn, &kept, ret_name);
	kt_abort(present);
	if (err == -ENOENT)
		*ret_name = '\0';
	return err == -ENOENT ? 0 : err;
}

/* ---- finding --------------------------------------------------------------------------------- */

struct search {
	const struct lineage_point *point;
	struct format_snapshot *found;
};

static int lineage_compare(void *arg, struct kt_txn *txn, const struct format_snapshot *kept)
{
	struct search *search = arg;
	struct lineage_point own = lineage_of(kept->txn, kept->time_ns, kept->trees);
	bool is;
	int err = lineage_matches(txn, &own, search->point, &is);

	if (err != 0 || !is)
		return err;
	*search->found = *kept;
	return 1;
}

int lineage_find(
	struct kt_txn *txn, const struct lineage_point *point, struct format_snapshot *ret_kept)
{
	struct search search = {point, ret_kept};
	int err = snapshot_each(txn, lineage_compare, &search);

	return !err ? -ENOENT : err > 0 ? 0 : err;
}

static bool lineage_same_trees(const struct format_tree *a, const struct format_tree *b)
{
	bool same = true;

	for (size_t i = 0; i < TREES_OF_POINT; i++)
		same = same && a[trees_of_point[i]].root == b[trees_of_point[i]].root;
	return same;
}

int lineage_is(struct kt_txn *txn, const struct lineage_point *point, bool *ret_is)
{
	const struct root *root = txn->txn->root;
	struct lineage_point own = lineage_of(root->txn, root->time_ns, root->trees);
	struct format_snapshot kept;
	int err = lineage_matches(txn, &own, point, ret_is);

	if (err != 0 || *ret_is)
		return err;
	err = lineage_find(txn, point, &kept);
	if (!err)
		*ret_is = lineage_same_trees(root->trees, kept.trees);
	return err == -ENOENT ? 0 : err;
}

/* ---- noting ---------------------------------------------------------------------------------- */

int lineage_forget(struct kt_txn *txn, uint64_t commit)
{
	struct kt_txn tree = snapshot_tree(txn);
	uint8_t key[LINEAGE_KEY];

	lineage_key(commit, key);
	return kt_delete(&tree, key, sizeof(key), KT_MISSING_OK);
}

/* Forget the commits that no snapshot keeps. */
static int lineage_forget_others(struct kt_txn *txn)
{
	struct kt_txn tree = snapshot_tree(txn);
	struct kt_cursor *cursor;
	int err = kt_cursor_open(&tree, &cursor);

	if (err != 0)
		return err;
	err = kt_cursor_set_prefix(cursor, (uint8_t[]){SNAPSHOT_LINEAGE}, 1);
	while (!err && (err = kt_cursor_next(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);
		struct format_snapshot kept;
		char name[KT_NAME_MAX + 1];
		uint64_t commit;

		if (key.size != LINEAGE_KEY) {
			err = error_damaged(0, "malformed origin of a commit");
			break;
		}
		commit = big64_load((const uint8_t *)key.data + 1);
		err = snapshot_find(txn, commit, &kept, name);
		if (err == -ENOENT)
			err = lineage_forget(txn, commit);
	}
	kt_cursor_close(cursor);
	return err == -ENOENT ? 0 : err;
}

int lineage_note(struct kt_txn *txn, const struct lineage_point *point)
{
	struct format_lineage origin = {point->txn, point->digest};
	struct kt_txn tree = snapshot_tree(txn);
	uint8_t key[LINEAGE_KEY];
	int err;

	pager_begin_internal(&txn->txn->pager);
	err = lineage_forget_others(txn);
	lineage_key(txn->txn->number, key);
	if (!err)
		err = kt_put(&tree, key, sizeof(key), &origin, sizeof(origin));
	pager_end_internal(&txn->txn->pager);
	return err;
}
