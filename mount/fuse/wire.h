/* What the kernel says and libfuse 3.14 does not pass on, taken from the requests themselves.
 *
 *     kernel ──> wire_receive() ──> fuse_session_process_buf() ──> handler ──> wire_now()
 *     kernel <── wire_writev() <── libfuse
 *
 * Three features are agreed on behind libfuse's back, in the reply to the first request. With the
 * first, FUSE_HANDLE_KILLPRIV_V2, the kernel no longer asks for security.capability before each
 * write: a write, truncation or change of owner says itself that set-user-id bits are to be
 * cleared. With the second, FUSE_SETXATTR_EXT, the setting of an access control list says so.
 * With the third, FUSE_DIRECT_IO_ALLOW_MMAP, a file that is read without the kernel's cache can be
 * mapped all the same.
 *
 * A request for a file without a name has the form of one that creates a file, and is handed to
 * libfuse as such.
 */
#ifndef MOUNT_FUSE_WIRE_H
#define MOUNT_FUSE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/** Of one mount. Zeroed: nothing was agreed on yet. */
struct wire {
	int fd;		/* of the session */
	uint64_t init;	/* the request whose reply agrees on features; 0: it was answered */
	uint32_t minor; /* version of the protocol that the kernel speaks: 7.minor */
	uint32_t offered;
	uint32_t agreed;  /* of the first two, as the protocol numbers them */
	bool maps_direct; /* the third was offered, and is agreed on */
};

/** Can the kernel be told at once that no name means what it did? From 6.16 on. */
bool wire_has_epoch(const struct wire *wire);

/** Tell it so: each name is asked for again when it is used next. Waits for nothing. */
void wire_next_epoch(const struct wire *wire);

/** What the request says that the calling thread is serving. */
struct wire_request {
	bool tmpfile;	/* the file to be created is one without a name: O_TMPFILE */
	bool drop_suid; /* it ends the privileges of a file: set-user-id and set-group-id bits */
};

/** Look at a request before libfuse does.
 *  @param mem   the request as it was read
 *  @param size  bytes of it
 *  @param ret_size  what is left of it
 *  @return where libfuse is to read it, in mem */
void *wire_receive(struct wire *wire, void *mem, size_t size, size_t *ret_size);

/** What the last wire_receive() of the calling thread has seen. */
const struct wire_request *wire_now(void);

/** Make a name expire that the kernel knows, or knows to mean nothing: it asks again when it is
 * used next. Waits for requests on that directory. Kernels before 6.2 forget the name instead.
 *  @param fd  of the session
 *  @return 0; -ENOENT the kernel knows no such name */
int wire_expire(int fd, uint64_t directory, const char *name);

/** Hand a file's whole content to the kernel, to be kept as if it had been read. Waits for requests
 *  that read or write the file. It is left alone if the kernel knows no such file.
 *  @param size  at most UINT32_MAX / 2 */
void wire_store(const struct wire *wire, uint64_t node, const void *content, size_t size);

/** Write a reply of libfuse.
 *  @param doubt  it may hold zeros in place of what the store has: the reply is EIO
 *  @return as writev(2); -1 with EIO: the reply was EIO, also because its bytes cannot be read */
ssize_t wire_writev(struct wire *wire, int fd, const struct iovec *iov, int count, bool doubt);

#endif
