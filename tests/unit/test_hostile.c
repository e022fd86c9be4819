/* Damaged and hostile files (I8): right data or an error, never a crash, a hang or, where checksums
 * can tell, other data.
 *
 * The images are made on the simulated disk of the crash harness. Some are damaged as disks do it;
 * others are sealed again after the damage, as an attacker would, so that every checksum is right
 * and only the structure is wrong: then any data is right data, as long as the engine survives.
 * What takes too long is ended by an alarm.
 */
#include "rng.h"

#include "store/cell.h"
#include "store/node.h"
#include "store/store.h"
#include "tests/crash/disk.h"
#include "tests/crash/state.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST_TIMEOUT_S 500 /* of one test; a sanitizer makes it slow */

struct fixture {
	struct rng rng;
	struct disk *original;
	struct disk *image;
	struct state state;
	uint64_t seed; /* of the store's checksums */
};

/* What is tried now, for the message when it does not return. */
static char doing[200];

static void die(int signal)
{
	ssize_t r = write(STDERR_FILENO, doing, strlen(doing));

	(void)r;
	_exit(128 + signal);
}

/* ---- the original ---------------------------------------------------------------------------- */

static void put(struct fixture *f, struct kt_txn *txn, int tree, const char *key, size_t key_size,
	size_t size)
{
	struct model_entry *entry = model_edit(&f->state.trees[tree], key, key_size);
	uint8_t *value = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)(i % 251 + key_size);
	assert_int_equal(
		kt_put(kt_tree(txn, (enum kt_tree_id)tree), key, key_size, value, size), 0);
	model_resize(entry, size);
	memcpy(entry->value, value, size);
	free(value);
}

static void put_attr(struct fixture *f, struct kt_txn *txn, const char *key, size_t size)
{
	static uint8_t attr[8000];

	memset(attr, 'a', sizeof(attr));
	assert_int_equal(kt_set_attr(txn, key, strlen(key), attr, size), 0);
	model_set_attr(model_edit(&f->state.trees[0], key, strlen(key)), attr, size);
}

/* Something of everything that a store can hold. */
static void fill_rich(struct fixture *f, struct kt_store *store)
{
	char key[KT_KEY_MAX];
	struct kt_txn *txn;

	memset(key, 'k', sizeof(key));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (int i = 0; i < 300; i++) {
		size_t size = (size_t)sprintf(key, "entry/%04d", i * 7);

		put(f, txn, i % 10 == 9 ? 1 + i % 3 % 2 : 0, key, size, (size_t)i % 90);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "blocks", 6, 20000);
	put(f, txn, 0, "tree", 4, 500000);
	assert_int_equal(kt_write(txn, "tree", 4, 600000, "end", 3), 0);
	model_resize(model_edit(&f->state.trees[0], "tree", 4), 600003);
	memcpy(model_edit(&f->state.trees[0], "tree", 4)->value + 600000, "end", 3);
	put_attr(f, txn, "entry/0007", 100);
	put_attr(f, txn, "entry/0014", 7000);
	memset(key, 'k', sizeof(key));
	for (size_t i = 0; i < 6; i++) {
		key[1000 + 500 * i] = 'l';
		put(f, txn, 0, key, 600 + 600 * i, 30);
	}
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

/* A little of everything, on few pages. */
static void fill_small(struct fixture *f, struct kt_store *store)
{
	char key[400];
	struct kt_txn *txn;

	memset(key, 'k', sizeof(key));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "a", 1, 10);
	put(f, txn, 0, "b", 1, 5000);
	put(f, txn, 0, "c", 1, 100);
	put(f, txn, 0, key, sizeof(key), 10);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	put(f, txn, 0, "d", 1, 10);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
}

static int setup_with(void **state, void (*fill)(struct fixture *, struct kt_store *))
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kt_store *store;
	struct io *io;

	f->rng = rng_seed("hostile");
	f->original = disk_new();
	f->image = disk_new();
	io = disk_handle(f->original);
	assert_int_equal(store_format(io), 0);
	assert_int_equal(store_open(io, "disk", "original", false, &store), 0);
	fill(f, store);
	f->seed = store->seed;
	assert_int_equal(kt_close(store), 0);
	disk_settle(f->original);
	signal(SIGALRM, die);
	alarm(TEST_TIMEOUT_S);
	*state = f;
	return 0;
}

static int setup_rich(void **state)
{
	return setup_with(state, fill_rich);
}

static int setup_small(void **state)
{
	return setup_with(state, fill_small);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	state_fini(&f->state);
	disk_free(f->original);
	disk_free(f->image);
	free(f);
	return 0;
}

static uint64_t pages(const struct fixture *f)
{
	return f->original->platter_size / PAGE_SIZE;
}

static uint8_t *page_of(const struct fixture *f, uint64_t page)
{
	return f->image->cache + page * PAGE_SIZE;
}

/* ---- trying an image ------------------------------------------------------------------------- */

