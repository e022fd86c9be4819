/* Values that are sent ahead in a read-only file system, behind those that were read: which, when,
 * and that they are true. */
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FILES 700

/* What is sent in one call. */
struct receiver {
	struct world *w;
	struct fs_entry files[FILES]; /* that are referred to: "d/000" and so on */
	unsigned first, count;	      /* of those that were sent, which lie side by side */
	bool apart;		      /* they do not */
	void (*meanwhile)(struct receiver *receiver, unsigned file);
};

static void path_of(unsigned file, char path[16])
{
	snprintf(path, 16, "d/%03u", file);
}

static void receive_behind(void *arg, uint64_t node, const void *value, size_t size)
{
	struct receiver *r = arg;
	unsigned file = 0;
	char text[16];

	while (file < FILES && r->files[file].node != node)
		file++;
	assert_true(file < FILES);
	path_of(file, text);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(value, text, size);
	if (r->count == 0)
		r->first = file;
	r->apart |= file != r->first + r->count;
	r->count++;
	if (r->meanwhile != NULL)
		r->meanwhile(r, file);
}

/* Show a store with files whose values are their paths, read-only. */
static void begin(struct receiver *r, struct world *w)
{
	*r = (struct receiver){.w = w};
	for (unsigned file = 0; file < FILES; file++) {
		char path[16];

		path_of(file, path);
		world_put(w, path, path);
	}
	w->options.read_only = true;
	world_remount(w);
	for (unsigned file = 0; file < FILES; file++) {
		char path[16];

		path_of(file, path);
		assert_int_equal(world_lookup(w, path, &r->files[file]), 0);
	}
}

static void end(struct receiver *r)
{
	for (unsigned file = 0; file < FILES; file++)
		world_forget(r->w, &r->files[file]);
}

/* Read a file as a whole. @return whether others are due for that */
static bool read_file(struct receiver *r, unsigned file)
{
	char text[64], path[16];
	size_t size;
	bool due;

	path_of(file, path);
	assert_int_equal(fs_read_node(r->w->fs, r->files[file].node, 0, text, 64, &size, &due), 0);
	assert_int_equal(size, strlen(path));
	assert_memory_equal(text, path, size);
	return due;
}

/* The files that are sent now: "2+16" sixteen from the third on; "" none; "?" not side by side */
static const char *sent_behind(struct receiver *r)
{
	static char text[32];

	r->count = 0;
	r->apart = false;
	fs_prefetch(r->w->fs, receive_behind, r);
	text[0] = '\0';
	if (r->count > 0)
		snprintf(text, sizeof(text), "%u+%u", r->first, r->count);
	return r->apart ? "?" : text;
}

static const char *read_and_sent(struct receiver *r, unsigned file)
{
	return read_file(r, file) ? sent_behind(r) : "";
}

/* Who reads on where what was sent ended is sent more, up to the end of the directory. */
static void test_in_order(void **state)
{
	struct receiver r;

	begin(&r, *state);
	assert_string_equal(read_and_sent(&r, 0), "");
	assert_string_equal(read_and_sent(&r, 1), "2+16");
	assert_string_equal(sent_behind(&r), "");
	assert_string_equal(read_and_sent(&r, 18), "19+64");
	assert_string_equal(read_and_sent(&r, 85), "86+256"); /* some are skipped */
	assert_string_equal(read_and_sent(&r, 342), "343+256");
	assert_true(read_file(&r, 599));
	assert_false(read_file(&r, 600)); /* they are due already */
	assert_string_equal(sent_behind(&r), "601+99");
	end(&r);
}

/* What has been read is known; once it is asked for again it was not kept, nor was the rest. */
static void test_kept(void **state)
{
	struct receiver r;

	begin(&r, *state);
	read_file(&r, 3);
	read_file(&r, 2);
	assert_string_equal(sent_behind(&r), "4+15");
	assert_string_equal(read_and_sent(&r, 3), ""); /* 4 */
	assert_string_equal(read_and_sent(&r, 4), "5+16");
	end(&r);
}

/* Who reads here and there is sent less, then nothing; and again after having read on for long. */
static void test_here_and_there(void **state)
{
	struct receiver r;
	unsigned file = 401;

	begin(&r, *state);
	read_file(&r, 300);
	assert_string_equal(read_and_sent(&r, 200), "201+16");
	assert_string_equal(read_and_sent(&r, 100), ""); /* 4 */
	assert_string_equal(read_and_sent(&r, 101), "102+16");
	assert_string_equal(read_and_sent(&r, 10), "");	 /* 4 */
	assert_string_equal(read_and_sent(&r, 600), ""); /* 1 */
	assert_string_equal(read_and_sent(&r, 400), ""); /* 0 */
	while (!read_file(&r, file))
		file++;
	assert_int_equal(file, 401 + 15);
	assert_string_equal(sent_behind(&r), "417+16");
	end(&r);
}

/* In a directory that comes after one where it was of use it begins with the first file. */
static void test_next_directory(void **state)
{
	struct receiver r;
	struct world *w = *state;
	struct fs_entry before, after;
	char text[64];
	size_t size;
	bool due;

	world_put(w, "e/1", "1");
	world_put(w, "f/1", "1");
	begin(&r, w);
	assert_int_equal(world_lookup(w, "e/1", &before), 0);
	assert_int_equal(world_lookup(w, "f/1", &after), 0);
	read_file(&r, 0);
	assert_string_equal(read_and_sent(&r, 1), "2+16");
	assert_int_equal(fs_read_node(w->fs, before.node, 0, text, 64, &size, &due), 0);
	assert_false(due);
	assert_string_equal(read_and_sent(&r, 18), "19+64");
	assert_int_equal(fs_read_node(w->fs, after.node, 0, text, 64, &size, &due), 0);
	assert_true(due);
	world_forget(w, &before);
	world_forget(w, &after);
	end(&r);
}

