/* Foreign commits. See foreign.h. */
#include "fs/core.h"

#include "fs/dirty/conflict.h"
#include "fs/event.h"
#include "fs/foreign/invalidate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Two commits to be compared. */
struct foreign_span {
	struct kt_txn *from, *to;
	struct foreign_span *next;
};

/* Keys that have moved. */
struct foreign_move {
	struct foreign_move *next;
	uint64_t commit; /* of our own, which moved them */
	bool swap;
	struct key from, to;
};

/* A node that could not be found by its key any more. */
struct foreign_left {
	struct foreign_left *next;
	uint64_t node;
};

/* A directory that was gone. */
struct foreign_revived {
	struct foreign_revived *next;
	struct key key;
};

static void free_revived(struct foreign_revived *revived)
{
	while (revived != NULL) {
		struct foreign_revived *next = revived->next;

		free(revived);
		revived = next;
	}
}

static void free_left(struct foreign_left *left)
{
	while (left != NULL) {
		struct foreign_left *next = left->next;

		free(left);
		left = next;
	}
}

/* Free those up to a commit, from the first on. */
static void free_moves(struct foreign_move **moves, uint64_t commit)
{
	while (*moves != NULL && (*moves)->commit <= commit) {
		struct foreign_move *move = *moves;

		*moves = move->next;
		free(move);
	}
}

static void span_free(struct foreign_span *span)
{
	if (span == NULL)
		return;
	kt_abort(span->from);
	kt_abort(span->to);
	free(span);
}

void foreign_fini(struct foreign *foreign)
{
	while (foreign->first != NULL) {
		struct foreign_span *span = foreign->first;

		foreign->first = span->next;
		span_free(span);
	}
	free_moves(&foreign->moves, UINT64_MAX);
	free_moves(&foreign->begun, UINT64_MAX);
	free_left(foreign->left);
	free_revived(foreign->revived);
	if (foreign->seen != NULL)
		close(foreign->wake_fd);
	kt_abort(foreign->seen);
	foreign->seen = NULL;
}

static int foreign_watch(struct fs *fs)
{
	struct foreign *foreign = &fs->foreign;
	int err;

	foreign->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (foreign->wake_fd < 0)
		return -errno;
	err = kt_begin(fs->store, KT_READ, &foreign->seen);
	if (err)
		close(foreign->wake_fd);
	foreign->last = &foreign->first;
	return err;
}

