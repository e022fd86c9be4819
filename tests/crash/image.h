/* Crash images: what a disk may hold after the power was cut. */
#ifndef TESTS_CRASH_IMAGE_H
#define TESTS_CRASH_IMAGE_H

#include "disk.h"

#include "tests/unit/rng.h"

#define IMAGE_WHOLE UINT64_MAX

enum image_class {
	IMAGE_PREFIX,	/* everything up to a moment arrived */
	IMAGE_SUBSET,	/* all subsets, of few events */
	IMAGE_OMISSION, /* all but one */
	IMAGE_SUFFIX,	/* only the last ones */
	IMAGE_RANDOM,	/* random subsets */
	IMAGE_TORN,	/* one event arrived in part */
	IMAGE_KILLED,	/* the process died, not the machine */
	IMAGE_ROTTEN,	/* a page that was synced is not what was written */
	IMAGE_LOST,	/* any of the power cuts above, but the machine stayed in the same boot */
	IMAGE_COPIED,	/* a copy that the file system made, each page of it at its own moment */
	IMAGE_CLASSES,
};

/** What arrived of the events of a disk. */
struct image_plan {
	enum image_class class;
	size_t issued;	  /* events [0, issued) were made */
	const bool *kept; /* which of them arrived; NULL: all */
	size_t torn;	  /* index of an event that arrived in part */
	uint64_t tear;	  /* where; IMAGE_WHOLE: none did */
	bool tail;	  /* what lies behind the tear arrived, not what lies before */
	bool old_size;	  /* the new size of the file did not arrive */
	bool garbage;	  /* what was never written is not zeros */
	size_t from;	  /* IMAGE_COPIED: a page has the events before its moment, and no later */
	uint64_t salt;	  /* IMAGE_COPIED: gives each page its moment, from `from` to issued */
};

/** Receives a plan. */
typedef void image_try_fn(void *arg, const struct image_plan *plan);

/** Is it left by a power cut, which another boot follows? */
static inline bool image_is_power_cut(const struct image_plan *plan)
{
	return plan->class < IMAGE_KILLED;
}

/** Name of a class. */
const char *image_class_name(enum image_class class);

/** Make the image of a plan.
 *  @param target  a disk; gets the content, with an empty list of events, not recording */
void image_make(const struct disk *disk, const struct image_plan *plan, struct rng *rng,
	struct disk *target);

/** Make it seem as if another boot wrote the weak slots. */
void image_reboot(struct disk *target);

/** Try the images of a disk whose power is cut now or at any time since the last sync.
 *  @param thorough  all of them; else some of each class */
void image_each(
	const struct disk *disk, struct rng *rng, bool thorough, image_try_fn *try, void *arg);

/** Try copies of the file that were made now or at any time since the last sync. */
void image_each_copied(const struct disk *disk, struct rng *rng, image_try_fn *try, void *arg);

/** Try the images of a disk whose process is killed now or at any time since the last sync. */
void image_each_killed(const struct disk *disk, image_try_fn *try, void *arg);

#endif