/* Errors that a damaged store may give. */
static bool is_expected(int err)
{
	switch (err) {
	case 0:
	case -ENOENT:
	case -EUCLEAN:
	case -EBADMSG:
	case -EMEDIUMTYPE:
	case -ENOTSUP:
	case -ENOMEM: /* an entry that claims to be huge */
	case -ENOSPC:
	case -EROFS:
	case -EFBIG:
	case -ENXIO:
	case -EOVERFLOW:
		return true;
	default:
		return false;
	}
}

static void expect(int err)
{
	if (!is_expected(err))
		fail_msg("%s: error %d, %s", doing, err, strerror(-err));
}

/* Read all there is, both ways, whatever it may be. */
static void scan(struct kt_txn *txn, bool forward)
{
	struct kt_cursor *cursor;
	struct kt_slice value;
	struct kt_stat stat;
	unsigned steps = 0;
	int err;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while ((err = forward ? kt_cursor_next(cursor) : kt_cursor_prev(cursor)) == 0) {
		assert_true(steps++ < 1000000);
		err = kt_cursor_stat(cursor, &stat);
		expect(err);
		if (err == 0 && stat.size < 4 << 20)
			expect(kt_cursor_value(cursor, &value));
	}
	expect(err);
	kt_cursor_close(cursor);
}

/* Change an entry in every way that there is. */
static int change(struct fixture *f, struct kt_txn *txn, const void *key, size_t size)
{
	uint8_t bytes[6000] = {0};
	int err = 0;

	switch (rng_below(&f->rng, 8)) {
	case 0:
		err = kt_delete(txn, key, size, 0);
		break;
	case 1:
		err = kt_put(txn, key, size, bytes, rng_below(&f->rng, sizeof(bytes)));
		break;
	case 2:
		err = kt_write(txn, key, size, rng_below(&f->rng, 30000), bytes, 5000);
		break;
	case 3:
		err = kt_truncate(txn, key, size, rng_below(&f->rng, 10000));
		break;
	case 4:
		err = kt_punch(txn, key, size, rng_below(&f->rng, 10000), 9000);
		break;
	case 5:
		err = kt_set_attr(txn, key, size, bytes, rng_below(&f->rng, 600));
		break;
	case 6:
		err = kt_move(txn, key, size, txn, "moved", 5);
		break;
	default:
		err = kt_put(txn, bytes, rng_below(&f->rng, 700), bytes, 50);
		break;
	}
	expect(err);
	return err;
}

static void write_to(struct fixture *f, struct kt_store *store)
{
	const struct model *model = &f->state.trees[0];
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	expect(err);
	if (err != 0)
		return;
	for (int i = 0; i < 12 && (err == 0 || err == -ENOENT || err == -EFBIG); i++) {
		const struct model_entry *entry = &model->entries[rng_below(&f->rng, model->count)];

		err = change(f, txn, entry->key, entry->key_size);
	}
	if (rng_below(&f->rng, 4) == 0)
		kt_abort(txn);
	else
		expect(kt_commit(txn, KT_FLUSH));
}

/* Open, check, read and write. exact: other data than the original's are wrong. */
static void try(struct fixture *f, bool exact)
{
	struct kt_store *store;
	struct kt_txn *txn;
	const char *why;
	uint64_t findings;
	int err = store_open(disk_handle(f->image), "disk", "hostile", false, &store);

	expect(err);
	if (err != 0)
		return;
	expect(kt_check(store, NULL, NULL, &findings));
	assert_int_equal(kt_begin(store, KT_READ | KT_VERIFY, &txn), 0);
	if (exact && !state_equals(&f->state, txn, NULL, true, &why))
		fail_msg("%s: %s", doing, why);
	for (int i = 0; i < 6 && !exact; i++)
		scan(kt_tree(txn, (enum kt_tree_id)(i / 2)), i % 2 == 0);
	kt_abort(txn);
	write_to(f, store);
	if (!exact)
		expect(kt_check(store, NULL, NULL, &findings));
	expect(kt_close(store));
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* One bit of every byte of a small image is flipped; with KEYTREE_ALL_BITS set, every bit; with
 * KEYTREE_BRIEF, one in eight bytes. */
static void flipped_bits(void **state)
{
	struct fixture *f = *state;
	unsigned step = getenv("KEYTREE_ALL_BITS") != NULL ? 1 : rng_cases(8) == 8 ? 8 : 64;

	for (uint64_t bit = 0; bit < f->original->platter_size * 8; bit += step) {
		uint64_t at = bit / 8;
		unsigned which = step == 1 ? bit % 8 : (unsigned)rng_below(&f->rng, 8);
		uint8_t byte = f->original->platter[at] ^ (uint8_t)(1U << which);

		snprintf(doing, sizeof(doing), "bit %u of byte %llu of page %llu flipped\n", which,
			(unsigned long long)at % PAGE_SIZE, (unsigned long long)at / PAGE_SIZE);
		disk_rebase(f->image, f->original);
		disk_poke(f->image, at, &byte, 1);
		try(f, true);
	}
}

/* A file cut off anywhere is an error, or what is missing was not in use. */
static void truncated(void **state)
{
	struct fixture *f = *state;

	for (uint64_t size = 0; size < f->original->platter_size;
		size += 1 + rng_below(&f->rng, size % PAGE_SIZE == 0 ? 2 : 200)) {
		snprintf(doing, sizeof(doing), "cut at %llu\n", (unsigned long long)size);
		disk_rebase(f->image, f->original);
		disk_resize(f->image, size);
		try(f, true);
	}
}

/* Pages that are zeroed, swapped with another, or there twice. */
static void misplaced_pages(void **state)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct fixture *f = *state;
	const uint8_t *from = f->original->platter;

	for (uint64_t page = 0; page < pages(f); page++) {
		for (int how = 0; how < 9; how++) {
			uint64_t other = PAGE_FIRST;

			other += rng_below(&f->rng, (size_t)(pages(f) - other));

			snprintf(doing, sizeof(doing), "page %llu and %llu, %d\n",
				(unsigned long long)page, (unsigned long long)other, how);
			disk_rebase(f->image, f->original);
			disk_poke(f->image, page * PAGE_SIZE,
				how == 0 ? zeros : from + other * PAGE_SIZE, PAGE_SIZE);
			if (how % 2 == 1 && page >= PAGE_FIRST)
				disk_poke(f->image, other * PAGE_SIZE, from + page * PAGE_SIZE,
					PAGE_SIZE);
			try(f, true);
		}
	}
}

