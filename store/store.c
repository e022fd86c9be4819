/* Opening and closing stores. */
#include "store/store.h"

#include "store/check/prove.h"
#include "store/commit/autoflush.h"
#include "store/commit/commit.h"
#include "store/commit/full_disk.h"
#include "store/compact/compact.h"
#include "store/entry/nameless.h"
#include "store/error.h"
#include "store/history/reclaim.h"
#include "store/history/snapshot.h"
#include "store/io/io.h"
#include "store/share/current.h"
#include "store/share/pins.h"
#include "store/share/writer_lock.h"
#include "store/space/space.h"
#include "store/util/deadline.h"
#include "store/util/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* Snapshots and dropped trees are layers above commits. */
static const struct commit_hooks hooks = {
	.newest_snapshot = snapshot_newest,
	.free_dropped = reclaim_step,
	.record_dead = snapshot_store_dead,
};

static uint64_t spill_pages(void)
{
	uint64_t part = memory_limit() / PAGE_SIZE / SPILL_PART;

	return part < SPILL_PAGES ? part : SPILL_PAGES;
}

static int new_store(const char *kind, const char *name, struct kt_store **ret_store)
{
	struct kt_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return -ENOMEM;
	atomic_store(&store->max_pages, PAGE_MAX);
	atomic_store(&store->max_with_reserve, PAGE_MAX);
	store->hooks = &hooks;
	store->prove = prove_commit;
	store->spill_pages = spill_pages();
	pthread_mutex_init(&store->writer_mutex, NULL);
	deadline_cond_init(&store->writer_free);
	store->write_wait_ms = WRITER_LOCK_WAIT;
	pthread_mutex_init(&store->root_mutex, NULL);
	store->seen = calloc(1, sizeof(*store->seen));
	if (asprintf(&store->name, "%s%s%s", kind, *kind != '\0' ? ":" : "", name) < 0)
		store->name = NULL;
	*ret_store = store;
	return store->name != NULL && store->seen != NULL ? 0 : -ENOMEM;
}

static void free_store(struct kt_store *store)
{
	autoflush_stop(store->autoflush);
	current_fini(store);
	space_close(store->space);
	/* In the child of a fork the opener is the parent's. */
	if (store->area != NULL && !io_forked(store->io))
		lockarea_leave(store);
	io_close(store->io);
	for (size_t i = 0; store->seen != NULL && i < SEEN_CHUNKS; i++)
		free((void *)atomic_load_explicit(&store->seen->chunks[i], memory_order_relaxed));
	for (size_t i = 0; i < LOCKAREA_PINS; i++)
		free(store->read_txns[i]);
	free(store->seen);
	free(store->scratch);
	free(store->name);
	pthread_mutex_destroy(&store->root_mutex);
	pthread_cond_destroy(&store->writer_free);
	pthread_mutex_destroy(&store->writer_mutex);
	free(store);
}

int store_format(struct io *io)
{
	uint8_t id[16];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -errno;
	return slot_format(io, id, NULL);
}

/* Write the first content of a new file. */
static int fill_new(void *arg, struct io *io)
{
	const struct kt_open_options *options = arg;
	int err = options->flags & KT_ANY_FS ? 0 : io_check_coherent(io);

	return err ? err : store_format(io);
}

/* Map the file and load its newest commit. */
static int load(struct kt_store *store, bool alone)
{
	bool readonly;
	int err = slot_read_header(store->io, store->id, &readonly);

	if (err != 0)
		return err;
	if (readonly)
		store->readonly = true;
	store->seed = page_seed(store->id);
	slot_boot_id(store->boot_id);
	return current_open(store, alone);
}

static int open_file(const char *path, const struct kt_open_options *options, struct io **ret_io)
{
	unsigned flags = options->flags;
	bool readonly = (flags & KT_READONLY) != 0;
	int err = -ENOENT;

	if (!(flags & KT_EXCLUSIVE))
		err = io_file_open(path, readonly, ret_io);
	if (err != -ENOENT || !(flags & KT_CREATE) || readonly)
		return err;
	err = io_file_create(path, options->mode, fill_new, (void *)options, ret_io);
	if (err == -EEXIST && !(flags & KT_EXCLUSIVE)) /* another process was faster */
		err = io_file_open(path, readonly, ret_io);
	return err;
}

int store_open(struct io *io, const char *kind, const char *name, unsigned flags,
	struct kt_store **ret_store)
{
	static const _Atomic char no_mark = 1;
	struct kt_store *store = NULL;
	int err = new_store(kind, name, &store);

