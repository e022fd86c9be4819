/* The phases of the mount benchmark: what is done to files, the same way on every side.
 */
#ifndef TESTS_BENCH_MOUNT_PHASES_H
#define TESTS_BENCH_MOUNT_PHASES_H

#include <stddef.h>
#include <stdint.h>

/** How much there is to do. */
struct amount {
	uint32_t files;	  /* small ones, over all directories */
	uint32_t few;	  /* operations of phases that flush or hit the disk one by one */
	uint32_t appends; /* to one file */
	uint64_t large_size;
};

/** What a phase wants to find. */
enum phase_state {
	PHASE_AS_IS,
	PHASE_FRESH,	       /* mounted anew, all caches cold */
	PHASE_WALKED,	       /* the same, and then everything was listed */
	PHASE_READ_ONLY,       /* as PHASE_WALKED, and mounted read-only */
	PHASE_STILL_READ_ONLY, /* as the phase before left it */
};

/** One phase. */
struct phase {
	const char *row; /* NULL: it prepares or checks only */
	enum phase_state state;

	/** Work below root, a directory that the first phase makes and the last removes. What is
	 *  read is compared, so that no side gets away with less.
	 *  @return nanoseconds per operation */
	uint64_t (*run)(const struct amount *amount, const char *root);
};

#define PHASES_MAX 64

/** All phases in their order; one without a run function ends them. */
extern const struct phase phases[PHASES_MAX + 1];

/** List everything: names and sizes. @return nanoseconds per file */
uint64_t phase_walk(const struct amount *amount, const char *root);

#endif
