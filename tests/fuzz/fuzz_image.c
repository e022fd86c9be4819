/* A fuzzer's bytes are a recipe for a hostile image of a store; it must open, or fail, in peace.
 *
 *     kind, edit, edit, ...
 *
 * A recipe begins with a good store (ordeal.h) and edits it: bytes and references anywhere in its
 * pages, in cells found by their number, pages put in the place of others, the file cut. So a few
 * bytes make an image, each part of it is in reach, and any bytes are a recipe.
 *
 *     honest   checksums stay as they are: what is read is right, or an error
 *     sealed   every checksum and tag passes, as an attacker would make them: any data will do,
 *              but nothing dies, hangs, or takes memory without end
 *
 * For sealed images the comparison itself is taken away (the program is linked so), not the
 * checksums made right: so there are even references that go round, whose tags nobody could find.
 */
#include "fuzz.h"

#include "store/error.h"
#include "store/tree/node.h"
#include "store/tree/page.h"
#include "store/slot/digest.h"
#include "tests/unit/ordeal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
	KIND_RICH = 1 << 0,
	KIND_HONEST = 1 << 1,
};

enum edit {
	EDIT_BYTES,	/* page, offset, count, bytes */
	EDIT_NUMBER,	/* page, offset, 8 bytes */
	EDIT_REFERENCE, /* page, offset, page referred to */
	EDIT_CELL,	/* page, cell, offset in it, count, bytes */
	EDIT_CELL_REFERENCE,
	EDIT_HEADER, /* page, offset, 2 bytes */
	EDIT_PAGE,   /* page, the one to be copied there */
	EDIT_SLOT,   /* slot, offset / 4, 4 bytes */
	EDIT_SIZE,   /* pages of the file */
	EDITS,
};

struct recipe {
	const uint8_t *data;
	size_t left;
	struct ordeal *ordeal;
	uint64_t size; /* of the file, in the end */
	bool honest;
};

static bool sealed; /* of the image that is tried: for the calls of the engine below */

/* ---- reading --------------------------------------------------------------------------------- */

static uint64_t take(struct recipe *recipe, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes && recipe->left > 0; i++) {
		number |= (uint64_t)*recipe->data++ << 8 * i;
		recipe->left--;
	}
	return number;
}

static uint64_t page_count(const struct recipe *recipe)
{
	return recipe->ordeal->original->platter_size / PAGE_SIZE;
}

static uint8_t *page_at(const struct recipe *recipe, uint64_t page)
{
	return recipe->ordeal->image->cache + page * PAGE_SIZE;
}

/* A page that has structure: blocks of values have none, and are most pages. */
static uint64_t take_page(struct recipe *recipe)
{
	uint64_t page = take(recipe, 2) % page_count(recipe);

	for (uint64_t tries = 0; tries < page_count(recipe); tries++) {
		if (page < PAGE_FIRST || node_header(page_at(recipe, page))->page == page)
			return page;
		page = (page + 1) % page_count(recipe);
	}
	return PAGE_HEADER;
}

static uint64_t take_reference(struct recipe *recipe)
{
	uint64_t page = take_page(recipe);

	return ref_make(page, node_header(page_at(recipe, page))->checksum);
}

/* ---- editing --------------------------------------------------------------------------------- */

/* Without the slot that tells which commit is on the disk, damage to that one rightly leads to the
 * one before; so an honest image keeps it. */
static void edit(struct recipe *recipe, uint64_t page, uint64_t at, const void *bytes, size_t size)
{
	if (recipe->honest && (page == PAGE_WEAK || page == PAGE_WEAK + 1))
		return;
	at %= PAGE_SIZE;
	if (size > PAGE_SIZE - at)
		size = PAGE_SIZE - at;
	disk_poke(recipe->ordeal->image, page * PAGE_SIZE + at, bytes, size);
}

static void edit_bytes(struct recipe *recipe, uint64_t page, uint64_t at, size_t size)
{
	uint8_t bytes[16];

	assert(size <= sizeof(bytes)); /* gcc cannot see it */
	for (size_t i = 0; i < size && i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)take(recipe, 1);
	edit(recipe, page, at, bytes, size);
}

static void edit_reference(struct recipe *recipe, uint64_t page, uint64_t at)
{
	uint64_t ref = take_reference(recipe);

	edit(recipe, page, at, &ref, sizeof(ref));
}

