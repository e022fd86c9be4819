#include "store/share/current.h"

#include "store/error.h"
#include "store/io/io.h"
#include "store/share/pins.h"
#include "store/share/step.h"
#include "store/tree/pager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Address space for the map: enough that growth never moves it. */
#define MAP_MOST ((PAGE_MAX + 1) * PAGE_SIZE)

/* Tries to read the slot of the published commit before it is reported as damaged. A try fails
 * while a writer overwrites the slot. */
#define TRIES_MAX 100000

static uint64_t current_txn(const struct kt_store *store)
{
	return published_txn(atomic_load(&store->area->published));
}

/* ---- roots ----------------------------------------------------------------------------------- */

static int root_new(
	const struct kt_store *store, const struct format_slot *slot, struct root **ret_root)
{
	struct root *root;

	if (slot->page_count > store->map_pages)
		return error_set(-ENOMEM, "too little address space to map the store");
	root = calloc(1, sizeof(*root));
	if (root == NULL)
		return -ENOMEM;
	root->txn = slot->txn;
	root->published = published_make(slot->txn, slot->page);
	root->page_count = slot->page_count;
	root->next_id = slot->next_id;
	root->time_ns = slot->time_ns;
	root->free_pages = slot->free_pages;
	root->pending_pages = slot->pending_pages;
	memcpy(root->trees, slot->trees, sizeof(root->trees));
	*ret_root = root;
	return 0;
}

/* Free the roots that no reader can hold any more. A reader pins the number in root_txn, or a newer
 * one, before it reads root, so it never gets a root older than its pin. */
static void root_free_unused(struct kt_store *store)
{
	struct root **link = &store->replaced;
	struct readers here;

	if (*link == NULL)
		return;
	pins_readers_here(store, &here);
	while (*link != NULL && (*link)->txn >= here.oldest)
		link = &(*link)->older;
	while (*link != NULL) {
		struct root *root = *link;

		*link = root->older;
		free(root);
	}
}

/* Make a root the current one. The caller holds root_mutex. */
static void root_install(struct kt_store *store, struct root *root)
{
	struct root *old = atomic_load(&store->root);

	atomic_store(&store->root, root);
	/* After root: readers pin this number before they read root, and must not pin one that is
	 * newer than the root they get. */
	atomic_store(&store->root_txn, root->txn);
	if (old == NULL)
		return;
	old->older = store->replaced;
	store->replaced = old;
	root_free_unused(store);
}

static int root_install_slot(struct kt_store *store, const struct format_slot *slot)
{
	struct root *root;
	int err = root_new(store, slot, &root);

	if (!err)
		root_install(store, root);
	return err;
}

void current_fini(struct kt_store *store)
{
	free(atomic_load(&store->root));
	while (store->replaced != NULL) {
		struct root *older = store->replaced->older;

		free(store->replaced);
		store->replaced = older;
	}
}

/* ---- readers --------------------------------------------------------------------------------- */

int current_slot(const struct kt_store *store, uint64_t published, struct format_slot *slot)
{
	bool found = slot_read(store->io, store->map, store->seed, published_page(published),
		published_txn(published), slot);

	return found ? 0 : -EAGAIN;
}

/* Find the newest valid state in the file.
 * sound, moving: see struct slot_rules */
static int current_recover(
	struct kt_store *store, uint64_t sound, bool moving, struct slot_state *ret_state)
{
	struct slot_rules rules = {.boot_id = store->boot_id,
		.home = store->home,
		.sound = sound,
		.moving = moving,
		.prove = store->prove,
		.arg = store};

	memcpy(rules.found, store->slots_found, sizeof(rules.found));
	return slot_recover(store->io, store->map, store->seed, &rules, ret_state);
}

