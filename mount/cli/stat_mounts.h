/* The mounts of a store, and what each has counted (counts.h), for keytree stat.
 *
 * Asked are the mounts that this process sees in its namespace. One that does not answer, because
 * it is another user's or because its process has died or hangs, is left out.
 */
#ifndef MOUNT_CLI_STAT_MOUNTS_H
#define MOUNT_CLI_STAT_MOUNTS_H

#include <jansson.h>
#include <stddef.h>

struct stat_mount;

struct stat_mounts {
	struct stat_mount *list; /* owned */
	size_t count;
};

/** The store that is mounted on a directory.
 *  @param ret_path  of malloc(); NULL if it is no directory, or no store is mounted on it
 *  @return 0 or -errno */
int stat_mounts_store(const char *path, char **ret_path);

/** Ask the mounts of a store. Where there is no list of mounts there are none.
 *  @param ret_mounts  end with stat_mounts_fini()
 *  @return 0; -ENOMEM */
int stat_mounts_read(const char *path, struct stat_mounts *ret_mounts);

/** Print lines for people, without what is 0.
 *  @return 0; -ENOMEM; -errno the output could not be written */
int stat_mounts_print(const struct stat_mounts *mounts);

/** Add an array to an object. @return 0; -ENOMEM */
int stat_mounts_json(const struct stat_mounts *mounts, json_t *object);

/** Print metrics, if there are mounts. @param path  the store as the user named it */
void stat_mounts_prometheus(const struct stat_mounts *mounts, const char *path);

void stat_mounts_fini(struct stat_mounts *mounts);

#endif
