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
static const struct io_range opener_bytes = {LOCK_OPENER, LOCKAREA_OPENERS};
static const struct io_range pin_bytes = {LOCK_PIN, TXN_MAX + 1};

#define MARK_TRIES 16

static struct io_range opener_byte(uint32_t index)
{
	return (struct io_range){LOCK_OPENER + index, 1};
}

/* ---- entering -------------------------------------------------------------------------------- */

static bool lockarea_is_of(const struct lockarea *area, uint64_t device, uint64_t inode)
{
	return area->store_device == device && area->store_inode == inode;
}

/* Lock a byte that tells others which lock area this handle uses, whichever byte of that area is
 * free. Do not wait for a program that locks the whole file: it does not know this protocol, and may
 * never unlock.
 * @return 0; -EBUSY; -EAGAIN a user who may only read the store has locked the bytes */
static int lockarea_mark(struct kt_store *store, uint64_t first)
{
	uint64_t at = store->opener_id;
	int err = -EAGAIN;

	for (unsigned tries = 0; err == -EAGAIN && tries < MARK_TRIES; tries++) {
		struct io_range mark = {first + at++ % LOCK_MARKS, 1};
		struct io_range by;

		err = io_lock(store->io, IO_MARKS, IO_EXCLUSIVE, &mark, false);
		if (err == -EAGAIN && io_locked(store->io, IO_MARKS, IO_SHARED, &mark, &by) &&
			by.start < LOCK_BASE)
			return error_set(-EBUSY, "another program has locked the file");
	}
	return err;
}

/* Mark the store, and look for marks of other lock areas. Of two openers that do this at the same
 * time each marks first, so at least one of them sees the other's mark. */
static int lockarea_mark_alone(struct kt_store *store, const struct io_area *found)
{
	const uint64_t first = LOCK_MARK + found->number % LOCK_MARK_AREAS * LOCK_MARKS;
	const uint64_t end = LOCK_MARK + LOCK_MARK_AREAS * LOCK_MARKS;
	const struct io_range below = {LOCK_MARK, first - LOCK_MARK};
	const struct io_range above = {first + LOCK_MARKS, end - first - LOCK_MARKS};
	int err = lockarea_mark(store, first);

	STEP("marked");
	if (err == -EAGAIN && (store->readonly || found->links > 1))
		return error_set(
			-EBUSY, "a reader's lock hides whether it is open under another name");
	if (err != 0 && err != -EAGAIN)
		return err;
	if (io_locked(store->io, IO_MARKS, IO_SHARED, &below, NULL) ||
		io_locked(store->io, IO_MARKS, IO_SHARED, &above, NULL))
		return error_set(-EBUSY,
			"it is open under another name, or its lock file was replaced meanwhile");
	return 0;
}

/* Does any handle use the area, and does the area belong to this store then?
 * @return 0; -ESTALE the area is used for another file; -EBUSY; -EIO a flush failed */
