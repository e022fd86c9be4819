/* A growing list of runs of pages. */
#ifndef STORE_SPACE_RUN_LIST_H
#define STORE_SPACE_RUN_LIST_H

#include "store/tree/page.h"

#include <stddef.h>

/** All zero: an empty list. */
struct run_list {
	struct run *at;
	size_t count;
	size_t capacity;
};

/** Free the memory. */
void run_list_fini(struct run_list *runs);

/** Have room for one more run, so that run_list_add() cannot fail. @return 0; -ENOMEM */
int run_list_reserve(struct run_list *runs);

/** Append a run, or make the last one longer where they touch. There must be room. */
void run_list_add(struct run_list *runs, struct run run);

/** Sort by page number and join those that touch. They must not overlap. */
void run_list_sort(struct run_list *runs);

#endif
