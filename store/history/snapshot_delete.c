/* Deleting a snapshot: of what it alone kept, each page is free again; what the snapshot before it
 * sees moves to the dead lists of that one. */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/history/lineage.h"
#include "store/history/snapshot_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Pages between two calls of a progress function. */
#define DELETION_STEP 256

/* A snapshot that is being deleted, and how far that is. */
struct deletion {
	uint64_t snapshot;
	uint64_t before; /* the one before it; 0: none */
	kt_snapshot_delete_fn *progress;
	void *arg;
	uint64_t done, total; /* pages */
	uint64_t told;	      /* done, at the last call of progress */
};

static int deletion_tell(struct deletion *deletion, uint64_t step)
{
	if (deletion->progress == NULL || deletion->done - deletion->told < step)
		return 0;
	deletion->told = deletion->done;
	return deletion->progress(
		deletion->arg, deletion->done * PAGE_SIZE, deletion->total * PAGE_SIZE);
}

/* Divide one dead list: what the snapshot before sees moves to its list. */
static int deletion_divide(
	struct deletion *deletion, struct kt_txn *tree, uint64_t freed, const struct kt_slice *list)
{
	struct pager *pager = &tree->txn->pager;
	size_t count = list->size / sizeof(struct format_dead), kept = 0;
	struct dead *dead = malloc((count + 1) * sizeof(*dead));
	int err = dead == NULL ? -ENOMEM : 0;

	for (size_t i = 0; !err && i < count; i++) {
		struct dead run = snapshot_parse_dead(list, i);

		if (run.birth <= deletion->before)
			dead[kept++] = run;
		else
			err = pager_release(pager, run.run.start, run.run.count, run.birth);
		deletion->done += run.run.count;
		if (!err)
			err = deletion_tell(deletion, DELETION_STEP);
	}
	if (!err)
		err = snapshot_add_dead(tree, deletion->before, freed, dead, kept);
	free(dead);
	return err;
}

static int deletion_list(
	void *arg, struct kt_txn *tree, uint64_t freed, const struct kt_slice *list)
{
	struct deletion *deletion = arg;
	uint8_t key[DEAD_KEY];
	int err = deletion_divide(deletion, tree, freed, list);

	snapshot_dead_key(deletion->snapshot, freed, key);
	return err != 0 ? err : kt_delete(tree, key, sizeof(key), 0);
}

static int deletion_count(void *arg, const struct dead *dead)
{
	((struct deletion *)arg)->total += dead->run.count;
	return 0;
}

/* Delete a snapshot in a transaction. */
static int deletion_run(struct deletion *deletion, struct kt_txn *txn, const char *name)
{
	struct kt_txn tree = snapshot_tree(txn);
	struct snapshot_record record;
	uint8_t key[RECORD_KEY];
	int err = snapshot_find_name(&tree, name, &record, &deletion->before);

	if (err != 0)
		return err == -ENOENT ? error_say(err, SNAPSHOT_MISSING) : err;
	deletion->snapshot = record.kept.txn;
	if (deletion->progress != NULL)
		err = snapshot_each_dead(txn, deletion->snapshot, deletion_count, deletion);
	if (!err)
		err = snapshot_each_list(&tree, deletion->snapshot, deletion_list, deletion);
	if (!err)
		err = deletion_tell(deletion, 1);
	snapshot_record_key(deletion->snapshot, key);
	if (!err)
		err = kt_delete(&tree, key, sizeof(key), 0);
	if (!err)
		err = lineage_forget(txn, deletion->snapshot);
	if (!err && deletion->snapshot == txn->txn->snapshot)
		txn->txn->snapshot = deletion->before;
	return err;
}

int kt_snapshot_delete_steps(
	struct kt_store *store, const char *name, kt_snapshot_delete_fn *progress, void *arg)
{
	struct deletion deletion = {.progress = progress, .arg = arg};
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	pager_begin_internal(&txn->txn->pager);
	err = deletion_run(&deletion, txn, name);
	pager_end_internal(&txn->txn->pager);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

int kt_snapshot_delete(struct kt_store *store, const char *name)
{
	return kt_snapshot_delete_steps(store, name, NULL, NULL);
}
