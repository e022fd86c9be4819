/* A store in use for a long time: writes at about 80 % fill under snapshots that come and go,
 * clears, restores, compactions and reopening, compared with a sorted array now and then. The file
 * stays bounded: never larger than 1.25 times the most that was held at any time, and 4 MiB. Held
 * is what is stored, kept by a snapshot, or freed and not free yet: a restore writes anew what it
 * brings back before the flush that frees what it replaces.
 *
 * And a store that may not grow, of which four fifths are held all the time: nothing that is
 * written to it finds no room.
 *
 *     test_soak [--long]
 */
#include "tests/unit/model.h"
#include "tests/unit/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VALUE_MAX 100000
#define KEYS 1000
#define SNAPSHOTS 5
#define SLACK_BYTES (4 << 20)
#define LIMIT_BYTES (UINT64_C(48) << 20)

struct kept {
	char name[16];
	struct model model;
};

struct soak {
	char path[64];
	struct kt_store *store;
	struct rng rng;
	struct model now;
	struct kept kept[SNAPSHOTS]; /* the oldest first */
	size_t count;
	unsigned names;
	uint64_t most_held, most_bytes;
	unsigned commits, snapshots, restores, clears, compactions, reopenings, checks;
};

static unsigned steps = 1500, full_steps = 2500;
static uint8_t bytes[VALUE_MAX];

static size_t random_size(struct soak *soak)
{
	size_t bounds[] = {100, 1000, 16000, 16000, VALUE_MAX};

	return rng_below(&soak->rng, bounds[rng_below(&soak->rng, 5)]);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_part(struct soak *soak, struct kt_txn *txn, const char *key, size_t key_size)
{
	size_t offset = rng_below(&soak->rng, VALUE_MAX / 2), size = random_size(soak) / 2;
	struct model_entry *entry = model_edit(&soak->now, key, key_size);

	assert_int_equal(kt_write(txn, key, key_size, offset, bytes, size), 0);
	if (size == 0)
		return;
	if (entry->size < offset + size)
		model_resize(entry, offset + size);
	memcpy(entry->value + offset, bytes, size);
	entry->mtime_ns = 0;
}

static void change(struct soak *soak, struct kt_txn *txn)
{
	char key[32];
	size_t key_size =
		(size_t)snprintf(key, sizeof(key), "%zu/key", rng_below(&soak->rng, KEYS));
	size_t size = random_size(soak), from = rng_below(&soak->rng, VALUE_MAX - size);
	struct model_entry *entry;

	switch (rng_below(&soak->rng, 10)) {
	case 0:
	case 1:
	case 2:
		assert_int_equal(kt_delete(txn, key, key_size, KT_MISSING_OK), 0);
		model_delete(&soak->now, key, key_size);
		return;
	case 3:
		write_part(soak, txn, key, key_size);
		return;
	case 4:
		size = size > 3000 ? size % 300 : size; /* blobs are kept small, but for some */
		assert_int_equal(kt_put_entry(txn, key, key_size, bytes + from, size, bytes, size,
					 (int64_t)size + 1),
			0);
		entry = model_edit(&soak->now, key, key_size);
		model_set_attr(entry, bytes, size);
		break;
	default:
		assert_int_equal(kt_put(txn, key, key_size, bytes + from, size), 0);
		entry = model_edit(&soak->now, key, key_size);
		break;
	}
	model_resize(entry, size);
	if (size > 0)
		memcpy(entry->value, bytes + from, size);
	entry->mtime_ns = 0;
}

static void write_some(struct soak *soak)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(soak->store, KT_WRITE, &txn), 0);
	for (size_t n = rng_below(&soak->rng, 12); n > 0; n--)
		change(soak, txn);
	assert_int_equal(kt_commit(txn, rng_below(&soak->rng, 10) == 0 ? KT_FLUSH : 0), 0);
	soak->commits++;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static void forget(struct soak *soak, size_t index)
{
	assert_int_equal(kt_snapshot_delete(soak->store, soak->kept[index].name), 0);
	model_fini(&soak->kept[index].model);
	soak->count--;
	memmove(&soak->kept[index], &soak->kept[index + 1],
		(soak->count - index) * sizeof(soak->kept[0]));
}