/* Only what somebody refers to, and is small, and a file. */
static void test_not_sent(void **state)
{
	static char large[65538];
	struct world *w = *state;
	struct receiver r;
	const char *others[] = {"d/002a", "d/002b", "d/002c", "d/002d/x"};
	struct fs_entry entry;

	memset(large, 'x', sizeof(large) - 1);
	world_put(w, others[0], "");
	world_put(w, others[1], large);
	assert_int_equal(world_symlink(w, "002", others[2]), 0);
	world_put(w, others[3], "in a directory");
	world_put(w, "d/002e", "not referred to");
	begin(&r, w);
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_lookup(w, others[i], &entry), 0);
	assert_string_equal(read_and_sent(&r, 0), "");
	/* sixteen are looked at, of which five are not sent */
	assert_string_equal(read_and_sent(&r, 1), "2+11");
	world_forget(w, &r.files[13]);
	assert_string_equal(read_and_sent(&r, 15), "16+64");
	assert_int_equal(world_lookup(w, "d/013", &r.files[13]), 0);
	end(&r);
}

static void tell_nobody(void *arg, const struct fs_invalidation *notice)
{
	(void)arg;
	(void)notice;
}

static void put_other(struct receiver *r, unsigned file)
{
	if (file == 5)
		world_put(r->w, "other", "value");
	if (file == 7) { /* now it is noticed */
		struct stat stat;

		assert_int_equal(world_stat(r->w, "other", &stat), 0);
	}
}

/* Until all has been told that others have changed, nothing is sent; not even if that comes to be
 * known while some are. */
static void test_untold(void **state)
{
	struct world *w = *state;
	struct receiver r;

	begin(&r, w);
	assert_int_equal(fs_watch(w->fs, NULL), 0);
	r.meanwhile = put_other;
	read_file(&r, 0);
	assert_string_equal(read_and_sent(&r, 1), "2+6");
	assert_string_equal(read_and_sent(&r, 8), "");
	assert_int_equal(fs_invalidate(w->fs, tell_nobody, w), 0);
	r.meanwhile = NULL;
	assert_string_equal(read_and_sent(&r, 9), "10+256");
	end(&r);
}

static void change_and_read(struct receiver *r, unsigned file)
{
	char path[16], text[64];
	size_t size;
	bool due;

	if (file != 5)
		return;
	path_of(file, path);
	world_put(r->w, path, "a newer value");
	assert_false(read_file(r, file)); /* it is just being sent */
	assert_int_equal(fs_read_node(r->w->fs, r->files[file].node, 3, text, 64, &size, &due), 0);
	assert_int_equal(size, 2);
	assert_memory_equal(text, "05", 2);
	assert_int_equal(fs_read_node(r->w->fs, r->files[file].node, 5, text, 64, &size, &due), 0);
	assert_int_equal(size, 0);
}

/* Who asks for a value while it is sent gets that, even if it is not the newest: else it would
 * replace the newer one with whoever keeps it. */
static void test_asked_meanwhile(void **state)
{
	struct world *w = *state;
	struct receiver r;
	char text[64];
	size_t size;
	bool due;

	begin(&r, w);
	assert_int_equal(fs_watch(w->fs, NULL), 0);
	r.meanwhile = change_and_read;
	read_file(&r, 0);
	assert_string_equal(read_and_sent(&r, 1), "2+4");
	assert_int_equal(fs_read_node(w->fs, r.files[5].node, 0, text, 64, &size, &due), 0);
	assert_int_equal(size, strlen("a newer value"));
	assert_memory_equal(text, "a newer value", size);
	end(&r);
}

/* What a snapshot shows does not change, whatever others do. */
static void test_snapshot(void **state)
{
	struct world *w = *state;
	struct receiver r;

	begin(&r, w);
	for (unsigned file = 0; file < FILES; file++)
		world_forget(w, &r.files[file]);
	assert_int_equal(kt_snapshot_create(w->store, "monday"), 0);
	w->options.snapshot = "monday";
	begin(&r, w);
	world_put(w, "d/003", "another value");
	read_file(&r, 0);
	assert_string_equal(read_and_sent(&r, 1), "2+16");
	end(&r);
}

/* The directory, and what was read in it, may be gone when it comes to sending. */
static void test_gone(void **state)
{
	struct world *w = *state;
	struct receiver r;

	begin(&r, w);
	read_file(&r, 0);
	assert_true(read_file(&r, 1));
	end(&r);
	assert_string_equal(sent_behind(&r), "");
	for (unsigned file = 0; file < FILES; file++) {
		char path[16];

		path_of(file, path);
		assert_int_equal(world_lookup(w, path, &r.files[file]), 0);
	}
	assert_string_equal(read_and_sent(&r, 0), "");
	assert_true(read_file(&r, 1));
	for (unsigned file = 0; file < FILES; file++) {
		char path[16];

		path_of(file, path);
		world_delete(w, path);
	}
	assert_string_equal(sent_behind(&r), "");
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_kept, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_here_and_there, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_next_directory, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_not_sent, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_untold, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_asked_meanwhile, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_snapshot, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_gone, world_setup_memory, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
