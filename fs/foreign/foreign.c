/* What others change in the store. See foreign.h. */
#include "fs/core.h"

#include "fs/dirty/conflict.h"
#include "fs/foreign/invalidate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Two commits to be compared. */
struct change_span {
	struct kt_txn *from, *to;
	struct change_span *next;
};

/* Keys that have moved. */
struct change_move {
	struct change_move *next;
	uint64_t commit; /* of our own, which moved them */
	bool swap;
	struct key from, to;
};

/* A node that could not be found by its key any more. */
struct change_left {
	struct change_left *next;
	uint64_t node;
};

/* A directory that was gone. */
struct change_revived {
	struct change_revived *next;
	struct key key;
};

static void free_revived(struct change_revived *revived)
{
	while (revived != NULL) {
		struct change_revived *next = revived->next;

		free(revived);
		revived = next;
	}
}

static void free_left(struct change_left *left)
{
	while (left != NULL) {
		struct change_left *next = left->next;

		free(left);
		left = next;
	}
}

/* Free those up to a commit, from the first on. */
static void free_moves(struct change_move **moves, uint64_t commit)
{
	while (*moves != NULL && (*moves)->commit <= commit) {
		struct change_move *move = *moves;

		*moves = move->next;
		free(move);
	}
}

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
	free_moves(&changes->moves, UINT64_MAX);
	free_moves(&changes->begun, UINT64_MAX);
	free_left(changes->left);
	free_revived(changes->revived);
	if (changes->seen != NULL)
		close(changes->wake_fd);
	kt_abort(changes->seen);
	changes->seen = NULL;
}

static int begin_to_watch(struct fs *fs)
{
	struct changes *changes = &fs->changes;
	int err;

	changes->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (changes->wake_fd < 0)
		return -errno;
	err = kt_begin(fs->store, KT_READ, &changes->seen);
	if (err)
		close(changes->wake_fd);
	changes->last = &changes->first;
	return err;
}

int fs_watch(struct fs *fs, int *ret_fd)
{
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (fs->changes.seen == NULL)
		err = begin_to_watch(fs);
	if (!err && ret_fd != NULL)
		*ret_fd = fs->changes.wake_fd;
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

bool changes_pending(const struct fs *fs)
{
	return fs->changes.first != NULL || fs->changes.telling;
}

bool changes_are_told(const struct fs *fs, const struct kt_txn *txn)
{
	const struct changes *changes = &fs->changes;

	return changes->seen == NULL ||
	       (!changes_pending(fs) && kt_txn_id(txn) == kt_txn_id(changes->seen));
}

/* What is to be told next; NULL: nothing of the kind. */
struct next {
	struct change_span *span;
	struct change_left *left;
	struct change_revived *revived;
};

static bool is_anything(const struct next *next)
{
	return next->span != NULL || next->left != NULL || next->revived != NULL;
}

static int take(struct fs *fs, struct next *ret_next)
{
	struct changes *changes = &fs->changes;
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (changes->first == NULL && changes->seen != NULL)
		err = changes_notice(fs);
	if (err) {
		pthread_mutex_unlock(&fs->lock);
		return err;
	}
	*ret_next = (struct next){changes->first, changes->left, changes->revived};
	if (changes->first != NULL) {
		changes->first = changes->first->next;
		if (changes->first == NULL)
			changes->last = &changes->first;
	}
	changes->left = NULL;
	changes->revived = NULL;
	changes->telling = is_anything(ret_next);
	/* what moved before the change does not matter to it, nor to later ones */
	free_moves(&changes->moves,
		ret_next->span != NULL ? kt_txn_id(ret_next->span->to) : UINT64_MAX);
	pthread_mutex_unlock(&fs->lock);
	return 0;
}

int changes_leaving(struct fs *fs, const struct inode *node)
{
	struct change_left *left;

	if (!changes_pending(fs))
		return 0;
	left = malloc(sizeof(*left));
	if (left == NULL)
		return -ENOMEM;
	*left = (struct change_left){fs->changes.left, node->number};
	fs->changes.left = left;
	return 0;
}

static void append_moves(struct change_move **list, struct change_move *moves)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = moves;
}

