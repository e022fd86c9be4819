#include "store/slot/digest.h"

#include <stdlib.h>
#include <xxhash.h>

static int digest_compare(const void *a, const void *b)
{
	uint64_t x = ref_page(((const struct unsynced_page *)a)->page);
	uint64_t y = ref_page(((const struct unsynced_page *)b)->page);

	return (x > y) - (x < y);
}

/* Does a page not belong to the commit any more? */
static bool digest_is_gone(const struct unsynced_page *page, const uint8_t *map, uint64_t tail_seq)
{
	const struct format_log *log;

	if (page->page & UNSYNCED_GONE)
		return true;
	if (page->page & UNSYNCED_BLOCK)
		return false;
	log = (const struct format_log *)(const void *)(map + ref_page(page->page) * PAGE_SIZE);
	return log->header.kind == PAGE_LOG && log->seq < tail_seq;
}

/* Add a page to the runs. @return false: too many runs */
static bool digest_add_run(struct format_slot *slot, uint64_t page, uint64_t blocks)
{
	if (slot->run_count > 0) {
		uint64_t *last = &slot->runs[slot->run_count - 1];
		uint64_t count = run_size(*last);

		if ((*last & RUN_BLOCKS) == blocks && ref_page(*last) + count == page) {
			*last += UINT64_C(1) << PAGE_BITS;
			return true;
		}
	}
	if (slot->run_count == SLOT_RUNS)
		return false;
	slot->runs[slot->run_count++] = page | UINT64_C(1) << PAGE_BITS | blocks;
	return true;
}

bool digest_make(const struct unsynced *unsynced, const uint8_t *map, uint64_t tail_seq,
	uint64_t seed, struct format_slot *slot)
{
	struct unsynced_page live[UNSYNCED_MAX + 1];
	uint64_t sums[UNSYNCED_MAX + 1];
	size_t count = 0;

	slot->flags = 0;
	slot->run_count = 0;
	if (unsynced->overflow)
		return false;
	for (size_t i = 0; i < UNSYNCED_CAPACITY && unsynced->count > 0; i++) {
		/* The list is shared memory: an element is looked at once, and not believed. */
		struct unsynced_page page =
			*(const volatile struct unsynced_page *)&unsynced->pages[i];

		if (page.page == 0 || (page.page & UNSYNCED_GONE))
			continue;
		if (ref_page(page.page) >= slot->page_count || count == UNSYNCED_MAX + 1)
			return false;
		if (!digest_is_gone(&page, map, tail_seq))
			live[count++] = page;
	}
	qsort(live, count, sizeof(live[0]), digest_compare);
	for (size_t i = 0; i < count; i++) {
		sums[i] = live[i].sum;
		if (!digest_add_run(slot, ref_page(live[i].page), live[i].page & UNSYNCED_BLOCK)) {
			slot->run_count = 0;
			return false;
		}
	}
	slot->digest = XXH3_64bits_withSeed(sums, count * sizeof(sums[0]), seed);
	slot->flags = SLOT_DIGEST;
	return true;
}

/* Compute the checksum of a page in the file. @return false: its header does not agree */
static bool digest_page_sum(
	const uint8_t *map, uint64_t page, bool blocks, uint64_t seed, uint64_t *sum)
{
	const uint8_t *data = map + page * PAGE_SIZE;
	const struct page_header *header = (const struct page_header *)(const void *)data;

	*sum = blocks ? block_checksum(data, seed) : page_checksum(data, seed);
	return blocks || (header->checksum == *sum && header->page == page);
}

bool digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed)
{
	uint64_t sums[UNSYNCED_MAX + 1];
	size_t count = 0;

	if (!(slot->flags & SLOT_DIGEST))
		return true;
	if (slot->run_count > SLOT_RUNS)
		return false;
	for (uint32_t i = 0; i < slot->run_count; i++) {
		uint64_t start = ref_page(slot->runs[i]);
		uint64_t size = run_size(slot->runs[i]);
		bool blocks = (slot->runs[i] & RUN_BLOCKS) != 0;

		if (start < PAGE_FIRST || start >= pages || size > pages - start ||
			size > UNSYNCED_MAX + 1 - count)
			return false;
		for (uint64_t page = start; page < start + size; page++)
			if (!digest_page_sum(map, page, blocks, seed, &sums[count++]))
				return false;
	}
	return slot->digest == XXH3_64bits_withSeed(sums, count * sizeof(sums[0]), seed);
}
