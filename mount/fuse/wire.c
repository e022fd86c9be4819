/* What libfuse does not pass on. See wire.h. */
#include "mount/fuse/wire.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

/* A notice that Debian 12's header does not have, and the version that brought it. */
#define WIRE_NOTIFY_INC_EPOCH 8
#define WIRE_EPOCH_MINOR 44

/* FUSE_DIRECT_IO_ALLOW_MMAP of Linux 6.6, in the second word of flags; older headers lack it. */
#define WIRE_DIRECT_IO_ALLOW_MMAP (1u << 4)

static _Thread_local struct wire_request now;

const struct wire_request *wire_now(void)
{
	return &now;
}

/* The body of a request; it is at least as large as the kernel makes one of its kind. */
static const void *body_of(const void *mem, size_t size, size_t need)
{
	return size >= sizeof(struct fuse_in_header) + need
		       ? (const char *)mem + sizeof(struct fuse_in_header)
		       : NULL;
}

static bool drops_suid(const void *mem, size_t size, uint32_t opcode)
{
	const struct fuse_setattr_in *setattr;
	const struct fuse_write_in *write;
	const struct fuse_open_in *open;

	switch (opcode) {
	case FUSE_SETATTR:
		setattr = body_of(mem, size, sizeof(*setattr));
		return setattr != NULL && (setattr->valid & FATTR_KILL_SUIDGID);
	case FUSE_WRITE:
		write = body_of(mem, size, sizeof(*write));
		return write != NULL && (write->write_flags & FUSE_WRITE_KILL_SUIDGID);
	case FUSE_OPEN:
		open = body_of(mem, size, sizeof(*open));
		return open != NULL && (open->open_flags & FUSE_OPEN_KILL_SUIDGID);
	default:
		return false;
	}
}

/* libfuse knows the short form of this request: take the flags out, by moving what is before them
 * to where they were. */
static void *shorten_setxattr(void *mem, size_t size, size_t *ret_size)
{
	const struct fuse_setxattr_in *setxattr = body_of(mem, size, sizeof(*setxattr));
	size_t cut = sizeof(*setxattr) - FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct fuse_in_header *header;

	if (setxattr == NULL)
		return mem;
	now.drop_suid = setxattr->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID;
	memmove((char *)mem + cut, mem, sizeof(*header) + FUSE_COMPAT_SETXATTR_IN_SIZE);
	header = (struct fuse_in_header *)((char *)mem + cut);
	header->len -= (uint32_t)cut;
	*ret_size = size - cut;
	return header;
}

void *wire_receive(struct wire *wire, void *mem, size_t size, size_t *ret_size)
{
	const struct fuse_in_header *header = mem;
	const struct fuse_init_in *init;

	*ret_size = size;
	now = (struct wire_request){0};
	if (size < sizeof(*header))
		return mem;
	if (header->opcode == FUSE_INIT) {
		init = body_of(mem, size, 4 * sizeof(uint32_t));
		wire->init = header->unique;
		wire->minor = init != NULL ? init->minor : 0;
		wire->offered = init != NULL ? init->flags : 0;
		init = body_of(mem, size, sizeof(*init));
		wire->maps_direct = init != NULL && (init->flags & FUSE_INIT_EXT) &&
				    (init->flags2 & WIRE_DIRECT_IO_ALLOW_MMAP);
		return mem;
	}
	if (header->opcode == FUSE_SETXATTR && (wire->agreed & FUSE_SETXATTR_EXT))
		return shorten_setxattr(mem, size, ret_size);
	if (header->opcode == FUSE_TMPFILE) {
		now.tmpfile = true;
		((struct fuse_in_header *)mem)->opcode = FUSE_CREATE;
	}
	now.drop_suid = drops_suid(mem, size, header->opcode);
	return mem;
}

/* Agree on what was offered, in libfuse's reply. */
static void agree(struct wire *wire, const struct iovec *iov, int count)
{
	const struct fuse_out_header *header = iov[0].iov_base;
	struct fuse_init_out *init;

	wire->init = 0;
	if (header->error != 0 || count < 2 || iov[1].iov_len < sizeof(*init))
		return;
	init = iov[1].iov_base;
	wire->agreed = wire->offered & (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT);
	init->flags |= wire->agreed;
	if (wire->maps_direct) {
		init->flags |= FUSE_INIT_EXT;
		init->flags2 |= WIRE_DIRECT_IO_ALLOW_MMAP;
	}
}

int wire_expire(int fd, uint64_t directory, const char *name)
{
	size_t size = strlen(name) + 1;
	struct fuse_notify_inval_entry_out expire = {
		.parent = directory,
		.namelen = (uint32_t)size - 1,
		.flags = FUSE_EXPIRE_ONLY,
	};
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + sizeof(expire) + size),
		.error = FUSE_NOTIFY_INVAL_ENTRY,
	};
	struct iovec iov[] = {
		{&header, sizeof(header)},
		{&expire, sizeof(expire)},
		{(void *)name, size},
	};

	return writev(fd, iov, 3) < 0 ? -errno : 0;
}

bool wire_has_epoch(const struct wire *wire)
{
	return wire->minor >= WIRE_EPOCH_MINOR;
}

void wire_next_epoch(const struct wire *wire)
{
	struct fuse_out_header header = {.len = sizeof(header), .error = WIRE_NOTIFY_INC_EPOCH};

	if (write(wire->fd, &header, sizeof(header)) < 0)
		return; /* the mount has ended */
}

void wire_store(const struct wire *wire, uint64_t node, const void *content, size_t size)
{
	struct fuse_notify_store_out store = {.nodeid = node, .size = (uint32_t)size};
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + sizeof(store) + size),
		.error = FUSE_NOTIFY_STORE,
	};
	struct iovec iov[] = {
		{&header, sizeof(header)},
		{&store, sizeof(store)},
		{(void *)content, size},
	};

	/* What is not kept is asked for. */
	if (writev(wire->fd, iov, 3) < 0)
		return;
}

ssize_t wire_writev(struct wire *wire, int fd, const struct iovec *iov, int count, bool doubt)
{
	const struct fuse_out_header *header = iov[0].iov_base;
	struct fuse_out_header failed = {sizeof(failed), -EIO, header->unique};
	const struct iovec failure = {&failed, sizeof(failed)};
	ssize_t written;

	if (wire->init != 0 && header->unique == wire->init)
		agree(wire, iov, count);
	if (header->unique == 0 || header->error != 0) /* a notice, or an error already */
		return writev(fd, iov, count);
	written = doubt ? -1 : writev(fd, iov, count);
	if (!doubt && (written >= 0 || errno != EFAULT))
		return written;
	if (writev(fd, &failure, 1) >= 0)
		errno = EIO;
	return -1;
}
