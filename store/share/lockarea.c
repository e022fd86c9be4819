#include "store/share/lockarea.h"

#include "store/error.h"
#include "store/share/step.h"
#include "store/share/handle.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIXED_SIZE offsetof(struct lockarea, blocks)

static const struct io_range open_byte = {LOCK_OPEN, 1};
static const struct io_range writable_byte = {LOCK_WRITABLE, 1};
static const struct io_range frozen_byte = {LOCK_FROZEN, 1};

static struct io_range opener_byte(uint32_t index)
{
	return (struct io_range){LOCK_OPENER + index, 1};
}

/* ---- entering -------------------------------------------------------------------------------- */

/* Do not wait for a program that locks the whole file: it does not know this protocol, and may
 * never unlock. */
static int lockarea_lock_open(struct kt_store *store)
{
	enum io_lock kind = store->readonly ? IO_SHARED : IO_EXCLUSIVE;
	struct io_range by;
	int err = io_lock(store->io, kind, &open_byte, false);

	if (err != -EAGAIN)
		return err;
	if (io_locked(store->io, &open_byte, &by) && by.start < LOCK_BASE)
		return error_set(-EBUSY, "another program has locked the file");
	return io_lock(store->io, kind, &open_byte, true);
}

/* Is this lock area in use? @return 0; -EBUSY another lock area is used with this store */
static int lockarea_find_others(struct kt_store *store, bool *ret_used)
{
	const struct io_range all = {LOCK_AREA, LOCK_AREAS};
	const struct io_range below = {LOCK_AREA, store->area_byte.start - LOCK_AREA};
	const struct io_range above = {
		store->area_byte.start + 1, LOCK_AREA + LOCK_AREAS - 1 - store->area_byte.start};

	*ret_used = io_locked(store->io, &all, NULL);
	if (*ret_used && (io_locked(store->io, &below, NULL) || io_locked(store->io, &above, NULL)))
		return error_set(-EBUSY,
			"it is open under another name, or its lock file was replaced meanwhile");
	return 0;
}

/* Does the area that other handles use belong to this store? */
static int lockarea_check_joined(const struct kt_store *store)
{
	const struct lockarea *area = store->area;

	if (atomic_load(&area->ready) != LOCKAREA_READY ||
		memcmp(area->store_id, store->id, sizeof(area->store_id)) != 0)
		return error_set(-EBUSY, "its lock file is not right");
	if (atomic_load(&area->published) & PUBLISHED_POISONED)
		return error_set(
			-EIO, "an earlier flush failed; all processes must close it first");
	return 0;
}

/* Claim writing, or keep others from writing. OPEN is held. */
static int lockarea_lock_writable(struct kt_store *store, bool alone)
{
	static const char frozen[] = "another process keeps it from being written";
	static const char written[] = "another process has it open for writing";
	int err = 0;

	if (store->readonly && alone) {
		if (io_locked(store->io, &writable_byte, NULL))
			return error_set(-EBUSY, "%s", written);
		err = io_lock(store->io, IO_SHARED, &frozen_byte, false);
	} else if (!store->readonly) {
		if (io_locked(store->io, &frozen_byte, NULL))
			return error_set(-EBUSY, "%s", frozen);
		err = io_lock(store->io, alone ? IO_EXCLUSIVE : IO_SHARED, &writable_byte, false);
	}
	return err == -EAGAIN ? error_set(-EBUSY, "%s", alone ? written : frozen) : err;
}

static int lockarea_new_id(uint64_t *ret_id)
{
	*ret_id = 0;
	while (*ret_id == 0)
		if (getrandom(ret_id, sizeof(*ret_id), 0) != (ssize_t)sizeof(*ret_id))
			return -errno;
	return 0;
}

int lockarea_enter(struct kt_store *store, bool alone, enum lockarea_entry *ret_entry)
{
	uint64_t number = 0;
	void *area = NULL;
	bool used = false;
	int err = lockarea_new_id(&store->opener_id);

	if (!err)
		err = lockarea_lock_open(store);
	STEP("enter-open");
	if (!err)
		err = lockarea_lock_writable(store, alone);
	if (err != 0)
		return err;
	err = io_area(store->io, sizeof(struct lockarea), !store->readonly, &area, &number);
	if (!err) {
		store->area = area;
		store->area_byte = (struct io_range){LOCK_AREA + number % LOCK_AREAS, 1};
		err = lockarea_find_others(store, &used);
	}
	if (!err && used)
		err = lockarea_check_joined(store);
	if (err != 0 && store->readonly && err != -EIO) {
		*ret_entry = LOCKAREA_UNPRIVILEGED;
		return 0;
	}
	*ret_entry = used ? LOCKAREA_JOINED : LOCKAREA_FIRST;
	return err;
}

