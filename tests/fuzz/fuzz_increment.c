/* A fuzzer's bytes are a recipe for a hostile increment: applied to a store it does no harm.
 *
 *     kind, edit, edit, ...
 *
 * The increment leads from one snapshot of a store (ordeal.h) to the next. A recipe changes bytes of
 * its frames, leaves frames out, puts them elsewhere, or cuts it. Unless KIND_HONEST says otherwise
 * each frame gets the checksum that it should have, as an attacker would do. Whatever comes, the store
 * is sound afterwards, and what differs between its points in time can be told and undone.
 */
#include "fuzz.h"

#include "store/copy/frame_stream.h"
#include "store/store.h"
#include "store/tree/cell.h"
#include "tests/unit/ordeal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

enum {
	KIND_HONEST = 1 << 0,
	KIND_ASKS = 1 << 1, /* what the store has changed since is not to be dropped */
};

enum edit {
	EDIT_BYTES, /* frame, offset, count, bytes */
	EDIT_HEAD,  /* offset / 4, 4 bytes */
	EDIT_KIND,  /* frame, another kind */
	EDIT_DROP,  /* frame */
	EDIT_SWAP,  /* frame, frame */
	EDIT_TWICE, /* frame, in the place of another */
	EDIT_CUT,   /* bytes that are left */
	EDITS,
};

#define FRAMES_MOST 400

/* A frame without its checksum, which depends on those before. */
struct part {
	uint8_t *bytes;
	size_t size;
};

struct recipe {
	const uint8_t *data;
	size_t left;
	struct part parts[FRAMES_MOST];
	size_t count;
	size_t cut; /* bytes of the increment that are left */
};

/* The original: made once. */
static struct {
	struct ordeal ordeal;
	uint8_t *bytes; /* of the increment */
	size_t size;
} original;

/* ---- the original ---------------------------------------------------------------------------- */

static void make_original(void)
{
	struct kt_store *store;
	struct kt_txn *from, *to;
	int fd = memfd_create("increment", MFD_CLOEXEC), err;
	ssize_t got;

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	ordeal_init(&original.ordeal, (struct rng){.state = 1}, true);
	disk_rebase(original.ordeal.image, original.ordeal.original);
	err = store_open(disk_handle(original.ordeal.image), "disk", "original", 0, &store);
	if (!err)
		err = kt_snapshot_open(store, "first", &from);
	if (!err)
		err = kt_snapshot_open(store, "second", &to);
	if (!err)
		err = kt_backup_since_fd(to, from, fd, NULL, NULL);
	original.size = (size_t)lseek(fd, 0, SEEK_END);
	original.bytes = malloc(original.size);
	got = pread(fd, original.bytes, original.size, 0);
	if (err != 0 || got != (ssize_t)original.size)
		abort();
	kt_abort(from);
	kt_abort(to);
	kt_close(store);
	close(fd);
}

/* ---- editing --------------------------------------------------------------------------------- */

static uint64_t take(struct recipe *recipe, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes && recipe->left > 0; i++) {
		number |= (uint64_t)*recipe->data++ << 8 * i;
		recipe->left--;
	}
	return number;
}

static void take_apart(struct recipe *recipe, uint8_t *bytes)
{
	size_t at = KT_INCREMENT_MAGIC_SIZE;

	while (at < original.size && recipe->count < FRAMES_MOST) {
		struct part *part = &recipe->parts[recipe->count++];

		*part = (struct part){bytes + at, FRAME_HEAD + load32(bytes + at + 12)};
		at += part->size;
	}
	assert(at == original.size);
}

static void edit_bytes(struct recipe *recipe, struct part *part, size_t at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		part->bytes[8 + (at + i) % (part->size - 8)] = (uint8_t)take(recipe, 1);
}

static size_t take_frame(struct recipe *recipe)
{
	return (size_t)take(recipe, 2) % recipe->count;
}

