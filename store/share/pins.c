/* Pins: how readers keep the pages they see from being written again (I1, I9, P3).
 *
 * A reader stores a transaction number in a pin and then reads which commit is current. A writer
 * reads all pins when it begins, after the commit before it was published. All four accesses are
 * sequentially consistent. So either the writer sees the pin, or the reader sees the newer commit.
 * A pin may be older than the root it was taken for, which only keeps pages longer.
 *
 * Pins lie in the lock area, in blocks that belong to a handle. An unprivileged reader may not
 * write there. It has its pins in private memory and locks, for each, byte LOCK_PIN + number of the
 * store's file, which has the same effect but takes system calls.
 */
#include "store/share/pins.h"

#include "store/error.h"
#include "store/share/current.h"
#include "store/share/step.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Where this thread found a free pin last. */
static _Thread_local unsigned pin_hint;

static struct pin *pin_claim_in(struct pin_block *block, uint64_t txn)
{
	unsigned index = pin_hint;

	for (unsigned i = 0; i < LOCKAREA_PINS; i++, index = (index + 1) % LOCKAREA_PINS) {
		uint64_t none = 0;

		if (atomic_load_explicit(&block->pins[index].txn, memory_order_relaxed) == 0 &&
			atomic_compare_exchange_strong(&block->pins[index].txn, &none, txn)) {
			pin_hint = index;
			return &block->pins[index];
		}
	}
	return NULL;
}

/* Claim a block of pins for the handle. */
static int pin_add_block(struct kt_store *store, _Atomic uint32_t *slot)
{
	uint32_t block, none = 0;
	int err = lockarea_claim_block(store, &block);

	if (err != 0)
		return err;
	if (!atomic_compare_exchange_strong(slot, &none, block + 1)) /* another thread was faster */
		atomic_store(&store->area->owners[block], 0);
	return 0;
}

static int pin_claim_slowly(struct kt_store *store, uint64_t txn, struct pin **ret_pin)
{
	for (unsigned i = 0; i < HANDLE_PIN_BLOCKS; i++) {
		uint32_t block = atomic_load_explicit(&store->blocks[i], memory_order_acquire);

		if (block == 0) {
			int err = pin_add_block(store, &store->blocks[i]);

			if (err != 0)
				return err;
			block = atomic_load(&store->blocks[i]);
		}
		if (i == 0)
			atomic_store(&store->pins, &store->area->blocks[block - 1]);
		*ret_pin = pin_claim_in(&store->area->blocks[block - 1], txn);
		if (*ret_pin != NULL)
			return 0;
	}
	return error_set(-ENFILE, "too many read transactions");
}

static inline int pin_claim(struct kt_store *store, uint64_t txn, struct pin **ret_pin)
{
	struct pin_block *block = atomic_load_explicit(&store->pins, memory_order_acquire);
	struct pin *pin = block != NULL ? pin_claim_in(block, txn) : NULL;

	if (pin == NULL)
		return pin_claim_slowly(store, txn, ret_pin);
	*ret_pin = pin;
	return 0;
}

/* Is this the child of a fork? As io_forked(). */
static inline bool pins_forked(const struct kt_store *store)
{
	return atomic_load_explicit(store->not_forked, memory_order_relaxed) == 0;
}

/* ---- unprivileged readers -------------------------------------------------------------------- */

static bool pin_is_here(struct kt_store *store, uint64_t txn)
{
	for (unsigned i = 0; i < HANDLE_PIN_BLOCKS && store->blocks[i] != 0; i++)
		for (unsigned n = 0; n < LOCKAREA_PINS; n++)
			if (atomic_load(&store->area->blocks[store->blocks[i] - 1].pins[n].txn) ==
				txn)
				return true;
	return false;
}

static int pin_lock(struct kt_store *store, uint64_t txn, bool lock)
{
	const struct io_range byte = {LOCK_PIN + txn, 1};
	int err = io_lock(store->io, IO_STORE, lock ? IO_SHARED : IO_UNLOCKED, &byte, false);

	return err == -EAGAIN ? error_set(-EBUSY, "another program has locked the file") : err;
}

static void pin_release_unprivileged(struct kt_store *store, struct pin *pin)
{
	uint64_t txn = atomic_load(&pin->txn);

	atomic_store(&pin->txn, 0);
	if (!pin_is_here(store, txn))
		pin_lock(store, txn, false);
}

