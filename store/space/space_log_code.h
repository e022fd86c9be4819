/* Numbers and runs as the free-space log has them; see format.h. */
#ifndef STORE_SPACE_SPACE_LOG_CODE_H
#define STORE_SPACE_SPACE_LOG_CODE_H

#include "store/tree/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10 /* bytes of the longest number */

/** Bytes being written. All zero: none. */
struct encoder {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool failed; /* out of memory; what was written since is lost */
};

/** Free the memory. */
void encoder_fini(struct encoder *out);

/** Append a number. */
void encode_number(struct encoder *out, uint64_t number);

/** Append bytes. */
void encode_bytes(struct encoder *out, const void *data, size_t size);

/** Append runs without their number: distances from the end of the one before, and pages.
 *  @param runs  count of them, ascending; borrowed */
void encode_runs(struct encoder *out, const struct run *runs, size_t count);

/** Bytes being read. Behind the end, and after anything that cannot be, all is 0 and failed. */
struct decoder {
	const uint8_t *at;
	size_t size; /* what is left */
	bool failed;
};

/** The next number. */
uint64_t decode_number(struct decoder *in);

/** The next bytes; NULL if there are not so many. */
const uint8_t *decode_bytes(struct decoder *in, size_t size);

/** The number of runs, or of other things of at least two bytes each: never more than fit in what
 *  is left. */
size_t decode_count(struct decoder *in);

/** The next run of a list.
 *  @param position  end of the one before; 0 for the first one. Moved on
 *  @return the run; no pages if there is none, which is a failure */
struct run decode_run(struct decoder *in, uint64_t *position);

#endif
