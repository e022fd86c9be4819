#include "store/tree/readahead.h"

#include "store/io/io.h"
#include "store/tree/node.h"
#include "store/tree/pager.h"

#include <stdlib.h>

/* Leaves asked for: first, and at most. Twice as many each time. */
#define WINDOW_FIRST 8
#define WINDOW_MAX 64

/* From this many leaves on, a cursor checks whether leaves met before are still in memory. */
#define WINDOW_LONG 16

void readahead_reset(struct readahead *ahead)
{
	*ahead = (struct readahead){0};
}

static int readahead_by_page(const void *one, const void *two)
{
	const uint64_t *a = one, *b = two;

	return (*a > *b) - (*a < *b);
}

/* Ask for some pages; those that lie in a row at once. */
static void readahead_fetch(struct io *io, uint64_t *pages, unsigned count)
{
	unsigned from = 0;

	qsort(pages, count, sizeof(*pages), readahead_by_page);
	for (unsigned i = 1; i <= count; i++) {
		if (i < count && pages[i] == pages[i - 1] + 1)
			continue;
		io_prefetch(io, pages[from] * PAGE_SIZE, (i - from) * (uint64_t)PAGE_SIZE);
		from = i;
	}
}

/* Is a leaf in memory? A leaf that was met before mostly is.
 * sure: ask the kernel all the same */
static bool readahead_is_there(struct pager *pager, uint64_t ref, bool sure)
{
	return ref_page(ref) >= pager->page_count || (!sure && pager_has_seen(pager, ref)) ||
	       io_cached(pager->io, ref_page(ref) * PAGE_SIZE);
}

/* Prefetch children of a branch in one direction, unless the first, the middle and the last are in
 * memory: prefetching all in vain costs as much as walking them. */
static void readahead_fetch_children(
	struct pager *pager, const uint8_t *branch, unsigned index, bool forward, unsigned count)
{
	unsigned middle = forward ? index + count / 2 : index - count / 2;
	unsigned last = forward ? index + count - 1 : index - count + 1;
	uint64_t pages[WINDOW_MAX];
	unsigned wanted = 0;

	if (readahead_is_there(pager, node_child(branch, index), false) &&
		readahead_is_there(pager, node_child(branch, middle), false) &&
		readahead_is_there(pager, node_child(branch, last), count >= WINDOW_LONG))
		return;
	for (unsigned i = 0; i < count; i++) {
		uint64_t page = ref_page(node_child(branch, forward ? index + i : index - i));

		if (page < pager->page_count)
			pages[wanted++] = page;
	}
	readahead_fetch(pager->io, pages, wanted);
}

void readahead_step(
	struct readahead *ahead, struct pager *pager, const struct path *path, bool forward)
{
	const uint8_t *branch;
	unsigned index, left;

	if (path->depth < 2)
		return;
	branch = path->level[1].node;
	index = path->level[1].index;
	if (ahead->branch != path->level[1].ref || ahead->forward != forward)
		ahead->asked = 0;
	else if (ahead->asked > 0)
		ahead->asked--;
	ahead->branch = path->level[1].ref;
	ahead->forward = forward;
	if (ahead->asked > ahead->window / 2)
		return;
	left = !forward ? index : node_last(branch) > index ? node_last(branch) - index : 0;
	ahead->window = ahead->window == 0 ? WINDOW_FIRST : ahead->window * 2;
	if (ahead->window > WINDOW_MAX)
		ahead->window = WINDOW_MAX;
	if (left > ahead->window)
		left = ahead->window;
	if (left <= ahead->asked)
		return;
	index = forward ? index + 1 + ahead->asked : index - 1 - ahead->asked;
	readahead_fetch_children(pager, branch, index, forward, left - ahead->asked);
	ahead->asked = left;
}