int fs_watch(struct fs *fs, int *ret_fd)
{
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (fs->foreign.seen == NULL)
		err = foreign_watch(fs);
	if (!err && ret_fd != NULL)
		*ret_fd = fs->foreign.wake_fd;
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* Begin two read transactions of the same commit, the last. Other processes may be committing. */
static int foreign_begin_both(struct kt_store *store, struct kt_txn **ret_a, struct kt_txn **ret_b)
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

bool foreign_is_noticed(const struct fs *fs, const struct kt_txn *txn)
{
	const struct kt_txn *seen = fs->foreign.seen;

	return seen == NULL || kt_txn_id(txn) == kt_txn_id(seen);
}

/* Foreign commits since foreign->seen become a span, and seen moves on. */
int foreign_notice(struct fs *fs)
{
	struct foreign *foreign = &fs->foreign;
	struct kt_txn *to, *seen;
	struct foreign_span *span;
	int err = foreign_begin_both(fs->store, &to, &seen);

	if (err)
		return err;
	span = NULL;
	if (kt_txn_id(to) != kt_txn_id(foreign->seen)) {
		span = malloc(sizeof(*span));
		err = span != NULL ? conflict_check_all(fs, to) : -ENOMEM;
	}
	if (span == NULL || err) {
		kt_abort(to);
		kt_abort(seen);
		free(span);
		return err;
	}
	*span = (struct foreign_span){foreign->seen, to, NULL};
	foreign->seen = seen;
	*foreign->last = span;
	foreign->last = &span->next;
	return 0;
}

int foreign_before(struct fs *fs, const struct kt_txn *txn)
{
	const struct kt_txn *seen = fs->foreign.seen;

	return seen == NULL || kt_txn_id(txn) == kt_txn_id(seen) + 1 ? 0 : foreign_notice(fs);
}

bool foreign_is_pending(const struct fs *fs)
{
	return fs->foreign.first != NULL || fs->foreign.invalidating;
}

bool foreign_is_told(const struct fs *fs, const struct kt_txn *txn)
{
	const struct foreign *foreign = &fs->foreign;

	return foreign->seen == NULL ||
	       (!foreign_is_pending(fs) && kt_txn_id(txn) == kt_txn_id(foreign->seen));
}

/* What is to be invalidated next; NULL: nothing of the kind. */
struct next {
	struct foreign_span *span;
	struct foreign_left *left;
	struct foreign_revived *revived;
};

static bool foreign_is_any(const struct next *next)
{
	return next->span != NULL || next->left != NULL || next->revived != NULL;
}

static int foreign_take(struct fs *fs, struct next *ret_next)
{
	struct foreign *foreign = &fs->foreign;
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (foreign->first == NULL && foreign->seen != NULL)
		err = foreign_notice(fs);
	if (err) {
		pthread_mutex_unlock(&fs->lock);
		return err;
	}
	*ret_next = (struct next){foreign->first, foreign->left, foreign->revived};
	if (foreign->first != NULL) {
		foreign->first = foreign->first->next;
		if (foreign->first == NULL)
			foreign->last = &foreign->first;
	}
	foreign->left = NULL;
	foreign->revived = NULL;
	foreign->invalidating = foreign_is_any(ret_next);
	/* what moved before the change does not matter to it, nor to later ones */
	free_moves(&foreign->moves,
		ret_next->span != NULL ? kt_txn_id(ret_next->span->to) : UINT64_MAX);
	pthread_mutex_unlock(&fs->lock);
	return 0;
}

int foreign_leaving(struct fs *fs, const struct inode *node)
{
	struct foreign_left *left;

	if (!foreign_is_pending(fs))
		return 0;
	left = malloc(sizeof(*left));
	if (left == NULL)
		return -ENOMEM;
	*left = (struct foreign_left){fs->foreign.left, node->number};
	fs->foreign.left = left;
	return 0;
}

static void foreign_append_moves(struct foreign_move **list, struct foreign_move *moves)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = moves;
}

int foreign_moving(struct fs *fs, const struct key *from, const struct key *to, bool swap)
{
	struct foreign_move *move;

	if (!foreign_is_pending(fs))
		return 0;
	move = malloc(sizeof(*move));
	if (move == NULL)
		return -ENOMEM;
	*move = (struct foreign_move){.swap = swap, .from = *from, .to = *to};
	foreign_append_moves(&fs->foreign.begun, move);
	return 0;
}

void foreign_ended(struct fs *fs, uint64_t commit)
{
	struct foreign *foreign = &fs->foreign;

	if (commit == 0)
		free_moves(&foreign->begun, UINT64_MAX);
	for (struct foreign_move *move = foreign->begun; move != NULL; move = move->next)
		move->commit = commit;
	foreign_append_moves(&foreign->moves, foreign->begun);
	foreign->begun = NULL;
}

int foreign_reviving(struct fs *fs, const struct inode *directory)
{
	const struct inode *node = directory;
	struct foreign_revived *revived;
	int err;

	while (node != NULL && !node->gone)
		node = node->parent;
	if (node == NULL)
		return 0;
	revived = malloc(sizeof(*revived));
	err = revived != NULL ? inode_key(fs->separator, directory, &revived->key) : -ENOMEM;
	if (err) { /* -ENOENT: nothing can be put there */
		free(revived);
		return err == -ENOMEM ? err : 0;
	}
	revived->next = fs->foreign.revived;
	fs->foreign.revived = revived;
	event_signal(fs->foreign.wake_fd);
	return 0;
}