	if (store == NULL) {
		io_close(io);
		return err;
	}
	store->io = io;
	store->not_forked = io->not_forked != NULL ? io->not_forked : &no_mark;
	store->readonly = (flags & KT_READONLY) != 0;
	if (!err)
		err = load(store, (flags & KT_ALONE) != 0);
	if (err != 0) {
		free_store(store);
		return err;
	}
	/* An error is ignored: the next opening tries again. */
	if (!store->readonly)
		nameless_drop_dead(store);
	*ret_store = store;
	return 0;
}

/* Options of the first version that had them: a caller has at least these. */
#define OPTIONS_SIZE_MIN 32

_Static_assert(sizeof(void *) != 8 || sizeof(struct kt_open_options) >= OPTIONS_SIZE_MIN,
	"options only grow");

/* Take the options that this version knows. What a newer caller adds to them must be zero. */
static int read_options(const struct kt_open_options *options, struct kt_open_options *ret_options)
{
	const uint8_t *bytes = (const uint8_t *)options;
	size_t known = sizeof(*ret_options);

	*ret_options = (struct kt_open_options){.size = known};
	if (options != NULL && options->size < OPTIONS_SIZE_MIN)
		return error_set(-EINVAL, "kt_open_options.size is not set; use KT_OPTIONS()");
	for (size_t i = known; options != NULL && i < options->size; i++)
		if (bytes[i] != 0)
			return error_set(
				-EINVAL, "the options are those of a newer version of the library");
	if (options != NULL)
		memcpy(ret_options, options, options->size < known ? options->size : known);
	if (ret_options->mode == 0)
		ret_options->mode = 0600;
	if (ret_options->write_wait_ms > INT_MAX || ret_options->flush_interval_ms > INT_MAX)
		return error_set(-EINVAL, "a time is longer than %d ms", INT_MAX);
	if (ret_options->mode & ~0777u)
		return error_set(
			-EINVAL, "mode 0%o has more than permission bits", ret_options->mode);
	return error_unknown_flags(
		ret_options->flags, KT_CREATE | KT_EXCLUSIVE | KT_READONLY | KT_ALONE | KT_ANY_FS);
}

static int open_path(
	const char *path, const struct kt_open_options *options, struct kt_store **ret_store)
{
	bool named = options->name != NULL;
	struct io *io;
	int err = open_file(path, options, &io);

	if (!err && !(options->flags & KT_ANY_FS)) {
		err = io_check_coherent(io);
		if (err)
			io_close(io);
	}
	return err != 0 ? err
			: store_open(io, named ? "" : "file", named ? options->name : path,
				  options->flags, ret_store);
}

/* A file may be replaced while it is opened: then the one that has the name now is opened. */
#define OPEN_TRIES 3

int kt_open(const char *path, const struct kt_open_options *options, struct kt_store **ret_store)
{
	struct kt_open_options known;
	struct kt_store *store;
	int err;

	error_clear();
	err = read_options(options, &known);
	if (!err)
		err = open_path(path, &known, &store);
	for (unsigned tries = 1; err == -ESTALE && tries < OPEN_TRIES; tries++)
		err = open_path(path, &known, &store);
	if (err != 0)
		return error_path(err, path);
	if (known.write_wait_ms > 0)
		store->write_wait_ms = (int)known.write_wait_ms;
	if (known.max_size != 0)
		err = kt_set_max_size(store, known.max_size);
	if (!err && known.flush_interval_ms > 0 && !store->readonly)
		err = autoflush_start(store, known.flush_interval_ms, &store->autoflush);
	if (err != 0)
		kt_close(store);
	else
		*ret_store = store;
	return err;
}

int kt_open_memory(const char *name, struct kt_store **ret_store)
{
	struct io *io = NULL;
	int err = io_memory_open(name, &io);

	if (!err)
		err = store_format(io);
	if (err != 0) {
		io_close(io);
		return err;
	}
	return store_open(io, "memory", name, 0, ret_store);
}

/* Flush what this handle has committed. */
static int flush_own(struct kt_store *store)
{
	uint64_t own = atomic_load(&store->own_txn);
	bool early;
	int err;

	if (own == 0)
		return 0;
	err = writer_lock_take(store, WRITER_LOCK_WAIT);
	if (err != 0)
		return err;
	err = commit_flush(store);
	if (!err && atomic_load(&store->area->shrink_txn) != 0)
		err = commit_trim(store, &early);
	if (!err)
		commit_confirm(store);
	writer_lock_release(store);
	return err;
}

