/* The attribute blob: what is encoded is decoded, and what decodes is nothing but what was encoded,
 * since blobs come from a file that anybody may have written. */
#include "fs/meta/attr.h"

#include "tests/unit/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define XATTRS "\006user.a\001x\006user.b\000"

static void assert_attr_equal(const struct attr *a, const struct attr *b)
{
	assert_int_equal(a->fields, b->fields);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->ino, b->ino);
	assert_int_equal(a->ctime_ns, b->ctime_ns);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->atime_ns, b->atime_ns);
	assert_int_equal(a->rdev, b->rdev);
	assert_int_equal(a->xattrs.size, b->xattrs.size);
	if (a->xattrs.size > 0)
		assert_memory_equal(a->xattrs.data, b->xattrs.data, a->xattrs.size);
}

/* Attributes with each field at random: absent, small, or as large as it can be. */
static struct attr random_attr(struct rng *rng)
{
	static const mode_t types[] = {
		S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
	unsigned fields = (unsigned)rng_next(rng) & ((2u * ATTR_RDEV - 1) | ATTR_XATTR) &
			  ~(unsigned)ATTR_MTIME;
	struct attr attr = {.fields = fields};

	if (fields & ATTR_MODE)
		attr.mode = types[rng_below(rng, 7)] | (mode_t)rng_below(rng, 010000);
	if (fields & ATTR_UID)
		attr.uid = (uid_t)(rng_next(rng) >> rng_below(rng, 64));
	if (fields & ATTR_GID)
		attr.gid = (gid_t)(rng_next(rng) >> rng_below(rng, 64));
	if (fields & ATTR_INO)
		attr.ino = 1 + (rng_next(rng) >> (1 + rng_below(rng, 63)));
	if (fields & ATTR_CTIME) {
		attr.ctime_ns = (int64_t)rng_next(rng) / 4;
		attr.mtime_ns = rng_below(rng, 2) ? attr.ctime_ns : (int64_t)rng_next(rng) / 4;
	}
	if (fields & ATTR_ATIME)
		attr.atime_ns = (int64_t)rng_next(rng);
	if (fields & ATTR_RDEV)
		attr.rdev = rng_next(rng) >> rng_below(rng, 64);
	if (fields & ATTR_XATTR)
		attr.xattrs = (struct kt_slice){XATTRS, sizeof(XATTRS) - 1};
	return attr;
}

/* Any attributes come back from their blob, which fits the room that attr.h asks for. */
static void test_round_trip(void **state)
{
	struct rng rng = rng_seed("attr: round trip");

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct attr attr = random_attr(&rng), back;
		unsigned char blob[ATTR_FIXED_MAX + sizeof(XATTRS)];
		size_t size = attr_encode(&attr, blob);

		assert_true(size <= ATTR_FIXED_MAX + attr.xattrs.size);
		assert_int_equal(attr_decode(blob, size, &back), 0);
		assert_attr_equal(&attr, &back);
	}
}

/* Without a blob, no attribute has a value. */
static void test_none(void **state)
{
	struct attr attr;

	(void)state;
	assert_int_equal(attr_decode(NULL, 0, &attr), 0);
	assert_int_equal(attr.fields, 0);
}

/* A new file of an ordinary user costs few bytes. */
static void test_compact(void **state)
{
	struct attr attr = {.fields = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_INO | ATTR_CTIME,
		.mode = S_IFREG | 0644,
		.uid = 1000,
		.gid = 1000,
		.ino = 100000,
		.ctime_ns = 1700000000000000000,
		.mtime_ns = 1700000000000000000};
	unsigned char blob[ATTR_FIXED_MAX];

	(void)state;
	assert_int_equal(attr_encode(&attr, blob), 3 + 2 + 2 + 2 + 3 + 8);
}

/* A blob that was cut or changed is found bad, or means exactly what its bytes say. */
static void test_damaged(void **state)
{
	struct rng rng = rng_seed("attr: damaged");
	int bad = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct attr attr = random_attr(&rng);
		unsigned char blob[ATTR_FIXED_MAX + sizeof(XATTRS)];
		unsigned char again[sizeof(blob)];
		size_t size = attr_encode(&attr, blob);
		int err;

		if (rng_below(&rng, 2))
			size = rng_below(&rng, size + 1);
		else
			blob[rng_below(&rng, size)] ^= (unsigned char)(1u << rng_below(&rng, 8));
		err = attr_decode(blob, size, &attr);
		if (err) {
			assert_true(err == -EUCLEAN || err == -ENOTSUP);
			bad++;
		} else if (size > 0) {
			assert_int_equal(attr_encode(&attr, again), size);
			assert_memory_equal(again, blob, size);
		}
	}
	assert_true(bad > 1000);
}

static int decode(const char *blob, size_t size)
{
	struct attr attr;

	return attr_decode(blob, size, &attr);
}

/* Every kind of invalid blob is refused. */
static void test_refused(void **state)
{
	(void)state;
#define DECODE(literal) decode(literal, sizeof(literal) - 1)
	assert_int_equal(DECODE("\001\000\000"), 0);
	assert_int_equal(DECODE("\000\000\000"), -EUCLEAN);
	assert_int_equal(DECODE("\002"), -ENOTSUP);
	assert_int_equal(DECODE("\001\000"), -EUCLEAN);		    /* cut */
	assert_int_equal(DECODE("\001\000\000x"), -EUCLEAN);	    /* more than it says */
	assert_int_equal(DECODE("\001\000\004"), -EUCLEAN);	    /* an unknown field */
	assert_int_equal(DECODE("\001\001\000\244\001"), -EUCLEAN); /* no file type */
	assert_int_equal(DECODE("\001\002\000\200\000"), -EUCLEAN); /* a varint too long */
	assert_int_equal(DECODE("\001\002\000\377\377\377\377\037"), -EUCLEAN); /* uid: 33 bits */
	assert_int_equal(DECODE("\001\002\000\377\377\377\377\017"), 0);
	assert_int_equal(DECODE("\001\010\000\377\377\377\377\377\377\377\377\377\002"), -EUCLEAN);
	assert_int_equal(DECODE("\001\010\000\000"), -EUCLEAN); /* inode 0 */
	assert_int_equal(DECODE("\001\040\000\001"), -EUCLEAN); /* mtime, and no ctime */
	assert_int_equal(DECODE("\001\000\002"), -EUCLEAN);	/* no xattr */
	assert_int_equal(DECODE("\001\000\002" XATTRS), 0);
	assert_int_equal(DECODE("\001\000\002\001b\000\001a\000"), -EUCLEAN); /* order */
	assert_int_equal(DECODE("\001\000\002\001a\000\001a\000"), -EUCLEAN); /* twice */
	assert_int_equal(DECODE("\001\000\002\000\000"), -EUCLEAN);	      /* no name */
	assert_int_equal(DECODE("\001\000\002\001a\005x"), -EUCLEAN);	      /* cut value */
#undef DECODE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
