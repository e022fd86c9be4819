#include "store/tree/unsynced.h"

#include <string.h>

void unsynced_clear(struct unsynced *unsynced)
{
	if (unsynced->count > 0)
		memset(unsynced->pages, 0, sizeof(unsynced->pages));
	unsynced->overflow = false;
	unsynced->count = 0;
}

/* Find the element of a page, or the empty one where it belongs.
 * @return NULL: there is none, which only a process that writes nonsense into the lock area can bring
 *         about */
static struct unsynced_page *unsynced_find(struct unsynced *unsynced, uint64_t number)
{
	size_t at = (size_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 32) % UNSYNCED_CAPACITY;

	for (size_t i = 0; i < UNSYNCED_CAPACITY; i++, at = (at + 1) % UNSYNCED_CAPACITY)
		if (unsynced->pages[at].page == 0 || ref_page(unsynced->pages[at].page) == number)
			return &unsynced->pages[at];
	return NULL;
}

void unsynced_add(struct unsynced *unsynced, uint64_t number, bool block, uint64_t sum)
{
	struct unsynced_page *page;

	if (unsynced->overflow)
		return;
	page = unsynced_find(unsynced, number);
	if (page == NULL || (page->page == 0 && unsynced->count++ >= UNSYNCED_MAX)) {
		unsynced->overflow = true;
		return;
	}
	page->page = number | (block ? UNSYNCED_BLOCK : 0);
	page->sum = sum;
}

void unsynced_remove(struct unsynced *unsynced, const struct run *run)
{
	if (unsynced->overflow || unsynced->count == 0)
		return;
	if (run->count > UNSYNCED_CAPACITY) {
		for (size_t i = 0; i < UNSYNCED_CAPACITY; i++) {
			struct unsynced_page *page = &unsynced->pages[i];

			if (page->page != 0 && ref_page(page->page) - run->start < run->count)
				page->page |= UNSYNCED_GONE;
		}
		return;
	}
	for (uint64_t i = 0; i < run->count; i++) {
		struct unsynced_page *page = unsynced_find(unsynced, run->start + i);

		if (page == NULL)
			unsynced->overflow = true;
		else if (page->page != 0)
			page->page |= UNSYNCED_GONE;
	}
}
