/* The difference below a prefix (kt_diff_prefix): that of two handles whose keys all begin with it,
 * as of a collection. These leave the prefix out of the keys; here it is put back. */
#include "store/commit/txn.h"
#include "store/error.h"

#include <errno.h>
#include <string.h>

struct diff_prefix {
	size_t size; /* bytes that are left out */
	kt_diff_fn *each;
	void *arg;
};

/* The bytes of a whole key lie in a row, so the prefix stands before the rest. */
static int diff_prefix_tell(void *arg, const struct kt_slice *rest,
	const struct kt_entry_info *from, const struct kt_entry_info *to)
{
	const struct diff_prefix *diff = arg;
	struct kt_slice key = {(const char *)rest->data - diff->size, rest->size + diff->size};

	return diff->each(diff->arg, &key, from, to);
}

int kt_diff_prefix(struct kt_txn *from, struct kt_txn *to, const void *prefix, size_t size,
	kt_diff_fn *each, void *arg)
{
	struct diff_prefix diff = {size, each, arg};
	struct kt_txn from_part = *from, to_part = *to;
	uint8_t whole[KT_KEY_MAX];
	uint8_t whole_to[KT_KEY_MAX];

	if (from->prefix_size != to->prefix_size)
		return error_say(
			-EINVAL, "the two transactions are not of the same part of one store");
	if (size > KT_KEY_MAX - from->prefix_size)
		return 0; /* no key begins with it */
	if (from->prefix_size > 0) {
		memcpy(whole, from->prefix, from->prefix_size);
		memcpy(whole_to, to->prefix, to->prefix_size);
	}
	if (size > 0) {
		memcpy(whole + from->prefix_size, prefix, size);
		memcpy(whole_to + to->prefix_size, prefix, size);
	}
	from_part.prefix = whole;
	to_part.prefix = whole_to;
	from_part.prefix_size = to_part.prefix_size = from->prefix_size + size;
	return kt_diff(&from_part, &to_part, diff_prefix_tell, &diff);
}
