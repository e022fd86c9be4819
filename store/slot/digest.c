#include "store/slot/digest.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NOTE_BLOCKS (UINT64_C(1) << 63) /* a block of a value */
#define NOTE_GONE (UINT64_C(1) << 62)	/* not in use any more */

static uint64_t note_page(const struct unsynced_page *note)
{
	return ref_page(note->page);
}

void unsynced_clear(struct unsynced *unsynced)
{
	if (unsynced->count > 0)
		memset(unsynced->notes, 0, sizeof(unsynced->notes));
	unsynced->overflow = false;
	unsynced->count = 0;
}

/* The note of a page, or the empty place where it belongs. */
static struct unsynced_page *unsynced_find(struct unsynced *unsynced, uint64_t page)
{
	size_t at = (size_t)(page * UINT64_C(0x9E3779B97F4A7C15) >> 32) % UNSYNCED_CAPACITY;

	while (unsynced->notes[at].page != 0 && note_page(&unsynced->notes[at]) != page)
		at = (at + 1) % UNSYNCED_CAPACITY;
	return &unsynced->notes[at];
}

void unsynced_add(struct unsynced *unsynced, uint64_t page, bool blocks, uint64_t sum)
{
	struct unsynced_page *note;

	if (unsynced->overflow)
		return;
	note = unsynced_find(unsynced, page);
	if (note->page == 0 && unsynced->count++ == UNSYNCED_MAX) {
		unsynced->overflow = true;
		return;
	}
	note->page = page | (blocks ? NOTE_BLOCKS : 0);
	note->sum = sum;
}

void unsynced_remove(struct unsynced *unsynced, const struct run *run)
{
	if (unsynced->overflow || unsynced->count == 0)
		return;
	if (run->count > UNSYNCED_CAPACITY) {
		for (size_t i = 0; i < UNSYNCED_CAPACITY; i++) {
			struct unsynced_page *note = &unsynced->notes[i];

			if (note->page != 0 && note_page(note) - run->start < run->count)
				note->page |= NOTE_GONE;
		}
		return;
	}
	for (uint64_t i = 0; i < run->count; i++) {
		struct unsynced_page *note = unsynced_find(unsynced, run->start + i);

		if (note->page != 0)
			note->page |= NOTE_GONE;
	}
}

/* ---- the digest ------------------------------------------------------------------------------ */

static int digest_compare(const void *a, const void *b)
{
	uint64_t x = note_page(a), y = note_page(b);

	return (x > y) - (x < y);
}

/* Is a note's page none of the commit any more? */
static bool digest_is_gone(const struct unsynced_page *note, const uint8_t *map, uint64_t tail_seq)
{
	const struct format_log *log;

	if (note->page & NOTE_GONE)
		return true;
	if (note->page & NOTE_BLOCKS)
		return false;
	log = (const struct format_log *)(const void *)(map + note_page(note) * PAGE_SIZE);
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

bool digest_make(struct unsynced *unsynced, const uint8_t *map, uint64_t tail_seq, uint64_t seed,
	struct format_slot *slot)
{
	struct unsynced_page live[UNSYNCED_MAX + 1];
	uint64_t sums[UNSYNCED_MAX + 1];
	size_t count = 0;

	slot->flags = 0;
	slot->run_count = 0;
	if (unsynced->overflow)
		return false;
	for (size_t i = 0; i < UNSYNCED_CAPACITY && unsynced->count > 0; i++)
		if (unsynced->notes[i].page != 0 &&
			!digest_is_gone(&unsynced->notes[i], map, tail_seq))
			live[count++] = unsynced->notes[i];
	qsort(live, count, sizeof(live[0]), digest_compare);
	for (size_t i = 0; i < count; i++) {
		sums[i] = live[i].sum;
		if (!digest_add_run(slot, note_page(&live[i]), live[i].page & NOTE_BLOCKS)) {
			slot->run_count = 0;
			return false;
		}
	}
	slot->digest = XXH3_64bits_withSeed(sums, count * sizeof(sums[0]), seed);
	slot->flags = SLOT_DIGEST;
	return true;
}

/* Sum of a page as it is in the file. @return false: it is not whole */
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