static bool foreign_move_key(
	const struct key *from, const struct key *to, char separator, struct key *key)
{
	size_t size = from->size, rest = key->size - size;

	if (key->size < size || (size > 0 && memcmp(key->bytes, from->bytes, size) != 0))
		return false;
	/* what begins so, or the key alone */
	if (rest > 0 && (size == 0 || from->bytes[size - 1] != (unsigned char)separator))
		return false;
	if (to->size + rest > KT_KEY_MAX)
		return false;
	memmove(key->bytes + to->size, key->bytes + size, rest);
	if (to->size > 0)
		memcpy(key->bytes, to->bytes, to->size);
	key->size = to->size + rest;
	return true;
}

size_t foreign_moved(const struct fs *fs, uint64_t commit, struct key *key)
{
	size_t count = 0;

	for (const struct foreign_move *move = fs->foreign.moves; move != NULL; move = move->next) {
		if (move->commit > commit)
			count += foreign_move_key(&move->from, &move->to, fs->separator, key) ||
				 (move->swap && foreign_move_key(&move->to, &move->from,
							fs->separator, key));
	}
	return count;
}

/* Invalidation failed: it is to be tried again. */
static void foreign_put_back(struct fs *fs, const struct next *next)
{
	struct foreign *foreign = &fs->foreign;
	struct foreign_left **last_left = &foreign->left;
	struct foreign_revived **last_revived = &foreign->revived;

	pthread_mutex_lock(&fs->lock);
	if (next->span != NULL) {
		next->span->next = foreign->first;
		if (foreign->first == NULL)
			foreign->last = &next->span->next;
		foreign->first = next->span;
	}
	while (*last_left != NULL)
		last_left = &(*last_left)->next;
	*last_left = next->left;
	while (*last_revived != NULL)
		last_revived = &(*last_revived)->next;
	*last_revived = next->revived;
	foreign->invalidating = false;
	pthread_mutex_unlock(&fs->lock);
}

static void invalidate_left(
	const struct foreign_left *left, fs_invalidate_fn *invalidate, void *arg)
{
	for (; left != NULL; left = left->next) {
		const struct fs_invalidation notice = {
			FS_INVALIDATE_DATA, left->node, 0, "", false};

		invalidate(arg, &notice);
	}
}

static int invalidate_all_revived(struct fs *fs, const struct foreign_revived *revived,
	fs_invalidate_fn *invalidate, void *arg)
{
	int err = 0;

	for (; revived != NULL && !err; revived = revived->next)
		err = invalidate_revived(fs, &revived->key, invalidate, arg);
	return err;
}

static int invalidate_next(
	struct fs *fs, const struct next *next, fs_invalidate_fn *invalidate, void *arg)
{
	int err = 0;

	invalidate_left(next->left, invalidate, arg);
	if (next->span != NULL)
		err = invalidate_diff(fs, next->span->from, next->span->to, invalidate, arg);
	return err ? err : invalidate_all_revived(fs, next->revived, invalidate, arg);
}

int fs_invalidate(struct fs *fs, fs_invalidate_fn *invalidate, void *arg)
{
	struct next next;
	uint64_t count;
	bool watched;
	int err;

	pthread_mutex_lock(&fs->lock);
	watched = fs->foreign.seen != NULL;
	pthread_mutex_unlock(&fs->lock);
	if (watched && read(fs->foreign.wake_fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
	err = foreign_take(fs, &next);
	while (!err && foreign_is_any(&next)) {
		err = invalidate_next(fs, &next, invalidate, arg);
		if (err) {
			foreign_put_back(fs, &next);
			return err;
		}
		span_free(next.span);
		free_left(next.left);
		free_revived(next.revived);
		err = foreign_take(fs, &next);
	}
	return err;
}
