/* Damaged increments and damaged stores are refused. */
#include "tests/unit/rng.h"
#include "tests/unit/store/copy/increment_world.h"

#include "keytree_fs.h"

#include "store/copy/increment.h"
#include "store/tree/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

/* Apply what is in memory. */
static int apply_bytes(struct kt_store *store, const uint8_t *data, size_t size)
{
	int fd = memfd_create("damaged", MFD_CLOEXEC), err;

	assert_int_equal(write(fd, data, size), size);
	err = increment_apply(store, fd, 0);
	close(fd);
	return err;
}

static uint8_t *read_all(int fd, size_t *ret_size)
{
	uint8_t *data;

	*ret_size = increment_size(fd);
	data = malloc(*ret_size + 1);
	assert_int_equal(pread(fd, data, *ret_size, 0), *ret_size);
	return data;
}

/* Cut anywhere, with any bit wrong, a byte too long, or with a frame missing or twice, it is
 * refused, and nothing has changed. */
static void damaged(void **state)
{
	struct increment_world *f = *state;
	uint64_t commit;
	uint8_t *data;
	size_t size;
	int fd;

	increment_prepare(f);
	fd = increment_make(f->store, "one", "two");
	data = read_all(fd, &size);
	commit = increment_commit_of(f->copy);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(apply_bytes(f->copy, data, cut), -EILSEQ);
	for (size_t bit = 0; bit < 8 * size; bit += getenv("KEYTREE_BRIEF") != NULL ? 13 : 3) {
		int err;

		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err = apply_bytes(f->copy, data, size);
		assert_true(err == -EBADMSG || err == -EILSEQ);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	data[size] = 0;
	assert_int_equal(apply_bytes(f->copy, data, size + 1), -EILSEQ);
	assert_int_equal(increment_commit_of(f->copy), commit);
	increment_assert_same(f->store, "one", f->copy, NULL);
	increment_assert_sound(f->copy);
	assert_int_equal(apply_bytes(f->copy, data, size), 0);
	free(data);
	close(fd);
}

/* Give each frame the checksum it should have. @return false: sizes are wrong */
static bool seal(uint8_t *data, size_t size)
{
	size_t at = KT_INCREMENT_MAGIC_SIZE;
	uint64_t seed = 0;

	while (at < size) {
		size_t payload;

		if (size - at < 16)
			return false;
		payload = load32(data + at + 12);
		if (payload > size - at - 16)
			return false;
		seed = XXH3_64bits_withSeed(data + at + 8, payload + 8, seed);
		store64(data + at, seed);
		at += 16 + payload;
	}
	return true;
}

/* Wrong content with right checksums does no harm: it is refused, or the store is sound and has
 * what the increment counts. */
static void hostile(void **state)
{
	struct increment_world *f = *state;
	struct rng rng = rng_seed("hostile increment");
	uint8_t *data, *changed;
	unsigned refused = 0;
	size_t size;
	int fd;

	increment_prepare(f);
	fd = increment_make(f->store, "one", "two");
	data = read_all(fd, &size);
	changed = malloc(size);
	for (unsigned i = rng_cases(800); i > 0; i--) {
		uint64_t commit = increment_commit_of(f->copy);

		memcpy(changed, data, size);
		for (size_t n = 1 + rng_below(&rng, 3); n > 0; n--)
			changed[rng_below(&rng, rng_below(&rng, 2) ? 400 : size)] =
				(uint8_t)rng_next(&rng);
		if (!seal(changed, size))
			continue;
		if (apply_bytes(f->copy, changed, size) != 0) {
			assert_int_equal(increment_commit_of(f->copy), commit);
			refused++;
			continue;
		}
		increment_assert_sound(f->copy);
		assert_int_equal(kt_close(f->copy), 0);
		assert_int_equal(unlink(f->copy_path), 0);
		increment_back_up(f, "one");
	}
	assert_true(refused > rng_cases(800) / 8);
	increment_assert_sound(f->copy);
	free(data);
	free(changed);
	close(fd);
}

/* A store that is damaged is not backed up. */
static void rotten_store(void **state)
{
	struct increment_world *f = *state;
	struct kt_txn *base, *end;
	char block[4096];
	int fd;

	increment_put_text(f->store, "a", "1");
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	end = increment_begin_write(f->store);
	assert_int_equal(kt_put(end, "large", 5, increment_bytes, 500000), 0);
	assert_int_equal(kt_commit(end, KT_FLUSH), 0);
	fd = open(f->temp.path, O_RDWR | O_CLOEXEC);
	for (off_t at = 8 * 4096; pread(fd, block, 4096, at) == 4096; at += 4096)
		if (memcmp(block, increment_bytes + 40960, 4096) == 0)
			assert_int_equal(pwrite(fd, "rot", 3, at), 3);
	close(fd);
	base = increment_open_snapshot(f->store, "one");
	end = increment_begin_read(f->store);
	assert_int_equal(kt_backup_since(end, base, f->path, 0, NULL, NULL), -EBADMSG);
	assert_int_equal(access(f->path, F_OK), -1);
	kt_abort(base);
	kt_abort(end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INCREMENT_TEST(damaged),
		INCREMENT_TEST(hostile),
		INCREMENT_TEST(rotten_store),
	};

	return cmocka_run_group_tests_name("increment_damage", tests, NULL, NULL);
}