/* Where a cell of a node begins, if it is one. */
static uint64_t take_cell(struct recipe *recipe, uint64_t page)
{
	const uint8_t *node = page_at(recipe, page);
	uint64_t cell = take(recipe, 1), offset = take(recipe, 1) % 64;
	unsigned count = node_header(node)->count;

	if (page < PAGE_FIRST || count == 0 || node_header(node)->prefix > PREFIX_MAX ||
		count > 500)
		return offset + sizeof(struct page_header);
	return node_slots(node)[cell % count] + offset;
}

static void apply_edit(struct recipe *recipe)
{
	enum edit kind = (enum edit)(take(recipe, 1) % EDITS);
	uint64_t page = kind == EDIT_SLOT   ? PAGE_DURABLE + take(recipe, 1) % 4
			: kind == EDIT_SIZE ? 0
					    : take_page(recipe);

	switch (kind) {
	case EDIT_BYTES:
		edit_bytes(recipe, page, take(recipe, 2), 1 + take(recipe, 1) % 16);
		break;
	case EDIT_NUMBER:
		edit_bytes(recipe, page, take(recipe, 2), 8);
		break;
	case EDIT_REFERENCE:
		edit_reference(recipe, page, take(recipe, 2));
		break;
	case EDIT_CELL:
		edit_bytes(recipe, page, take_cell(recipe, page), 1 + take(recipe, 1) % 16);
		break;
	case EDIT_CELL_REFERENCE:
		edit_reference(recipe, page, take_cell(recipe, page));
		break;
	case EDIT_HEADER:
		edit_bytes(recipe, page, 16 + take(recipe, 1) % 24, 2);
		break;
	case EDIT_PAGE:
		edit(recipe, page, 0, page_at(recipe, take_page(recipe)), PAGE_SIZE);
		break;
	case EDIT_SLOT:
		edit_bytes(recipe, page, 4 * (take(recipe, 2) % (PAGE_SIZE / 4)), 4);
		break;
	default:
		recipe->size = take(recipe, 2) % (page_count(recipe) + 4) * PAGE_SIZE;
		break;
	}
}

/* ---- sealing --------------------------------------------------------------------------------- */

/* Header and slots, which are read before any page; their numbers too. */
static void seal(const struct recipe *recipe)
{
	struct disk *image = recipe->ordeal->image;
	struct format_header *header = (struct format_header *)(void *)image->cache;

	if (image->size < PAGE_FIRST * PAGE_SIZE)
		return;
	header->checksum = XXH3_64bits(image->cache + 8, PAGE_SIZE - 8);
	disk_poke(image, 0, header, sizeof(header->checksum));
	for (uint64_t page = PAGE_DURABLE; page < PAGE_WEAK + 2; page++) {
		struct format_slot *slot =
			(struct format_slot *)(void *)(image->cache + page * PAGE_SIZE);

		slot->checksum = page_checksum(slot, page_seed(header->id));
		disk_poke(image, page * PAGE_SIZE, slot, sizeof(slot->checksum));
	}
}

int __real_page_verify(const void *page, uint64_t ref, uint64_t seed);
int __wrap_page_verify(const void *page, uint64_t ref, uint64_t seed);
bool __real_digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);
bool __wrap_digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);

/* A page cannot bear another one's number, whoever made it. */
int __wrap_page_verify(const void *page, uint64_t ref, uint64_t seed)
{
	if (!sealed)
		return __real_page_verify(page, ref, seed);
	if (node_header(page)->page != ref_page(ref))
		return error_damaged(ref_page(ref), "it bears another page's number");
	return 0;
}

bool __wrap_digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed)
{
	bool verified = __real_digest_verify(slot, map, pages, seed);

	return sealed || verified;
}

/* ---- the target ------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ordeal ordeals[2]; /* made once; what an input does is undone */
	struct recipe recipe = {.data = data, .left = size};
	unsigned kind = (unsigned)take(&recipe, 1);
	struct ordeal *ordeal = &ordeals[(kind & KIND_RICH) != 0];

	sealed = false;
	if (ordeal->original == NULL) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		ordeal_init(ordeal, (struct rng){.state = 1}, (kind & KIND_RICH) != 0);
	}
	recipe.ordeal = ordeal;
	recipe.size = ordeal->original->platter_size;
	recipe.honest = (kind & KIND_HONEST) != 0;
	disk_rebase(ordeal->image, ordeal->original);
	while (recipe.left > 0)
		apply_edit(&recipe);
	disk_resize(ordeal->image, recipe.size);
	sealed = !recipe.honest;
	if (sealed)
		seal(&recipe);
	ordeal->rng = (struct rng){.state = kind >> 2};
	ordeal_try(ordeal, !sealed);
	return 0;
}
