/* Keys and paths are a bijection: each row of the table in names.h, then random and adversarial
 * bytes and names both ways. */
#include "fs/names/names.h"

#include "keytree.h"
#include "tests/unit/weird.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* C string literals with NULs in them, as bytes. */
#define BYTES(literal) (literal), sizeof(literal) - 1

struct row {
	const char *key;
	size_t size;
	const char *path;
	bool value;
	char separator;
};

static const struct row rows[] = {
	{BYTES("a"), "a", false, '/'},
	{BYTES("user/1"), "user/1", false, '/'},
	/* NUL */
	{BYTES("\0"), "%00", false, '/'},
	{BYTES("a\0b/\0"), "a%00b/%00", false, '/'},
	/* empty components */
	{BYTES(""), "%empty", false, '/'},
	{BYTES("/"), "%empty/%empty", false, '/'},
	{BYTES("/a"), "%empty/a", false, '/'},
	{BYTES("a/"), "a/%empty", false, '/'},
	{BYTES("a//b"), "a/%empty/b", false, '/'},
	/* dots */
	{BYTES("."), "%2E", false, '/'},
	{BYTES("a/../b"), "a/%2E%2E/b", false, '/'},
	{BYTES("..."), "...", false, '/'},
	/* the place of snapshots in the root */
	{BYTES(".snapshots"), "%2Esnapshots", false, '/'},
	{BYTES(".snapshots/a"), "%2Esnapshots/a", false, '/'},
	{BYTES(".snapshots"), "%2Esnapshots/%value", true, '/'},
	{BYTES("%2Esnapshots"), "%252Esnapshots", false, '/'},
	{BYTES("%252Esnapshots/a"), "%25252Esnapshots/a", false, '/'},
	{BYTES("a/.snapshots"), "a/.snapshots", false, '/'},
	{BYTES("a/%2Esnapshots"), "a/%2Esnapshots", false, '/'},
	{BYTES("/.snapshots"), "%empty/.snapshots", false, '/'},
	{BYTES(".snapshots2"), ".snapshots2", false, '/'},
	{BYTES(".a"), ".a", false, '/'},
	/* the value of a directory */
	{BYTES("a"), "a/%value", true, '/'},
	{BYTES("a/b"), "a/b/%value", true, '/'},
	{BYTES(""), "%empty/%value", true, '/'},
	/* text that reads like an escape */
	{BYTES("%value"), "%25value", false, '/'},
	{BYTES("%25value"), "%2525value", false, '/'},
	{BYTES("%empty"), "%25empty", false, '/'},
	{BYTES("%2E"), "%252E", false, '/'},
	{BYTES("%252E"), "%25252E", false, '/'},
	{BYTES("%2E%2E"), "%252E%2E", false, '/'},
	{BYTES("%252E%2E"), "%25252E%2E", false, '/'},
	{BYTES("x%00y"), "x%2500y", false, '/'},
	{BYTES("x%2500y"), "x%252500y", false, '/'},
	{BYTES("%%00"), "%%2500", false, '/'},
	{BYTES("%\0"), "%%00", false, '/'},
	{BYTES("%25%00"), "%25%2500", false, '/'},
	{BYTES("%0\0"), "%0%00", false, '/'},
	/* text that only looks a little like one */
	{BYTES("%"), "%", false, '/'},
	{BYTES("100%"), "100%", false, '/'},
	{BYTES("%25"), "%25", false, '/'},
	{BYTES("%2e"), "%2e", false, '/'},
	{BYTES("a%2E"), "a%2E", false, '/'},
	{BYTES("%2E%252E"), "%2E%252E", false, '/'},
	{BYTES("%values"), "%values", false, '/'},
	{BYTES("a%value"), "a%value", false, '/'},
	{BYTES("a%+"), "a%+", false, '/'},
	{BYTES("a%2Fb"), "a%2Fb", false, '/'},
	{BYTES("\xff\x80\n\t "), "\xff\x80\n\t ", false, '/'},
	/* another separator */
	{BYTES("a:b"), "a/b", false, ':'},
	{BYTES("a/b:c"), "a%2Fb/c", false, ':'},
	{BYTES("a%2Fb:"), "a%252Fb/%empty", false, ':'},
	{BYTES("a.b/c..d"), "a/b%2Fc/%empty/d", false, '.'},
	{BYTES("a\0b"), "a/b", false, '\0'},
};

