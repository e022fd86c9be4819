/* Copying an entry. See copy_entry.h. */
#include "mount/cli/copy_entry.h"

#include <errno.h>
#include <stdlib.h>

/* A value is copied in pieces, so that a large one takes no memory. */
#define PIECE_SIZE ((size_t)1024 * 1024)

/* Copy the bytes from begin to end of a value. */
static int copy_range(struct kt_txn *from, const struct line_key *from_key, struct kt_txn *to,
	const struct line_key *to_key, char *piece, uint64_t begin, uint64_t end)
{
	int err = 0;

	while (!err && begin < end) {
		size_t size = end - begin < PIECE_SIZE ? (size_t)(end - begin) : PIECE_SIZE;

		err = kt_read(from, from_key->bytes, from_key->size, begin, piece, size, &size);
		if (!err && size == 0)
			return 0;
		if (!err)
			err = kt_write(to, to_key->bytes, to_key->size, begin, piece, size);
		begin += size;
	}
	return err;
}

/* Copy what lies between the holes. */
static int copy_value(struct kt_txn *from, const struct line_key *from_key, struct kt_txn *to,
	const struct line_key *to_key, uint64_t size)
{
	char *piece = malloc(PIECE_SIZE);
	uint64_t begin, end = 0;
	int err = piece == NULL ? -ENOMEM : 0;

	while (!err && end < size) {
		err = kt_next_data(from, from_key->bytes, from_key->size, end, &begin, &end);
		if (!err)
			err = copy_range(from, from_key, to, to_key, piece, begin, end);
	}
	free(piece);
	if (err && err != -ENXIO) /* that is: the rest is a hole */
		return err;
	return kt_truncate(to, to_key->bytes, to_key->size, size);
}

int copy_entry(struct kt_txn *from, const struct line_key *from_key, struct kt_txn *to,
	const struct line_key *to_key)
{
	struct kt_entry_info info;
	int err = kt_stat(from, from_key->bytes, from_key->size, &info);

	if (!err)
		err = kt_put_entry(to, to_key->bytes, to_key->size, "", 0, info.attr.data,
			info.attr.size, info.mtime_ns);
	if (!err && info.size > 0)
		err = copy_value(from, from_key, to, to_key, info.size);
	return err ? err : kt_set_mtime(to, to_key->bytes, to_key->size, info.mtime_ns);
}
