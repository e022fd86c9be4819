/* Foreign commits. See foreign.h. */
#include "fs/core.h"

#include "fs/dirty/conflict.h"
#include "fs/event.h"
#include "fs/foreign/invalidate.h"
#include "fs/foreign/bare_names.h"
#include "fs/foreign/notices.h"
#include "fs/foreign/tell_nodes.h"
#include "fs/names/names.h"
#include "fs/names/names.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How often fs_invalidate() looks at most for what came into doubt while it told. */
#define ROUNDS_MAX 8

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

void foreign_fini(struct foreign *foreign)
{
	doubts_fini(&foreign->doubts);
	free_revived(foreign->revived);
	free(foreign->bare);
	if (foreign->watched)
		close(foreign->wake_fd);
	kt_abort(foreign->told);
	*foreign = (struct foreign){0};
}

/* ---- what is noticed ------------------------------------------------------------------------- */

static int foreign_watch(struct fs *fs)
{
	struct foreign *foreign = &fs->foreign;
	int err;

	foreign->bare = calloc(1, sizeof(*foreign->bare));
	if (foreign->bare == NULL)
		return -ENOMEM;
	foreign->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = foreign->wake_fd < 0 ? -errno : kt_begin(fs->store, KT_READ, &foreign->told);
	if (err) {
		if (foreign->wake_fd >= 0)
			close(foreign->wake_fd);
		free(foreign->bare);
		foreign->bare = NULL;
		return err;
	}
	foreign->noticed = foreign->done = kt_txn_id(foreign->told);
	foreign->told_ms = flusher_clock_ms();
	foreign->watched = true;
	return 0;
}

