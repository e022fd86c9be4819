/* Open directories. The kernel keeps listings; in a read-only mount it does not even ask to open
 * a directory, and names no handle when it lists one (dircache.h). */
#include "dircache.h"
#include "ops_reply.h"

#include <errno.h>
#include <stdlib.h>

static struct fs_dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct fs_dir *)(uintptr_t)fi->fh;
}

void ops_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct fs *fs = ops_fs(req);
	struct fs_dir *dir;
	int err = ops_context(req)->read_only ? -ENOSYS : fs_opendir(fs, node, &dir);

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	fi->fh = (uintptr_t)dir;
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	if (fuse_reply_open(req, fi) != 0)
		fs_releasedir(fs, dir);
}

/* A reply in the making. */
struct listing {
	fuse_req_t req;
	bool plus;
	char *buf;
	size_t size, used;
	off_t offset; /* behind the last entry */
};

static bool add_entry(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct listing *listing = arg;
	char *end = listing->buf + listing->used;
	size_t room = listing->size - listing->used, need;

	if (listing->plus) {
		struct fuse_entry_param param = ops_entry(entry);

		need = fuse_add_direntry_plus(listing->req, end, room, name, &param, offset);
	} else {
		need = fuse_add_direntry(listing->req, end, room, name, &entry->stat, offset);
	}
	if (need > room)
		return false;
	listing->used += need;
	listing->offset = offset;
	return true;
}

/* List a directory that the kernel has not opened. */
static int list_unopened(struct listing *listing, fuse_ino_t node, off_t offset)
{
	const struct ops_context *context = ops_context(listing->req);
	struct fs_dir *dir = dircache_take(context->dirs, node, offset);
	int err = dir != NULL ? 0 : fs_opendir(context->fs, node, &dir);

	if (err != 0)
		return err;
	err = fs_readdir(context->fs, dir, offset, listing->plus, add_entry, listing);
	if (err == 0 && listing->used > 0)
		dircache_put(context->dirs, context->fs, node, listing->offset, dir);
	else
		fs_releasedir(context->fs, dir);
	return err;
}

static int list(struct listing *listing, fuse_ino_t node, off_t offset, struct fs_dir *dir)
{
	if (dir == NULL)
		return list_unopened(listing, node, offset);
	return fs_readdir(ops_fs(listing->req), dir, offset, listing->plus, add_entry, listing);
}

static void reply_listing(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fs_dir *dir, bool plus)
{
	struct listing listing = {.req = req, .plus = plus, .size = size, .buf = malloc(size)};
	int err = listing.buf != NULL ? list(&listing, node, offset, dir) : -ENOMEM;

	if (err != 0 && listing.used == 0)
		ops_reply(req, err);
	else
		fuse_reply_buf(req, listing.buf, listing.used);
	free(listing.buf);
}

void ops_readdir(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi)
{
	reply_listing(req, node, size, offset, dir_of(fi), false);
}

void ops_readdirplus(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi)
{
	reply_listing(req, node, size, offset, dir_of(fi), true);
}

void ops_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	if (dir_of(fi) != NULL)
		fs_releasedir(ops_fs(req), dir_of(fi));
	ops_reply(req, 0);
}

void ops_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi)
{
	(void)node;
	(void)data_only;
	(void)fi;
	ops_reply(req, fs_fsync(ops_fs(req), NULL));
}