static void check_key(
	char separator, const void *key, size_t size, bool value, const char *expected)
{
	char path[NAMES_PATH_SIZE];
	char back[KT_KEY_MAX];
	size_t back_size;
	bool back_value;

	assert_int_equal(names_path_of_key(separator, key, size, value, path), 0);
	if (expected)
		assert_string_equal(path, expected);
	assert_int_equal(names_key_of_path(separator, path, back, &back_size, &back_value), 0);
	assert_int_equal(back_size, size);
	assert_memory_equal(back, key, size);
	assert_int_equal(back_value, value);
}

/* Each row of the table of names, both ways. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_key(
			rows[i].separator, rows[i].key, rows[i].size, rows[i].value, rows[i].path);
	}
}

/* Build a text: x times the character c, then the tail. */
static size_t repeat(char *text, char c, size_t x, const char *tail)
{
	memset(text, c, x);
	strcpy(text + x, tail);
	return x + strlen(tail);
}

/* A component whose name is over 255 bytes is cut into pieces of 253 bytes, never in an escape. */
static void test_pieces(void **state)
{
	char key[KT_KEY_MAX + 1], path[NAMES_PATH_SIZE];
	size_t size;

	(void)state;
	size = repeat(key, 'x', 255, "");
	check_key('/', key, size, false, key);

	size = repeat(key, 'x', 256, "");
	repeat(path, 'x', 253, "%+/xxx");
	check_key('/', key, size, false, path);

	/* a NUL would be cut at 252 and at 251 */
	for (size_t x = 251; x <= 252; x++) {
		size = repeat(key, 'x', x, "_yyy");
		key[x] = '\0';
		repeat(path, 'x', x, "%+/%00yyy");
		check_key('/', key, size, false, path);
	}
	/* a cut through text that reads like an escape makes it plain text */
	size = repeat(key, 'x', 252, "%00/y");
	repeat(path, 'x', 252, "%%+/00/y");
	check_key('/', key, size, false, path);

	/* the value of a long key is in the directory of its last piece */
	size = repeat(key, 'x', 256, "");
	repeat(path, 'x', 253, "%+/xxx/%value");
	check_key('/', key, size, true, path);
}

/* A name that would look like a piece is cut into pieces itself. */
static void test_name_like_piece(void **state)
{
	char key[KT_KEY_MAX + 1], path[NAMES_PATH_SIZE];
	size_t size;

	(void)state;
	size = repeat(key, 'x', 250, "%+");
	check_key('/', key, size, false, key);
	size = repeat(key, 'x', 251, "%+");
	repeat(path, 'x', 251, "%%+/+");
	check_key('/', key, size, false, path);
	size = repeat(key, 'x', 253, "%+");
	repeat(path, 'x', 253, "%+/%+");
	check_key('/', key, size, false, path);
	size = repeat(key, 'x', 254, "%+");
	repeat(path, 'x', 253, "%+/x%+");
	check_key('/', key, size, false, path);
}

static int decode(char separator, const char *piece, const char *name)
{
	struct names_part part;

	return names_decode(separator, false, piece, piece ? strlen(piece) : 0, name, &part);
}

/* Names and paths that mean no key are refused, and not taken for another key. */
static void test_refused(void **state)
{
	char piece[NAMES_PIECE_MAX + 1], name[NAMES_MAX + 2], key[KT_KEY_MAX];
	char long_path[2 * (KT_KEY_MAX + 2)];
	size_t size;
	bool value;

	(void)state;
	assert_int_equal(decode('/', NULL, ""), -EINVAL);
	assert_int_equal(decode('/', NULL, "."), -EINVAL);
	assert_int_equal(decode('/', NULL, ".."), -EINVAL);
	assert_int_equal(decode('/', NULL, "a/b"), -EINVAL);
	assert_int_equal(decode(':', NULL, "a:b"), -EINVAL);
	assert_int_equal(decode('.', NULL, "%2E"), -EINVAL);
	repeat(name, 'x', 256, "");
	assert_int_equal(decode('/', NULL, name), -ENAMETOOLONG);

	repeat(piece, 'x', 253, "");
	assert_int_equal(decode('/', piece, "xxx"), 0);
	assert_int_equal(decode('/', piece, "xx"), -EINVAL); /* 255 bytes: one name */
	assert_int_equal(decode('/', piece, "%value"), -EINVAL);
	assert_int_equal(decode('/', piece, "%empty"), -EINVAL);
	repeat(piece, 'x', 252, "");
	assert_int_equal(decode('/', piece, "xxxx"), -EINVAL); /* would be cut at 253 */
	assert_int_equal(decode('/', piece, "%00x"), 0);

	assert_int_equal(names_key_of_path('/', ".snapshots", key, &size, &value), -EINVAL);
	assert_int_equal(names_key_of_path('/', ".snapshots/a", key, &size, &value), -EINVAL);
	assert_int_equal(names_key_of_path('/', "%value", key, &size, &value), -EINVAL);
	assert_int_equal(names_key_of_path('/', "a/%value/b", key, &size, &value), -EINVAL);
	assert_int_equal(names_key_of_path('/', "a//b", key, &size, &value), -EINVAL);
	repeat(name, 'x', 253, "%+");
	assert_int_equal(names_key_of_path('/', name, key, &size, &value), -EINVAL);

	for (size_t i = 0; i < KT_KEY_MAX + 1; i++)
		memcpy(long_path + 2 * i, "a/", 2);
	long_path[2 * KT_KEY_MAX / 2 - 1] = '\0'; /* names of 2048 components: 4095 bytes */
	assert_int_equal(names_key_of_path('/', long_path, key, &size, &value), 0);
	assert_int_equal(size, KT_KEY_MAX - 1);
	long_path[KT_KEY_MAX - 1] = '/';
	long_path[KT_KEY_MAX + 1] = '\0';
	assert_int_equal(names_key_of_path('/', long_path, key, &size, &value), -ENAMETOOLONG);
}

