/* Listings in progress of a mount whose kernel opens no directories.
 *
 * Each request then names a directory and an offset, and no handle. Going on from an offset is
 * cheap only with the handle that stopped there; without it the listing is walked from its begin.
 * So the last few handles are kept, with the place where each stopped.
 */
#ifndef MOUNT_FUSE_DIRCACHE_H
#define MOUNT_FUSE_DIRCACHE_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;
struct fs_dir;

/** Listings that may be in progress at once without being walked anew. */
#define DIRCACHE_SIZE 16

struct dircache {
	pthread_mutex_t lock;
	struct {
		struct fs_dir *dir; /* NULL: free */
		struct fs *fs;	    /* of dir */
		uint64_t node;
		off_t offset; /* where it stopped */
	} places[DIRCACHE_SIZE];
	unsigned next; /* to be given up next */
};

void dircache_init(struct dircache *cache);

/** Take the handle of a directory that stopped at an offset out of the cache.
 *  @return the handle; NULL there is none */
struct fs_dir *dircache_take(struct dircache *cache, uint64_t node, off_t offset);

/** Keep a handle.
 *  @param fs   of the handle
 *  @param dir  taken */
void dircache_put(
	struct dircache *cache, struct fs *fs, uint64_t node, off_t offset, struct fs_dir *dir);

/** Forget all handles, which end with the file system. */
void dircache_fini(struct dircache *cache);

#endif
