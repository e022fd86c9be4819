/* readlink. */
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

#include <errno.h>
#include <stdlib.h>

/* Read the value of a symbolic link. */
static int read_target(
	struct kt_txn *txn, const struct inode *node, const struct found *found, char **ret_target)
{
	size_t size = found->known.size, got = 0;
	char *target = calloc(1, size + 1);
	int err;

	if (target == NULL)
		return -ENOMEM;
	if (found->unstored && node->dirty != NULL)
		err = dirty_read(node->dirty, txn, &found->key, 0, target, size, &got);
	else
		err = kt_read(kt_tree(txn, found->tree), found->key.bytes, found->key.size, 0,
			target, size, &got);
	if (err)
		free(target);
	else
		*ret_target = target;
	return err;
}

int fs_readlink(struct fs *fs, uint64_t number, char **ret_target)
{
	struct query query;
	struct stat stat;
	int err = query_node(fs, number, &query);

	if (err)
		return err;
	lookup_stat(fs, query.node, &query.found, &stat);
	err = S_ISLNK(stat.st_mode) ? read_target(query.txn, query.node, &query.found, ret_target)
				    : -EINVAL;
	return query_end(fs, query.txn, err);
}