/* Bytes that the rules look at, and others. */
static const char separators[] = {
	'/', '/', '/', ':', '.', '2', 'e', '+', '%', '\n', '\0', '\x7f', '\xff'};

/* Any key comes back from its path. */
static void test_random_keys(void **state)
{
	struct rng rng = rng_seed("names: keys");

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char key[KT_KEY_MAX];
		size_t size = weird_bytes(&rng, key, rng_below(&rng, 8) ? 600 : KT_KEY_MAX);

		check_key(separators[rng_below(&rng, sizeof(separators))], key, size,
			rng_below(&rng, 2), NULL);
	}
}

/* A path that means a key is the path of that key, with each separator. */
static void test_random_paths(void **state)
{
	struct rng rng = rng_seed("names: paths");
	int good = 0, good_others = 0;

	(void)state;
	for (int i = 0; i < 40000; i++) {
		char path[4 * (NAMES_MAX + 1)], back[NAMES_PATH_SIZE], key[KT_KEY_MAX];
		size_t length = 0, size, count = 1 + rng_below(&rng, 3);
		char separator = separators[rng_below(&rng, sizeof(separators))];
		bool value;

		for (size_t n = 0; n < count; n++) {
			length += weird_name(&rng, path + length);
			path[length++] = '/';
		}
		path[length - 1] = '\0';
		if (names_key_of_path(separator, path, key, &size, &value) != 0)
			continue;
		good++;
		good_others += separator != '/';
		assert_int_equal(names_path_of_key(separator, key, size, value, back), 0);
		assert_string_equal(back, path);
	}
	assert_true(good > 10000);
	assert_true(good_others > 5000);
}

/* In a directory any name of up to 255 bytes means a part of a key, and the name of that part
 * is the same name. In the root %value and .snapshots are exceptions. */
static void test_every_name_means_something(void **state)
{
	struct rng rng = rng_seed("names: names");

	(void)state;
	for (int i = 0; i < 40000; i++) {
		char name[NAMES_MAX + 1], back[NAMES_MAX + 1];
		struct names_part part;
		bool in_root = i % 2;

		weird_name(&rng, name);
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (in_root && !strcmp(name, ".snapshots"))
			continue;
		assert_int_equal(names_decode('/', in_root, NULL, 0, name, &part), 0);
		if (part.kind == NAMES_VALUE) {
			assert_string_equal(name, "%value");
		} else if (part.kind == NAMES_PIECE) {
			names_encode_piece('/', part.bytes, part.size, back);
			assert_string_equal(back, name);
			assert_int_equal(names_cut('/', part.bytes, part.size), part.size);
			assert_true(names_are_pieces('/', part.bytes, part.size));
		} else {
			assert_int_equal(
				names_encode('/', in_root, part.bytes, part.size, back), part.size);
			assert_string_equal(back, name);
		}
	}
}

/* The longest paths fit the room that names.h asks for. */
static void test_longest(void **state)
{
	char key[KT_KEY_MAX + 1];
	char path[NAMES_PATH_SIZE];

	(void)state;
	memset(key, '/', sizeof(key));
	check_key('/', key, KT_KEY_MAX, true, NULL);
	assert_int_equal(names_path_of_key('/', key, KT_KEY_MAX + 1, true, path), -ENAMETOOLONG);
	memset(key, '\0', sizeof(key));
	check_key('/', key, KT_KEY_MAX, true, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_name_like_piece),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_random_keys),
		cmocka_unit_test(test_random_paths),
		cmocka_unit_test(test_every_name_means_something),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