static void keep(struct soak *soak)
{
	struct kept *kept;

	if (soak->count == SNAPSHOTS)
		forget(soak, rng_below(&soak->rng, SNAPSHOTS));
	write_some(soak); /* a commit is kept once only */
	kept = &soak->kept[soak->count++];
	snprintf(kept->name, sizeof(kept->name), "s%u", soak->names++);
	assert_int_equal(kt_snapshot_create(soak->store, kept->name), 0);
	kept->model = model_clone(&soak->now);
	soak->snapshots++;
}

static void restore(struct soak *soak)
{
	const struct kept *kept = &soak->kept[rng_below(&soak->rng, soak->count)];
	struct kt_txn *point;

	assert_int_equal(kt_snapshot_open(soak->store, kept->name, &point), 0);
	assert_int_equal(kt_restore(soak->store, point), 0);
	kt_abort(point);
	model_fini(&soak->now);
	soak->now = model_clone(&kept->model);
	soak->restores++;
}

static void clear(struct soak *soak)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(soak->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	model_fini(&soak->now);
	memset(&soak->now, 0, sizeof(soak->now));
	soak->clears++;
}

/* ---- looking --------------------------------------------------------------------------------- */

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("page %llu: %s\n", (unsigned long long)page, message);
}

/* The store is sound, and shows what the models say. */
static void check(struct soak *soak)
{
	struct kt_txn *txn;
	uint64_t findings;

	assert_int_equal(kt_check(soak->store, print_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_begin(soak->store, KT_READ, &txn), 0);
	model_assert_equal(&soak->now, txn);
	kt_abort(txn);
	for (size_t i = 0; i < soak->count; i++) {
		assert_int_equal(kt_snapshot_open(soak->store, soak->kept[i].name, &txn), 0);
		model_assert_equal(&soak->kept[i].model, txn);
		kt_abort(txn);
	}
	soak->checks++;
}

static void assert_bounded(struct soak *soak)
{
	struct kt_store_info info;
	uint64_t held;

	assert_int_equal(kt_info(soak->store, &info), 0);
	held = (info.pages - info.free_pages) * info.page_size;
	if (held > soak->most_held)
		soak->most_held = held;
	if (info.pages * info.page_size > soak->most_bytes)
		soak->most_bytes = info.pages * info.page_size;
	if (info.pages * info.page_size > soak->most_held / 4 * 5 + SLACK_BYTES)
		fail_msg("%llu pages, %llu free, %llu pending, at most %llu bytes held",
			(unsigned long long)info.pages, (unsigned long long)info.free_pages,
			(unsigned long long)info.pending_pages,
			(unsigned long long)soak->most_held);
}

static void reopen(struct soak *soak)
{
	assert_int_equal(kt_close(soak->store), 0);
	assert_int_equal(kt_open(soak->path, NULL, &soak->store), 0);
	soak->reopenings++;
}

/* ---- all ------------------------------------------------------------------------------------- */

static void step(struct soak *soak)
{
	switch (rng_below(&soak->rng, 300)) {
	case 0:
	case 1:
	case 2:
	case 3:
		keep(soak);
		break;
	case 4:
	case 5:
	case 6:
		if (soak->count > 0)
			forget(soak, rng_below(&soak->rng, soak->count));
		break;
	case 7:
		if (soak->count > 0)
			restore(soak);
		break;
	case 8:
		if (rng_below(&soak->rng, 3) == 0)
			clear(soak);
		break;
	case 9:
		assert_int_equal(kt_compact(soak->store, NULL, NULL), 0);
		soak->compactions++;
		break;
	case 10:
		reopen(soak);
		break;
	case 11:
		check(soak);
		break;
	default:
		write_some(soak);
		break;
	}
	assert_bounded(soak);
}

static void begin(struct soak *soak, const char *name)
{
	*soak = (struct soak){.rng = rng_seed(name)};
	for (size_t i = 0; i < VALUE_MAX; i++)
		bytes[i] = (uint8_t)rng_next(&soak->rng);
	snprintf(soak->path, sizeof(soak->path), "/tmp/keytree-soak-%d.kt", (int)getpid());
	assert_int_equal(
		kt_open(soak->path, KT_OPTIONS(.flags = KT_CREATE | KT_EXCLUSIVE), &soak->store),
		0);
}

/* End, after all that only snapshots kept was given up. */
static void end(struct soak *soak)
{
	while (soak->count > 0)
		forget(soak, 0);
	assert_int_equal(kt_compact(soak->store, NULL, NULL), 0);
	check(soak);
	assert_int_equal(kt_close(soak->store), 0);
	unlink(soak->path);
	unlink(strcat(soak->path, "-lock"));
	model_fini(&soak->now);
}

/* Random operations of all kinds. */
static void soak_test(void **state)
{
	struct soak soak;

	(void)state;
	begin(&soak, "soak");
	for (unsigned i = 0; i < rng_cases(steps); i++)
		step(&soak);
	check(&soak);
	print_message("%u commits, %u snapshots, %u restores, %u clears, %u compactions, "
		      "%u reopenings, %u checks\n"
		      "at most %.1f MiB held, the file at most %.1f MiB\n",
		soak.commits, soak.snapshots, soak.restores, soak.clears, soak.compactions,
		soak.reopenings, soak.checks, (double)soak.most_held / (1 << 20),
		(double)soak.most_bytes / (1 << 20));
	end(&soak);
}

/* Delete some of what there is, and let it be free. */
static void delete_some(struct soak *soak)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(soak->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < 2 && soak->now.count > 0; i++) {
		size_t index = rng_below(&soak->rng, soak->now.count);
		const struct model_entry *entry = &soak->now.entries[index];

		assert_int_equal(kt_delete(txn, entry->key, entry->key_size, 0), 0);
		model_delete(&soak->now, entry->key, entry->key_size);
	}
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	soak->commits++;
}

