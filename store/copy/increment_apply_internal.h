/* kt_apply(): what increment_apply.c and increment_receive.c share. */
#ifndef STORE_COPY_INCREMENT_APPLY_INTERNAL_H
#define STORE_COPY_INCREMENT_APPLY_INTERNAL_H

#include "store/copy/frame_stream.h"
#include "store/copy/increment.h"
#include "store/history/link_map.h"

/** Largest id of an entry that is believed: no store gets there by itself. */
#define INCREMENT_ID_MAX (UINT64_C(1) << 56)

/** One use of kt_apply(). */
struct increment_apply {
	struct kt_store *store;
	unsigned flags;
	kt_backup_fn *progress;
	void *arg;
	struct frame_reader in;
	struct increment_head head;
	char base_name[KT_NAME_MAX + 1], end_name[KT_NAME_MAX + 1];
	struct kt_txn *txn, *last; /* to write; to read what was there before */
	uint64_t last_commit;
	bool is_there; /* all of it already: it is only read */
	bool is_kept;  /* a snapshot has the end */
	struct link_map links;
	uint64_t frames;

	struct increment_entry entry; /* whose value is being put together */
	bool open;		      /* it is */
	uint8_t key[KT_KEY_MAX];
};

/** Read the head of an increment; and if it comes through a pipe, see whether it fits the store, and copy
 *  it to a temporary file, which is then read instead.
 *  @param ret_spool  that file, to be closed; -1, as it was, if there is none
 *  @return 0; -EILSEQ, -EBADMSG and others: the increment is not whole */
int apply_receive(struct increment_apply *apply, int fd, int *ret_spool);

/** Begin the transaction, and bring it to the base.
 *  @return 0; -EXDEV, -ESTALE, -ENOTEMPTY, -EEXIST it does not fit the store */
int apply_begin(struct increment_apply *apply);

/** Note what is wrong with the increment. @return -EILSEQ */
int apply_malformed(const struct increment_apply *apply, const char *why);

#endif
