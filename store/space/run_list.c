#include "store/space/run_list.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void run_list_fini(struct run_list *runs)
{
	free(runs->at);
	*runs = (struct run_list){0};
}

int run_list_reserve(struct run_list *runs)
{
	size_t capacity = runs->capacity != 0 ? runs->capacity * 2 : 16;
	struct run *at;

	if (runs->count < runs->capacity)
		return 0;
	at = realloc(runs->at, capacity * sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	runs->at = at;
	runs->capacity = capacity;
	return 0;
}

void run_list_add(struct run_list *runs, struct run run)
{
	struct run *last = runs->count > 0 ? &runs->at[runs->count - 1] : NULL;

	if (last != NULL && last->start + last->count == run.start) {
		last->count += run.count;
		return;
	}
	assert(runs->count < runs->capacity);
	runs->at[runs->count++] = run;
}

static int by_start(const void *one, const void *two)
{
	const struct run *a = one, *b = two;

	return a->start < b->start ? -1 : a->start > b->start;
}

static bool is_sorted(const struct run_list *runs)
{
	for (size_t i = 1; i < runs->count; i++)
		if (runs->at[i - 1].start > runs->at[i].start)
			return false;
	return true;
}

void run_list_sort(struct run_list *runs)
{
	size_t count = runs->count;

	if (!is_sorted(runs))
		qsort(runs->at, count, sizeof(*runs->at), by_start);
	runs->count = 0;
	for (size_t i = 0; i < count; i++)
		run_list_add(runs, runs->at[i]);
}
