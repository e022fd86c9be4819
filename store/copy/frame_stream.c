#include "store/copy/frame_stream.h"

#include "store/tree/cell.h"
#include "store/error.h"
#include "store/io/io.h"
#include "store/io/io_fd.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define OUT_BYTES ((size_t)1 << 20) /* written at once */

static uint64_t frame_checksum(const uint8_t *frame, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(frame + 8, size - 8, seed);
}

/* ---- out ------------------------------------------------------------------------------------- */

int frame_writer_init(struct frame_writer *out, struct io *io)
{
	*out = (struct frame_writer){
		.io = io, .buf = malloc(OUT_BYTES + FRAME_HEAD + FRAME_PAYLOAD_MAX)};
	return out->buf != NULL ? 0 : -ENOMEM;
}

void frame_writer_fini(struct frame_writer *out)
{
	free(out->buf);
}

int frame_writer_flush(struct frame_writer *out)
{
	struct iovec part = {out->buf, out->used};
	int err = out->used == 0 ? 0 : io_write(out->io, out->done, &part, 1);

	if (err != 0)
		return error_set(err, "writing the increment");
	out->done += out->used;
	out->used = 0;
	return 0;
}

void frame_writer_raw(struct frame_writer *out, const void *bytes, size_t size)
{
	assert(out->used + size <= OUT_BYTES);
	memcpy(out->buf + out->used, bytes, size);
	out->used += size;
}

int frame_begin(struct frame_writer *out, uint32_t kind, size_t most)
{
	int err = 0;

	assert(most <= FRAME_PAYLOAD_MAX);
	if (out->used + FRAME_HEAD + most > OUT_BYTES)
		err = frame_writer_flush(out);
	if (err != 0)
		return err;
	store32(out->buf + out->used + 8, kind);
	out->frame = FRAME_HEAD;
	return 0;
}

void *frame_room(struct frame_writer *out, size_t size)
{
	void *room = out->buf + out->used + out->frame;

	out->frame += size;
	assert(out->frame <= FRAME_HEAD + FRAME_PAYLOAD_MAX);
	return room;
}

void frame_add(struct frame_writer *out, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(frame_room(out, size), bytes, size);
}

void frame_end(struct frame_writer *out)
{
	uint8_t *frame = out->buf + out->used;

	store32(frame + 12, (uint32_t)(out->frame - FRAME_HEAD));
	out->seed = frame_checksum(frame, out->frame, out->seed);
	store64(frame, out->seed);
	out->used += out->frame;
}

/* ---- in -------------------------------------------------------------------------------------- */

int frame_reader_init(struct frame_reader *in, int fd)
{
	*in = (struct frame_reader){
		.fd = fd, .buf = malloc(FRAME_HEAD + FRAME_PAYLOAD_MAX), .copy_fd = -1};
	return in->buf != NULL ? 0 : -ENOMEM;
}

void frame_reader_fini(struct frame_reader *in)
{
	free(in->buf);
}

/* Read what there is, up to size bytes; from a descriptor that does not block, too.
 * ret_read: 0 at the end */
static int frame_read_some(int fd, void *bytes, size_t size, size_t *ret_read)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n = read(fd, bytes, size);

		if (n >= 0) {
			*ret_read = (size_t)n;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (errno == EAGAIN && poll(&wait, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

int frame_reader_raw(struct frame_reader *in, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	while (size > 0) {
		size_t n;
		int err = frame_read_some(in->fd, at, size, &n);

		if (err != 0)
			return err;
		if (n == 0)
			return error_set(-EILSEQ, "the increment is cut off after %llu bytes",
				(unsigned long long)in->done);
		if (in->copy_fd >= 0)
			err = io_fd_write_part(in->copy_fd, in->done, (const char *)at, n);
		if (err)
			return error_set(err, "keeping the increment until all of it is there");
		in->done += n;
		at += n;
		size -= n;
	}
	return 0;
}

int frame_read(struct frame_reader *in, struct frame *ret_frame)
{
	uint64_t begin = in->done;
	size_t size;
	int err = frame_reader_raw(in, in->buf, FRAME_HEAD);

	if (err != 0)
		return err;
	size = load32(in->buf + 12);
	if (size <= FRAME_PAYLOAD_MAX)
		err = frame_reader_raw(in, in->buf + FRAME_HEAD, size);
	if (err != 0)
		return err;
	if (size > FRAME_PAYLOAD_MAX ||
		frame_checksum(in->buf, FRAME_HEAD + size, in->seed) != load64(in->buf))
		return error_set(
			-EBADMSG, "at byte %llu of the increment", (unsigned long long)begin);
	in->seed = load64(in->buf);
	*ret_frame = (struct frame){load32(in->buf + 8), size, in->buf + FRAME_HEAD};
	return 0;
}

int frame_reader_end(struct frame_reader *in)
{
	uint8_t byte;
	size_t n;
	int err = frame_read_some(in->fd, &byte, 1, &n);

	if (!err && n > 0)
		err = error_set(-EILSEQ, "more data follows the end of the increment, at byte %llu",
			(unsigned long long)in->done);
	return err;
}