int changes_moving(struct fs *fs, const struct key *from, const struct key *to, bool swap)
{
	struct change_move *move;

	if (!changes_pending(fs))
		return 0;
	move = malloc(sizeof(*move));
	if (move == NULL)
		return -ENOMEM;
	*move = (struct change_move){.swap = swap, .from = *from, .to = *to};
	append_moves(&fs->changes.begun, move);
	return 0;
}

void changes_ended(struct fs *fs, uint64_t commit)
{
	struct changes *changes = &fs->changes;

	if (commit == 0)
		free_moves(&changes->begun, UINT64_MAX);
	for (struct change_move *move = changes->begun; move != NULL; move = move->next)
		move->commit = commit;
	append_moves(&changes->moves, changes->begun);
	changes->begun = NULL;
}

int changes_reviving(struct fs *fs, const struct inode *directory)
{
	static const uint64_t one = 1;
	const struct inode *node = directory;
	struct change_revived *revived;
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
	revived->next = fs->changes.revived;
	fs->changes.revived = revived;
	while (write(fs->changes.wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return 0;
}

static bool move_key(const struct key *from, const struct key *to, char separator, struct key *key)
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

size_t changes_moved(const struct fs *fs, uint64_t commit, struct key *key)
{
	size_t count = 0;

	for (const struct change_move *move = fs->changes.moves; move != NULL; move = move->next) {
		if (move->commit > commit)
			count += move_key(&move->from, &move->to, fs->separator, key) ||
				 (move->swap &&
					 move_key(&move->to, &move->from, fs->separator, key));
	}
	return count;
}

/* It could not be told: it is to be told again. */
static void put_back(struct fs *fs, const struct next *next)
{
	struct changes *changes = &fs->changes;
	struct change_left **last_left = &changes->left;
	struct change_revived **last_revived = &changes->revived;

	pthread_mutex_lock(&fs->lock);
	if (next->span != NULL) {
		next->span->next = changes->first;
		if (changes->first == NULL)
			changes->last = &next->span->next;
		changes->first = next->span;
	}
	while (*last_left != NULL)
		last_left = &(*last_left)->next;
	*last_left = next->left;
	while (*last_revived != NULL)
		last_revived = &(*last_revived)->next;
	*last_revived = next->revived;
	changes->telling = false;
	pthread_mutex_unlock(&fs->lock);
}

static void tell_left(const struct change_left *left, fs_notice_fn *tell_to, void *arg)
{
	for (; left != NULL; left = left->next) {
		const struct fs_notice notice = {FS_NOTICE_DATA, left->node, 0, "", false};

		tell_to(arg, &notice);
	}
}

static int tell_revived(
	struct fs *fs, const struct change_revived *revived, fs_notice_fn *tell_to, void *arg)
{
	int err = 0;

	for (; revived != NULL && !err; revived = revived->next)
		err = notices_tell_directory(fs, &revived->key, tell_to, arg);
	return err;
}

static int tell_next(struct fs *fs, const struct next *next, fs_notice_fn *tell_to, void *arg)
{
	int err = 0;

	tell_left(next->left, tell_to, arg);
	if (next->span != NULL)
		err = notices_tell(fs, next->span->from, next->span->to, tell_to, arg);
	return err ? err : tell_revived(fs, next->revived, tell_to, arg);
}

int fs_tell(struct fs *fs, fs_notice_fn *tell_to, void *arg)
{
	struct next next;
	uint64_t count;
	bool watched;
	int err;

	pthread_mutex_lock(&fs->lock);
	watched = fs->changes.seen != NULL;
	pthread_mutex_unlock(&fs->lock);
	if (watched && read(fs->changes.wake_fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
	err = take(fs, &next);
	while (!err && is_anything(&next)) {
		err = tell_next(fs, &next, tell_to, arg);
		if (err) {
			put_back(fs, &next);
			return err;
		}
		span_free(next.span);
		free_left(next.left);
		free_revived(next.revived);
		err = take(fs, &next);
	}
	return err;
}
