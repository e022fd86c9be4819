/* What a process may lack: standard descriptors, descriptors at all, address space, room in the
 * file, memory, the right to write. The processes of a test take one at random when they begin. Each allows certain
 * errors, and none allows anything to be lost. */
#ifndef TESTS_PROCS_HARDSHIP_H
#define TESTS_PROCS_HARDSHIP_H

#include "../unit/rng.h"

#include <stdbool.h>

enum hardship {
	HARDSHIP_NONE,
	HARDSHIP_CLOSED, /* some of the descriptors 0 to 2 are closed, and messages are printed */
	HARDSHIP_FEW_FILES,	/* RLIMIT_NOFILE: opening may fail with -EMFILE */
	HARDSHIP_ADDRESS_SPACE, /* RLIMIT_AS: mapping the store may fail with -ENOMEM */
	HARDSHIP_FILE_SIZE,	/* RLIMIT_FSIZE: commits that let the file grow fail with -EFBIG */
	HARDSHIP_MEMORY,	/* a small memory group, where the machine lets one make it */
	HARDSHIP_READ_ONLY,	/* another user, who may only read the store */
	HARDSHIP_COUNT,
};

/** Make what the hardships need for all processes of a test. To be called before fork(). */
void hardship_init(void);

/** Remove it again, when the processes that had it have ended. */
void hardship_fini(void);

/** Take a hardship at random, for the rest of this process.
 *  @param path  of the store; RLIMIT_FSIZE stands a little above its size now */
enum hardship hardship_take(struct rng *rng, const char *path);

/** May a call of the library fail so under the hardship? */
bool hardship_allows(enum hardship hardship, int err);

/** Print what a careless program prints, into whatever has the standard descriptors. */
void hardship_print(enum hardship hardship);

#endif