static int lockarea_find_users(const struct kt_store *store, bool *ret_used)
{
	const struct io_range old_openers = {LOCK_OPENER, LOCKAREA_OPENERS};
	const struct lockarea *area = store->area;
	struct io_range by;

	*ret_used = io_locked(store->io, IO_AREA, IO_EXCLUSIVE, &opener_bytes, &by);
	if (!*ret_used && atomic_load(&area->ready) == LOCKAREA_READY_OLD &&
		io_locked(store->io, IO_STORE, IO_EXCLUSIVE, &old_openers, NULL))
		return error_set(-EBUSY, "a process with an older version of keytree has it open");
	if (!*ret_used)
		return 0;
	if (!lockarea_is_of(area, store->device, store->inode))
		return error_set(-ESTALE,
			"process %u still uses the file that had this name before",
			atomic_load(
				&area->openers[(by.start - LOCK_OPENER) % LOCKAREA_OPENERS].pid));
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
		if (io_locked(store->io, IO_AREA, IO_EXCLUSIVE, &writable_byte, NULL))
			return error_set(-EBUSY, "%s", written);
		err = io_lock(store->io, IO_AREA, IO_SHARED, &frozen_byte, false);
		store->frozen = err == 0;
	} else if (!store->readonly) {
		if (io_locked(store->io, IO_AREA, IO_EXCLUSIVE, &frozen_byte, NULL))
			return error_set(-EBUSY, "%s", frozen);
		err = io_lock(store->io, IO_AREA, alone ? IO_EXCLUSIVE : IO_SHARED, &writable_byte,
			false);
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

/* Map the area of a file, and lock OPEN. */
static int lockarea_lock_open(struct io *io, bool create, struct io_area *ret_area)
{
	int err = io_area(io, sizeof(struct lockarea), create, ret_area);

	if (!err)
		err = io_lock(io, IO_AREA, IO_EXCLUSIVE, &open_byte, true);
	STEP("enter-open");
	return err;
}

static int lockarea_enter_shared(struct kt_store *store, bool alone, bool *ret_used)
{
	struct io_area found;
	int err = lockarea_lock_open(store->io, !store->readonly || alone, &found);

	if (err == -EACCES && store->readonly && alone)
		return error_set(err, "only those who may write it can keep others from writing");
	if (err != 0)
		return err;
	store->area = found.memory;
	store->device = found.device;
	store->inode = found.inode;
	err = lockarea_mark_alone(store, &found);
	if (!err)
		err = lockarea_find_users(store, ret_used);
	return err != 0 ? err : lockarea_lock_writable(store, alone);
}

int lockarea_enter(struct kt_store *store, bool alone, enum lockarea_entry *ret_entry)
{
	bool used = false;
	int err = lockarea_new_id(&store->opener_id);

	if (!err)
		err = lockarea_enter_shared(store, alone, &used);
	*ret_entry = used ? LOCKAREA_JOINED : LOCKAREA_FIRST;
	if (err != 0)
		store->area = NULL;
	if (!io_is_at(store->io, NULL))
		return error_set(-ESTALE, "it was replaced while it was opened");
	if (err == 0 || !store->readonly || err == -EIO || (alone && err != -EROFS))
		return err;
	io_area_leave(store->io);
	*ret_entry = LOCKAREA_UNPRIVILEGED;
	return 0;
}

int lockarea_hold(struct io *io)
{
	const struct io_range marks = {LOCK_MARK, LOCK_MARK_AREAS * LOCK_MARKS};
	struct io_area found;
	int err = lockarea_lock_open(io, true, &found);

	if (err != 0)
		return err;
	if (!io_is_at(io, NULL))
		return error_set(-ESTALE, "it was replaced meanwhile");
	if (io_locked(io, IO_AREA, IO_EXCLUSIVE, &opener_bytes, NULL) ||
		io_locked(io, IO_MARKS, IO_SHARED, &marks, NULL))
		return error_set(-EBUSY, "it is open");
	return 0;
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
	area->store_device = store->device;
	area->store_inode = store->inode;
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
	       lockarea_is_of(area, store->device, store->inode) &&
	       atomic_load(&area->writer_id) == 0 &&
	       atomic_load(&area->published) == lockarea_published_of(state);
}

int lockarea_make_private(struct kt_store *store, const struct slot_state *state)
{
	void *area = mmap(NULL, sizeof(struct lockarea), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return -ENOMEM;
	store->area = area;
	store->unprivileged = true;
	if (io_locked(store->io, IO_STORE, IO_SHARED, &pin_bytes, NULL))
		return error_set(-EBUSY, "another program has locked the file");
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
		err = io_lock(store->io, IO_AREA, IO_SHARED, &byte, false);
	if (err != 0)
		return err;
	STEP("opener-locked");
	if (atomic_compare_exchange_strong(&opener->id, &none, id))
		return 0;
	io_lock(store->io, IO_AREA, IO_UNLOCKED, &byte, false);
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
	int err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &write, true);

	if (err != 0)
		return err;
	for (uint32_t index = 0; index < used && index < LOCKAREA_OPENERS; index++)
		lockarea_reap(store, index);
	return io_lock(store->io, IO_AREA, IO_UNLOCKED, &write, false);
}

int lockarea_register(struct kt_store *store)
{
	struct lockarea *area = store->area;
	uint64_t id = store->opener_id;
	uint32_t index = 0;
	int err;

	if (store->unprivileged && !store->frozen) {
		io_area_leave(store->io);
		return 0;
	}
	if (store->unprivileged)
		return io_lock(store->io, IO_AREA, IO_UNLOCKED, &open_byte, false);
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
	}
	STEP("registered");
	if (!err)
		err = io_lock(store->io, IO_AREA, IO_UNLOCKED, &open_byte, false);
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

uint32_t lockarea_writer_pid(const struct lockarea *area)
{
	uint64_t writer = atomic_load(&area->writer_id);
	uint32_t used = atomic_load(&area->openers_used);

	for (uint32_t i = 0; writer != 0 && i < used && i < LOCKAREA_OPENERS; i++)
		if (atomic_load(&area->openers[i].id) == writer)
			return atomic_load(&area->openers[i].pid);
	return 0;
}

bool lockarea_is_alive(struct kt_store *store, uint32_t index)
{
	struct io_range byte = opener_byte(index);

	return index + 1 == store->opener_number ||
	       io_locked(store->io, IO_AREA, IO_EXCLUSIVE, &byte, NULL);
}

void lockarea_reap(struct kt_store *store, uint32_t index)
{
	struct io_range byte = opener_byte(index);

	STEP("reap");
	if (index + 1 == store->opener_number || atomic_load(&store->area->openers[index].id) == 0)
		return;
	if (io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &byte, false) != 0)
		return; /* a new opener has the entry */
	STEP("reap-locked");
	if (atomic_load(&store->area->openers[index].id) != 0)
		opener_clear(store->area, index);
	io_lock(store->io, IO_AREA, IO_UNLOCKED, &byte, false);
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

	if (store->unprivileged) /* the list of others cannot be seen */
		return true;
	for (uint32_t i = 0; i < used && i < LOCKAREA_OPENERS; i++)
		if (atomic_load(&area->openers[i].id) == id)
			return lockarea_is_alive(store, i);
	return id == store->opener_id;
}
