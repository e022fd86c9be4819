/* Damaged and hostile files (I8): right data or an error, never a crash, a hang or, where checksums
 * can tell, other data.
 *
 * The images are made on the simulated disk of the crash harness. Some are damaged as disks do it;
 * others are sealed again after the damage, as an attacker would, so that every checksum is right
 * and only the structure is wrong: then any data is right data, as long as the engine survives.
 * What takes too long is ended by an alarm.
 */
#include "tests/unit/ordeal.h"

#include "store/tree/cell.h"
#include "store/tree/node.h"
#include "store/store.h"
#include "store/tree/page.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST_TIMEOUT_S 500 /* of one test; a sanitizer makes it slow */

static void die(int signal)
{
	ssize_t r = write(STDERR_FILENO, ordeal_doing, strlen(ordeal_doing));

	(void)r;
	_exit(128 + signal);
}

/* ---- the fixture ----------------------------------------------------------------------------- */

static int setup_with(void **state, bool rich)
{
	struct ordeal *f = calloc(1, sizeof(*f));

	ordeal_init(f, rng_seed("hostile"), rich);
	signal(SIGALRM, die);
	alarm(TEST_TIMEOUT_S);
	*state = f;
	return 0;
}

static int setup_rich(void **state)
{
	return setup_with(state, true);
}

static int setup_small(void **state)
{
	return setup_with(state, false);
}

static int teardown(void **state)
{
	struct ordeal *f = *state;

	alarm(0);
	ordeal_fini(f);
	free(f);
	return 0;
}

static uint64_t pages(const struct ordeal *f)
{
	return f->original->platter_size / PAGE_SIZE;
}

static uint8_t *page_of(const struct ordeal *f, uint64_t page)
{
	return f->image->cache + page * PAGE_SIZE;
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* One bit in eight bytes of a small image is flipped; with KEYTREE_ALL_BITS set, every bit; with
 * KEYTREE_BRIEF, one in 64 bytes. The seed tells which. */
static void flipped_bits(void **state)
{
	struct ordeal *f = *state;
	unsigned step = getenv("KEYTREE_ALL_BITS") != NULL ? 1 : rng_cases(8) == 8 ? 64 : 512;

	for (uint64_t next = 0; next < f->original->platter_size * 8; next += step) {
		uint64_t bit = next + rng_below(&f->rng, step), at = bit / 8;
		unsigned which = bit % 8;
		uint8_t byte = f->original->platter[at] ^ (uint8_t)(1U << which);

		snprintf(ordeal_doing, sizeof(ordeal_doing),
			"bit %u of byte %llu of page %llu flipped\n", which,
			(unsigned long long)at % PAGE_SIZE, (unsigned long long)at / PAGE_SIZE);
		disk_rebase(f->image, f->original);
		disk_poke(f->image, at, &byte, 1);
		ordeal_try(f, true);
	}
}

/* A file cut off anywhere is an error, or what is missing was not in use. With KEYTREE_ALL_BITS
 * set, at every byte. */
static void truncated(void **state)
{
	struct ordeal *f = *state;
	unsigned step = getenv("KEYTREE_ALL_BITS") != NULL ? 1 : 200;

	for (uint64_t size = 0; size < f->original->platter_size;
		size += 1 + rng_below(&f->rng, size % PAGE_SIZE == 0 && step > 1 ? 2 : step)) {
		snprintf(ordeal_doing, sizeof(ordeal_doing), "cut at %llu\n",
			(unsigned long long)size);
		disk_rebase(f->image, f->original);
		disk_resize(f->image, size);
		ordeal_try(f, true);
	}
}

/* Pages that are zeroed, swapped with another, or there twice. */
static void misplaced_pages(void **state)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct ordeal *f = *state;
	const uint8_t *from = f->original->platter;
	unsigned ways = rng_cases(9);

	for (uint64_t page = 0; page < pages(f); page++) {
		for (unsigned how = 0; how < ways; how++) {
			uint64_t other = PAGE_FIRST;

			other += rng_below(&f->rng, (size_t)(pages(f) - other));

			snprintf(ordeal_doing, sizeof(ordeal_doing), "page %llu and %llu, %u\n",
				(unsigned long long)page, (unsigned long long)other, how);
			disk_rebase(f->image, f->original);
			disk_poke(f->image, page * PAGE_SIZE,
				how == 0 ? zeros : from + other * PAGE_SIZE, PAGE_SIZE);
			if (how % 2 == 1 && page >= PAGE_FIRST)
				disk_poke(f->image, other * PAGE_SIZE, from + page * PAGE_SIZE,
					PAGE_SIZE);
			ordeal_try(f, true);
		}
	}
}

