/* What is UTF-8: as jansson says, which reads what is written by that. */
#include "mount/text/utf8.h"

#include <jansson.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool jansson_says(const void *bytes, size_t size)
{
	json_t *string = json_stringn(bytes, size);

	json_decref(string);
	return string != NULL;
}

static void compare(const unsigned char *bytes, size_t size)
{
	if (utf8_is_valid(bytes, size) != jansson_says((const char *)bytes, size))
		fail_msg("%02x %02x %02x %02x, %zu bytes", bytes[0], bytes[1], bytes[2], bytes[3],
			size);
}

/* All first and second bytes, with others behind them that are at the limits of what may follow;
 * cut off after each byte, and behind plain text that is looked at eight bytes at once. */
static void test_all_beginnings(void **state)
{
	static const unsigned char rest[] = {0, 'a', 0x7f, 0x80, 0x8f, 0xa0, 0xbf, 0xc0, 0xff};
	unsigned char bytes[16 + 4] = "sixteen letters.";
	unsigned char *end = bytes + 16;

	(void)state;
	for (unsigned i = 0; i < 0x10000 * sizeof(rest) * sizeof(rest); i++) {
		unsigned others = i / 0x10000;

		end[0] = (unsigned char)(i >> 8);
		end[1] = (unsigned char)i;
		end[2] = rest[others % sizeof(rest)];
		end[3] = rest[others / sizeof(rest)];
		for (size_t size = others == 0 ? 1 : 3; size <= 4; size++)
			compare(end, size);
		if (others < sizeof(rest))
			assert_int_equal(utf8_is_valid(bytes, 20), utf8_is_valid(end, 4));
	}
	assert_true(utf8_is_valid(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_beginnings)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
