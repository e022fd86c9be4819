/* kt_backup(): a commit as a store of its own, while others write.
 *
 * The read transaction pins the commit, so nothing that it reaches changes meanwhile (I1, I2). What
 * it reaches is found first, then the file is written once from its beginning to its end:
 *
 *     header, slot | pages at their places ... hole ... pages ... log pages ... pages
 *
 * Each page is verified as it is copied. Its place stays, since references tell it, and so does the
 * id, since it is the seed of all checksums. The free-space log is a new one: whatever is not
 * reached is free in the copy.
 */
#include "store/error.h"
#include "store/io/io.h"
#include "store/io/io_stream.h"
#include "store/copy/reachable.h"
#include "store/share/lockarea.h"
#include "store/slot/slot.h"
#include "store/space/space.h"
#include "store/space/space_log.h"
#include "store/commit/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART_PAGES 256 /* copied at once: 1 MiB */

/* The copy is brought to the disk as it is written, up to so many bytes behind: else a flush of the
 * store would wait for gigabytes of it. */
#define BEHIND (UINT64_C(8) << 20)

struct backup {
	struct kt_txn *handle;
	struct txn *txn;
	const char *name; /* of the copy */
	bool replace;	  /* a store of that name */
	int failed;	  /* why the copy could not be made; 0: a failure is one of its path */
	struct io *held;  /* that store: nobody opens it until the copy has its name */
	kt_backup_fn *progress;
	void *arg;
	struct reachable reachable;
	struct space *space; /* of the copy */
	struct space_log_delta log;
	struct io *to;
	uint64_t copied;       /* pages */
	uint64_t written_back; /* offset in the copy up to which it is on the disk, or nearly */
	uint8_t *buf;
};

static int backup_tell(struct backup *backup, uint64_t total)
{
	if (backup->progress == NULL)
		return 0;
	return backup->progress(backup->arg, backup->copied * PAGE_SIZE, total * PAGE_SIZE);
}

static int backup_tell_walking(void *arg)
{
	return backup_tell(arg, 0);
}

/* ---- free space ------------------------------------------------------------------------------ */

/* Take all pages of the copy, up to the last one that is reached. */
static int backup_take_all(struct backup *backup, uint64_t end)
{
	for (uint64_t taken = PAGE_FIRST; taken < end;) {
		struct run run;
		int err = space_alloc(backup->space, end - taken, &run);

		if (err != 0)
			return err;
		taken += run.count;
	}
	return 0;
}

/* Give those back that are not reached. */
static int backup_give_back(struct backup *backup, uint64_t end)
{
	uint64_t page = PAGE_FIRST;

	while (page < end) {
		struct run run = {page, 0};
		int err = 0;

		while (page < end && !reachable_has(&backup->reachable, page)) {
			run.count++;
			page++;
		}
		if (run.count > 0)
			err = space_release(backup->space, run, backup->txn->number);
		if (err != 0)
			return err;
		while (page < end && reachable_has(&backup->reachable, page))
			page++;
	}
	return 0;
}

