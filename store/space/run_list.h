/* A growing list of runs of pages. */
#ifndef STORE_SPACE_RUN_LIST_H
#define STORE_SPACE_RUN_LIST_H

#include "store/tree/page.h"

#include <stddef.h>

/** All zero: an empty list. */
struct runs {
	struct run *at;
	size_t count;
	size_t capacity;
};

/** Free the memory. */
void runs_fini(struct runs *runs);

/** Have room for one more run, so that runs_add() cannot fail. @return 0; -ENOMEM */
int runs_reserve(struct runs *runs);

/** Append a run, or make the last one longer where they touch. There must be room. */
void runs_add(struct runs *runs, struct run run);

/** Sort by page number and join those that touch. They must not overlap. */
void runs_sort(struct runs *runs);

#endif
