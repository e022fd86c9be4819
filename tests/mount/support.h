/* What the test programs that mount for real share: a directory with a store and a mount point. */
#ifndef TESTS_MOUNT_SUPPORT_H
#define TESTS_MOUNT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <cmocka.h>

struct fixture {
	char dir[64];	     /* of this test */
	char store_path[80]; /* an empty store at first */
	char mount_dir[80];
	uint64_t random; /* state of support_random() */
};

/** For cmocka: make the directory and the store; the state is a struct fixture. */
int support_setup(void **state);

/** For cmocka: unmount if need be, and remove the directory. */
int support_teardown(void **state);

/** Run the program under test, which $KEYTREE names. @return its exit status; -1 it was killed */
int support_keytree(const char *command, const char *arg1, const char *arg2);

void support_mount(const struct fixture *fixture);

/** Mount with a list of options. */
void support_mount_with(const struct fixture *fixture, const char *options);

/** Leave the mount and unmount it. */
void support_unmount(const struct fixture *fixture);

/** Wait until a mount was told of all that others have changed up to a commit.
 *  @param limit_s  fail after so many seconds */
void support_wait_told(const char *mount_dir, uint64_t commit, time_t limit_s);

/** How many operations a test makes: what KEYTREE_OPS says, or else count; where KEYTREE_BRIEF is set,
 *  as under sanitizers, a quarter of it. */
unsigned long support_operations(unsigned long count);

/** A number below limit; the seed was printed, or comes from KEYTREE_SEED. */
uint32_t support_random(struct fixture *fixture, uint32_t limit);

/** The main function of a test program without /dev/fuse. @return whether to go on */
bool support_has_fuse(void);

/** Exit status of a test that was skipped. */
#define SUPPORT_SKIPPED 77

#endif
