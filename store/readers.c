/* Pins: how readers keep the pages they see from being written again (I1, I9).
 *
 * A reader stores its transaction number in a pin and then takes the current root; a writer looks
 * at all pins when it begins, after the commit before it was published. All four are sequentially
 * consistent. So either the writer sees the pin, or the reader sees the newer root; a pin may be
 * older than the root it was taken for, which is only cautious.
 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>

/* Where this thread found a free pin last. */
static _Thread_local unsigned pin_hint;

static struct pin *claim(struct pin_block *block, uint64_t txn)
{
	for (unsigned i = 0; i < PINS_PER_BLOCK; i++) {
		unsigned index = (pin_hint + i) % PINS_PER_BLOCK;
		uint64_t none = 0;

		if (atomic_load_explicit(&block->pins[index].txn, memory_order_relaxed) == 0 &&
			atomic_compare_exchange_strong(&block->pins[index].txn, &none, txn)) {
			pin_hint = index;
			return &block->pins[index];
		}
	}
	return NULL;
}

int reader_pin(struct kt_store *store, struct pin **ret_pin, struct root **ret_root)
{
	struct pin_block *block = &store->pins;
	uint64_t txn = atomic_load(&store->durable_txn);
	struct pin *pin;

	/* The number of a root may not be read before it is pinned, because the root may be freed.
	 * A number that is too old is safe, and is made exact below. */
	if (txn == 0)
		txn = 1;
	while ((pin = claim(block, txn)) == NULL) {
		struct pin_block *next = atomic_load(&block->next);

		if (next == NULL) {
			struct pin_block *fresh = calloc(1, sizeof(*fresh));

			if (fresh == NULL)
				return -ENOMEM;
			if (atomic_compare_exchange_strong(&block->next, &next, fresh))
				next = fresh;
			else
				free(fresh);
		}
		block = next;
	}
	*ret_root = atomic_load(&store->root);
	atomic_store_explicit(&pin->txn, (*ret_root)->txn, memory_order_release);
	*ret_pin = pin;
	return 0;
}

void reader_unpin(struct pin *pin)
{
	atomic_store_explicit(&pin->txn, 0, memory_order_release);
}

uint64_t reader_oldest(struct kt_store *store, unsigned *ret_count)
{
	uint64_t oldest = UINT64_MAX;
	unsigned count = 0;

	for (struct pin_block *block = &store->pins; block != NULL;
		block = atomic_load(&block->next))
		for (unsigned i = 0; i < PINS_PER_BLOCK; i++) {
			uint64_t txn = atomic_load(&block->pins[i].txn);

			if (txn == 0)
				continue;
			count++;
			if (txn < oldest)
				oldest = txn;
		}
	if (ret_count != NULL)
		*ret_count = count;
	return oldest;
}

void reader_fini(struct kt_store *store)
{
	struct pin_block *block = atomic_load(&store->pins.next);

	while (block != NULL) {
		struct pin_block *next = atomic_load(&block->next);

		free(block);
		block = next;
	}
}
