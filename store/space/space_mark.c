/* Going back to a state within the open transaction.
 *
 * The lists of pages that the transaction gave back only grow until the commit, so a mark is their
 * length. */
#include "store/space/space_internal.h"

#include <assert.h>

_Static_assert(
	sizeof(((struct space_mark *)0)->freed) / sizeof(((struct space_mark *)0)->freed[0]) ==
		QUEUES,
	"a mark has the length of each list");

void space_mark(const struct space *space, struct space_mark *ret_mark)
{
	assert(space->open.open && !space->log.pending.ready);
	*ret_mark =
		(struct space_mark){.page_count = space->map.page_count, .cursor = space->cursor};
	for (int i = 0; i < QUEUES; i++) {
		const struct run_list *freed = &space->open.freed[i];

		ret_mark->freed[i].count = freed->count;
		if (freed->count > 0)
			ret_mark->freed[i].last = freed->at[freed->count - 1];
	}
}

void space_go_back(struct space *space, const struct space_mark *mark)
{
	struct run behind = {mark->page_count, 0};

	assert(space->open.open && !space->log.pending.ready);
	for (int i = 0; i < QUEUES; i++) {
		struct run_list *freed = &space->open.freed[i];
		size_t count = mark->freed[i].count;
		const struct run *last = &mark->freed[i].last;

		assert(count <= freed->count);
		space_take_back(space, freed, count);
		freed->count = count;
		if (count > 0 && freed->at[count - 1].count > last->count) {
			const struct run grown = {last->start + last->count,
				freed->at[count - 1].count - last->count};

			space_take_back_run(space, grown);
			freed->at[count - 1] = *last;
		}
	}
	if (space->map.page_count > mark->page_count)
		behind.count = space->map.page_count - mark->page_count;
	if (behind.count > 0 && space_map_is(&space->map, behind, SPACE_FREE))
		space_cut_off(space, mark->page_count);
	if (mark->cursor <= space->map.page_count)
		space->cursor = mark->cursor;
}
