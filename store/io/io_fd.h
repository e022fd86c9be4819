/* What the tables of a file and of a file in memory have in common: a descriptor and a map. */
#ifndef STORE_IO_IO_FD_H
#define STORE_IO_IO_FD_H

#include "store/io/io.h"

/** An open file with a descriptor. */
struct io_fd {
	struct io io;
	int fd;
	void *base; /* the map; NULL: none yet */
	uint64_t map_size;
	uint64_t granted;      /* the file may be this long: fd_check_size() was asked */
	uint64_t row, row_end; /* bytes of a file written last, in a row, and not started yet */
	char *path;	       /* of a file, absolute; NULL: not known */
	int mark_fd; /* the file again, for writing, if fd is for reading only; -1: not opened */
	int area_fd; /* of the shared memory; -1: none */
	void *area;  /* NULL: none */
	size_t area_size;
};

/** Wrap a descriptor.
 *  @param fd        taken, also on failure
 *  @param ops       the table
 *  @param durable   see struct io
 *  @param readonly  see struct io
 *  @param ret_io    end with io_close()
 *  @return 0; -ENOMEM */
int io_fd_new(int fd, const struct io_ops *ops, bool durable, bool readonly, struct io **ret_io);

/** Read all of a part through a descriptor. @return 0; -ENODATA the file ends before; an errno */
int io_fd_read_part(int fd, uint64_t offset, void *buf, size_t size);

/** Write all of some bytes to a descriptor. */
int io_fd_write_part(int fd, uint64_t offset, const char *at, size_t size);

/* The functions of a table; see io_read() and its like. */

int io_fd_read(struct io *io, uint64_t offset, void *buf, size_t size);
int io_fd_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count);
int io_fd_size(struct io *io, uint64_t *ret_size);
int io_fd_truncate(struct io *io, uint64_t size);
int io_fd_map(
	struct io *io, uint64_t least, uint64_t most, const void **ret_base, uint64_t *ret_size);
void io_fd_area_leave(struct io *io);
void io_fd_close(struct io *io);

#endif
