/* What others change in the store. See changes.h. */
#include "core.h"

#include "conflict.h"
#include "notices.h"

#include <errno.h>
#include <stdlib.h>

/* Two commits to be compared. */
struct change_span {
	struct kt_txn *from, *to;
	struct change_span *next;
};

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

bool changes_know(const struct fs *fs, const struct kt_txn *txn)
{
	const struct kt_txn *seen = fs->changes.seen;

	return seen == NULL || kt_txn_id(txn) == kt_txn_id(seen);
}

/* What was committed since changes->seen, if anything, is a span, and that moves on. */
int changes_notice(struct fs *fs)
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

	return seen == NULL || kt_txn_id(txn) == kt_txn_id(seen) + 1 ? 0 : changes_notice(fs);
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
		err = changes_notice(fs);
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

int fs_tell(struct fs *fs, fs_notice_fn *tell_to, void *arg)
{
	struct change_span *span;
	int err = take_span(fs, &span);

	while (!err && span != NULL) {
		err = notices_tell(fs, span->from, span->to, tell_to, arg);
		if (err) {
			put_back(fs, span);
			return err;
		}
		span_free(span);
		err = take_span(fs, &span);
	}
	return err;
}
