/* Opening and closing stores. */
#include "store.h"

#include "error.h"
#include "io.h"
#include "space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* Address space for the map: enough that growth never moves it. */
#define MAP_MOST ((PAGE_MAX + 1) * PAGE_SIZE)

static int new_store(const char *kind, const char *name, struct kt_store **ret_store)
{
	struct kt_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return -ENOMEM;
	pthread_mutex_init(&store->turn_mutex, NULL);
	pthread_cond_init(&store->turn_free, NULL);
	store->seen = calloc(1, sizeof(*store->seen));
	if (asprintf(&store->name, "%s:%s", kind, name) < 0)
		store->name = NULL;
	*ret_store = store;
	return store->name != NULL && store->seen != NULL ? 0 : -ENOMEM;
}

static void free_store(struct kt_store *store)
{
	struct root *root = atomic_load(&store->root);

	while (store->replaced != NULL) {
		struct root *older = store->replaced->older;

		free(store->replaced);
		store->replaced = older;
	}
	free(root);
	space_close(store->space);
	reader_fini(store);
	io_close(store->io);
	for (size_t i = 0; store->seen != NULL && i < SEEN_CHUNKS; i++)
		free((void *)atomic_load_explicit(&store->seen->chunks[i], memory_order_relaxed));
	free(store->seen);
	free(store->scratch);
	free(store->name);
	pthread_cond_destroy(&store->turn_free);
	pthread_mutex_destroy(&store->turn_mutex);
	free(store);
}

int store_format(struct io *io)
{
	uint8_t id[16];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -errno;
	return slot_format(io, id);
}

/* First content of a new file, and the lock before anybody else can see it. */
static int fill_new(void *arg, struct io *io)
{
	int err = store_format(io);

	(void)arg;
	return err != 0 ? err : io_lock(io, true);
}

/* Map the file and take up its newest state. */
static int load(struct kt_store *store)
{
	struct slot_state state;
	struct root *root;
	const void *base;
	uint64_t size, mapped;
	bool readonly;
	int err = slot_read_header(store->io, store->id, &readonly);

	if (err == 0 && store->io->durable) {
		err = io_lock(store->io, !store->readonly);
		if (err == -EBUSY)
			error_set(err, "another process has it open");
	}
	if (err == 0)
		err = io_size(store->io, &size);
	if (err == 0) {
		/* A crash may leave part of a page at the end; what lies behind is not ours. */
		size = size < MAP_MOST ? size / PAGE_SIZE * PAGE_SIZE : MAP_MOST;
		err = io_map(store->io, size, MAP_MOST, &base, &mapped);
	}
	if (err != 0)
		return err;
	if (readonly)
		store->readonly = true;
	store->map = base;
	store->map_pages = mapped / PAGE_SIZE;
	store->seed = page_seed(store->id);
	slot_boot_id(store->boot_id);
	err = slot_recover(store->io, store->map, store->seed, &state);
	if (err != 0)
		return err;
	root = calloc(1, sizeof(*root));
	if (root == NULL)
		return -ENOMEM;
	root->txn = state.slot.txn;
	root->page_count = state.slot.page_count;
	root->next_id = state.slot.next_id;
	root->time_ns = state.slot.time_ns;
	memcpy(root->trees, state.slot.trees, sizeof(root->trees));
	store->slot = state.slot;
	store->durable_page = state.durable_page;
	store->slot_txn = state.durable_txn;
	store->opened_txn = state.durable_txn;
	store->witnessed_txn = state.witnessed_txn;
	store->proved = state.durable_txn == state.witnessed_txn;
	store->file_pages = state.file_pages;
	store->written.overflow = state.weak; /* what weak commits wrote is not known any more */
	atomic_store(&store->durable_txn, state.durable_txn);
	atomic_store(&store->root, root);
	return 0;
}

static int open_file(const char *path, unsigned flags, struct io **ret_io)
{
	bool readonly = (flags & KT_READONLY) != 0;
	int err = -ENOENT;

	if (!(flags & KT_EXCLUSIVE))
		err = io_file_open(path, readonly, ret_io);
	if (err != -ENOENT || !(flags & KT_CREATE) || readonly)
		return err;
	err = io_file_create(path, fill_new, NULL, ret_io);
	if (err == -EEXIST && !(flags & KT_EXCLUSIVE)) /* somebody was faster */
		err = io_file_open(path, readonly, ret_io);
	return err;
}

int store_open(struct io *io, const char *kind, const char *name, bool readonly,
	struct kt_store **ret_store)
{
	struct kt_store *store = NULL;
	int err = new_store(kind, name, &store);

	if (store == NULL) {
		io_close(io);
		return err;
	}
	store->io = io;
	store->readonly = readonly;
	if (err == 0)
		err = load(store);
	if (err != 0)
		free_store(store);
	else
		*ret_store = store;
	return err;
}

int kt_open(const char *path, unsigned flags, struct kt_store **ret_store)
{
	struct io *io;
	int err = open_file(path, flags, &io);

	return err != 0 ? err : store_open(io, "file", path, (flags & KT_READONLY) != 0, ret_store);
}

int kt_open_memory(const char *name, struct kt_store **ret_store)
{
	struct io *io = NULL;
	int err = io_memory_open(name, &io);

	if (err == 0)
		err = store_format(io);
	if (err != 0) {
		io_close(io);
		return err;
	}
	return store_open(io, "memory", name, false, ret_store);
}

int kt_close(struct kt_store *store)
{
	unsigned readers;
	int err;

	if (store == NULL)
		return 0;
	reader_oldest(store, &readers);
	if (readers > 0)
		return error_set(-EBUSY, "%u read transactions are open", readers);
	err = turn_take(store, true);
	if (err != 0)
		return error_set(-EBUSY, "a write transaction is open");
	if (!store->readonly)
		err = commit_flush(store);
	if (err == 0 && !store->readonly)
		commit_witness(store);
	turn_give(store);
	free_store(store);
	return err;
}

const char *kt_name(const struct kt_store *store)
{
	return store->name;
}

int kt_flush(struct kt_store *store)
{
	int err;

	if (store->readonly)
		return 0;
	err = turn_take(store, false);
	if (err != 0)
		return err;
	err = commit_flush(store);
	turn_give(store);
	return err;
}

int kt_info(struct kt_store *store, struct kt_info *info)
{
	struct root *root;
	struct pin *pin;
	unsigned readers;
	uint64_t oldest;
	int err = reader_pin(store, &pin, &root);

	if (err != 0)
		return err;
	memset(info, 0, sizeof(*info));
	info->txn = root->txn;
	info->durable_txn = atomic_load(&store->durable_txn);
	info->entries = root->trees[TREE_ENTRIES].entries;
	info->key_bytes = root->trees[TREE_ENTRIES].key_bytes;
	info->value_bytes = root->trees[TREE_ENTRIES].value_bytes;
	info->depth = root->trees[TREE_ENTRIES].depth;
	info->page_size = PAGE_SIZE;
	info->pages = root->page_count;
	reader_unpin(pin);
	oldest = reader_oldest(store, &readers);
	info->readers = readers;
	info->oldest_reader = oldest < info->txn ? oldest : info->txn;
	info->free_pages = atomic_load(&store->space_free);
	info->pending_pages = atomic_load(&store->space_pending);
	memcpy(info->id, store->id, sizeof(info->id));
	return io_statfs(store->io, &info->disk_free, &info->disk_size);
}
