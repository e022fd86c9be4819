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
struct frame_writer {
	struct io *io; /* borrowed */
	uint64_t done; /* bytes written */
	uint64_t seed; /* of the next frame */
	uint8_t *buf;
	size_t used;  /* bytes of complete frames in buf, not written yet */
	size_t frame; /* bytes of the frame that is being made, head included */
};

/** @param io  borrowed until frame_writer_fini() @return 0; -ENOMEM */
int frame_writer_init(struct frame_writer *out, struct io *io);

/** What was not flushed is dropped. */
void frame_writer_fini(struct frame_writer *out);

/** Write bytes that are no frame, before the first one. */
void frame_writer_raw(struct frame_writer *out, const void *bytes, size_t size);

/** Begin a frame with a payload of at most so many bytes. */
int frame_begin(struct frame_writer *out, uint32_t kind, size_t most);

/** Add bytes to the payload. */
void frame_add(struct frame_writer *out, const void *bytes, size_t size);

/** The next size bytes of the payload, for the caller to fill. */
void *frame_room(struct frame_writer *out, size_t size);

void frame_end(struct frame_writer *out);

/** Write what has ended. */
int frame_writer_flush(struct frame_writer *out);

/** Frames on their way in. */
struct frame_reader {
	int fd;	       /* borrowed */
	uint64_t done; /* bytes read */
	uint64_t seed;
	uint8_t *buf;
	int copy_fd; /* what is read is written there too; -1: nowhere */
};

/** A frame that was read; its checksum is right. */
struct frame {
	uint32_t kind;
	size_t size;
	const uint8_t *payload; /* valid until the next one is read */
};

/** @param fd  borrowed until frame_reader_fini() @return 0; -ENOMEM */
int frame_reader_init(struct frame_reader *in, int fd);

void frame_reader_fini(struct frame_reader *in);

/** Read bytes that are no frame.
 *  @return 0; -EILSEQ there are no more; any errno of read(2) */
int frame_reader_raw(struct frame_reader *in, void *bytes, size_t size);

/** Read a frame.
 *  @return 0; -EBADMSG; -EILSEQ it is cut off; any errno of read(2) */
int frame_read(struct frame_reader *in, struct frame *ret_frame);

/** Is this the end? @return 0; -EILSEQ more follows; any errno of read(2) */
int frame_reader_end(struct frame_reader *in);

#endif
