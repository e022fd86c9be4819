/* The blocks that describe an entry: its header, and those before it with a long name or with pax
 * records. See tar_input.h.
 */
#include "mount/convert/tar_input.h"

#include "fs/clock.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A header block; the fields of the format ustar. */
struct tar_block {
	char name[100];
	char mode[8];
	char uid[8], gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char target[100];
	char magic[8];
	char owner[32], group[32];
	char major[8], minor[8];
	char prefix[155];
	char rest[12];
};

_Static_assert(sizeof(struct tar_block) == TAR_BLOCK_SIZE, "a header is one block");

/* What came before the header of an entry, and belongs to it. */
struct tar_before {
	struct tar_bytes path, target; /* GNU's long names */
	struct tar_bytes records;      /* of pax */
};

void tar_entry_fini(struct tar_entry *entry)
{
	free(entry->path.data);
	free(entry->target.data);
	free(entry->data);
	free((void *)entry->attr.xattrs.data);
	*entry = (struct tar_entry){0};
}

static bool tar_binary(const unsigned char *field, size_t size, int64_t *ret_number)
{
	bool negative = (field[0] & 0x40) != 0;
	uint64_t number = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte = field[i];

		if (i == 0) /* its highest bit says that this is binary */
			byte = (unsigned char)(negative ? byte | 0x80 : byte & 0x7f);
		if (number >> 56 != (negative ? 0xff : 0))
			return false;
		number = number << 8 | byte;
	}
	*ret_number = (int64_t)number;
	return (*ret_number < 0) == negative;
}

bool tar_number(const char *field, size_t size, int64_t *ret_number)
{
	uint64_t number = 0;
	size_t at = 0;

	if ((unsigned char)field[0] & 0x80)
		return tar_binary((const unsigned char *)field, size, ret_number);
	while (at < size && field[at] == ' ')
		at++;
	for (; at < size && field[at] >= '0' && field[at] <= '7'; at++)
		number = number << 3 | (uint64_t)(field[at] - '0');
	*ret_number = (int64_t)number; /* at most 12 digits */
	return at == size || field[at] == ' ' || field[at] == '\0';
}

/* Some programs have summed the bytes as signed ones. */
static bool tar_checksum_is_right(const struct tar_block *block)
{
	const char *bytes = (const char *)block;
	const size_t begin = offsetof(struct tar_block, checksum);
	int64_t sum = 0, signed_sum = 0, stated;

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		bool own = i >= begin && i < begin + sizeof(block->checksum);

		sum += own ? ' ' : (unsigned char)bytes[i];
		signed_sum += own ? ' ' : (signed char)bytes[i];
	}
	return tar_number(block->checksum, sizeof(block->checksum), &stated) &&
	       (stated == sum || stated == signed_sum);
}

static bool tar_is_zero(const struct tar_block *block)
{
	static const struct tar_block zero;

	return memcmp(block, &zero, sizeof(zero)) == 0;
}

/* Read a block; two of zeros, or the end of the file, end the archive. */
static int tar_read_block(struct tar_input *input, struct tar_block *block)
{
	const bool first = input->convert->records == 0;
	int64_t size;
	size_t got;
	int err = tar_input_skip(input);

	if (!err)
		err = tar_input_read(input, block, sizeof(*block), &got);
	if (err != 0)
		return err;
	if (got == 0 || (got == sizeof(*block) && tar_is_zero(block)))
		return -ENODATA;
	if (got < sizeof(*block))
		return tar_input_malformed(
			input, first ? "this is not a tar archive" : "the archive is cut off");
	if (!tar_checksum_is_right(block))
		return tar_input_malformed(input, first ? "this is not a tar archive"
							: "the checksum of its header is wrong");
	if (!tar_number(block->size, sizeof(block->size), &size) || size < 0)
		return tar_input_malformed(input, "the size in its header is malformed");
	input->body = (uint64_t)size;
	input->padding = -(size_t)size % TAR_BLOCK_SIZE;
	return 0;
}

/* GNU's long names end with a NUL. */
static int tar_take_name(struct tar_input *input, struct tar_bytes *name)
{
	int err;

	name->size = 0;
	err = tar_input_take(input, name);
	if (!err && name->size > 0)
		name->size = strlen(name->data);
	return err;
}

/* Deal with a header that stands before that of an entry. @return 1 it is the entry's own */
static int tar_take_before(
	struct tar_input *input, const struct tar_block *block, struct tar_before *before)
{
	switch (block->type) {
	case 'L':
		return tar_take_name(input, &before->path);
	case 'K':
		return tar_take_name(input, &before->target);
	case 'x':
	case 'X': /* Solaris */
		before->records.size = 0;
		return tar_input_take(input, &before->records);
	case 'g':
		return tar_input_take(input, &input->globals);
	case 'A': /* Solaris: an access control list */
	case 'V': /* GNU: the name of the volume */
		return 0;
	case 'M':
	case 'N':
		return tar_input_malformed(input, "archives of several volumes are not supported");
	default:
		return 1;
	}
}

