/* Values that are sent ahead when a file is opened: which, when, and that they are true. */
#include "tests/unit/world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void receive(void *arg, const void *value, size_t size)
{
	char *text = arg;

	snprintf(text, 64, "%.*s", size < 60 ? (int)size : 60, (const char *)value);
}

/* Open a file, and keep it open. @return what was sent; "" nothing */
static const char *sent_to(struct world *w, const char *path, int flags, struct fs_file **ret_file)
{
	static char text[64];
	struct fs_entry entry;

	text[0] = '\0';
	assert_int_equal(world_lookup(w, path, &entry), 0);
	assert_int_equal(fs_open_prefetch(w->fs, entry.node, flags, receive, text, ret_file), 0);
	return text;
}

/* Open and close it. The reference is kept, as a kernel that keeps the value has it. */
static const char *sent(struct world *w, const char *path, int flags)
{
	struct fs_file *file;
	const char *text = sent_to(w, path, flags, &file);

	assert_int_equal(world_close_file(w, file), 0);
	return text;
}

/* A value is sent once, and again when it has changed, whoever did it. */
static void test_once(void **state)
{
	struct world *w = *state;

	world_put(w, "d/a", "one");
	world_put(w, "d/b", "other");
	assert_string_equal(sent(w, "d/a", O_RDONLY), "one");
	assert_string_equal(sent(w, "d/a", O_RDONLY), "");
	assert_string_equal(sent(w, "d/b", O_RDWR), "other");
	world_put(w, "d/a", "two");
	assert_string_equal(sent(w, "d/a", O_RDONLY), "two");
	assert_int_equal(world_write(w, "d/a", "three"), 0);
	assert_string_equal(sent(w, "d/a", O_RDONLY), "three");
	assert_string_equal(sent(w, "d/a", O_RDONLY), "");
	assert_string_equal(sent(w, "d/b", O_RDONLY), "");
}

/* Who asks for a value that was sent does not have it any more. */
static void test_asked_for(void **state)
{
	struct world *w = *state;

	world_put(w, "a", "one");
	assert_string_equal(sent(w, "a", O_RDONLY), "one");
	assert_string_equal(world_read(w, "a"), "one");
	assert_string_equal(sent(w, "a", O_RDONLY), "one");
}

/* Nothing is sent that nobody reads, or that is large. */
static void test_not_worth_it(void **state)
{
	static char large[65538];
	struct world *w = *state;

	memset(large, 'x', sizeof(large) - 1);
	world_put(w, "empty", "");
	world_put(w, "large", large);
	world_put(w, "small", large + 1);
	world_put(w, "a", "one");
	assert_string_equal(sent(w, "empty", O_RDONLY), "");
	assert_string_equal(sent(w, "large", O_RDONLY), "");
	assert_int_equal(strlen(sent(w, "small", O_RDONLY)), 60);
	assert_string_equal(sent(w, "a", O_WRONLY), "");
	assert_string_equal(sent(w, "a", O_RDWR | O_TRUNC), "");
}

/* While somebody else has the file open, requests for it may be under way: nothing is sent. */
static void test_open(void **state)
{
	struct fs_file *first, *second;
	struct world *w = *state;

	world_put(w, "a", "one");
	assert_int_equal(world_open_file(w, "a", O_RDWR, &first), 0);
	assert_string_equal(sent_to(w, "a", O_RDONLY, &second), "");
	assert_int_equal(fs_write(w->fs, first, 0, "x", 1), 0);
	fs_release(w->fs, second);
	assert_string_equal(sent(w, "a", O_RDONLY), "");
	assert_int_equal(world_close_file(w, first), 0);
	assert_string_equal(sent(w, "a", O_RDONLY), "xne");
}

/* A file that was removed, open or not, may still be opened by who refers to it: its name stands
 * for another value now. */
static void test_removed(void **state)
{
	struct world *w = *state;

	for (int open = 0; open < 2; open++) {
		struct fs_file *held = NULL, *file;
		struct fs_entry entry;
		char text[64] = "";

		world_put(w, "a", "old");
		assert_int_equal(world_lookup(w, "a", &entry), 0);
		if (open)
			assert_int_equal(world_open_file(w, "a", O_RDONLY, &held), 0);
		assert_int_equal(world_unlink(w, "a"), 0);
		world_put(w, "a", "new");
		for (int i = 0; i < 2; i++) {
			if (fs_open_prefetch(w->fs, entry.node, O_RDONLY, receive, text, &file) ==
				0)
				fs_release(w->fs, file);
			assert_string_equal(text, "");
			if (held != NULL)
				fs_release(w->fs, held);
			held = NULL;
		}
		assert_string_equal(sent(w, "a", O_RDONLY), "new");
		world_forget(w, &entry);
	}
}

static void open_meanwhile(void *arg, const struct fs_invalidation *notice)
{
	struct world *w = arg;

	(void)notice;
	assert_string_equal(sent(w, "a", O_RDONLY), "");
	assert_string_equal(sent(w, "b", O_RDONLY), "");
}

static void tell_nobody(void *arg, const struct fs_invalidation *notice)
{
	(void)arg;
	(void)notice;
}

/* Who keeps values hears later of what others change. Until all of it has been told nothing is
 * sent: it would lie beside what is not true any more, or be dropped at once. */
static void test_untold(void **state)
{
	struct world *w = *state;

	world_put(w, "a", "one");
	world_put(w, "b", "one");
	assert_int_equal(fs_watch(w->fs, NULL), 0);
	assert_string_equal(sent(w, "a", O_RDONLY), "one");
	world_put(w, "a", "two");
	assert_string_equal(sent(w, "a", O_RDONLY), "");
	assert_string_equal(sent(w, "b", O_RDONLY), "");
	/* a change of our own comes in between, which sets aside what is to be told */
	assert_int_equal(world_write(w, "b", "two"), 0);
	assert_string_equal(sent(w, "b", O_RDONLY), "");
	assert_int_equal(fs_invalidate(w->fs, open_meanwhile, w), 0);
	/* another process has changed it, and may again: it is read past the cache for a while */
	assert_string_equal(sent(w, "a", O_RDONLY), "");
	world_put(w, "c", "one"); /* a new one is in no cache */
	assert_int_equal(fs_invalidate(w->fs, tell_nobody, w), 0);
	assert_string_equal(sent(w, "c", O_RDONLY), "one");
	assert_int_equal(world_write(w, "c", "two"), 0);
	assert_string_equal(sent(w, "c", O_RDONLY), "two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_asked_for, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_not_worth_it, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_open, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_removed, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_untold, world_setup_memory, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