/* Random bytes over random ranges. */
static void garbage(void **state)
{
	struct ordeal *f = *state;

	for (unsigned i = 0; i < rng_cases(800); i++) {
		uint64_t at = rng_below(&f->rng, (size_t)f->original->platter_size - 600);
		uint64_t random[64];

		snprintf(ordeal_doing, sizeof(ordeal_doing), "garbage at %llu\n",
			(unsigned long long)at);
		for (int n = 0; n < 64; n++)
			random[n] = rng_next(&f->rng);
		disk_rebase(f->image, f->original);
		disk_poke(f->image, at, random, 1 + rng_below(&f->rng, sizeof(random)));
		ordeal_try(f, true);
	}
}

/* A commit that was cut off by a crash does not come back when the file is later as long as it
 * said, in place of what was written since. */
static void cut_off(void **state)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct ordeal *f = *state;
	struct disk *later = disk_new();
	struct kt_store *store;
	struct kt_txn *txn;
	struct format_slot slot;
	uint64_t newest = 0, page = 0;

	disk_rebase(f->image, f->original);
	for (uint64_t i = PAGE_DURABLE; i < PAGE_WEAK; i++) {
		memcpy(&slot, page_of(f, i), sizeof(slot));
		page = slot.txn > newest ? i : page;
		newest = slot.txn > newest ? slot.txn : newest;
	}
	memcpy(&slot, page_of(f, page), sizeof(slot));
	slot.page_count = pages(f) + 1; /* the last page was never written, and the size is lost */
	slot.checksum = page_checksum(&slot, f->seed);
	disk_poke(f->image, page * PAGE_SIZE, &slot, PAGE_SIZE);
	for (uint64_t i = PAGE_WEAK; i < PAGE_WEAK + 2; i++)
		disk_poke(f->image, i * PAGE_SIZE, zeros, PAGE_SIZE);
	disk_settle(f->image);

	assert_int_equal(store_open(disk_handle(f->image), "disk", "cut", 0, &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_txn_id(txn), newest);
	assert_int_equal(kt_put(txn, "new", 3, "value", 5), 0);
	assert_int_equal(kt_commit(txn, 0), 0);

	disk_rebase(later, f->image); /* what is on the platter, in a file that has grown */
	disk_resize(later, (pages(f) + 1) * PAGE_SIZE);
	kt_close(store);
	assert_int_equal(store_open(disk_handle(later), "disk", "later", 0, &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_txn_id(txn), newest - 1);
	kt_abort(txn);
	kt_close(store);
	disk_free(later);
}

/* ---- hostility ------------------------------------------------------------------------------- */

#define RESEAL_DEPTH 8 /* of references; hostile ones may go round */

/* Seal a page again and make every reference to it right, up to the slots. */
static void reseal(struct ordeal *f, uint64_t page, int depth);

/* Replace a reference wherever it stands: in pages, aligned or not, and in slots. */
static void replace_reference(
	struct ordeal *f, uint64_t page, uint64_t old, uint64_t new, int depth)
{
	for (uint64_t i = PAGE_DURABLE; i < pages(f); i++) {
		bool changed = false;

		if (i >= PAGE_FIRST && node_header(page_of(f, i))->page != i)
			continue; /* a block of a value */
		for (size_t at = 8; at + 8 <= PAGE_SIZE; at++)
			if (load64(page_of(f, i) + at) == old) {
				store64(page_of(f, i) + at, new);
				changed = true;
			}
		if (changed && i != page && depth < RESEAL_DEPTH)
			reseal(f, i, depth + 1);
	}
}

static void reseal(struct ordeal *f, uint64_t page, int depth)
{
	struct page_header *header = (struct page_header *)(void *)page_of(f, page);
	uint64_t old = ref_make(page, header->checksum);

	if (page < PAGE_FIRST) { /* a slot; its digest must not stand in the way */
		struct format_slot *slot = (struct format_slot *)(void *)page_of(f, page);

		slot->flags = 0;
		slot->run_count = 0;
		slot->checksum = page_checksum(slot, f->seed);
		disk_poke(f->image, page * PAGE_SIZE, slot, PAGE_SIZE);
		return;
	}
	header->checksum = page_checksum(header, f->seed);
	disk_poke(f->image, page * PAGE_SIZE, header, PAGE_SIZE);
	replace_reference(f, page, old, ref_make(page, header->checksum), depth);
}

static bool is_node(const uint8_t *page)
{
	unsigned kind = node_header(page)->kind;

	return kind == PAGE_LEAF || kind == PAGE_BRANCH;
}

/* A reference that leads to any page, rightly sealed. */
static uint64_t any_reference(struct ordeal *f)
{
	uint64_t page = PAGE_FIRST + rng_below(&f->rng, (size_t)pages(f) - PAGE_FIRST);

	return ref_make(page, node_header(page_of(f, page))->checksum);
}

/* Where a cell of a node begins. */
static uint8_t *any_cell(struct ordeal *f, uint8_t *page)
{
	unsigned count = node_header(page)->count;
	bool sane = node_heads_at(node_header(page)->prefix) + 6UL * count <= PAGE_SIZE;
	unsigned at =
		sane && count > 0 ? node_slots(page)[rng_below(&f->rng, count)] : PAGE_SIZE / 2;

	return page + (at < PAGE_SIZE - 64 ? at : PAGE_SIZE - 64);
}

static void random_bytes(struct ordeal *f, uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)rng_next(&f->rng);
}

