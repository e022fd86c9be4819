/* Open directories. The kernel keeps listings; in a read-only mount it does not even ask to open
 * a directory, and names no handle when it lists one. */
#include "mount/fuse/ops_reply.h"

#include <errno.h>
#include <stdlib.h>

static struct fs_dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct fs_dir *)(uintptr_t)fi->fh;
}

void ops_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct snapdir_node at = ops_at(req, node);
	struct fs_dir *dir;
	int err = ops_context(req)->read_only ? -ENOSYS : fs_opendir(at.fs, at.node, &dir);

	if (err != 0) {
		ops_reply(req, err);
		return;
	}
	fi->fh = (uintptr_t)dir;
	fi->cache_readdir = !at.is_list;
	fi->keep_cache = !at.is_list;
	if (fuse_reply_open(req, fi) != 0)
		fs_releasedir(at.fs, dir);
}

/* A reply in the making. */
struct listing {
	fuse_req_t req;
	struct snapdir_node at;
	bool plus;
	char *buf;
	size_t size, used;
};

static bool add_entry(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct listing *listing = arg;
	char *end = listing->buf + listing->used;
	size_t room = listing->size - listing->used, need;

	if (listing->plus) {
		struct fuse_entry_param param = ops_entry(&listing->at, entry);

		need = fuse_add_direntry_plus(listing->req, end, room, name, &param, offset);
	} else {
		need = fuse_add_direntry(listing->req, end, room, name, &entry->stat, offset);
	}
	if (need > room)
		return false;
	listing->used += need;
	return true;
}

/* List from an open directory. A snapshot's node is known when its name is looked up. */
static int list_opened(struct listing *listing, off_t offset, struct fs_dir *dir)
{
	bool plus = listing->plus && !listing->at.is_list;

	return fs_readdir(listing->at.fs, dir, offset, plus, add_entry, listing);
}

/* List a directory that the kernel has not opened. */
static int list_unopened(struct listing *listing, off_t offset)
{
	struct fs_dir *dir;
	int err = fs_opendir(listing->at.fs, listing->at.node, &dir);

	if (err)
		return err;
	err = list_opened(listing, offset, dir);
	fs_releasedir(listing->at.fs, dir);
	return err;
}

static int ops_list(struct listing *listing, off_t offset, struct fs_dir *dir)
{
	int err = listing->at.is_list && offset == 0
			  ? snapdir_refresh(ops_context(listing->req)->snapdir)
			  : 0;

	if (err != 0)
		return err;
	return dir == NULL ? list_unopened(listing, offset) : list_opened(listing, offset, dir);
}

static void reply_listing(
	fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fs_dir *dir, bool plus)
{
	struct listing listing = {
		.req = req,
		.at = ops_at(req, node),
		.plus = plus,
		.size = size,
		.buf = malloc(size),
	};
	int err = listing.buf != NULL ? ops_list(&listing, offset, dir) : -ENOMEM;

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
	if (dir_of(fi) != NULL)
		fs_releasedir(ops_at(req, node).fs, dir_of(fi));
	ops_reply(req, 0);
}

void ops_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi)
{
	(void)data_only;
	(void)fi;
	ops_reply(req, fs_fsync(ops_at(req, node).fs, NULL));
}
