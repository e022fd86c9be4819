#include "readahead.h"

#include "io.h"
#include "node.h"
#include "pager.h"

#include <stdlib.h>

/* Leaves asked for: first, and at most. Twice as many each time. */
#define WINDOW_FIRST 8
#define WINDOW_MAX 64

/* A cursor that asks for so many looks whether those it has met are still in memory. */
#define WINDOW_LONG 16

void readahead_reset(struct readahead *ahead)
{
	*ahead = (struct readahead){0};
}

static int by_page(const void *one, const void *two)
{
	const uint64_t *a = one, *b = two;

	return (*a > *b) - (*a < *b);
}

/* Ask for some pages; those that lie in a row at once. */
static void fetch(struct io *io, uint64_t *pages, unsigned count)
{
	unsigned from = 0;

	qsort(pages, count, sizeof(*pages), by_page);
	for (unsigned i = 1; i <= count; i++) {
		if (i < count && pages[i] == pages[i - 1] + 1)
			continue;
		io_prefetch(io, pages[from] * PAGE_SIZE, (i - from) * (uint64_t)PAGE_SIZE);
		from = i;
	}
}

/* Ask for the children of a branch that are not in memory: some of them next to one, in one
 * direction. */
static void fetch_children(
	struct pager *pager, const uint8_t *branch, unsigned index, bool forward, unsigned count)
{
	uint64_t pages[WINDOW_MAX], ref = 0;
	unsigned met = 0, unmet = 0;

	for (unsigned i = 0; i < count; i++) {
		ref = node_child(branch, forward ? index + i : index - i);
		if (ref_page(ref) >= pager->page_count)
			continue;
		if (pager_has_seen(pager, ref))
			pages[WINDOW_MAX - ++met] = ref_page(ref);
		else
			pages[unmet++] = ref_page(ref);
	}
	if (unmet > 0)
		fetch(pager->io, pages, unmet);
	if (met >= WINDOW_LONG && !io_cached(pager->io, pages[WINDOW_MAX - met] * PAGE_SIZE))
		fetch(pager->io, pages + WINDOW_MAX - met, met);
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
	left = forward ? node_header(branch)->count - 1U - index : index;
	ahead->window = ahead->window == 0 ? WINDOW_FIRST : ahead->window * 2;
	if (ahead->window > WINDOW_MAX)
		ahead->window = WINDOW_MAX;
	if (left > ahead->window)
		left = ahead->window;
	if (left <= ahead->asked)
		return;
	index = forward ? index + 1 + ahead->asked : index - 1 - ahead->asked;
	fetch_children(pager, branch, index, forward, left - ahead->asked);
	ahead->asked = left;
}
