/* What is inside struct space, for the modules that make it up: space.c (transactions), space_mark.c
 * (going back in one), space_log.c
 * and space_log_record.c (writing the log), space_log_load.c and space_log_replay.c (reading it). */
#ifndef STORE_SPACE_SPACE_INTERNAL_H
#define STORE_SPACE_SPACE_INTERNAL_H

#include "store/format.h"
#include "store/space/run_list.h"
#include "store/space/space.h"
#include "store/space/space_log.h"
#include "store/space/space_map.h"
#include "store/space/space_queue.h"

#include <stddef.h>

/* The two kinds of pending pages. */
enum {
	QUEUE_OLD = 0,
	QUEUE_YOUNG = 1,
	QUEUES = 2,
};

/* The open transaction. */
struct space_txn {
	bool open;
	bool frugal;	   /* it takes any free page before the file grows */
	bool may_reserve;  /* it gets the reserve once nothing else is free */
	bool uses_reserve; /* it may have the reserve */
	bool low;	   /* it takes the lowest pages */
	bool cut;	   /* it gives up the free pages at the end of the file */
	size_t low_region; /* regions before it have no free page */
	uint64_t cut_from; /* pages of the file before the cut; 0: not cut yet */
	uint64_t txn;
	struct space_bounds bounds;
	uint64_t page_count;	       /* as it was */
	uint64_t cursor;	       /* as it was */
	size_t *touched;	       /* regions in which it took pages */
	size_t touched_count;	       /* of regions */
	size_t touched_capacity;       /* of regions */
	struct run_list freed[QUEUES]; /* pages it gave back, pending already */
};

/* A page of the log. */
struct log_page {
	uint64_t page;
	uint64_t txn; /* its birth */
};

/* What space_log_prepare() made, for space_commit() to move into its place. */
struct space_log_pending {
	bool ready;
	struct format_space end;
	uint8_t tail[SLOT_TAIL];
	struct chunk *freed[QUEUES];
	struct chunk *carry[QUEUES]; /* where the carrying stopped */
	size_t dropped;		     /* of the oldest log pages */
	struct log_page *pages;	     /* new ones; room for them is reserved in struct space_log */
	struct space_log_page *sealed;
	uint8_t *data;
	size_t count; /* of new log pages */
};

struct space_log {
	struct format_space end;
	uint8_t tail[SLOT_TAIL];
	struct log_page *pages; /* of the file, from the oldest (end.tail_seq) on */
	size_t count;		/* of pages */
	size_t capacity;	/* of pages */
	struct space_log_pending pending;
};

struct space {
	struct space_map map;
	struct space_queue queues[QUEUES];
	uint64_t cursor;
	uint64_t limit;		     /* pages */
	uint64_t limit_with_reserve; /* the same for one that has the reserve */
	uint64_t reserve;	     /* pages */
	uint64_t txn;		     /* the last commit */
	struct space_txn open;
	struct space_log log;
};

/** Make a set in which every page is in use. @return 0; -ENOMEM */
int space_new(struct space **ret_space);

/** Give up the free pages at the end of the file; part of space_log_prepare(). */
void space_shorten(struct space *space);

/** Take that back; part of space_abort(). */
void space_lengthen(struct space *space);

/** Free the memory of what was given up; part of space_commit(). */
void space_forget_cut(struct space *space);

/** Pages that the transaction gave back are in use as before. */
void space_take_back_run(struct space *space, struct run run);

/** The same for the runs of a list from an index on. */
void space_take_back(struct space *space, const struct run_list *freed, size_t from);

/** Make the file as long as before. Nothing behind its end may be taken. */
void space_cut_off(struct space *space, uint64_t page_count);
/** Take over some of the pending pages that the open transaction's bounds allow.
 *  @return were there any? */
bool space_drain_some(struct space *space);

/** A pending chunk becomes free. */
void space_drain(struct space *space, struct space_queue *queue);

/** Move what was prepared into its place; part of space_commit(). */
void space_log_commit(struct space *space);

/** Drop what was prepared; part of space_abort(). */
void space_log_abort(struct space *space);

/** Free the memory. */
void space_log_fini(struct space_log *log);

/** Have room for more log pages. @return 0; -ENOMEM */
int space_log_reserve(struct space_log *log, size_t more);

#endif