static uint64_t lockarea_published_of(const struct slot_state *state)
{
	return published_make(state->slot.txn, state->slot.page);
}

int lockarea_create(struct kt_store *store, const struct slot_state *state)
{
	struct lockarea *area = store->area;
	int err = io_area_clear(store->io, 0, FIXED_SIZE);

	if (err != 0)
		return error_set(err, "its lock file cannot be written");
	STEP("build-cleared");
	memcpy(area->store_id, store->id, sizeof(area->store_id));
	memcpy(area->boot_id, store->boot_id, sizeof(area->boot_id));
	atomic_store(&area->published, lockarea_published_of(state));
	atomic_store(&area->durable_txn, state->durable_txn);
	if (state->durable_txn == state->confirmed_txn)
		atomic_store(&area->synced_txn, state->durable_txn);
	STEP("build-filled");
	atomic_store(&area->ready, LOCKAREA_READY);
	return 0;
}

bool lockarea_is_reusable(const struct kt_store *store, const struct slot_state *state)
{
	const struct lockarea *area = store->area;

	return atomic_load(&area->ready) == LOCKAREA_READY &&
	       memcmp(area->store_id, store->id, sizeof(area->store_id)) == 0 &&
	       memcmp(area->boot_id, store->boot_id, sizeof(area->boot_id)) == 0 &&
	       atomic_load(&area->writer_id) == 0 &&
	       published_txn(atomic_load(&area->published)) == state->slot.txn &&
	       (atomic_load(&area->published) & PUBLISHED_POISONED) == 0;
}

