/* Claims on keys: locks on bytes of the lock file, one for each hash of a key, in a range of
 * LOCK_CLAIMS. The kernel drops them when the handle is closed, or its process
 * dies. */
#include "store/share/handle.h"
#include "store/share/lockarea.h"

#include <errno.h>
#include <xxhash.h>

static struct io_range claim_byte(uint64_t claim)
{
	return (struct io_range){LOCK_CLAIM + claim % LOCK_CLAIMS, 1};
}

uint64_t kt_claim_of(const void *key, size_t size)
{
	return 1 + XXH3_64bits(key, size) % (LOCK_CLAIMS - 1);
}

int kt_claim(struct kt_store *store, uint64_t claim)
{
	const struct io_range byte = claim_byte(claim);
	int err = io_lock(store->io, IO_AREA, IO_EXCLUSIVE, &byte, false);

	return err == -EAGAIN ? -EBUSY : err;
}

bool kt_is_claimed(struct kt_store *store, uint64_t claim)
{
	const struct io_range byte = claim_byte(claim);

	return io_locked(store->io, IO_AREA, IO_EXCLUSIVE, &byte, NULL);
}

void kt_unclaim(struct kt_store *store, uint64_t claim)
{
	const struct io_range byte = claim_byte(claim);

	io_lock(store->io, IO_AREA, IO_UNLOCKED, &byte, false);
}
