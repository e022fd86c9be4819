/* POSIX access control lists. See acl.h. The rules are those of POSIX 1003.1e draft 17. */
#include "fs/meta/acl.h"

#include "fs/meta/xattr_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION 2
#define HEAD_SIZE 4
#define ENTRY_SIZE 8

enum tag {
	TAG_OWNER = 0x01,
	TAG_USER = 0x02,
	TAG_GROUP_OWNER = 0x04,
	TAG_GROUP = 0x08,
	TAG_MASK = 0x10,
	TAG_OTHER = 0x20,
};

static unsigned read_16(const unsigned char *at)
{
	return at[0] | (unsigned)at[1] << 8u;
}

static size_t count_of(struct kt_slice acl)
{
	return (acl.size - HEAD_SIZE) / ENTRY_SIZE;
}

static const unsigned char *entry_at(struct kt_slice acl, size_t index)
{
	return (const unsigned char *)acl.data + HEAD_SIZE + index * ENTRY_SIZE;
}

static unsigned tag_at(struct kt_slice acl, size_t index)
{
	return read_16(entry_at(acl, index));
}

static unsigned perm_at(struct kt_slice acl, size_t index)
{
	return read_16(entry_at(acl, index) + 2);
}

/* Tags come in order; users and groups may come more than once. */
bool acl_check(struct kt_slice acl)
{
	unsigned seen = 0, last = 0;

	if (acl.size < HEAD_SIZE || (acl.size - HEAD_SIZE) % ENTRY_SIZE != 0 ||
		read_16(acl.data) != VERSION)
		return false;
	for (size_t i = 0; i < count_of(acl); i++) {
		unsigned tag = tag_at(acl, i);
		bool many = tag == TAG_USER || tag == TAG_GROUP;

		if (tag == 0 || tag > TAG_OTHER || (tag & (tag - 1)) != 0 || perm_at(acl, i) > 7 ||
			tag < last || (tag == last && !many))
			return false;
		seen |= tag;
		last = tag;
	}
	if ((seen & (TAG_USER | TAG_GROUP)) && !(seen & TAG_MASK))
		return false;
	return (seen & TAG_OWNER) && (seen & TAG_GROUP_OWNER) && (seen & TAG_OTHER);
}

bool acl_is_minimal(struct kt_slice acl)
{
	return count_of(acl) == 3;
}

/* The tag whose permissions are the group bits of the mode. */
static unsigned group_tag(struct kt_slice acl)
{
	for (size_t i = 0; i < count_of(acl); i++) {
		if (tag_at(acl, i) == TAG_MASK)
			return TAG_MASK;
	}
	return TAG_GROUP_OWNER;
}

/* Shift of the permissions of an entry in a mode; -1: the mode does not have them. */
static int shift_of(struct kt_slice acl, size_t index)
{
	unsigned tag = tag_at(acl, index);

	if (tag == TAG_OWNER)
		return 6;
	if (tag == TAG_OTHER)
		return 0;
	return tag == group_tag(acl) ? 3 : -1;
}

mode_t acl_mode(struct kt_slice acl, mode_t mode)
{
	mode &= ~(mode_t)0777;
	for (size_t i = 0; i < count_of(acl); i++) {
		int shift = shift_of(acl, i);

		if (shift >= 0)
			mode |= perm_at(acl, i) << (unsigned)shift;
	}
	return mode;
}

/* Set the permissions in a list to those of a mode, or take away what the mode does not have. */
static void apply_mode(struct kt_slice acl, unsigned char *bytes, mode_t mode, bool take_away)
{
	for (size_t i = 0; i < count_of(acl); i++) {
		unsigned char *perm =
			bytes + (entry_at(acl, i) - (const unsigned char *)acl.data) + 2;
		int shift = shift_of(acl, i);
		unsigned char bits;

		if (shift < 0)
			continue;
		bits = (unsigned char)(mode >> (unsigned)shift & 7u);
		*perm = take_away ? *perm & bits : bits;
	}
}

/* A copy of a list with a mode applied. */
static int copy_with_mode(
	struct kt_slice acl, mode_t mode, bool take_away, struct kt_slice *ret_copy)
{
	unsigned char *bytes = malloc(acl.size);

	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, acl.data, acl.size);
	apply_mode(acl, bytes, mode, take_away);
	*ret_copy = (struct kt_slice){bytes, acl.size};
	return 0;
}

/* Find a list in attributes. An invalid one is ignored: the store may come from anywhere. */
static bool find_acl(struct kt_slice xattrs, const char *name, struct kt_slice *ret_acl)
{
	return xattr_list_find(xattrs, name, ret_acl) && acl_check(*ret_acl);
}

int acl_follow_mode(struct attr *attr, void **ret_list)
{
	struct kt_slice acl, copy, list;
	int err;

	*ret_list = NULL;
	if (!find_acl(attr->xattrs, ACL_ACCESS, &acl))
		return 0;
	err = copy_with_mode(acl, attr->mode, false, &copy);
	if (err)
		return err;
	err = xattr_list_set(attr->xattrs, ACL_ACCESS, &copy, &list);
	free((void *)copy.data);
	if (err)
		return err;
	attr_set_xattrs(attr, list);
	*ret_list = (void *)list.data;
	return 0;
}

/* The lists that a new file or directory has, and its mode. */
static int hand_down(struct kt_slice acl, struct attr *attr, struct kt_slice *ret_list)
{
	struct kt_slice access, with_access = {0};
	bool keeps = S_ISDIR(attr->mode);
	int err = copy_with_mode(acl, attr->mode, true, &access);

	if (err)
		return err;
	attr->mode = acl_mode(access, attr->mode);
	if (!acl_is_minimal(access))
		err = xattr_list_set((struct kt_slice){0}, ACL_ACCESS, &access, &with_access);
	if (!err && keeps)
		err = xattr_list_set(with_access, ACL_DEFAULT, &acl, ret_list);
	else if (!err)
		*ret_list = with_access;
	if (err || keeps)
		free((void *)with_access.data);
	free((void *)access.data);
	return err;
}

int acl_inherit(struct kt_slice directory, mode_t umask, struct attr *attr)
{
	struct kt_slice acl, list = {0};
	int err;

	if (!find_acl(directory, ACL_DEFAULT, &acl)) {
		attr->mode &= ~(umask & 0777);
		return 0;
	}
	err = hand_down(acl, attr, &list);
	if (!err)
		attr_set_xattrs(attr, list);
	return err;
}