int lockarea_make_private(struct kt_store *store, const struct slot_state *state)
{
	void *area = mmap(NULL, sizeof(struct lockarea), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return -ENOMEM;
	store->area = area;
	store->unprivileged = true;
	atomic_store(&store->area->published, lockarea_published_of(state));
	return 0;
}

/* ---- openers --------------------------------------------------------------------------------- */

static void lockarea_raise(_Atomic uint32_t *used, uint32_t count)
{
	uint32_t now = atomic_load(used);

	while (now < count && !atomic_compare_exchange_weak(used, &now, count))
		;
}

/* Register as one opener. @return 0; -EAGAIN the entry is taken */
static int opener_try(struct kt_store *store, uint32_t index, uint64_t id)
{
	struct opener *opener = &store->area->openers[index];
	struct io_range byte = opener_byte(index);
	uint64_t none = 0;
	int err = atomic_load(&opener->id) != 0 ? -EAGAIN : 0;

	if (!err)
		err = io_lock(store->io, IO_SHARED, &byte, false);
	if (err != 0)
		return err;
	STEP("opener-locked");
	if (atomic_compare_exchange_strong(&opener->id, &none, id))
		return 0;
	io_lock(store->io, IO_UNLOCKED, &byte, false);
	return -EAGAIN;
}

static int opener_find(struct kt_store *store, uint64_t id, uint32_t *ret_index)
{
	for (uint32_t index = 0; index < LOCKAREA_OPENERS; index++) {
		int err = opener_try(store, index, id);

		if (!err)
			*ret_index = index;
		if (err != -EAGAIN)
			return err;
	}
	return error_set(-ENFILE, "too many processes have it open");
}

/* Clear the entries of all dead openers, so that one is free. */
static int lockarea_reap_all(struct kt_store *store)
{
	const struct io_range write = {LOCK_WRITE, 1};
	uint32_t used = atomic_load(&store->area->openers_used);
	int err = io_lock(store->io, IO_EXCLUSIVE, &write, true);

	if (err != 0)
		return err;
	for (uint32_t index = 0; index < used && index < LOCKAREA_OPENERS; index++)
		if (!lockarea_is_alive(store, index))
			lockarea_reap(store, index);
	return io_lock(store->io, IO_UNLOCKED, &write, false);
}

int lockarea_register(struct kt_store *store)
{
	struct lockarea *area = store->area;
	uint64_t id = store->opener_id;
	uint32_t index = 0;
	int err;

	if (store->unprivileged)
		return io_lock(store->io, IO_UNLOCKED, &open_byte, false);
	err = opener_find(store, id, &index);
	if (err == -ENFILE && !store->readonly) {
		err = lockarea_reap_all(store);
		if (!err)
			err = opener_find(store, id, &index);
	}
	if (!err) {
		store->opener_number = index + 1;
		atomic_store(&area->openers[index].pid, (uint32_t)getpid());
		lockarea_raise(&area->openers_used, index + 1);
		err = io_lock(store->io, IO_SHARED, &store->area_byte, false);
	}
	STEP("registered");
	if (!err)
		err = io_lock(store->io, IO_UNLOCKED, &open_byte, false);
	return err;
}

/* Free all pins of an opener, and then its entry. */
static void opener_clear(struct lockarea *area, uint32_t index)
{
	uint32_t used = atomic_load(&area->blocks_used);

	for (uint32_t block = 0; block < used && block < LOCKAREA_BLOCKS; block++) {
		if (atomic_load(&area->owners[block]) != index + 1)
			continue;
		for (unsigned i = 0; i < LOCKAREA_PINS; i++)
			if (atomic_load(&area->blocks[block].pins[i].txn) != 0)
				atomic_store(&area->blocks[block].pins[i].txn, 0);
		atomic_store(&area->owners[block], 0);
	}
	STEP("opener-cleared");
	atomic_store(&area->openers[index].foreign_waiters, 0);
	atomic_store(&area->openers[index].id, 0);
}

void lockarea_leave(struct kt_store *store)
{
	if (store->unprivileged)
		munmap(store->area, sizeof(struct lockarea));
	else if (store->opener_number > 0)
		opener_clear(store->area, store->opener_number - 1);
	store->opener_number = 0;
}

bool lockarea_is_alive(struct kt_store *store, uint32_t index)
{
	struct io_range byte = opener_byte(index);

	return index + 1 == store->opener_number || io_locked(store->io, &byte, NULL);
}

void lockarea_reap(struct kt_store *store, uint32_t index)
{
	if (atomic_load(&store->area->openers[index].id) != 0)
		opener_clear(store->area, index);
}

int lockarea_claim_block(struct kt_store *store, uint32_t *ret_block)
{
	struct lockarea *area = store->area;

	for (uint32_t block = 0; block < LOCKAREA_BLOCKS; block++) {
		uint32_t none = 0;
		uint64_t offset = FIXED_SIZE + (uint64_t)block * PAGE_SIZE;
		int err = 0;

		if (!atomic_compare_exchange_strong(&area->owners[block], &none,
			    store->opener_number > 0 ? store->opener_number : 1))
			continue;
		lockarea_raise(&area->blocks_used, block + 1);
		STEP("block-claimed");
		if (!store->unprivileged)
			err = io_area_clear(store->io, offset, PAGE_SIZE);
		if (err != 0)
			atomic_store(&area->owners[block], 0);
		else
			*ret_block = block;
		return err;
	}
	return error_set(-ENFILE, "too many read transactions");
}

/* ---- the futex ------------------------------------------------------------------------------- */

void lockarea_wake(struct lockarea *area)
{
	syscall(SYS_futex, &area->futex, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Does any thread wait for a commit of this handle? */
static bool lockarea_has_waiters(const struct kt_store *store)
{
	const struct lockarea *area = store->area;
	uint32_t used = atomic_load(&area->openers_used);

	if (atomic_load(&area->waiters) > 0)
		return true;
	for (uint32_t index = 0; index < used && index < LOCKAREA_OPENERS; index++)
		if (index + 1 != store->opener_number &&
			atomic_load(&area->openers[index].foreign_waiters) > 0)
			return true;
	return false;
}

void lockarea_notify(struct kt_store *store)
{
	atomic_fetch_add(&store->area->futex, 1);
	if (lockarea_has_waiters(store))
		lockarea_wake(store->area);
}

/* ---- openers in public ----------------------------------------------------------------------- */

uint64_t kt_opener_id(const struct kt_store *store)
{
	return store->opener_id;
}

bool kt_opener_is_alive(struct kt_store *store, uint64_t id)
{
	struct lockarea *area = store->area;
	uint32_t used = atomic_load(&area->openers_used);

	for (uint32_t i = 0; i < used && i < LOCKAREA_OPENERS; i++)
		if (atomic_load(&area->openers[i].id) == id)
			return lockarea_is_alive(store, i);
	return id == store->opener_id;
}
