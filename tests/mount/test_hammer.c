/* Processes and threads do what they like to the same few names at once. What comes of one
 * operation is a matter of turns. In the end the store is sound, every mount shows what a fresh one
 * shows, and nothing is left of what has no name.
 *
 * KEYTREE_OPS says how many operations, KEYTREE_SEED where to begin.
 */
#include "hammer_ops.h"
#include "support.h"
#include "view.h"

#include "keytree_fs.h"

#include "../unit/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPS 12000
#define ROUNDS 8
#define MOUNTS 2
#define PROCESSES 2
#define THREADS 2 /* of each */
#define TOLD_S 20 /* until all is told, and a second more for each so many operations: */
#define OPS_PER_S 5000

struct world {
	struct fixture *fixture;
	char mounts[MOUNTS][100];
	int mount_count;
	bool application; /* writes to the store, too */
	time_t told_s;
	struct rng rng;
};

/* ---- processes ------------------------------------------------------------------------------- */

static void run_threads(struct world *w, int process, unsigned long count)
{
	static struct hammer_hand hands[THREADS];

	if (chdir(w->mounts[process % w->mount_count]) != 0)
		_exit(1);
	for (int i = 0; i < THREADS; i++) {
		hands[i].rng = (struct rng){.state = rng_next(&w->rng)};
		hands[i].ops = count;
		hands[i].application = w->application;
		if (pthread_create(&hands[i].thread, NULL, hammer_work, &hands[i]) != 0)
			_exit(1);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(hands[i].thread, NULL);
	_exit(0);
}

/* Write and delete a few of the same keys in one transaction. */
static int apply_once(struct kt_store *store, struct rng *rng)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err)
		return err;
	for (size_t i = rng_below(rng, 3); i > 0 && !err; i--) {
		char key[32];

		hammer_random_path(rng, key);
		err = rng_below(rng, 2) ? kt_put(txn, key, strlen(key), key, strlen(key))
					: kt_delete(txn, key, strlen(key), KT_MISSING_OK);
	}
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}

static void run_application(struct world *w, unsigned long count)
{
	struct rng rng = {.state = rng_next(&w->rng)};
	struct kt_store *store;
	int err = kt_open(w->fixture->store_path, NULL, &store);

	for (unsigned long i = 0; i < count && !err; i++)
		err = apply_once(store, &rng);
	if (!err)
		err = kt_close(store);
	if (err)
		fprintf(stderr, "the application: %s\n", kt_strerror(NULL, err));
	_exit(err != 0);
}

/* Let all of them do what they do, so many operations each. */
static void hammer(struct world *w, unsigned long count)
{
	pid_t pids[PROCESSES + 1];
	int started = 0, failed = 0, status;

	for (; started < PROCESSES + w->application; started++) {
		rng_next(&w->rng);
		pids[started] = fork();
		assert_true(pids[started] >= 0);
		if (pids[started] == 0 && started < PROCESSES)
			run_threads(w, started, count);
		else if (pids[started] == 0)
			run_application(w, count);
	}
	for (int i = 0; i < started; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
}

/* ---- the test -------------------------------------------------------------------------------- */

static void mount_all(struct world *w)
{
	for (int i = 0; i < w->mount_count; i++)
		assert_int_equal(support_keytree("mount", w->fixture->store_path, w->mounts[i]), 0);
}

static void unmount_all(struct world *w)
{
	for (int i = 0; i < w->mount_count; i++)
		assert_int_equal(support_keytree("umount", w->mounts[i], NULL), 0);
}

/* A file that nothing was written to is saved a moment after it was closed, by a message that
 * nobody waits for. Send others after it that are waited for. */
static void wait_for_releases(const char *mount)
{
	char path[120];

	snprintf(path, sizeof(path), "%s/~release", mount);
	for (int i = 0; i < 4; i++) {
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, "x", 1), 1);
		assert_int_equal(close(fd), 0);
		assert_int_equal(unlink(path), 0);
	}
}

/* Commit something, and wait until each mount was told of it: then it was told of all before. */
static void wait_until_told(struct world *w)
{
	struct kt_store *store;
	struct kt_txn *txn;
	uint64_t commit;

	assert_int_equal(kt_open(w->fixture->store_path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	commit = kt_txn_id(txn);
	assert_int_equal(kt_put(txn, "~", 1, "", 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(store), 0);
	for (int i = 0; i < w->mount_count; i++)
		support_wait_told(w->mounts[i], commit, w->told_s);
}

static void assert_nothing_nameless(struct world *w)
{
	struct kt_cursor *cursor;
	struct kt_store *store;
	struct kt_txn *txn;

	assert_int_equal(kt_open(w->fixture->store_path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_cursor_open(kt_tree(txn, KT_NAMELESS), &cursor), 0);
	assert_int_equal(kt_cursor_next(cursor), -ENOENT);
	kt_cursor_close(cursor);
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	return ftw->level > 0 ? remove(path) : 0;
}

/* Hammer; then look at every mount, check the store, and look at a fresh mount. */
static void run_round(struct world *w, unsigned long count)
{
	static struct view views[MOUNTS], fresh;

	mount_all(w);
	hammer(w, count);
	for (int i = 0; i < w->mount_count; i++)
		wait_for_releases(w->mounts[i]);
	wait_until_told(w);
	for (int i = 0; i < w->mount_count; i++)
		view_look(&views[i], w->mounts[i], !w->application);
	unmount_all(w);
	assert_int_equal(support_keytree("check", w->fixture->store_path, NULL), 0);
	assert_nothing_nameless(w);
	mount_all(w);
	view_look(&fresh, w->mounts[0], !w->application);
	for (int i = 0; i < w->mount_count; i++) {
		view_assert_same(&views[i], &fresh);
		free(views[i].text);
	}
	free(fresh.text);
	if (rng_below(&w->rng, 3) == 0)
		assert_int_equal(nftw(w->mounts[0], remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	unmount_all(w);
}

static void run(struct fixture *fixture, int mount_count, bool application)
{
	unsigned long count = support_operations(OPS);
	struct world w = {.fixture = fixture,
		.mount_count = mount_count,
		.application = application,
		.told_s = TOLD_S + (time_t)(count / OPS_PER_S)};

	w.rng.state = fixture->random;
	snprintf(w.mounts[0], sizeof(w.mounts[0]), "%s", fixture->mount_dir);
	snprintf(w.mounts[1], sizeof(w.mounts[1]), "%s2", fixture->mount_dir);
	mkdir(w.mounts[1], 0700);
	for (int i = 0; i < ROUNDS; i++)
		run_round(&w, count / ROUNDS / PROCESSES / THREADS);
}

static int teardown(void **state)
{
	const struct fixture *fixture = *state;
	char second[100];

	snprintf(second, sizeof(second), "%s2", fixture->mount_dir);
	if (rmdir(second) != 0) /* a failed test has left it mounted */
		support_keytree("umount", second, NULL);
	return support_teardown(state);
}

/* Two processes of two threads in one mount. */
static void test_one_mount(void **state)
{
	run(*state, 1, false);
}

/* The same beside an application that changes the same keys. */
static void test_beside_application(void **state)
{
	run(*state, 1, true);
}

/* Each process in a mount of its own, and an application that changes the same keys. */
static void test_all_writers(void **state)
{
	run(*state, 2, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_mount, support_setup, teardown),
		cmocka_unit_test_setup_teardown(test_beside_application, support_setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_writers, support_setup, teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