/* Make the log of a store whose first commit took the pages that are reached. */
static int backup_make_log(struct backup *backup)
{
	static const uint8_t tail[SLOT_TAIL];
	static const struct format_space none;
	uint64_t txn = backup->txn->number;
	uint64_t end = backup->reachable.page_count;
	struct space_log_source source = {
		.txn = txn - 1, .page_count = PAGE_FIRST, .space = &none, .tail = tail};
	int err;

	backup->log = (struct space_log_delta){.tail = tail, .page_count = PAGE_FIRST};
	if (txn == 1) /* of a store that was never written to */
		return 0;
	while (end > PAGE_FIRST && !reachable_has(&backup->reachable, end - 1))
		end--;
	err = space_log_load(&source, &backup->space);
	if (err != 0)
		return err;
	space_begin(backup->space, txn, &(struct space_bounds){.slot_txn = txn - 1});
	err = backup_take_all(backup, end);
	if (!err)
		err = backup_give_back(backup, end);
	return err != 0 ? err
			: space_log_prepare(backup->space, backup->txn->pager.seed, &backup->log);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int backup_put_pages(struct backup *backup, uint64_t page, const void *data, uint64_t count)
{
	struct iovec part = {(void *)data, count * PAGE_SIZE};
	uint64_t end = (page + count) * PAGE_SIZE;
	int err = io_write(backup->to, page * PAGE_SIZE, &part, 1);

	if (!err && end >= backup->written_back + 2 * BEHIND) {
		io_write_back(backup->to, backup->written_back, BEHIND);
		backup->written_back = end - BEHIND;
	}
	return err != 0 ? error_set(err, "writing the copy %s", backup->name) : 0;
}

static int backup_put_head(struct backup *backup)
{
	const struct txn *txn = backup->txn;
	struct format_slot slot = {.txn = txn->number,
		.durable_txn = txn->number,
		.time_ns = txn->time_ns,
		.page_count = backup->log.page_count,
		.next_id = txn->root->next_id,
		.space = backup->log.space};
	int err;

	memcpy(slot.trees, backup->reachable.trees, sizeof(slot.trees));
	memcpy(slot.tail, backup->log.tail, sizeof(slot.tail));
	err = slot_format(backup->to, txn->store->id, &slot);
	return err != 0 ? error_set(err, "writing the copy %s", backup->name) : 0;
}

/* Copy pages in a row. */
static int backup_copy_run(struct backup *backup, uint64_t first, uint64_t count)
{
	int err =
		io_read(backup->txn->store->io, first * PAGE_SIZE, backup->buf, count * PAGE_SIZE);

	for (uint64_t i = 0; !err && i < count; i++)
		err = reachable_verify(&backup->reachable, first + i, backup->buf + i * PAGE_SIZE);
	if (!err)
		err = backup_put_pages(backup, first, backup->buf, count);
	backup->copied += count;
	return err != 0 ? err : backup_tell(backup, backup->reachable.pages);
}

/* Copy what was reached from one page to another. */
static int backup_copy_between(struct backup *backup, uint64_t from, uint64_t to)
{
	int err = 0;

	if (to > backup->reachable.page_count)
		to = backup->reachable.page_count;
	while (!err && from < to) {
		uint64_t end = from;

		while (end < to && end - from < PART_PAGES &&
			reachable_has(&backup->reachable, end))
			end++;
		if (end > from)
			err = backup_copy_run(backup, from, end - from);
		from = end > from ? end : from + 1;
	}
	return err;
}

/* All pages in ascending order, those of the log among them. */
static int backup_put_all(struct backup *backup)
{
	uint64_t page = PAGE_FIRST;
	int err = backup_put_head(backup);

	for (size_t i = 0; !err && i < backup->log.count; i++) {
		uint64_t place = ref_page(backup->log.pages[i].ref);

		err = backup_copy_between(backup, page, place);
		if (!err)
			err = backup_put_pages(backup, place, backup->log.pages[i].data, 1);
		page = place + 1;
	}
	return err != 0 ? err : backup_copy_between(backup, page, backup->log.page_count);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int backup_check_source(const struct txn *txn)
{
	uint8_t id[16];
	bool unknown;
	int err;

	if (txn->writing)
		return error_say(-EINVAL, "a write transaction cannot be copied");
	err = slot_read_header(txn->store->io, id, &unknown);
	if (!err && unknown)
		err = error_set(-ENOTSUP, "the store has features that cannot be copied");
	return err;
}

/* Only another store may be replaced, one that nobody uses: not the one that is copied. The store
 * cannot be opened for writing until ret_old is closed.
 * @param ret_old  NULL: there is no file of that name */
static int backup_hold_target(const struct backup *backup, struct io **ret_old)
{
	uint8_t id[16];
	struct io *old;
	bool unknown;
	int err = io_file_open(backup->name, true, &old);

	*ret_old = NULL;
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	err = slot_read_header(old, id, &unknown);
	if (err == -EUCLEAN) /* a damaged one may go */
		err = 0;
	if (!err && io_is_at(backup->txn->store->io, backup->name))
		err = error_set(-EBUSY, "%s is the store itself", backup->name);
	if (!err)
		err = lockarea_hold(old);
	if (!err)
		*ret_old = old;
	else
		io_close(old);
	return err;
}

static int backup_check_target(const struct backup *backup)
{
	struct io *old;
	int err = backup_hold_target(backup, &old);

	io_close(old);
	return err;
}

static int backup_fill(void *arg, struct io *io)
{
	struct backup *backup = arg;
	int err = reachable_walk(backup->handle, backup_tell_walking, backup, &backup->reachable);

	backup->to = io;
	if (!err)
		err = backup_make_log(backup);
	if (!err)
		err = backup_tell(backup, backup->reachable.pages);
	if (!err) {
		backup->buf = malloc(PART_PAGES * PAGE_SIZE);
		err = backup->buf == NULL ? -ENOMEM : backup_put_all(backup);
	}
	/* Another process may have opened the target during the copy. Those who open it from now on
	 * wait until the copy has taken its name, which is soon: the copy is on the disk. */
	if (!err && backup->replace)
		err = io_sync(io);
	if (!err && backup->replace)
		err = backup_hold_target(backup, &backup->held);
	free(backup->buf);
	space_close(backup->space);
	reachable_fini(&backup->reachable);
	backup->failed = err;
	return err;
}

int kt_backup(
	struct kt_txn *txn, const char *path, unsigned flags, kt_backup_fn *progress, void *arg)
{
	struct backup backup = {
		.handle = txn, .txn = txn->txn, .name = path, .progress = progress, .arg = arg};
	struct io *io = NULL;
	int err;

	error_clear();
	err = error_unknown_flags(flags, KT_BACKUP_REPLACE);
	if (!err)
		err = backup_check_source(txn->txn);
	if (err)
		return err;
	backup.replace = (flags & KT_BACKUP_REPLACE) != 0;
	if (backup.replace)
		err = backup_check_target(&backup);
	if (!err)
		err = (backup.replace ? io_file_replace : io_file_create)(
			path, 0600, backup_fill, &backup, &io);
	if (!err)
		io_close(io);
	io_close(backup.held);
	return err && !backup.failed ? error_path(err, path) : err;
}

int kt_backup_fd(struct kt_txn *txn, int fd, kt_backup_fn *progress, void *arg)
{
	struct backup backup = {.handle = txn,
		.txn = txn->txn,
		.name = "through a descriptor",
		.progress = progress,
		.arg = arg};
	struct io *io;
	int err;

	error_clear();
	err = backup_check_source(txn->txn);
	if (!err)
		err = io_stream_open(fd, &io);
	if (err != 0)
		return err;
	err = backup_fill(&backup, io);
	io_close(io);
	return err;
}
