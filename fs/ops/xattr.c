/* Extended attributes are read, listed, set and removed. Access control lists are among them,
 * and have rules of their own (acl.h). */
#include "fs/meta/acl.h"
#include "fs/ops/change_attr.h"
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/access/lookup.h"
#include "fs/access/timepoint.h"
#include "fs/meta/xattr_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* Most bytes of all names of a file, each with its NUL: listxattr(2) returns no more. */
#define NAMES_BYTES_MAX 65536

/* Most bytes of the list in a blob. */
#define LIST_BYTES_MAX (KT_ATTR_MAX - ATTR_FIXED_MAX)

/* ls -l asks for this attribute of each file, but not again once it has got EOPNOTSUPP. */
#define LABEL "security.selinux"

/* Can a file have an attribute of this name? */
static int check_name(const char *name)
{
	static const char *const spaces[] = {"user.", "trusted.", "security."};
	size_t size = strlen(name);

	if (size == 0 || size > 255)
		return -ERANGE;
	if (!strcmp(name, ACL_ACCESS) || !strcmp(name, ACL_DEFAULT))
		return 0;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		size_t prefix = strlen(spaces[i]);

		if (strncmp(name, spaces[i], prefix) == 0)
			return size > prefix ? 0 : -EINVAL;
	}
	return -EOPNOTSUPP;
}

/* ---- ask ------------------------------------------------------------------------------------- */

/* Receives the attributes of a node, which are valid during the call. */
typedef int xattr_look_fn(void *arg, struct kt_slice xattrs);

static int xattr_look(struct fs *fs, uint64_t number, xattr_look_fn *with, void *arg)
{
	struct query query;
	int err = query_node(fs, number, &query);

	if (err)
		return err;
	return query_end(fs, query.txn, with(arg, query.found.known.attr.xattrs));
}

/* Where an answer goes. */
struct answer {
	const char *name;  /* the attribute asked for; NULL: the names */
	bool trusted;	   /* list the names that only root sees, too */
	char *buf;	   /* room for size bytes */
	size_t size, need; /* size 0: only need is asked for */
};

static void answer_put(struct answer *answer, const void *bytes, size_t size)
{
	if (answer->need + size <= answer->size && size > 0)
		memcpy(answer->buf + answer->need, bytes, size);
	answer->need += size;
}

static int answer_check(const struct answer *answer)
{
	return answer->size > 0 && answer->need > answer->size ? -ERANGE : 0;
}

static int look_value(void *arg, struct kt_slice xattrs)
{
	struct answer *answer = arg;
	struct kt_slice value;

	if (!xattr_list_find(xattrs, answer->name, &value))
		return strcmp(answer->name, LABEL) ? -ENODATA : -EOPNOTSUPP;
	answer_put(answer, value.data, value.size);
	return answer_check(answer);
}

static int look_names(void *arg, struct kt_slice xattrs)
{
	static const char trusted[] = "trusted.";
	struct answer *answer = arg;
	struct xattr_list_cursor children = xattr_list_begin(xattrs);
	struct xattr xattr;

	while (xattr_list_next(&children, &xattr)) {
		if (!answer->trusted && xattr.name.size >= strlen(trusted) &&
			memcmp(xattr.name.data, trusted, strlen(trusted)) == 0)
			continue;
		answer_put(answer, xattr.name.data, xattr.name.size);
		answer_put(answer, "", 1);
	}
	return answer_check(answer);
}

int fs_getxattr(
	struct fs *fs, uint64_t number, const char *name, void *buf, size_t size, size_t *ret_size)
{
	struct answer answer = {.name = name, .buf = buf, .size = size};
	int err = check_name(name);

	if (!err)
		err = xattr_look(fs, number, look_value, &answer);
	if (!err)
		*ret_size = answer.need;
	return err;
}

int fs_listxattr(struct fs *fs, const struct fs_caller *caller, uint64_t number, char *buf,
	size_t size, size_t *ret_size)
{
	struct answer answer = {.trusted = caller->uid == 0, .buf = buf, .size = size};
	int err = xattr_look(fs, number, look_names, &answer);

	if (!err)
		*ret_size = answer.need;
	return err;
}

/* ---- change ---------------------------------------------------------------------------------- */

struct xattr_op {
	const char *name;
	const struct kt_slice *value; /* NULL: remove it */
	unsigned flags;
	void *list; /* malloc'd xattrs that known borrows; or NULL */
};

/* Check that the attributes are no more than a file can have. */
static int check_list(struct kt_slice list)
{
	struct xattr_list_cursor children = xattr_list_begin(list);
	struct xattr xattr;
	size_t names = 0;

	while (xattr_list_next(&children, &xattr))
		names += xattr.name.size + 1;
	return names > NAMES_BYTES_MAX || list.size > LIST_BYTES_MAX ? -ENOSPC : 0;
}

/* Set the list that decides about access. It sets the mode, too. A list that says no more than
 * the mode does is not kept. */
static int set_access(struct xattr_op *op, mode_t mode, struct attr *attr)
{
	if (!acl_check(*op->value))
		return -EINVAL;
	attr->fields |= ATTR_MODE;
	attr->mode = acl_mode(*op->value, mode);
	if (op->flags & FS_XATTR_DROP_SGID)
		attr->mode &= ~(mode_t)S_ISGID;
	if (acl_is_minimal(*op->value))
		op->value = NULL;
	return 0;
}

/* Check the value of an access control list. */
static int check_acl_name(struct xattr_op *op, mode_t mode, struct attr *attr)
{
	if (!strcmp(op->name, ACL_DEFAULT) && op->value != NULL)
		return !S_ISDIR(mode) ? -EACCES : acl_check(*op->value) ? 0 : -EINVAL;
	if (!strcmp(op->name, ACL_ACCESS) && op->value != NULL)
		return set_access(op, mode, attr);
	return 0;
}

static int decide_xattr(void *arg, mode_t mode, struct known *known)
{
	struct xattr_op op = *(struct xattr_op *)arg;
	struct kt_slice old, list = {0};
	bool there = xattr_list_find(known->attr.xattrs, op.name, &old);
	int err;

	if (there && (op.flags & XATTR_CREATE))
		return -EEXIST;
	if (!there && (op.value == NULL || (op.flags & XATTR_REPLACE)))
		return -ENODATA;
	err = check_acl_name(&op, mode, &known->attr);
	if (!err)
		err = xattr_list_set(known->attr.xattrs, op.name, op.value, &list);
	if (err)
		return err;
	free(((struct xattr_op *)arg)->list);
	((struct xattr_op *)arg)->list = (void *)list.data;
	attr_set_xattrs(&known->attr, list);
	stat_touch(known);
	return op.value != NULL ? check_list(list) : 0;
}

static int change_xattr(struct fs *fs, uint64_t number, struct xattr_op *op)
{
	struct stat stat;
	int err = check_name(op->name);

	if (!err)
		err = change_attr(fs, number, decide_xattr, op, &stat);
	free(op->list);
	return err;
}

int fs_setxattr(struct fs *fs, uint64_t number, const char *name, const void *value, size_t size,
	unsigned flags)
{
	struct kt_slice slice = {value, size};
	struct xattr_op op = {.name = name, .value = &slice, .flags = flags};

	return change_xattr(fs, number, &op);
}

int fs_removexattr(struct fs *fs, uint64_t number, const char *name)
{
	struct xattr_op op = {.name = name};

	return change_xattr(fs, number, &op);
}