/* Change something in a page that the checksum would have told. */
static void mutate(struct ordeal *f, uint8_t *page)
{
	struct page_header *header = (struct page_header *)(void *)page;
	struct rng *rng = &f->rng;
	uint8_t *cell = is_node(page) ? any_cell(f, page) : page + 40 + rng_below(rng, 4000);
	uint16_t *slots = (uint16_t *)(void *)node_slots(page);

	switch (rng_below(rng, 12)) {
	case 0: /* a number of the header */
		random_bytes(f, page + 24 + rng_below(rng, 16), 1 + rng_below(rng, 2));
		break;
	case 1: /* a bit anywhere */
		page[24 + rng_below(rng, PAGE_SIZE - 24)] ^= (uint8_t)(1U << rng_below(rng, 8));
		break;
	case 2: /* a reference: a loop, a page used twice, another kind */
		store64(cell + rng_below(rng, 40), any_reference(f));
		break;
	case 3: /* heads, or what stands there */
		random_bytes(f, page + 40 + rng_below(rng, 200), 4);
		break;
	case 4: /* two cells in one place, or overlapping */
		if (is_node(page) && header->count > 1 && header->prefix <= PREFIX_MAX &&
			header->count < 500)
			slots[rng_below(rng, header->count)] =
				(uint16_t)(slots[rng_below(rng, header->count)] +
					   rng_below(rng, 3) * 5);
		break;
	case 5: /* the depth, and the kind */
		header->level = (uint8_t)rng_below(rng, 4);
		header->kind = (uint8_t)rng_below(rng, 5);
		break;
	case 6: /* sizes in a cell */
		random_bytes(f, cell + rng_below(rng, 8), 1 + rng_below(rng, 3));
		break;
	case 7: /* wild numbers behind them */
		store64(cell + 3 + rng_below(rng, 40), rng_next(rng) >> rng_below(rng, 64));
		break;
	case 8: /* what a node says of its free bytes */
		header->dead = (uint16_t)rng_next(rng);
		break;
	case 9:
		header->heap = (uint16_t)(header->heap - rng_below(rng, 100));
		break;
	case 10:
		header->prefix = (uint16_t)rng_below(rng, 600);
		break;
	default: /* many bytes */
		random_bytes(f, page + 40 + rng_below(rng, 3900), 100);
		break;
	}
}