/* Random bytes over random ranges. */
static void garbage(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < rng_cases(800); i++) {
		uint64_t at = rng_below(&f->rng, (size_t)f->original->platter_size - 600);
		uint64_t random[64];

		snprintf(doing, sizeof(doing), "garbage at %llu\n", (unsigned long long)at);
		for (int n = 0; n < 64; n++)
			random[n] = rng_next(&f->rng);
		disk_rebase(f->image, f->original);
		disk_poke(f->image, at, random, 1 + rng_below(&f->rng, sizeof(random)));
		try(f, true);
	}
}

/* ---- hostility ------------------------------------------------------------------------------- */

#define RESEAL_DEPTH 8 /* of references; hostile ones may go round */

/* Seal a page again and make every reference to it right, up to the slots. */
static void reseal(struct fixture *f, uint64_t page, int depth);

/* Replace a reference wherever it stands: in pages, aligned or not, and in slots. */
static void replace_reference(
	struct fixture *f, uint64_t page, uint64_t old, uint64_t new, int depth)
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

static void reseal(struct fixture *f, uint64_t page, int depth)
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
static uint64_t any_reference(struct fixture *f)
{
	uint64_t page = PAGE_FIRST + rng_below(&f->rng, (size_t)pages(f) - PAGE_FIRST);

	return ref_make(page, node_header(page_of(f, page))->checksum);
}

/* Where a cell of a node begins. */
static uint8_t *any_cell(struct fixture *f, uint8_t *page)
{
	unsigned count = node_header(page)->count;
	bool sane = node_heads_at(node_header(page)->prefix) + 6UL * count <= PAGE_SIZE;
	unsigned at =
		sane && count > 0 ? node_slots(page)[rng_below(&f->rng, count)] : PAGE_SIZE / 2;

	return page + (at < PAGE_SIZE - 64 ? at : PAGE_SIZE - 64);
}

static void random_bytes(struct fixture *f, uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)rng_next(&f->rng);
}

/* Change something in a page that the checksum would have told. */
static void mutate(struct fixture *f, uint8_t *page)
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
	struct fixture *f = *state;

	for (unsigned i = 0; i < rng_cases(1200); i++) {
		uint64_t seed = f->rng.state;

		snprintf(doing, sizeof(doing), "nonsense %u, KEYTREE_SEED=%llu\n", i,
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
		try(f, false);
	}
}

/* Slots with wrong content and right checksums: roots, depths, sizes, the end of the log. */
static void sealed_slots(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < rng_cases(1200); i++) {
		struct format_slot *slot;

		snprintf(doing, sizeof(doing), "slot %u, KEYTREE_SEED=%llu\n", i,
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
		try(f, false);
	}
}

/* A page of random bytes under a right checksum, in the place of each page. */
static void sealed_noise(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < rng_cases(500); i++) {
		uint64_t page = PAGE_FIRST + rng_below(&f->rng, (size_t)pages(f) - PAGE_FIRST);
		struct page_header *header = (struct page_header *)(void *)page_of(f, page);

		snprintf(doing, sizeof(doing), "noise %u\n", i);
		disk_rebase(f->image, f->original);
		random_bytes(f, (uint8_t *)header + sizeof(*header), PAGE_SIZE - sizeof(*header));
		if (rng_below(&f->rng, 2) == 0)
			header->count = (uint16_t)rng_below(&f->rng, 200);
		reseal(f, page, 0);
		try(f, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flipped_bits, setup_small, teardown),
		cmocka_unit_test_setup_teardown(truncated, setup_small, teardown),
		cmocka_unit_test_setup_teardown(misplaced_pages, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(garbage, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(sealed_nonsense, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(sealed_slots, setup_rich, teardown),
		cmocka_unit_test_setup_teardown(sealed_noise, setup_rich, teardown),
	};

	cmocka_set_test_filter(getenv("KEYTREE_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
