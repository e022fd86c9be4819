#include "store/io/io_stream.h"

#include "store/format.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct io_stream {
	struct io io;
	int fd;
	uint64_t position;
};

/* Wait until a descriptor that does not block takes more. */
static int stream_wait_for_room(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};

	return poll(&wait, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int stream_write_all(struct io_stream *stream, const void *data, size_t size)
{
	const char *at = data;
	int err = 0;

	while (!err && size > 0) {
		ssize_t n = write(stream->fd, at, size);

		if (n >= 0) {
			at += n;
			size -= (size_t)n;
			stream->position += (uint64_t)n;
		} else if (errno == EAGAIN) {
			err = stream_wait_for_room(stream->fd);
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	return err;
}

static int stream_fill_gap(struct io_stream *stream, uint64_t end)
{
	static const uint8_t zeros[16 * PAGE_SIZE];
	int err = 0;

	while (!err && stream->position < end) {
		uint64_t left = end - stream->position;

		err = stream_write_all(
			stream, zeros, left < sizeof(zeros) ? (size_t)left : sizeof(zeros));
	}
	return err;
}

static int stream_write(struct io *io, uint64_t offset, const struct iovec *parts, size_t count)
{
	struct io_stream *stream = (struct io_stream *)io;
	int err;

	assert(offset >= stream->position);
	err = stream_fill_gap(stream, offset);
	for (size_t i = 0; !err && i < count; i++)
		err = stream_write_all(stream, parts[i].iov_base, parts[i].iov_len);
	return err;
}

static void stream_close(struct io *io)
{
	free(io);
}

static const struct io_ops stream_ops = {
	.write = stream_write,
	.close = stream_close,
};

int io_stream_open(int fd, struct io **ret_io)
{
	struct io_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return -ENOMEM;
	stream->io.ops = &stream_ops;
	stream->fd = fd;
	*ret_io = &stream->io;
	return 0;
}
