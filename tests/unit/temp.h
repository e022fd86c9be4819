/* A directory of a test's own, for its stores. */
#ifndef TESTS_UNIT_TEMP_H
#define TESTS_UNIT_TEMP_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

struct temp {
	char dir[64];
	char path[128]; /* of a file in it, "a.kt" */
	char copy[128]; /* of another, "copy.kt" */
};

/** Make the directory. @return 0; -1 as cmocka's setup functions */
static inline int temp_make(struct temp *temp)
{
	snprintf(temp->dir, sizeof(temp->dir), "/tmp/keytree-test-XXXXXX");
	if (mkdtemp(temp->dir) == NULL)
		return -1;
	snprintf(temp->path, sizeof(temp->path), "%s/a.kt", temp->dir);
	snprintf(temp->copy, sizeof(temp->copy), "%s/copy.kt", temp->dir);
	return 0;
}

static inline int temp_remove_one(
	const char *path, const struct stat *stat, int kind, struct FTW *where)
{
	(void)stat;
	(void)kind;
	(void)where;
	return remove(path);
}

/** Remove a directory with all that is in it: a store, its lock file, what else a test has made. */
static inline void temp_remove_dir(const char *dir)
{
	nftw(dir, temp_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void temp_remove(const struct temp *temp)
{
	temp_remove_dir(temp->dir);
}

#endif