/* Put large values. */
static void grow(struct soak *soak)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(soak->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < 8; i++) {
		size_t size = rng_below(&soak->rng, VALUE_MAX);
		char key[32];
		size_t key_size =
			(size_t)snprintf(key, sizeof(key), "%zu/key", rng_below(&soak->rng, KEYS));
		struct model_entry *entry = model_edit(&soak->now, key, key_size);

		assert_int_equal(kt_put(txn, key, key_size, bytes, size), 0);
		model_resize(entry, size);
		if (size > 0)
			memcpy(entry->value, bytes, size);
		entry->mtime_ns = 0;
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	soak->commits++;
}

/* Write while less than four fifths are held, give up something while it is more.
 * @return the share that is held */
static double balance(struct soak *soak)
{
	struct kt_store_info info;
	uint64_t held;

	assert_int_equal(kt_info(soak->store, &info), 0);
	assert_true(info.pages * info.page_size <= LIMIT_BYTES);
	held = (info.pages - info.free_pages) * info.page_size;
	if (held < LIMIT_BYTES / 5 * 4 && rng_below(&soak->rng, 200) == 0)
		keep(soak);
	else if (held < LIMIT_BYTES / 100 * 79)
		grow(soak);
	else if (held < LIMIT_BYTES / 5 * 4)
		write_some(soak);
	else if (soak->count > 0 && rng_below(&soak->rng, 3) == 0)
		forget(soak, rng_below(&soak->rng, soak->count));
	else
		delete_some(soak);
	if (rng_below(&soak->rng, 2000) == 0)
		check(soak);
	return (double)held / (double)LIMIT_BYTES;
}

/* A file that may not grow, four fifths full, under snapshots that come and go. */
static void full_test(void **state)
{
	unsigned count = rng_cases(full_steps);
	double share = 0;
	struct soak soak;

	(void)state;
	begin(&soak, "soak, four fifths full");
	assert_int_equal(kt_set_max_size(soak.store, LIMIT_BYTES), 0);
	for (unsigned i = 0; i < 20000 && balance(&soak) < 0.79; i++)
		;
	for (unsigned i = 0; i < count; i++)
		share += balance(&soak);
	check(&soak);
	print_message("%u commits, %u snapshots, %u checks; %.1f %% of %.0f MiB held on average\n",
		soak.commits, soak.snapshots, soak.checks, share / count * 100,
		(double)LIMIT_BYTES / (1 << 20));
	assert_true(share / count > 0.72);
	end(&soak);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soak_test),
		cmocka_unit_test(full_test),
	};

	if (argc > 1 && strcmp(argv[1], "--long") == 0)
		steps = 60000, full_steps = 300000;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