/* An unprivileged reader finds the current commit in the slots alone. */
static int current_refresh_unprivileged(struct kt_store *store)
{
	const struct root *root = atomic_load(&store->root);
	struct slot_state state;
	uint64_t marks[SLOT_COUNT];
	int err;

	slot_checksums(store->map, marks);
	if (memcmp(marks, store->slot_checksums, sizeof(marks)) == 0)
		return 0;
	err = current_recover(store, 0, true, &state);
	if (!err && state.slot.txn < root->txn)
		err = error_set(-EIO, "it went back to an older commit; open it again");
	if (!err && state.slot.txn > root->txn)
		err = root_install_slot(store, &state.slot);
	if (!err) {
		memcpy(store->slot_checksums, marks, sizeof(marks));
		atomic_store(
			&store->area->published, published_make(state.slot.txn, state.slot.page));
	}
	return err;
}

int current_refresh_locked(struct kt_store *store)
{
	struct format_slot slot;

	if (store->unprivileged)
		return current_refresh_unprivileged(store);
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		uint64_t now = atomic_load(&store->area->published);
		uint64_t current = now & ~PUBLISHED_POISONED;

		if (now & PUBLISHED_POISONED && !atomic_load(&store->seen->doubt))
			pager_doubt(store->seen);
		if (atomic_load(&store->root)->published == current)
			return 0;
		if (now & PUBLISHED_POISONED)
			return error_set(-EIO, "an earlier flush failed; open the store again");
		STEP("refresh");
		if (current_slot(store, current, &slot) == 0)
			return root_install_slot(store, &slot);
	}
	return error_damaged(PAGE_DURABLE, "the slot of the current commit is damaged");
}

int current_refresh(struct kt_store *store, struct root **ret_root)
{
	int err;

	pthread_mutex_lock(&store->root_mutex);
	err = current_refresh_locked(store);
	if (!err)
		*ret_root = atomic_load(&store->root);
	pthread_mutex_unlock(&store->root_mutex);
	return err;
}

/* ---- the writer ------------------------------------------------------------------------------ */

void current_publish(struct kt_store *store, struct root *root)
{
	pthread_mutex_lock(&store->root_mutex);
	STEP("publish");
	root->published = published_make(root->txn, store->slot.page);
	root->free_pages = store->slot.free_pages;
	root->pending_pages = store->slot.pending_pages;
	atomic_store(&store->area->published, root->published);
	STEP("published");
	root_install(store, root);
	pthread_mutex_unlock(&store->root_mutex);
	lockarea_notify(store);
	STEP("notified");
}

void current_poison(struct kt_store *store)
{
	atomic_fetch_or(&store->area->published, PUBLISHED_POISONED);
	pager_doubt(store->seen);
	lockarea_notify(store);
}

bool current_is_poisoned(const struct kt_store *store)
{
	return (atomic_load(&store->area->published) & PUBLISHED_POISONED) != 0;
}

/* Fill the writer's fields of a handle. */
static void current_take_state(struct kt_store *store, const struct slot_state *state)
{
	store->slot = state->slot;
	store->durable_page = state->durable_page;
	store->slot_txn = state->durable_txn;
	store->confirmed_txn = state->confirmed_txn;
	store->space_stale = true;
}

/* The last writer died while it held WRITE. The newest valid slot is the current commit, whether it
 * was published or not. It is not known what else the dead writer wrote. */
static void current_inherit(struct kt_store *store, const struct slot_state *state)
{
	struct lockarea *area = store->area;

	area->unsynced.overflow = true;
	atomic_store(&area->durable_txn, state->durable_txn);
	atomic_store(&area->shrink_txn, state->slot.txn); /* it may have cut the file */
	if (current_txn(store) != state->slot.txn)
		atomic_store(&area->published, published_make(state->slot.txn, state->slot.page));
	lockarea_notify(store); /* it may have died before it did that */
}

