/* Making a record of the free-space log: what the transaction did, and the sweep's part. */
#ifndef STORE_SPACE_SPACE_LOG_RECORD_H
#define STORE_SPACE_SPACE_LOG_RECORD_H

#include "store/space/space_internal.h"
#include "store/space/space_log_code.h"

/** A record being made. All zero but for space and out: nothing yet. */
struct record {
	struct space *space;
	struct space_log_pending *out;
	struct run_list taken;
	struct encoder base;	/* up to the runs freed */
	struct encoder chunks;	/* logged again */
	struct encoder regions; /* checkpoints */
	struct encoder stream;	/* the slot's tail so far, and the whole record */
	uint64_t chunk_count;
	uint64_t region_count;
	bool cycle_ends; /* the sweep got round */
	bool renew;	 /* the log begins anew: nothing of before is needed */
};

/** Free the memory. */
void space_log_record_fini(struct record *record);

/** Encode what the transaction took and gave back up to now. @return 0; -ENOMEM */
int space_log_record_base(struct record *record);

/** Encode what the sweep comes to next, for so many bytes at most: first the pending chunks that it
 *  has not logged again, then checkpoints of regions up to the last one.
 *  @return 0; -ENOMEM */
int space_log_record_sweep(struct record *record, size_t room);

/** Size of the sweep's part, bytes. */
size_t space_log_record_swept(const struct record *record);

/** Join the slot's tail so far and the parts of the record in stream. @return 0; -ENOMEM */
int space_log_record_compose(struct record *record);

#endif
