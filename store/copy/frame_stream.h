/* A stream of frames, each with a checksum that goes on from the one before: what is damaged, cut,
 * missing or out of its place is found at once.
 *
 *     OFFSET SIZE
 *     0      8     XXH3-64 of bytes 8 to the end of the frame; the seed is that of the frame
 *                  before, 0 for the first
 *     8      4     kind
 *     12     4     size of the payload
 *     16     ...   payload
 */
#ifndef STORE_COPY_FRAME_STREAM_H
#define STORE_COPY_FRAME_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io;

#define FRAME_HEAD 16
#define FRAME_PAYLOAD_MAX ((size_t)2 << 20)

/** Frames on their way out. */
struct frames_out {
	struct io *io; /* borrowed */
	uint64_t done; /* bytes written */
	uint64_t seed; /* of the next frame */
	uint8_t *buf;
	size_t used;  /* bytes of complete frames in buf, not written yet */
	size_t frame; /* bytes of the frame that is being made, head included */
};

/** @param io  borrowed until frames_out_fini() @return 0; -ENOMEM */
int frames_out_init(struct frames_out *out, struct io *io);

/** What was not flushed is dropped. */
void frames_out_fini(struct frames_out *out);

/** Write bytes that are no frame, before the first one. */
void frames_out_raw(struct frames_out *out, const void *bytes, size_t size);

/** Begin a frame with a payload of at most so many bytes. */
int frame_begin(struct frames_out *out, uint32_t kind, size_t most);

/** Add bytes to the payload. */
void frame_add(struct frames_out *out, const void *bytes, size_t size);

/** The next size bytes of the payload, for the caller to fill. */
void *frame_room(struct frames_out *out, size_t size);

void frame_end(struct frames_out *out);

/** Write what has ended. */
int frames_flush(struct frames_out *out);

/** Frames on their way in. */
struct frames_in {
	int fd;	       /* borrowed */
	uint64_t done; /* bytes read */
	uint64_t seed;
	uint8_t *buf;
};

/** A frame that was read; its checksum is right. */
struct frame {
	uint32_t kind;
	size_t size;
	const uint8_t *payload; /* valid until the next one is read */
};

/** @param fd  borrowed until frames_in_fini() @return 0; -ENOMEM */
int frames_in_init(struct frames_in *in, int fd);

void frames_in_fini(struct frames_in *in);

/** Read bytes that are no frame.
 *  @return 0; -EILSEQ there are no more; any errno of read(2) */
int frames_in_raw(struct frames_in *in, void *bytes, size_t size);

/** Read a frame.
 *  @return 0; -EBADMSG; -EILSEQ it is cut off; any errno of read(2) */
int frame_read(struct frames_in *in, struct frame *ret_frame);

/** Is this the end? @return 0; -EILSEQ more follows; any errno of read(2) */
int frames_in_end(struct frames_in *in);

#endif
