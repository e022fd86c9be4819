#include "store/tree/pager_savepoint.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pager_savepoint_fini(struct pager *pager)
{
	free(pager->taken);
	free(pager->held);
	pager->taken = NULL;
	pager->held = NULL;
	pager->taken_count = pager->taken_capacity = 0;
	pager->held_count = pager->held_capacity = 0;
	pager->savepoint = 0;
}

/* ---- runs that were taken -------------------------------------------------------------------- */

/* Index of the taken run with a page, or of the first one behind it. */
static size_t taken_find(const struct pager *pager, uint64_t page)
{
	size_t from = 0, to = pager->taken_count;

	while (from < to) {
		size_t at = from + (to - from) / 2;
		const struct run *run = &pager->taken[at].run;

		if (run->start + run->count <= page)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

/* Find out under which savepoint a page was taken.
 * ret_count: pages of the run, from its first on, of which the same is true */
static uint64_t taken_under(const struct pager *pager, const struct run *run, uint64_t *ret_count)
{
	size_t at = taken_find(pager, run->start);
	uint64_t left = UINT64_MAX, savepoint = 0;

	if (at < pager->taken_count) {
		const struct taken *taken = &pager->taken[at];

		if (taken->run.start <= run->start)
			savepoint = taken->savepoint;
		left = taken->run.start > run->start
			       ? taken->run.start - run->start
			       : taken->run.start + taken->run.count - run->start;
	}
	*ret_count = run->count < left ? run->count : left;
	return savepoint;
}

bool pager_may_overwrite(
	const struct pager *pager, const struct run *run, uint64_t birth, uint64_t *ret_count)
{
	*ret_count = run->count;
	if (birth != pager->txn || pager->savepoint == 0)
		return birth == pager->txn;
	return taken_under(pager, run, ret_count) >= pager->savepoint;
}

int pager_savepoint_reserve(struct pager *pager, size_t count)
{
	size_t need = pager->taken_count + count;
	size_t capacity = pager->taken_capacity * 2 > need ? pager->taken_capacity * 2 : need;
	struct taken *taken;

	if (pager->savepoint == 0 || need <= pager->taken_capacity)
		return 0;
	taken = realloc(pager->taken, capacity * sizeof(*taken));
	if (taken == NULL)
		return -ENOMEM;
	pager->taken = taken;
	pager->taken_capacity = capacity;
	return 0;
}

static void taken_insert(struct pager *pager, size_t at, struct taken taken)
{
	assert(pager->taken_count < pager->taken_capacity);
	memmove(&pager->taken[at + 1], &pager->taken[at],
		(pager->taken_count - at) * sizeof(*pager->taken));
	pager->taken[at] = taken;
	pager->taken_count++;
}

static void taken_delete(struct pager *pager, size_t at)
{
	pager->taken_count--;
	memmove(&pager->taken[at], &pager->taken[at + 1],
		(pager->taken_count - at) * sizeof(*pager->taken));
}

/* Does the second run continue the first? */
static bool taken_joins(const struct taken *one, const struct taken *two)
{
	return one->savepoint == two->savepoint &&
	       one->run.start + one->run.count == two->run.start;
}

void pager_savepoint_took(struct pager *pager, const struct run *run)
{
	struct taken taken = {*run, pager->savepoint};
	size_t at = taken_find(pager, run->start);

	if (at > 0 && taken_joins(&pager->taken[at - 1], &taken))
		pager->taken[at - 1].run.count += run->count;
	else
		taken_insert(pager, at, taken);
}

/* Give back pages that lie in one taken run, of which parts may remain. */
static int taken_give_back(struct pager *pager, const struct run *run)
{
	int err = pager_savepoint_reserve(pager, 1);
	size_t at = taken_find(pager, run->start);
	struct taken *taken;
	struct run behind = {run->start + run->count, 0};

	if (!err)
		err = pager_give_back(pager, run, pager->txn);
	if (err != 0)
		return err;
	taken = &pager->taken[at];
	behind.count = taken->run.start + taken->run.count - behind.start;
	taken->run.count = run->start - taken->run.start;
	if (behind.count > 0)
		taken_insert(pager, at + 1, (struct taken){behind, taken->savepoint});
	if (pager->taken[at].run.count == 0)
		taken_delete(pager, at);
	return 0;
}

/* ---- freeing --------------------------------------------------------------------------------- */

int pager_savepoint_hold(struct pager *pager, uint64_t start, uint64_t count)
{
	if (pager->held_count == pager->held_capacity) {
		size_t capacity = pager->held_capacity * 2 + 16;
		struct run *held = realloc(pager->held, capacity * sizeof(*held));

		if (held == NULL)
			return -ENOMEM;
		pager->held = held;
		pager->held_capacity = capacity;
	}
	pager->held[pager->held_count++] = (struct run){start, count};
	return 0;
}

int pager_savepoint_release(struct pager *pager, struct run run)
{
	int err = 0;

	while (!err && run.count > 0) {
		struct run part = run;

		if (taken_under(pager, &run, &part.count) >= pager->savepoint)
			err = taken_give_back(pager, &part);
		else
			err = pager_savepoint_hold(pager, part.start, part.count);
		run.start += part.count;
		run.count -= part.count;
	}
	return err;
}

/* Free what was held, if no savepoint that is open now has it. ret_freed: it did happen. */
static int held_free(struct pager *pager, const struct run *held, bool *ret_freed)
{
	uint64_t same;

	if (held->start & REF_DIRTY) {
		*ret_freed = pager_is_writable(pager, held->start);
		if (*ret_freed)
			pager_drop(pager, held->start);
		return 0;
	}
	*ret_freed = true;
	if (pager->savepoint == 0)
		return pager_give_back(pager, held, pager->txn);
	*ret_freed = taken_under(pager, held, &same) >= pager->savepoint;
	return *ret_freed ? taken_give_back(pager, held) : 0;
}

/* ---- savepoints ------------------------------------------------------------------------------ */

/* Keys that come in order find their leaf without a search (tree.c), and change it there. */
static void pager_forget_edge(struct pager *pager)
{
	pager->edge.depth = 0;
	pager->last_append = 0;
	pager->appended = 0;
}

void pager_savepoint_open(struct pager *pager, uint64_t number, struct pager_mark *ret_mark)
{
	assert(number > pager->savepoint);
	*ret_mark = (struct pager_mark){.number = number,
		.outer = pager->savepoint,
		.held_count = pager->held_count,
		.dead_count = pager->dead_count};
	if (pager->dead_count > 0)
		ret_mark->last_dead = pager->dead[pager->dead_count - 1];
	pager->savepoint = number;
	pager_forget_edge(pager);
}

int pager_savepoint_close(struct pager *pager, const struct pager_mark *mark)
{
	size_t kept = mark->held_count;
	int err = 0;

	assert(pager->savepoint == mark->number);
	pager->savepoint = mark->outer;
	for (size_t i = mark->held_count; !err && i < pager->held_count; i++) {
		bool freed;

		err = held_free(pager, &pager->held[i], &freed);
		if (!err && !freed)
			pager->held[kept++] = pager->held[i];
	}
	pager->held_count = kept;
	if (pager->savepoint == 0)
		pager->taken_count = 0;
	return err;
}

int pager_savepoint_go_back(struct pager *pager, const struct pager_mark *mark)
{
	size_t kept = 0;
	int err = 0;

	for (uint32_t i = 0; i < pager->dirty_count; i++)
		if (pager->dirty[i] != NULL && pager->made[i] >= mark->number)
			pager_drop(pager, REF_DIRTY | i);
	for (size_t i = 0; !err && i < pager->taken_count; i++) {
		if (pager->taken[i].savepoint >= mark->number)
			err = pager_give_back(pager, &pager->taken[i].run, pager->txn);
		else
			pager->taken[kept++] = pager->taken[i];
	}
	pager->taken_count = kept;
	pager->held_count = mark->held_count;
	assert(pager->dead_count >= mark->dead_count);
	pager->dead_count = mark->dead_count;
	if (mark->dead_count > 0)
		pager->dead[mark->dead_count - 1] = mark->last_dead;
	pager->savepoint = mark->number;
	pager_forget_edge(pager);
	return err;
}

/* ---- spilling -------------------------------------------------------------------------------- */

static int taken_compare(const void *a, const void *b)
{
	const struct taken *one = a, *two = b;

	return (one->run.start > two->run.start) - (one->run.start < two->run.start);
}

void pager_savepoint_placed(struct pager *pager, const uint64_t *refs)
{
	size_t count = 0;

	for (uint32_t i = 0; i < pager->dirty_count; i++) {
		if (refs[i] == 0 || pager->made[i] == 0)
			continue;
		assert(pager->taken_count < pager->taken_capacity);
		pager->taken[pager->taken_count++] =
			(struct taken){{ref_page(refs[i]), 1}, pager->made[i]};
	}
	if (pager->taken_count > 0)
		qsort(pager->taken, pager->taken_count, sizeof(*pager->taken), taken_compare);
	for (size_t i = 0; i < pager->taken_count; i++) {
		if (count > 0 && taken_joins(&pager->taken[count - 1], &pager->taken[i]))
			pager->taken[count - 1].run.count += pager->taken[i].run.count;
		else
			pager->taken[count++] = pager->taken[i];
	}
	pager->taken_count = count;
	for (size_t i = 0; i < pager->held_count; i++)
		if (pager->held[i].start & REF_DIRTY)
			pager->held[i].start = ref_page(refs[pager->held[i].start & ~REF_DIRTY]);
}
