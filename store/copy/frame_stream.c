#include "store/copy/frame_stream.h"

#include "store/tree/cell.h"
#include "store/error.h"
#include "store/io/io.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define OUT_BYTES ((size_t)1 << 20) /* written at once */

static uint64_t checksum(const uint8_t *frame, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(frame + 8, size - 8, seed);
}

/* ---- out ------------------------------------------------------------------------------------- */

int frames_out_init(struct frames_out *out, struct io *io)
{
	*out = (struct frames_out){
		.io = io, .buf = malloc(OUT_BYTES + FRAME_HEAD + FRAME_PAYLOAD_MAX)};
	return out->buf != NULL ? 0 : -ENOMEM;
}

void frames_out_fini(struct frames_out *out)
{
	free(out->buf);
}

int frames_flush(struct frames_out *out)
{
	struct iovec part = {out->buf, out->used};
	int err = out->used == 0 ? 0 : io_write(out->io, out->done, &part, 1);

	if (err != 0)
		return error_set(err, "writing the increment");
	out->done += out->used;
	out->used = 0;
	return 0;
}

void frames_out_raw(struct frames_out *out, const void *bytes, size_t size)
{
	assert(out->used + size <= OUT_BYTES);
	memcpy(out->buf + out->used, bytes, size);
	out->used += size;
}

int frame_begin(struct frames_out *out, uint32_t kind, size_t most)
{
	int err = 0;

	assert(most <= FRAME_PAYLOAD_MAX);
	if (out->used + FRAME_HEAD + most > OUT_BYTES)
		err = frames_flush(out);
	if (err != 0)
		return err;
	store32(out->buf + out->used + 8, kind);
	out->frame = FRAME_HEAD;
	return 0;
}

void *frame_room(struct frames_out *out, size_t size)
{
	void *room = out->buf + out->used + out->frame;

	out->frame += size;
	assert(out->frame <= FRAME_HEAD + FRAME_PAYLOAD_MAX);
	return room;
}

void frame_add(struct frames_out *out, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(frame_room(out, size), bytes, size);
}

void frame_end(struct frames_out *out)
{
	uint8_t *frame = out->buf + out->used;

	store32(frame + 12, (uint32_t)(out->frame - FRAME_HEAD));
	out->seed = checksum(frame, out->frame, out->seed);
	store64(frame, out->seed);
	out->used += out->frame;
}

/* ---- in -------------------------------------------------------------------------------------- */

int frames_in_init(struct frames_in *in, int fd)
{
	*in = (struct frames_in){.fd = fd, .buf = malloc(FRAME_HEAD + FRAME_PAYLOAD_MAX)};
	return in->buf != NULL ? 0 : -ENOMEM;
}

void frames_in_fini(struct frames_in *in)
{
	free(in->buf);
}

/* Read what there is, up to size bytes; from a descriptor that does not block, too.
 * ret_read: 0 at the end */
static int read_some(int fd, void *bytes, size_t size, size_t *ret_read)
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

int frames_in_raw(struct frames_in *in, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	while (size > 0) {
		size_t n;
		int err = read_some(in->fd, at, size, &n);

		if (err != 0)
			return err;
		if (n == 0)
			return error_set(-EILSEQ, "it ends after %llu bytes, too early",
				(unsigned long long)in->done);
		in->done += n;
		at += n;
		size -= n;
	}
	return 0;
}

int frame_read(struct frames_in *in, struct frame *ret_frame)
{
	uint64_t begin = in->done;
	size_t size;
	int err = frames_in_raw(in, in->buf, FRAME_HEAD);

	if (err != 0)
		return err;
	size = load32(in->buf + 12);
	if (size <= FRAME_PAYLOAD_MAX)
		err = frames_in_raw(in, in->buf + FRAME_HEAD, size);
	if (err != 0)
		return err;
	if (size > FRAME_PAYLOAD_MAX ||
		checksum(in->buf, FRAME_HEAD + size, in->seed) != load64(in->buf))
		return error_set(
			-EBADMSG, "at byte %llu of the increment", (unsigned long long)begin);
	in->seed = load64(in->buf);
	*ret_frame = (struct frame){load32(in->buf + 8), size, in->buf + FRAME_HEAD};
	return 0;
}

int frames_in_end(struct frames_in *in)
{
	uint8_t byte;
	size_t n;
	int err = read_some(in->fd, &byte, 1, &n);

	if (!err && n > 0)
		err = error_set(-EILSEQ, "something follows after %llu bytes",
			(unsigned long long)in->done);
	return err;
}