static int current_catch_up(struct kt_store *store, bool died)
{
	uint64_t sound = atomic_load(&store->area->synced_txn);
	struct slot_state state;
	struct root *root;
	int err = current_recover(store, sound, false, &state);

	/* The newest slot may be left from a commit that failed: use the published one. */
	if (!err && !died && state.slot.txn != current_txn(store))
		err = current_slot(store, atomic_load(&store->area->published), &state.slot);
	if (err == -EAGAIN || (!err && state.slot.txn < current_txn(store)))
		err = error_damaged(PAGE_DURABLE, "the file went back to an older commit");
	if (err != 0)
		return err;
	if (died)
		current_inherit(store, &state);
	STEP("inherited");
	err = current_refresh(store, &root);
	if (!err)
		current_take_state(store, &state);
	return err;
}

int current_follow(struct kt_store *store)
{
	struct lockarea *area = store->area;
	uint64_t before = atomic_load(&area->writer_id);
	int err;

	/* With a dead writer, `writer_id` keeps its id until its commit is taken up: this process
	 * may die meanwhile too, and the next one must still find that id. */
	if (before == 0) {
		STEP("write-locked");
		atomic_store(&area->writer_id, store->opener_id);
	}
	if (current_is_poisoned(store))
		return 0;
	if (before == 0 && atomic_load(&area->last_writer_id) == store->opener_id)
		return 0;
	err = current_catch_up(store, before != 0);
	atomic_store(&area->writer_id, err != 0 ? before : store->opener_id);
	if (!err && before != 0)
		atomic_store(&area->last_writer_id, store->opener_id);
	return err;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int current_map_file(struct kt_store *store)
{
	uint64_t size, mapped;
	const void *base;
	int err = io_size(store->io, &size);

	if (err != 0)
		return err;
	/* A crash may leave part of a page at the end of the file. */
	size = size < MAP_MOST ? size / PAGE_SIZE * PAGE_SIZE : MAP_MOST;
	store->io->faults = &store->seen->faults;
	err = io_map(store->io, size, MAP_MOST, &base, &mapped);
	if (err != 0)
		return err;
	store->map = base;
	store->map_pages = mapped / PAGE_SIZE;
	store->home = io_home(store->io);
	slot_checksums(store->map, store->slots_found);
	return 0;
}

/* No other handle uses the area: find the newest commit in the file. */
static int current_open_first(struct kt_store *store, bool unprivileged)
{
	struct slot_state state;
	int err;

	memcpy(store->slot_checksums, store->slots_found, sizeof(store->slots_found));
	err = current_recover(store, 0, unprivileged, &state);
	if (err != 0)
		return err;
	store->slots_found[state.slot.page - PAGE_DURABLE] = 0;
	if (unprivileged || (store->readonly && !lockarea_is_reusable(store, &state)))
		err = lockarea_make_private(store, &state);
	else if (!store->readonly)
		err = lockarea_create(store, &state);
	if (!err)
		err = root_install_slot(store, &state.slot);
	if (err != 0)
		return err;
	current_take_state(store, &state);
	store->opened_txn = state.durable_txn;
	if (!store->readonly) {
		/* The list of pages that weak commits wrote is lost. */
		store->area->unsynced.overflow = state.weak;
		atomic_store(&store->area->last_writer_id, store->opener_id);
		if (state.weak || state.durable_txn != state.confirmed_txn)
			atomic_store(&store->own_txn, state.slot.txn);
	}
	return 0;
}

/* Other handles have the store open. The writer's fields are filled when WRITE is first taken. */
static int current_open_joined(struct kt_store *store)
{
	struct format_slot slot;

	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		if (current_slot(store, atomic_load(&store->area->published), &slot) != 0)
			continue;
		store->slots_found[slot.page - PAGE_DURABLE] = 0;
		return root_install_slot(store, &slot);
	}
	return error_damaged(PAGE_DURABLE, "the slot of the current commit is damaged");
}

int current_open(struct kt_store *store, bool alone)
{
	enum lockarea_entry entry;
	int err = lockarea_enter(store, alone, &entry);

	if (!err)
		err = current_map_file(store);
	if (!err && entry == LOCKAREA_JOINED)
		err = current_open_joined(store);
	else if (!err)
		err = current_open_first(store, entry == LOCKAREA_UNPRIVILEGED);
	if (!err)
		err = lockarea_register(store);
	return err;
}
