/* getattr and statfs. */
#include "fs/ops/ops_internal.h"
#include "fs/core.h"

int fs_getattr(struct fs *fs, uint64_t number, struct stat *ret_stat)
{
	struct query query;
	int err = query_node(fs, number, &query);

	if (err)
		return err;
	lookup_stat(fs, query.node, &query.found, ret_stat);
	return query_end(fs, query.txn, 0);
}

int fs_statfs(struct fs *fs, struct statvfs *ret_statvfs)
{
	struct kt_store_info info;
	int err = kt_info(fs->store, &info);
	uint64_t free_pages;

	if (err)
		return err;
	free_pages = info.disk_free / info.page_size + info.free_pages;
	if (info.oldest_reader >= info.txn) /* else some of these wait for a reader */
		free_pages += info.pending_pages;
	*ret_statvfs = (struct statvfs){
		.f_bsize = info.page_size,
		.f_frsize = info.page_size,
		.f_blocks = info.disk_size / info.page_size,
		.f_bfree = free_pages,
		.f_bavail = free_pages,
		.f_files = info.entries + free_pages, /* a page has room for one entry at least */
		.f_ffree = free_pages,
		.f_favail = free_pages,
		.f_namemax = NAMES_MAX,
	};
	return 0;
}
