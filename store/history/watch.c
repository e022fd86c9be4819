/* Watching a prefix (kt_watch): which keys below it change.
 *
 * A watch holds a read transaction of the commit that it has told. When there is a later one, it
 * compares the two and keeps the keys that differ in a batch of bounded size. Then it goes on to the
 * later commit, and only then tells the batch: the callback, which may take its time, does not keep
 * the older commit. A difference larger than a batch is told in several, with both commits held.
 */
#include "store/commit/txn.h"
#include "store/util/deadline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ROOM (256 << 10) /* bytes */

/* A key that differs; its bytes follow. */
struct watch_item {
	uint64_t version;
	size_t size;
};

struct kt_watch {
	struct kt_store *store;
	struct kt_txn *told; /* shows the commit that was told, or is being told from the batch */
	kt_watch_fn *each;   /* of the call of kt_watch_next() */
	void *arg;
	uint8_t *batch;
	size_t at, end; /* what is left to tell of the batch */
	size_t prefix_size;
	uint8_t prefix[];
};

int kt_watch_open(
	struct kt_store *store, const void *prefix, size_t size, struct kt_watch **ret_watch)
{
	struct kt_watch *watch;
	int err = 0;

	if (size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	watch = calloc(1, sizeof(*watch) + size);
	if (watch == NULL)
		return -ENOMEM;
	watch->store = store;
	watch->prefix_size = size;
	if (size > 0)
		memcpy(watch->prefix, prefix, size);
	watch->batch = malloc(BATCH_ROOM);
	if (watch->batch == NULL)
		err = -ENOMEM;
	if (!err)
		err = kt_begin(store, KT_READ, &watch->told);
	if (err != 0)
		kt_watch_close(watch);
	else
		*ret_watch = watch;
	return err;
}

void kt_watch_close(struct kt_watch *watch)
{
	if (watch == NULL)
		return;
	kt_abort(watch->told);
	free(watch->batch);
	free(watch);
}

/* Tell what is in the batch, and empty it. */
static int watch_tell(struct kt_watch *watch)
{
	int err = 0;

	while (!err && watch->at < watch->end) {
		struct watch_item item;
		struct kt_slice key;

		memcpy(&item, watch->batch + watch->at, sizeof(item));
		key = (struct kt_slice){watch->batch + watch->at + sizeof(item), item.size};
		watch->at += sizeof(item) + item.size;
		err = watch->each(watch->arg, &key, item.version);
	}
	if (watch->at == watch->end)
		watch->at = watch->end = 0;
	return err;
}

/* Put a key that differs into the batch. */
static int watch_collect(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	const struct watch_item item = {to != NULL ? to->version : 0, key->size};
	struct kt_watch *watch = arg;
	int err = 0;

	(void)from;
	if (BATCH_ROOM - watch->end < sizeof(item) + key->size)
		err = watch_tell(watch);
	if (err != 0)
		return err;
	memcpy(watch->batch + watch->end, &item, sizeof(item));
	if (key->size > 0)
		memcpy(watch->batch + watch->end + sizeof(item), key->data, key->size);
	watch->end += sizeof(item) + key->size;
	return 0;
}

/* Go on to the last commit, and put the keys that differ into the batch. */
static int watch_advance(struct kt_watch *watch)
{
	struct kt_txn *now;
	int err = kt_begin(watch->store, KT_READ, &now);

	if (err != 0)
		return err;
	err = kt_diff_prefix(
		watch->told, now, watch->prefix, watch->prefix_size, watch_collect, watch);
	if (err != 0) {
		watch->at = watch->end = 0; /* all is compared again */
		kt_abort(now);
		return err;
	}
	kt_abort(watch->told);
	watch->told = now;
	return 0;
}

int kt_watch_next(struct kt_watch *watch, int timeout_ms, kt_watch_fn *each, void *arg)
{
	int64_t deadline = deadline_after_ms(timeout_ms);
	uint64_t txn;
	int err = 0;

	watch->each = each;
	watch->arg = arg;
	while (!err && watch->at == watch->end) {
		err = kt_wait(
			watch->store, kt_txn_id(watch->told), deadline_left_ms(deadline), &txn);
		if (!err)
			err = watch_advance(watch);
	}
	return err != 0 ? err : watch_tell(watch);
}