/* The caller holds root_mutex. */
static int pin_take_unprivileged(
	struct kt_store *store, struct pin **ret_pin, struct root **ret_root)
{
	uint64_t txn = atomic_load(&store->root_txn);
	struct pin *pin;
	int err = pin_claim(store, txn, &pin);

	if (err != 0)
		return err;
	err = pin_lock(store, txn, true);
	if (!err)
		err = current_refresh_locked(store);
	if (!err) {
		struct root *root = atomic_load(&store->root);

		*ret_root = root;
		if (root->txn != txn) {
			err = pin_lock(store, root->txn, true);
			atomic_store(&pin->txn, root->txn);
			if (!pin_is_here(store, txn))
				pin_lock(store, txn, false);
		}
	}
	if (err != 0)
		pin_release_unprivileged(store, pin);
	*ret_pin = pin;
	return err;
}

/* The time by the clock that costs least to read. */
static inline int64_t pin_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- pinning --------------------------------------------------------------------------------- */

static int pin_take_slowly(struct kt_store *store, struct pin **ret_pin, struct root **ret_root)
{
	int err;

	pthread_mutex_lock(&store->root_mutex);
	err = pin_take_unprivileged(store, ret_pin, ret_root);
	pthread_mutex_unlock(&store->root_mutex);
	return err;
}

int pin_take(struct kt_store *store, struct pin **ret_pin, struct root **ret_root)
{
	uint64_t txn = atomic_load(&store->root_txn);
	struct root *root;
	struct pin *pin;
	int err;

	if (pins_forked(store))
		return error_set(
			-ECHILD, "it was opened before a fork; open it again in the child");
	if (store->unprivileged)
		return pin_take_slowly(store, ret_pin, ret_root);
	/* The number of a root may not be read before it is pinned, because the root may be freed.
	 * A number that is too old is safe, and is made exact below. */
	err = pin_claim(store, txn, &pin);
	if (err != 0)
		return err;
	STEP("pinned");
	root = atomic_load(&store->root);
	if (atomic_load(&store->area->published) != root->published)
		err = current_refresh(store, &root);
	if (err != 0) {
		pin_release(store, pin);
		return err;
	}
	atomic_store_explicit(&pin->begun_ns, pin_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&pin->txn, root->txn, memory_order_release);
	STEP("rooted");
	*ret_root = root;
	*ret_pin = pin;
	return 0;
}

void pin_release(struct kt_store *store, struct pin *pin)
{
	if (pins_forked(store))
		return; /* it is the parent's */
	if (!store->unprivileged) {
		atomic_store_explicit(&pin->txn, 0, memory_order_release);
		return;
	}
	pthread_mutex_lock(&store->root_mutex);
	pin_release_unprivileged(store, pin);
	pthread_mutex_unlock(&store->root_mutex);
}

struct txn **pin_memory(struct kt_store *store, const struct pin *pin)
{
	const struct pin_block *block = atomic_load_explicit(&store->pins, memory_order_acquire);
	size_t index = (size_t)(pin - block->pins);

	return index < LOCKAREA_PINS ? &store->read_txns[index] : NULL;
}

void pin_move(struct pin *pin, uint64_t txn)
{
	atomic_store(&pin->txn, txn);
}

/* ---- counting -------------------------------------------------------------------------------- */

static void pins_count(struct readers *readers, uint64_t txn, unsigned count, uint32_t pid)
{
	readers->count += count;
	if (txn < readers->oldest) {
		readers->oldest = txn;
		readers->pid = pid;
	}
}

static void pins_collect_block(struct pin_block *block, uint32_t pid, struct readers *readers)
{
	for (unsigned i = 0; i < LOCKAREA_PINS; i++) {
		uint64_t txn = atomic_load(&block->pins[i].txn);

		if (txn != 0)
			pins_count(readers, txn, 1, pid);
	}
}

void pins_readers_here(struct kt_store *store, struct readers *readers)
{
	*readers = (struct readers){.oldest = UINT64_MAX};
	for (unsigned i = 0; i < HANDLE_PIN_BLOCKS; i++) {
		uint32_t block = atomic_load(&store->blocks[i]);

		if (block == 0)
			break;
		pins_collect_block(&store->area->blocks[block - 1], 0, readers);
	}
}

