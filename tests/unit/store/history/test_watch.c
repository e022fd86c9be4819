/* Watching a prefix: keys that change below it are told, once, whoever changes them. */
#include "tests/unit/fixture.h"

#include "store/share/handle.h"
#include "store/share/pins.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define SOON 20000 /* ms, for what must come */

static void change(struct kt_store *store, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	if (value != NULL)
		assert_int_equal(fixture_put(txn, key, value), 0);
	else
		assert_int_equal(kt_delete(txn, key, strlen(key), 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static int note(void *arg, const struct kt_slice *key, uint64_t version)
{
	char *text = arg;

	sprintf(text + strlen(text), "%c%.*s ", version != 0 ? '+' : '-', (int)key->size,
		(const char *)key->data);
	return 0;
}

static void assert_told(struct kt_watch *watch, const char *expected)
{
	char text[1000] = "";

	assert_int_equal(kt_watch_next(watch, SOON, note, text), 0);
	assert_string_equal(text, expected);
}

/* Keys below the prefix are told, and no others; what became of several commits is told as one. */
static void told(void **state)
{
	struct fixture *f = *state;
	struct kt_watch *watch;
	char text[100] = "";

	change(f->store, "s/before", "1");
	assert_int_equal(kt_watch_open(f->store, KT_STR("s/"), &watch), 0);
	assert_int_equal(kt_watch_next(watch, 0, note, text), -ETIMEDOUT);
	assert_non_null(strstr(kt_strerror(f->store, -ETIMEDOUT), "timed out"));
	change(f->store, "a", "1");
	assert_int_equal(kt_watch_next(watch, 0, note, text), -ETIMEDOUT);
	change(f->store, "s/b", "1");
	change(f->store, "s/a", "1");
	change(f->store, "s/b", "2");
	change(f->store, "s/gone", "1");
	change(f->store, "s/gone", NULL);
	change(f->store, "s/before", NULL);
	assert_told(watch, "+s/a +s/b -s/before ");
	change(f->store, "s/a", "2");
	assert_told(watch, "+s/a ");
	assert_int_equal(kt_watch_next(watch, 0, note, text), -ETIMEDOUT);
	assert_string_equal(text, "");
	kt_watch_close(watch);
}

static void *change_later(void *arg)
{
	struct fixture *f = arg;
	struct kt_store *other;

	assert_int_equal(kt_open(f->temp.path, NULL, &other), 0);
	change(other, "elsewhere", "1");
	change(other, "s/a", "1");
	assert_int_equal(kt_close(other), 0);
	return NULL;
}

/* A watch wakes for the commit of another handle. */
static void woken(void **state)
{
	struct fixture *f = *state;
	struct kt_watch *watch;
	pthread_t thread;

	assert_int_equal(kt_watch_open(f->store, KT_STR("s/"), &watch), 0);
	assert_int_equal(pthread_create(&thread, NULL, change_later, f), 0);
	assert_told(watch, "+s/a ");
	pthread_join(thread, NULL);
	kt_watch_close(watch);
}

/* Counts keys; fails once, at the key with a number. */
struct counting {
	struct kt_store *store;
	unsigned told, fail_at;
	uint64_t oldest; /* transaction that was pinned while keys were told */
};

static int count(void *arg, const struct kt_slice *key, uint64_t version)
{
	struct counting *counting = arg;
	struct kt_txn *txn;

	(void)version;
	if (counting->told++ == counting->fail_at)
		return 7;
	counting->oldest = pins_oldest(counting->store, TXN_MAX);
	/* The callback may write. */
	if (counting->told % 1000 == 0) {
		assert_int_equal(kt_begin(counting->store, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, "seen", 4, key->data, key->size), 0);
		assert_int_equal(kt_commit(txn, 0), 0);
	}
	return 0;
}

/* A difference larger than a batch is told whole. While the last batch is told, no older commit is
 * kept than that. A callback that fails is called again for the keys that remain. */
static void batches(void **state)
{
	enum { KEYS = 20000 };
	struct fixture *f = *state;
	struct counting counting = {.store = f->store, .fail_at = UINT32_MAX};
	struct kt_watch *watch;
	struct kt_txn *txn;
	uint64_t number;
	char key[40];

	assert_int_equal(kt_watch_open(f->store, KT_STR("k/"), &watch), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < KEYS; i++) {
		size_t size = (size_t)snprintf(key, sizeof(key), "k/%020u", i);

		assert_int_equal(kt_put(txn, key, size, "v", 1), 0);
	}
	number = kt_txn_id(txn);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_watch_next(watch, SOON, count, &counting), 0);
	assert_int_equal(counting.told, KEYS);
	assert_int_equal(counting.oldest, number);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "k/%u", i);
		change(f->store, key, "v");
	}
	counting = (struct counting){.store = f->store, .fail_at = 4};
	assert_int_equal(kt_watch_next(watch, SOON, count, &counting), 7);
	assert_int_equal(kt_watch_next(watch, SOON, count, &counting), 0);
	assert_int_equal(counting.told, 10);
	kt_watch_close(watch);
}

/* A prefix is at most as long as a key, and may be empty. */
static void prefixes(void **state)
{
	static const char longer[KT_KEY_MAX + 1];
	struct fixture *f = *state;
	struct kt_watch *watch;

	assert_int_equal(kt_watch_open(f->store, longer, sizeof(longer), &watch), -ENAMETOOLONG);
	assert_int_equal(kt_watch_open(f->store, NULL, 0, &watch), 0);
	change(f->store, "a", "1");
	assert_told(watch, "+a ");
	kt_watch_close(watch);
	kt_watch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(told),
		FIXTURE_FILE(woken),
		FIXTURE_BOTH(batches),
		FIXTURE_BOTH(prefixes),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