int kt_close(struct kt_store *store)
{
	struct readers here;
	int err;

	if (store == NULL)
		return 0;
	if (io_forked(store->io)) {
		free_store(store);
		return 0;
	}
	pins_readers_here(store, &here);
	if (here.count > 0)
		return error_set(-EBUSY, "%u read transactions are open", here.count);
	if (writer_lock_is_held(store))
		return error_set(-EBUSY, "a write transaction is open");
	autoflush_stop(store->autoflush);
	store->autoflush = NULL;
	nameless_drop_own(store); /* entries that remain are dropped at the next opening */
	err = flush_own(store);
	free_store(store);
	return err;
}

const char *kt_name(const struct kt_store *store)
{
	return store->name;
}

int kt_flush(struct kt_store *store)
{
	error_clear();
	if (store->readonly)
		return error_say(-EROFS, "opened for reading only");
	return commit_flush_waiting(store);
}

int kt_set_max_size(struct kt_store *store, uint64_t bytes)
{
	uint64_t pages = bytes == 0 || bytes / PAGE_SIZE > PAGE_MAX ? PAGE_MAX : bytes / PAGE_SIZE;
	struct root *root;
	struct pin *pin;
	uint64_t now;
	int err = pin_take(store, &pin, &root);

	if (err != 0)
		return err;
	now = root->page_count + RESERVE_PAGES;
	pin_release(store, pin);
	atomic_store(&store->max_pages, pages);
	atomic_store(&store->max_with_reserve, pages > now ? pages : now);
	return 0;
}

/* Free pages up to SLACK_PAGES do not count as fragmentation: compaction leaves them. */
static void info_space(struct kt_store_info *info, uint64_t free_pages, uint64_t pending_pages)
{
	uint64_t empty;

	/* The slot may be damaged. */
	if (free_pages <= info->pages && pending_pages <= info->pages - free_pages) {
		info->free_pages = free_pages;
		info->pending_pages = pending_pages;
	}
	empty = info->free_pages + info->pending_pages;
	if (empty > SLACK_PAGES)
		info->fragmentation = (double)(empty - SLACK_PAGES) / (double)info->pages;
}

/* A size limit bounds the disk size and room that are reported. */
static void info_limit(struct kt_store *store, struct kt_store_info *info)
{
	uint64_t limit = atomic_load(&store->max_pages);
	uint64_t room = limit > info->pages ? (limit - info->pages) * PAGE_SIZE : 0;

	if (limit == PAGE_MAX)
		return;
	info->max_size = limit * PAGE_SIZE;
	info->disk_free = info->disk_free < room ? info->disk_free : room;
	info->disk_size = info->disk_size < info->max_size ? info->disk_size : info->max_size;
}

static int store_info(struct kt_store *store, struct kt_store_info *info)
{
	struct root *root;
	struct pin *pin;
	struct readers readers;
	uint64_t free_pages, pending_pages;
	int err = pin_take(store, &pin, &root);

	if (err != 0)
		return err;
	memset(info, 0, sizeof(*info));
	info->txn = root->txn;
	info->durable_txn = atomic_load(&store->area->durable_txn);
	info->entries = root->trees[TREE_ENTRIES].entries;
	info->key_bytes = root->trees[TREE_ENTRIES].key_bytes;
	info->value_bytes =
		root->trees[TREE_ENTRIES].value_bytes + root->trees[TREE_SHARED].value_bytes;
	info->depth = root->trees[TREE_ENTRIES].depth;
	info->page_size = PAGE_SIZE;
	info->pages = root->page_count;
	free_pages = root->free_pages;
	pending_pages = root->pending_pages;
	pin_release(store, pin);
	pins_readers(store, &readers);
	info->readers = readers.count;
	info->oldest_reader = readers.oldest < info->txn ? readers.oldest : info->txn;
	info->oldest_reader_pid = readers.oldest < info->txn ? readers.pid : 0;
	info_space(info, free_pages, pending_pages);
	memcpy(info->id, store->id, sizeof(info->id));
	info->persistent = store->io->durable;
	err = io_statfs(store->io, &info->disk_free, &info->disk_size);
	if (!err)
		info_limit(store, info);
	return err;
}

int kt_info_sized(struct kt_store *store, struct kt_store_info *ret_info, size_t info_size)
{
	struct kt_store_info info;
	int err = store_info(store, &info);

	if (err != 0)
		return err;
	if (info_size > sizeof(info))
		memset((char *)ret_info + sizeof(info), 0, info_size - sizeof(info));
	memcpy(ret_info, &info, info_size < sizeof(info) ? info_size : sizeof(info));
	return 0;
}

const char *kt_version(void)
{
	return KT_VERSION;
}