static void apply_edit(struct recipe *recipe)
{
	enum edit kind = (enum edit)(take(recipe, 1) % EDITS);
	size_t frame = kind == EDIT_HEAD || kind == EDIT_CUT ? 0 : take_frame(recipe), other;
	struct part *parts = recipe->parts, part = parts[frame];

	switch (kind) {
	case EDIT_BYTES:
		other = (size_t)take(recipe, 2);
		edit_bytes(recipe, &part, other, 1 + take(recipe, 1) % 16);
		break;
	case EDIT_HEAD:
		edit_bytes(recipe, &part, 8 + 4 * (size_t)take(recipe, 1), 4);
		break;
	case EDIT_KIND:
		store32(part.bytes + 8, (uint32_t)take(recipe, 1) % 9);
		break;
	case EDIT_DROP:
		if (recipe->count > 1)
			memmove(parts + frame, parts + frame + 1,
				(--recipe->count - frame) * sizeof(part));
		break;
	case EDIT_SWAP:
		other = take_frame(recipe);
		parts[frame] = parts[other];
		parts[other] = part;
		break;
	case EDIT_TWICE:
		parts[take_frame(recipe)] = part;
		break;
	default:
		recipe->cut = (size_t)take(recipe, 2) % (original.size + 1);
		break;
	}
}

/* Put the frames together again, at the beginning of a file. */
static int put_together(const struct recipe *recipe, bool sealed)
{
	int fd = memfd_create("increment", MFD_CLOEXEC);
	size_t left = recipe->cut;
	uint64_t seed = 0;

	assert(fd >= 0);
	for (size_t i = 0; i <= recipe->count; i++) {
		struct part part = {original.bytes, KT_INCREMENT_MAGIC_SIZE};

		if (i > 0)
			part = recipe->parts[i - 1];
		if (i > 0 && sealed) {
			seed = XXH3_64bits_withSeed(part.bytes + 8, part.size - 8, seed);
			store64(part.bytes, seed);
		}
		if (part.size > left)
			part.size = left;
		if (write(fd, part.bytes, part.size) != (ssize_t)part.size)
			abort();
		left -= part.size;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* ---- the target ------------------------------------------------------------------------------ */

static int count_told(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	unsigned *told = arg;

	(void)key;
	if (from == NULL && to == NULL)
		abort();
	return ++*told > 100000 ? -ETIME : 0;
}

/* Nothing that an increment does leaves a store that is not sound. */
static void assert_sound(struct kt_store *store)
{
	uint64_t findings;

	if (kt_check(store, NULL, NULL, &findings) != 0 || findings > 0)
		abort();
}

static void try_increment(struct kt_store *store, int fd, unsigned flags)
{
	struct kt_txn *first, *now;
	unsigned told = 0;
	int err;

	(void)kt_apply(store, fd, flags, NULL, NULL); /* refused or not */
	assert_sound(store);
	if (kt_snapshot_open(store, "first", &first) != 0)
		abort();
	err = kt_begin(store, KT_READ, &now);
	if (!err)
		err = kt_diff(first, now, count_told, &told);
	kt_abort(now);
	if (!err)
		err = kt_restore(store, first);
	if (err != 0)
		abort();
	kt_abort(first);
	assert_sound(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct recipe recipe;
	struct kt_store *store;
	unsigned kind;
	uint8_t *bytes;
	int fd;

	if (original.bytes == NULL)
		make_original();
	recipe = (struct recipe){.data = data, .left = size, .cut = SIZE_MAX};
	kind = (unsigned)take(&recipe, 1);
	bytes = malloc(original.size);
	memcpy(bytes, original.bytes, original.size);
	take_apart(&recipe, bytes);
	while (recipe.left > 0)
		apply_edit(&recipe);
	fd = put_together(&recipe, (kind & KIND_HONEST) == 0);
	disk_rebase(original.ordeal.image, original.ordeal.original);
	if (store_open(disk_handle(original.ordeal.image), "disk", "fuzz", 0, &store) != 0)
		abort();
	try_increment(store, fd, kind & KIND_ASKS ? 0 : KT_APPLY_REPLACE);
	kt_close(store);
	close(fd);
	free(bytes);
	return 0;
}
