/* Many threads work at once in the same directories, each with its own files, beside an
 * application that writes and a listing that never stops. */
#include "tests/unit/rng.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKERS 3
#define STEPS 400

/* The assertions of cmocka are for one thread only: a worker counts its failures. */
struct worker {
	struct world *world;
	pthread_t thread;
	struct rng rng;
	int number;
	int failures;
};

static atomic_bool stop;

#define CHECK(worker, condition)                                                                   \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(worker)->failures++;                                                      \
			fprintf(stderr, "%d: %s\n", __LINE__, #condition);                         \
		}                                                                                  \
	} while (0)

static const struct fs_caller caller = {.uid = 1, .gid = 1};

/* Read one of the worker's own files. */
static void check_file(struct worker *w, const struct fs_entry *entry, const char *text)
{
	struct fs *fs = w->world->fs;
	struct fs_file *file;
	char buf[64];
	size_t got;

	CHECK(w, fs_open_file(fs, entry->node, O_RDONLY, &file) == 0);
	CHECK(w, fs_read(fs, file, 0, buf, sizeof(buf), &got) == 0);
	CHECK(w, got == strlen(text) && memcmp(buf, text, got) == 0);
	CHECK(w, fs_flush(fs, file) == 0);
	fs_release(fs, file);
}

/* Make a file, write it, read it, rename it, perhaps remove it. */
static void work_on_file(struct worker *w, uint64_t directory, int step)
{
	char name[32], renamed[32], text[32];
	struct fs *fs = w->world->fs;
	struct fs_entry entry, again;
	struct fs_file *file;

	snprintf(name, sizeof(name), "w%d-%d", w->number, step);
	snprintf(renamed, sizeof(renamed), "r%d-%d", w->number, step % 7);
	snprintf(text, sizeof(text), "text %d of %d", step, w->number);
	CHECK(w, fs_create(fs, &caller, directory, name, 0644, O_RDWR, &entry, &file) == 0);
	CHECK(w, fs_write(fs, file, 0, text, strlen(text)) == 0);
	CHECK(w, rng_below(&w->rng, 2) || fs_flush(fs, file) == 0);
	CHECK(w, fs_rename(fs, directory, name, directory, renamed, 0) == 0);
	CHECK(w, fs_flush(fs, file) == 0);
	fs_release(fs, file);
	CHECK(w, fs_lookup(fs, directory, renamed, &again) == 0);
	CHECK(w, again.node == entry.node);
	check_file(w, &again, text);
	if (rng_below(&w->rng, 3) == 0)
		CHECK(w, fs_unlink(fs, directory, renamed) == 0);
	fs_forget(fs, entry.node, 2);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct fs_entry directory;

	for (int step = 0; step < STEPS; step++) {
		CHECK(w, fs_lookup(w->world->fs, FS_ROOT, "d", &directory) == 0);
		work_on_file(w, directory.node, step);
		fs_forget(w->world->fs, directory.node, 1);
	}
	return NULL;
}

static bool count_names(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	(void)entry;
	(void)offset;
	*(int *)arg += name[0] == 'k';
	return true;
}

/* List over and over: the application's keys are always there, each once. */
static void *list(void *arg)
{
	struct worker *w = arg;
	struct fs *fs = w->world->fs;

	while (!stop) {
		struct fs_entry directory;
		struct fs_dir *dir;
		int keys = 0;

		CHECK(w, fs_lookup(fs, FS_ROOT, "d", &directory) == 0);
		CHECK(w, fs_opendir(fs, directory.node, &dir) == 0);
		CHECK(w, fs_readdir(fs, dir, 0, false, count_names, &keys) == 0);
		CHECK(w, keys == 10);
		fs_releasedir(fs, dir);
		fs_forget(fs, directory.node, 1);
	}
	return NULL;
}

/* The application writes its keys. Of the files of others it sees whole values only. */
static void *apply(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; !stop; i++) {
		char key[16];
		int size = snprintf(key, sizeof(key), "d/k%u", i % 10);
		struct kt_cursor *cursor;
		struct kt_txn *txn;

		CHECK(w, kt_begin(w->world->store, KT_WRITE, &txn) == 0);
		CHECK(w, kt_put(txn, key, (size_t)size, &i, sizeof(i)) == 0);
		CHECK(w, kt_commit(txn, 0) == 0);
		CHECK(w, kt_begin(w->world->store, KT_READ, &txn) == 0);
		CHECK(w, kt_cursor_open(txn, &cursor) == 0);
		CHECK(w, kt_cursor_set_prefix(cursor, "d/r", 3) == 0);
		while (kt_cursor_next(cursor) == 0) {
			struct kt_slice value;

			CHECK(w, kt_cursor_value(cursor, &value) == 0);
			CHECK(w, value.size > 5 && memcmp(value.data, "text ", 5) == 0);
		}
		kt_cursor_close(cursor);
		kt_abort(txn);
	}
	return NULL;
}

static void start(struct worker *worker, struct world *world, int number, void *(*run)(void *))
{
	static struct rng rng;

	if (number == 0)
		rng = rng_seed("fs threads");
	*worker =
		(struct worker){.world = world, .number = number, .rng = {.state = rng_next(&rng)}};
	assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
}

static void finish(struct worker *worker)
{
	assert_int_equal(pthread_join(worker->thread, NULL), 0);
	assert_int_equal(worker->failures, 0);
}

/* Operations of several threads do not disturb each other. */
static void test_threads(void **state)
{
	struct worker workers[WORKERS + 2];
	struct world *world = calloc(1, sizeof(*world));

	(void)state;
	world_open(world, false);
	for (int i = 0; i < 10; i++) {
		char key[16];

		snprintf(key, sizeof(key), "d/k%d", i);
		world_put(world, key, "");
	}
	for (int i = 0; i < WORKERS; i++)
		start(&workers[i], world, i, work);
	start(&workers[WORKERS], world, WORKERS, list);
	start(&workers[WORKERS + 1], world, WORKERS + 1, apply);
	for (int i = 0; i < WORKERS; i++)
		finish(&workers[i]);
	stop = true;
	finish(&workers[WORKERS]);
	finish(&workers[WORKERS + 1]);
	world_close(world);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