/* Questions about locks that one look may cost. The kernel answers with one lock at a time, and whoever
 * may read the file can lock as many bytes as he likes. */
#define PINS_QUESTIONS 64

/* The oldest transaction up to last that a reader without write permission has locked. The kernel
 * merges neighbouring locks of one opener, so a lock may begin below and end above what was asked
 * for: only where it begins counts, and the search goes on below that. What is no lock of a reader,
 * or more locks than can be looked at, counts as a pin of the oldest transaction there can be.
 * @return UINT64_MAX: none is locked */
static uint64_t pins_oldest_lock(struct kt_store *store, uint64_t last)
{
	struct io_range range = {LOCK_PIN, last + 1};
	uint64_t oldest = UINT64_MAX;
	struct io_range by;

	for (unsigned i = 0;
		range.count > 0 && io_locked(store->io, IO_STORE, IO_EXCLUSIVE, &range, &by); i++) {
		if (by.start < LOCK_PIN || i == PINS_QUESTIONS)
			return 1;
		if (by.start >= range.start + range.count)
			return oldest; /* it went away and another one came */
		oldest = by.start - LOCK_PIN;
		range.count = oldest;
	}
	return oldest;
}

/* How many transactions are locked by readers without write permission, about: what several of them
 * have locked counts once, and the search ends after PINS_QUESTIONS questions. */
static unsigned pins_count_locks(struct kt_store *store)
{
	struct io_range ranges[PINS_QUESTIONS + 1] = {{LOCK_PIN, TXN_MAX + 1}};
	unsigned left = 1, count = 0;

	for (unsigned i = 0; left > 0 && i < PINS_QUESTIONS; i++) {
		struct io_range range = ranges[--left];
		uint64_t end = range.start + range.count, from, to;
		struct io_range by;

		if (range.count == 0 || !io_locked(store->io, IO_STORE, IO_EXCLUSIVE, &range, &by))
			continue;
		from = by.start > range.start ? by.start : range.start;
		to = by.count == 0 || by.start + by.count > end ? end : by.start + by.count;
		if (from >= to)
			continue;
		count += to - from > UINT32_MAX - count ? 1 : (unsigned)(to - from);
		ranges[left++] = (struct io_range){range.start, from - range.start};
		if (left <= PINS_QUESTIONS)
			ranges[left++] = (struct io_range){to, end - to};
	}
	return count;
}

/* Read all pins. Skip those up to last whose opener is dead, and with reap clear them. */
static void pins_collect(struct kt_store *store, uint64_t last, bool reap, struct readers *readers)
{
	struct lockarea *area = store->area;
	uint32_t used = atomic_load(&area->blocks_used);
	uint64_t locked;

	*readers = (struct readers){.oldest = UINT64_MAX};
	for (uint32_t i = 0; i < used && i < LOCKAREA_BLOCKS; i++) {
		uint32_t owner = atomic_load(&area->owners[i]);
		struct readers in = {.oldest = UINT64_MAX};

		if (owner == 0 || owner > LOCKAREA_OPENERS)
			continue;
		pins_collect_block(
			&area->blocks[i], atomic_load(&area->openers[owner - 1].pid), &in);
		if (in.oldest <= last)
			STEP("pins-read");
		if (in.oldest <= last && !store->unprivileged &&
			!lockarea_is_alive(store, owner - 1)) {
			if (reap)
				lockarea_reap(store, owner - 1);
			continue;
		}
		pins_count(readers, in.oldest, in.count, in.pid);
	}
	locked = pins_oldest_lock(store, last < TXN_MAX ? last : TXN_MAX);
	if (locked != UINT64_MAX)
		pins_count(readers, locked, 0, 0);
}

void pins_readers(struct kt_store *store, struct readers *readers)
{
	pins_collect(store, UINT64_MAX - 1, false, readers);
	readers->count += pins_count_locks(store);
}

uint64_t pins_oldest(struct kt_store *store, uint64_t last)
{
	struct readers readers;

	STEP("look");
	pins_collect(store, last - 1, true, &readers);
	return readers.oldest < last ? readers.oldest : last;
}
