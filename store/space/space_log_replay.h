/* Replaying the records of the free-space log.
 *
 * Where the log begins in the middle of the store's life, nothing is known at first: a region's
 * free pages become known with its checkpoint, the pending pages from before as they are logged
 * again. Until then pages that records speak of may look as if in use; afterwards every step must
 * fit the state exactly, else the file is damaged.
 */
#ifndef STORE_SPACE_SPACE_LOG_REPLAY_H
#define STORE_SPACE_SPACE_LOG_REPLAY_H

#include "store/space/space_internal.h"

/** A replay in progress. */
struct replay {
	struct space *space;
	const struct space_log_source *source;
	uint64_t page;	    /* where the bytes come from, for messages */
	uint64_t seq;	    /* of the log page in which the records begin */
	uint64_t first_txn; /* of the first record; 0: none yet */
	bool whole;	    /* everything is known from the start */
};

/** Replay the records that some bytes consist of; those that the set contains already are passed
 *  over.
 *  @param data  size bytes; borrowed
 *  @param page  where they come from, for messages
 *  @param seq   of the log page in which they begin
 *  @return 0; -EUCLEAN; -ENOMEM */
int space_log_replay_bytes(
	struct replay *replay, const uint8_t *data, size_t size, uint64_t page, uint64_t seq);

#endif
