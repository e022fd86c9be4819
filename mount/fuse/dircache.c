/* A few places, searched in order, given up in turn. */
#include "mount/fuse/dircache.h"

#include "fs/fs.h"

#include <string.h>

void dircache_init(struct dircache *cache)
{
	memset(cache, 0, sizeof(*cache));
	pthread_mutex_init(&cache->lock, NULL);
}

struct fs_dir *dircache_take(struct dircache *cache, uint64_t node, off_t offset)
{
	struct fs_dir *dir = NULL;

	pthread_mutex_lock(&cache->lock);
	for (unsigned i = 0; i < DIRCACHE_SIZE && dir == NULL; i++) {
		if (cache->places[i].dir == NULL || cache->places[i].node != node ||
			cache->places[i].offset != offset)
			continue;
		dir = cache->places[i].dir;
		cache->places[i].dir = NULL;
	}
	pthread_mutex_unlock(&cache->lock);
	return dir;
}

void dircache_put(
	struct dircache *cache, struct fs *fs, uint64_t node, off_t offset, struct fs_dir *dir)
{
	struct fs_dir *old;
	struct fs *old_fs;

	pthread_mutex_lock(&cache->lock);
	old = cache->places[cache->next].dir;
	old_fs = cache->places[cache->next].fs;
	cache->places[cache->next].dir = dir;
	cache->places[cache->next].fs = fs;
	cache->places[cache->next].node = node;
	cache->places[cache->next].offset = offset;
	cache->next = (cache->next + 1) % DIRCACHE_SIZE;
	pthread_mutex_unlock(&cache->lock);
	if (old != NULL)
		fs_releasedir(old_fs, old);
}

void dircache_fini(struct dircache *cache)
{
	pthread_mutex_destroy(&cache->lock);
}
