/* Receiving an increment: its head, and all of it where it comes through a pipe.
 *
 * A pipe may stall, and others shall write meanwhile. So what comes through one goes to a temporary
 * file, and the transaction that applies it begins when all of it is there.
 */
#include "store/copy/increment_apply_internal.h"

#include "store/error.h"
#include "store/history/snapshot.h"
#include "store/io/io.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name to be shown: a message is one line. */
static const char *apply_take_name(const uint8_t *bytes, size_t size, char name[KT_NAME_MAX + 1])
{
	memcpy(name, bytes, size);
	name[size] = '\0';
	return strlen(name) == size && (size == 0 || snapshot_check_name(name) == 0) ? name : NULL;
}

static int apply_read_head(struct increment_apply *apply)
{
	uint8_t magic[KT_INCREMENT_MAGIC_SIZE];
	struct increment_head *head = &apply->head;
	const uint8_t *names;
	struct frame frame;
	int err = frame_reader_raw(&apply->in, magic, sizeof(magic));

	if (!err && memcmp(magic, KT_INCREMENT_MAGIC, sizeof(magic)) != 0)
		err = error_set(-EILSEQ, "not an increment of keytree");
	if (!err)
		err = frame_read(&apply->in, &frame);
	if (err != 0)
		return err;
	if (frame.kind != INCREMENT_HEAD || frame.size < sizeof(*head))
		return apply_malformed(apply, "no head");
	memcpy(head, frame.payload, sizeof(*head));
	if (head->version != INCREMENT_VERSION)
		return error_set(-ENOTSUP, "the increment has version %u, which is not known",
			head->version);
	names = frame.payload + sizeof(*head);
	if (frame.size != sizeof(*head) + head->base_name + head->end_name ||
		head->base_name > KT_NAME_MAX || head->end_name > KT_NAME_MAX ||
		apply_take_name(names, head->base_name, apply->base_name) == NULL ||
		apply_take_name(names + head->base_name, head->end_name, apply->end_name) == NULL ||
		head->next_id > INCREMENT_ID_MAX)
		return apply_malformed(apply, "a head that makes no sense");
	apply->frames = 1;
	return 0;
}

/* Does the increment fit the store, as it is now? What was begun for that is dropped. */
static int apply_fits(struct increment_apply *apply)
{
	int err = apply_begin(apply);

	kt_abort(apply->last);
	kt_abort(apply->txn);
	apply->last = apply->txn = NULL;
	apply->is_there = apply->is_kept = false;
	return err;
}

/* Copy the rest of a stream whose head was read, each frame verified, and go back to its beginning. */
static int apply_spool_rest(struct increment_apply *apply, int spool)
{
	struct frame frame = {.kind = INCREMENT_HEAD};
	int err = 0;

	while (!err && frame.kind != INCREMENT_END) {
		err = frame_read(&apply->in, &frame);
		if (!err && apply->progress != NULL)
			err = apply->progress(apply->arg, apply->in.done, 0);
	}
	if (!err)
		err = frame_reader_end(&apply->in);
	if (err)
		return err;
	if (lseek(spool, 0, SEEK_SET) < 0)
		return -errno;
	frame_reader_fini(&apply->in);
	err = frame_reader_init(&apply->in, spool);
	return err ? err : apply_read_head(apply);
}

int apply_receive(struct increment_apply *apply, int fd, int *ret_spool)
{
	struct stat stat;
	int err = fstat(fd, &stat) < 0 ? -errno : frame_reader_init(&apply->in, fd);

	if (!err && !S_ISREG(stat.st_mode)) {
		*ret_spool = io_temporary(apply->store->io);
		err = *ret_spool < 0 ? *ret_spool : 0;
		apply->in.copy_fd = *ret_spool;
	}
	if (!err)
		err = apply_read_head(apply);
	if (!err && *ret_spool >= 0)
		err = apply_fits(apply);
	if (!err && *ret_spool >= 0)
		err = apply_spool_rest(apply, *ret_spool);
	return err;
}