static mode_t tar_type(char type, const struct tar_bytes *path)
{
	switch (type) {
	case '2':
		return S_IFLNK;
	case '3':
		return S_IFCHR;
	case '4':
		return S_IFBLK;
	case '5':
	case 'D': /* GNU: with a list of the names in it */
		return S_IFDIR;
	case '6':
		return S_IFIFO;
	case '0':
	case '\0':
		if (path->size > 0 && path->data[path->size - 1] == '/')
			return S_IFDIR;
		return S_IFREG;
	default:
		return S_IFREG;
	}
}

/* The path is that of the long name, or prefix and name. */
static int tar_set_names(
	const struct tar_block *block, const struct tar_before *before, struct tar_entry *entry)
{
	const bool has_prefix = memcmp(block->magic, "ustar", 6) == 0 && block->prefix[0] != '\0';
	int err = 0;

	if (before->path.size > 0) {
		err = tar_bytes_set(&entry->path, before->path.data, before->path.size);
	} else {
		if (has_prefix) {
			err = tar_bytes_set(&entry->path, block->prefix,
				strnlen(block->prefix, sizeof(block->prefix)));
			if (!err)
				err = tar_bytes_add(&entry->path, "/", 1);
		}
		if (!err)
			err = tar_bytes_add(&entry->path, block->name,
				strnlen(block->name, sizeof(block->name)));
	}
	if (!err && before->target.size > 0)
		err = tar_bytes_set(&entry->target, before->target.data, before->target.size);
	else if (!err)
		err = tar_bytes_set(&entry->target, block->target,
			strnlen(block->target, sizeof(block->target)));
	return err;
}

static int tar_set_attributes(
	struct tar_input *input, const struct tar_block *block, struct tar_entry *entry)
{
	int64_t mode, uid, gid, mtime, major = 0, minor = 0;

	if (!tar_number(block->mode, sizeof(block->mode), &mode) ||
		!tar_number(block->uid, sizeof(block->uid), &uid) ||
		!tar_number(block->gid, sizeof(block->gid), &gid) ||
		!tar_number(block->mtime, sizeof(block->mtime), &mtime))
		return tar_input_malformed(
			input, "the mode, owner or time in its header is malformed");
	if ((block->type == '3' || block->type == '4') &&
		(!tar_number(block->major, sizeof(block->major), &major) ||
			!tar_number(block->minor, sizeof(block->minor), &minor)))
		return tar_input_malformed(input, "the device number in its header is malformed");
	entry->attr.fields |= ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_RDEV;
	entry->attr.mode = (mode_t)mode & 07777;
	entry->attr.uid = (uid_t)uid;
	entry->attr.gid = (gid_t)gid;
	entry->attr.rdev = makedev((unsigned)major, (unsigned)minor);
	entry->mtime_ns = clock_ns(mtime, 0);
	entry->size = input->body;
	entry->is_link = block->type == '1';
	return 0;
}

/* What the header and the records before it say together. */
static int tar_set_entry(struct tar_input *input, const struct tar_block *block,
	const struct tar_before *before, struct tar_entry *entry)
{
	int err = tar_set_names(block, before, entry);

	if (!err)
		err = tar_set_attributes(input, block, entry);
	if (!err && block->type == 'S')
		err = tar_sparse_header(input, (const char *)block, entry);
	if (!err)
		err = tar_pax_apply(input, &input->globals, entry);
	if (!err)
		err = tar_pax_apply(input, &before->records, entry);
	if (err != 0)
		return err;
	/* only pax lets a link carry the file's bytes; others state a size and have none */
	if (entry->is_link && before->records.size == 0)
		entry->size = input->body = input->padding = 0;
	if (strlen(entry->path.data) != entry->path.size ||
		strlen(entry->target.data) != entry->target.size)
		return tar_input_malformed(input, "its name contains a NUL");
	entry->attr.mode |= tar_type(block->type, &entry->path);
	if (!S_ISREG(entry->attr.mode) && !entry->is_link) /* has no body, whatever it states */
		input->body = input->padding = block->type == 'D' ? input->body : 0;
	if (!S_ISCHR(entry->attr.mode) && !S_ISBLK(entry->attr.mode))
		entry->attr.fields &= ~(unsigned)ATTR_RDEV;
	if (entry->sparse_version > 0)
		err = tar_sparse_body(input, entry);
	if (!err && entry->is_sparse)
		err = tar_sparse_check(input, entry);
	return err;
}

int tar_next_entry(struct tar_input *input, struct tar_entry *entry)
{
	struct tar_before before = {0};
	struct tar_block block;
	int err;

	tar_entry_fini(entry);
	do {
		err = tar_read_block(input, &block);
		if (!err)
			err = tar_take_before(input, &block, &before);
	} while (!err);
	if (err == -ENODATA && before.path.size + before.target.size + before.records.size > 0)
		err = tar_input_malformed(input, "the archive is cut off");
	if (err == 1)
		err = tar_set_entry(input, &block, &before, entry);
	free(before.path.data);
	free(before.target.data);
	free(before.records.data);
	return err;
}