/* Every kind of page with wrong content and right checksums, and the ways to it sealed again. */
static void sealed_nonsense(void **state)
{
	struct ordeal *f = *state;

	for (unsigned i = 0; i < rng_cases(1200); i++) {
		uint64_t seed = f->rng.state;

		snprintf(ordeal_doing, sizeof(ordeal_doing), "nonsense %u, KEYTREE_SEED=%llu\n", i,
			(unsigned long long)seed);
		disk_rebase(f->image, f->original);
		for (size_t n = 1 + rng_below(&f->rng, 3); n > 0; n--) {
			uint64_t page = PAGE_FIRST;

			/* Blocks of values have no structure; most pages are that. */
			for (int tries = 0; tries < 8; tries++) {
				page += rng_below(&f->rng, (size_t)(pages(f) - page));
				if (node_header(page_of(f, page))->page == page)
					break;
				page = PAGE_FIRST;
			}
			mutate(f, page_of(f, page));
			reseal(f, page, 0);
		}
		ordeal_try(f, false);
	}
}

/* Slots with wrong content and right checksums: roots, depths, sizes, the end of the log. */
static void sealed_slots(void **state)
{
	struct ordeal *f = *state;

	for (unsigned i = 0; i < rng_cases(1200); i++) {
		struct format_slot *slot;

		snprintf(ordeal_doing, sizeof(ordeal_doing), "slot %u, KEYTREE_SEED=%llu\n", i,
			(unsigned long long)f->rng.state);
		disk_rebase(f->image, f->original);
		for (uint64_t page = PAGE_DURABLE; page < PAGE_WEAK; page++) {
			uint8_t *bytes = page_of(f, page);
			size_t field = 16 + 8 * rng_below(&f->rng, 63);

			slot = (struct format_slot *)(void *)bytes;
			switch (rng_below(&f->rng, 5)) {
			case 0:
				store64(bytes + field, any_reference(f));
				break;
			case 1:
				store64(bytes + field, rng_next(&f->rng) >> rng_below(&f->rng, 64));
				break;
			case 2:
				slot->trees[rng_below(&f->rng, TREE_COUNT)].depth =
					(uint32_t)rng_below(&f->rng, 30);
				break;
			case 3:
				random_bytes(f, slot->tail + rng_below(&f->rng, 60), 2);
				break;
			default:
				random_bytes(f, bytes + 16 + rng_below(&f->rng, 500), 1);
				break;
			}
			reseal(f, page, 0);
		}
		ordeal_try(f, false);
	}
}

/* A page of random bytes under a right checksum, in the place of each page. */
static void sealed_noise(void **state)
{
	struct ordeal *f = *state;

	for (unsigned i = 0; i < rng_cases(500); i++) {
		uint64_t page = PAGE_FIRST + rng_below(&f->rng, (size_t)pages(f) - PAGE_FIRST);
		struct page_header *header = (struct page_header *)(void *)page_of(f, page);

		snprintf(ordeal_doing, sizeof(ordeal_doing), "noise %u\n", i);
		disk_rebase(f->image, f->original);
		random_bytes(f, (uint8_t *)header + sizeof(*header), PAGE_SIZE - sizeof(*header));
		if (rng_below(&f->rng, 2) == 0)
			header->count = (uint16_t)rng_below(&f->rng, 200);
		reseal(f, page, 0);
		ordeal_try(f, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flipped_bits, setup_small, teardown),
		cmocka_unit_test_setup_teardown(truncated, setup_small, teardown),
		cmocka_unit_test_setup_teardown(cut_off, setup_small, teardown),
		cmocka_unit_test_setup_teardown(misplaced_pages, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(garbage, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(sealed_nonsense, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(sealed_slots, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(sealed_noise, setup_rich, teardown),
	};

	cmocka_set_test_filter(getenv("KEYTREE_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
