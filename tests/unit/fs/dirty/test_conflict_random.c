/* With conflict_fail, whatever happens in whatever order, a value that others have put is replaced
 * only through a handle that was opened behind that; and who hears ESTALE has been overtaken by
 * others indeed. */
#include "tests/unit/rng.h"
#include "tests/unit/world.h"

#include "fs/access/flusher.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 3
#define HANDLES 6

/* Values have the same size: a letter for who wrote it, and a number. Others write 'o'. */
struct scene {
	struct world w;
	struct rng rng;
	char path[KEYS][4];
	unsigned others[KEYS]; /* how often others have written */
	struct handle {
		struct fs_file *file; /* NULL: not open */
		size_t key;
		unsigned others; /* when it was opened */
	} handles[HANDLES];
};

static void open_one(struct scene *s, struct handle *h)
{
	int flags = O_RDWR | (rng_below(&s->rng, 2) ? O_TRUNC : 0);

	h->key = rng_below(&s->rng, KEYS);
	h->others = s->others[h->key];
	assert_int_equal(world_open_file(&s->w, s->path[h->key], flags, &h->file), 0);
}

static void close_one(struct scene *s, struct handle *h)
{
	int err = world_close_file(&s->w, h->file);

	h->file = NULL;
	assert_true(!err || (err == -ESTALE && s->others[h->key] > h->others));
}

static void write_one(struct scene *s, struct handle *h)
{
	char text[16];
	int err;

	snprintf(text, sizeof(text), "%c%07u", (char)('A' + (h - s->handles)), h->others);
	err = fs_write(s->w.fs, h->file, 0, text, strlen(text));
	assert_true(!err || (err == -ESTALE && s->others[h->key] > h->others));
}

static void sync_one(struct scene *s, struct handle *h)
{
	int err = fs_fsync(s->w.fs, h->file);

	assert_true(!err || (err == -ESTALE && s->others[h->key] > h->others));
}

static void write_other(struct scene *s)
{
	size_t key = rng_below(&s->rng, KEYS);
	char text[16];

	snprintf(text, sizeof(text), "o%07u", ++s->others[key]);
	world_put(&s->w, s->path[key], text);
}

static void ignore(void *arg, const struct fs_invalidation *notice)
{
	(void)arg;
	(void)notice;
}

static void do_one(struct scene *s)
{
	struct handle *h = &s->handles[rng_below(&s->rng, HANDLES)];
	struct fs_setattr set = {.what = FS_SET_MODE | FS_SET_ATIME, .mode = 0600};

	switch (rng_below(&s->rng, 10)) {
	case 0:
		write_other(s);
		break;
	case 1:
		assert_int_equal(flusher_publish_dirty(s->w.fs, true), 0);
		break;
	case 2:
		assert_int_equal(fs_invalidate(s->w.fs, ignore, NULL), 0);
		break;
	case 3:
		assert_int_equal(world_setattr(&s->w, s->path[rng_below(&s->rng, KEYS)], &set), 0);
		break;
	default:
		if (h->file == NULL)
			open_one(s, h);
		else if (rng_below(&s->rng, 3) == 0)
			close_one(s, h);
		else if (rng_below(&s->rng, 2) == 0)
			write_one(s, h);
		else
			sync_one(s, h);
		break;
	}
}

/* What is in the store was written by others, or through a handle that was opened behind the last
 * time that others wrote. */
static void check(struct scene *s)
{
	struct kt_txn *txn;
	struct kt_slice value;

	assert_int_equal(kt_begin(s->w.store, KT_READ, &txn), 0);
	for (size_t i = 0; i < KEYS; i++) {
		char text[16] = "";

		assert_int_equal(kt_get(txn, s->path[i], 1, &value), 0);
		assert_in_range(value.size, 0, 8);
		memcpy(text, value.data, value.size);
		if (value.size > 0)
			assert_int_equal(strtoul(text + 1, NULL, 10), s->others[i]);
	}
	kt_abort(txn);
}

static void test_random(void **state)
{
	struct scene s = {.rng = rng_seed("conflict")};

	(void)state;
	world_open(&s.w, false);
	s.w.options.conflict_fail = true;
	world_remount(&s.w);
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(s.path[i], sizeof(s.path[i]), "%zu", i);
		world_put(&s.w, s.path[i], "o0000000");
	}
	for (unsigned i = 0; i < rng_cases(40000); i++) {
		do_one(&s);
		check(&s);
	}
	for (size_t i = 0; i < HANDLES; i++)
		if (s.handles[i].file != NULL)
			close_one(&s, &s.handles[i]);
	world_close(&s.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