int fs_watch(struct fs *fs, int *ret_fd)
{
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	if (!fs->foreign.watched)
		err = foreign_watch(fs);
	if (!err && ret_fd != NULL)
		*ret_fd = fs->foreign.wake_fd;
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* Too much has happened: all is to be told. */
static void foreign_give_up(struct foreign *foreign)
{
	kt_abort(foreign->told);
	foreign->told = NULL;
}

static bool foreign_is_old(const struct foreign *foreign)
{
	return flusher_clock_ms() - foreign->told_ms > FOREIGN_PIN_MS;
}

int foreign_notice(struct fs *fs, struct kt_txn *txn, uint64_t commit)
{
	struct foreign *foreign = &fs->foreign;
	int err = 0;

	if (!foreign->watched)
		return 0;
	if (commit != foreign->noticed)
		err = conflict_check_all(fs, txn);
	if (err)
		return err;
	foreign->noticed = commit;
	if (foreign->told != NULL && kt_txn_id(foreign->told) == commit)
		return 0;
	foreign->behind = true;
	if (foreign->told != NULL && foreign_is_old(foreign))
		foreign_give_up(foreign);
	return 0;
}

/* Has nothing of others happened since the last commit that was told? */
static bool foreign_is_done(const struct foreign *foreign)
{
	return foreign->told != NULL && !foreign->behind && !foreign->telling &&
	       !doubts_any(&foreign->doubts);
}

/* A change that turns out to change nothing makes no commit: only a reader that moves with it knows.
 */
int foreign_commit(struct fs *fs, struct kt_txn *txn)
{
	struct foreign *foreign = &fs->foreign;
	uint64_t commit = kt_txn_id(txn);
	struct kt_txn *own = NULL;
	int err = 0;

	if (!foreign->watched)
		return kt_commit(txn, 0);
	if (foreign->told != NULL && kt_txn_id(foreign->told) + 1 == commit) {
		err = kt_commit_to(txn, 0, foreign->told);
		if (!err) {
			foreign->noticed = kt_txn_id(foreign->told);
			foreign->told_ms = flusher_clock_ms();
		}
	} else {
		err = kt_begin(fs->store, KT_READ, &own);
		if (err)
			kt_abort(txn);
		else
			err = kt_commit_to(txn, 0, own);
		if (!err)
			foreign->noticed = kt_txn_id(own);
		kt_abort(own);
	}
	if (foreign_is_done(foreign))
		foreign->done = kt_txn_id(foreign->told);
	return err;
}

bool foreign_is_pending(const struct fs *fs)
{
	const struct foreign *foreign = &fs->foreign;

	return foreign->watched && (foreign->behind || foreign->telling || foreign->told == NULL);
}

bool foreign_is_told(const struct fs *fs, const struct kt_txn *txn)
{
	const struct foreign *foreign = &fs->foreign;

	return !foreign->watched || (!foreign_is_pending(fs) && !doubts_any(&foreign->doubts) &&
					    kt_txn_id(txn) == kt_txn_id(foreign->told));
}

/* ---- what is in doubt ------------------------------------------------------------------------ */

static void foreign_doubt(struct fs *fs, struct inode *node, enum doubt what)
{
	struct foreign *foreign = &fs->foreign;

	if (foreign->told != NULL && !doubts_add(&foreign->doubts, node, what))
		foreign_give_up(foreign);
}

static void foreign_name_bare(struct fs *fs, uint64_t directory, const char *name)
{
	struct foreign *foreign = &fs->foreign;

	bare_names_add(foreign->bare, directory, name);
	if (foreign_is_pending(fs) && foreign->told != NULL &&
		!doubts_add_name(&foreign->doubts, directory, name))
		foreign_give_up(foreign);
}

void foreign_shown(struct fs *fs, struct inode *node)
{
	if (fs->foreign.behind)
		foreign_doubt(fs, node, DOUBT_NODE);
}

void foreign_name_shown(struct fs *fs, const struct place *place)
{
	char name[NAMES_MAX + 1];
	struct place directory = *place;
	const struct inode *value_of;

	if (!fs->foreign.watched || place->parent == NULL)
		return;
	tell_nodes_name(fs, place, name);
	foreign_name_bare(fs, place->parent->number, name);
	directory.kind = INODE_DIR;
	value_of = inodes_find(&fs->nodes, &directory);
	if (value_of != NULL)
		foreign_name_bare(fs, value_of->number, "%value");
}

void foreign_name_missing(struct fs *fs, uint64_t directory, const char *name)
{
	if (fs->foreign.watched)
		foreign_name_bare(fs, directory, name);
}

void foreign_moving(struct fs *fs, struct inode *node, const struct place *to)
{
	/* the caller may not know yet that another node has the name */
	if (node == NULL || node->shared != 0 || foreign_is_pending(fs))
		foreign_name_shown(fs, to);
	if (node != NULL && foreign_is_pending(fs))
		foreign_doubt(fs, node, node->kind == INODE_FILE ? DOUBT_NODE : DOUBT_BELOW);
}

void foreign_leaving(struct fs *fs, struct inode *node)
{
	if (foreign_is_pending(fs))
		foreign_doubt(fs, node, DOUBT_NODE);
}

int foreign_reviving(struct fs *fs, const struct inode *directory)
{
	const struct inode *node = directory;
	struct foreign_revived *revived;
	int err;

	while (node != NULL && !node->gone)
		node = node->parent;
	if (node == NULL || !fs->foreign.watched)
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

/* ---- telling --------------------------------------------------------------------------------- */

/* What is to be told next. */
struct job {
	struct kt_txn *from, *to; /* NULL: nothing is to be compared */
	bool all;
	uint64_t commit; /* up to which all is told by this */
	struct doubts doubts;
	struct foreign_revived *revived;
};

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

/* Take what is to be told, with the last commit. The lock is held. */
static int foreign_take_last(struct fs *fs, struct job *job)
{
	struct foreign *foreign = &fs->foreign;
	struct kt_txn *told;
	int err = foreign_begin_both(fs->store, &job->to, &told);

	if (err)
		return err;
	job->commit = kt_txn_id(told);
	if (job->commit != foreign->noticed)
		err = conflict_check_all(fs, job->to);
	if (err) {
		kt_abort(job->to);
		kt_abort(told);
		return err;
	}
	foreign->noticed = job->commit;
	job->from = foreign->told;
	job->all = foreign->told == NULL;
	if (!job->all && kt_txn_id(job->from) == job->commit) {
		kt_abort(job->from);
		kt_abort(job->to);
		job->from = job->to = NULL;
	}
	foreign->told = told;
	foreign->told_ms = flusher_clock_ms();
	doubts_take(&foreign->doubts, &fs->nodes, &job->doubts);
	job->revived = foreign->revived;
	foreign->revived = NULL;
	foreign->behind = false;
	foreign->telling = true;
	return 0;
}

/* @return whether anything is to be told */
static bool foreign_take(struct fs *fs, struct job *ret_job, int *ret_err)
{
	struct foreign *foreign = &fs->foreign;
	bool any = false;

	*ret_job = (struct job){.from = NULL};
	*ret_err = 0;
	pthread_mutex_lock(&fs->lock);
	if (foreign->watched)
		*ret_err = foreign_take_last(fs, ret_job);
	if (foreign->watched && !*ret_err) {
		any = ret_job->all || ret_job->from != NULL || ret_job->revived != NULL ||
		      doubts_any(&ret_job->doubts);
		foreign->telling = any;
		if (!any)
			foreign->done = ret_job->commit;
	}
	pthread_mutex_unlock(&fs->lock);
	return any;
}

/* The job is done. */
static void foreign_told(struct fs *fs, struct job *job)
{
	struct foreign *foreign = &fs->foreign;

	pthread_mutex_lock(&fs->lock);
	doubts_end(&job->doubts, &fs->nodes);
	foreign->telling = false;
	foreign->done = foreign_is_done(foreign) ? kt_txn_id(foreign->told) : job->commit;
	pthread_mutex_unlock(&fs->lock);
	free_revived(job->revived);
}

/* A pin must not grow old while the caller is told; but if nobody else commits, it is none. */
static void foreign_check_pin(struct fs *fs, int64_t *checked_ms)
{
	struct foreign *foreign = &fs->foreign;
	struct kt_txn *last = NULL;

	if (flusher_clock_ms() - *checked_ms < FOREIGN_PIN_MS / 4)
		return;
	*checked_ms = flusher_clock_ms();
	pthread_mutex_lock(&fs->lock);
	if (foreign->told != NULL && foreign_is_old(foreign)) {
		if (kt_begin(fs->store, KT_READ, &last) == 0 &&
			kt_txn_id(last) == kt_txn_id(foreign->told))
			foreign->told_ms = flusher_clock_ms();
		else
			foreign_give_up(foreign);
		kt_abort(last);
	}
	pthread_mutex_unlock(&fs->lock);
}

/* The caller is told through this. */
struct teller {
	struct fs *fs;
	int64_t checked_ms; /* when the pin was looked at */
	fs_invalidate_fn *invalidate;
	void *arg;
};

static void foreign_tell(void *arg, const struct fs_invalidation *notice)
{
	struct teller *teller = arg;

	if (atomic_load(&teller->fs->foreign.stop))
		return;
	foreign_check_pin(teller->fs, &teller->checked_ms);
	teller->invalidate(teller->arg, notice);
}

static void foreign_tell_notices(const struct notices *notices, struct teller *teller)
{
	struct fs_invalidation notice;
	size_t at = 0;

	while (notices_next(notices, &at, &notice) && !atomic_load(&teller->fs->foreign.stop))
		foreign_tell(teller, &notice);
}

static void foreign_collect(void *arg, const struct fs_invalidation *notice)
{
	notices_add(arg, notice);
}

static void foreign_tell_job(struct job *job, struct teller *teller)
{
	struct notices notices = {.used = 0};
	struct fs *fs = teller->fs;

	if (!job->all && job->from != NULL)
		job->all = invalidate_diff(fs, job->from, job->to, &notices) != 0;
	kt_abort(job->from);
	kt_abort(job->to);
	if (!job->all)
		tell_nodes_in_doubt(fs, &job->doubts, foreign_collect, &notices);
	job->all = job->all || notices.full;
	if (!job->all) {
		foreign_tell_notices(&notices, teller);
		for (struct foreign_revived *r = job->revived; r != NULL && !job->all; r = r->next)
			job->all = invalidate_revived(fs, &r->key, foreign_tell, teller) != 0;
	}
	if (job->all)
		tell_nodes_all(fs, foreign_tell, teller);
	notices_fini(&notices);
}

/* Is there more to be told that no commit announces? Then the caller is to come again. */
static void foreign_announce(struct fs *fs)
{
	const struct foreign *foreign = &fs->foreign;
	bool more;

	pthread_mutex_lock(&fs->lock);
	more = foreign->watched &&
	       (foreign->told == NULL || foreign->revived != NULL || doubts_any(&foreign->doubts));
	if (more)
		event_signal(foreign->wake_fd);
	pthread_mutex_unlock(&fs->lock);
}

int fs_invalidate(struct fs *fs, fs_invalidate_fn *invalidate, void *arg)
{
	struct teller teller = {fs, flusher_clock_ms(), invalidate, arg};
	struct job job;
	uint64_t count;
	bool watched;
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	watched = fs->foreign.watched;
	pthread_mutex_unlock(&fs->lock);
	if (watched && read(fs->foreign.wake_fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
	for (int i = 0; i < ROUNDS_MAX && !atomic_load(&fs->foreign.stop); i++) {
		if (!foreign_take(fs, &job, &err))
			return err;
		foreign_tell_job(&job, &teller);
		foreign_told(fs, &job);
	}
	foreign_announce(fs);
	return 0;
}

void fs_invalidate_stop(struct fs *fs)
{
	atomic_store(&fs->foreign.stop, true);
}

uint64_t fs_told(struct fs *fs)
{
	uint64_t commit;

	pthread_mutex_lock(&fs->lock);
	commit = fs->foreign.done;
	pthread_mutex_unlock(&fs->lock);
	return commit;
}
