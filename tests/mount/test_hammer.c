/* Processes and threads do what they like to the same few names at once. What comes of one
 * operation is a matter of turns. In the end the store is sound, every mount shows what a fresh one
 * shows, and nothing is left of what has no name.
 *
 * KEYTREE_OPS says how many operations, KEYTREE_SEED where to begin.
 */
#include "support.h"
#include "view.h"

#include "keytree_fs.h"

#include "../unit/rng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define OPS 12000
#define ROUNDS 8
#define MOUNTS 2
#define PROCESSES 2
#define THREADS 2 /* of each */
#define HELD 4	  /* files that a thread keeps open */
#define TRIES 10
#define TOLD_S 20 /* until all is told, and a second more for each so many operations: */
#define OPS_PER_S 5000

struct world {
	struct fixture *fixture;
	char mounts[MOUNTS][100];
	int mount_count;
	bool application; /* writes to the store, too */
	time_t told_s;
	struct rng rng;
	unsigned count; /* of the key "~" (wait_until_told) */
};

/* ---- operations of one thread ---------------------------------------------------------------- */

struct hand {
	pthread_t thread;
	struct rng rng;
	unsigned long ops;
	bool application;
	int held[HELD];
	char bytes[20000];
};

struct names {
	char a[32], b[32]; /* relative to the mount */
};

typedef int op_fn(struct hand *h, const struct names *names);

static void random_path(struct rng *rng, char path[32])
{
	static const char *const parts[] = {"a", "b", "c", "a", "b", "c", "%value"};
	size_t depth = rng_below(rng, 3);

	strcpy(path, parts[rng_below(rng, 3)]);
	while (depth-- > 0) {
		strcat(path, "/");
		strcat(path, parts[rng_below(rng, 7)]);
	}
}

static int *random_held(struct hand *h)
{
	return &h->held[rng_below(&h->rng, HELD)];
}

static size_t random_size(struct hand *h)
{
	return rng_below(&h->rng, rng_below(&h->rng, 4) ? 300 : sizeof(h->bytes));
}

/* Keep an open file, or close it. */
static int hold_or_close(struct hand *h, int fd)
{
	int *held = random_held(h);
	int close_it = fd;

	if (rng_below(&h->rng, 3) == 0) {
		close_it = *held;
		*held = fd;
	}
	return close_it < 0 ? 0 : close(close_it);
}

static int op_write(struct hand *h, const struct names *names)
{
	static const int flags[] = {
		O_CREAT, O_CREAT | O_TRUNC, O_CREAT | O_TRUNC, O_CREAT | O_EXCL, O_APPEND, O_TRUNC};
	int fd = open(names->a, O_RDWR | O_CLOEXEC | flags[rng_below(&h->rng, 6)], 0644);
	int err = 0;

	if (fd < 0)
		return -1;
	for (size_t i = rng_below(&h->rng, 3); i > 0; i--)
		if (write(fd, h->bytes, random_size(h)) < 0)
			err = errno;
	if (hold_or_close(h, fd) != 0)
		err = errno;
	errno = err;
	return err ? -1 : 0;
}

static int op_read(struct hand *h, const struct names *names)
{
	char bytes[5000];
	int fd = open(names->a, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, bytes, sizeof(bytes));
	return hold_or_close(h, fd) != 0 || got < 0 ? -1 : 0;
}

static int op_pwrite(struct hand *h, const struct names *names)
{
	(void)names;
	return pwrite(*random_held(h), h->bytes, random_size(h), (off_t)random_size(h)) < 0 ? -1
											    : 0;
}

static int op_ftruncate(struct hand *h, const struct names *names)
{
	(void)names;
	return ftruncate(*random_held(h), (off_t)random_size(h));
}

static int op_punch(struct hand *h, const struct names *names)
{
	(void)names;
	return fallocate(*random_held(h), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)random_size(h), (off_t)random_size(h) + 1);
}

static int op_close(struct hand *h, const struct names *names)
{
	int *held = random_held(h), fd = *held;

	(void)names;
	*held = -1;
	return close(fd);
}

static int op_fsync(struct hand *h, const struct names *names)
{
	(void)names;
	return fsync(*random_held(h));
}

static int op_truncate(struct hand *h, const struct names *names)
{
	return truncate(names->a, (off_t)random_size(h));
}

static int op_rename(struct hand *h, const struct names *names)
{
	static const unsigned flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	return renameat2(AT_FDCWD, names->a, AT_FDCWD, names->b, flags[rng_below(&h->rng, 4)]);
}

static int op_link(struct hand *h, const struct names *names)
{
	(void)h;
	return link(names->a, names->b);
}

static int op_unlink(struct hand *h, const struct names *names)
{
	(void)h;
	return unlink(names->a);
}

static int op_mkdir(struct hand *h, const struct names *names)
{
	(void)h;
	return mkdir(names->a, 0755);
}

static int op_rmdir(struct hand *h, const struct names *names)
{
	(void)h;
	return rmdir(names->a);
}

static int op_symlink(struct hand *h, const struct names *names)
{
	(void)h;
	return symlink(names->b, names->a);
}

static int op_chmod(struct hand *h, const struct names *names)
{
	return chmod(names->a, 0700 | (mode_t)rng_below(&h->rng, 0100));
}

static int op_setxattr(struct hand *h, const struct names *names)
{
	return setxattr(names->a, "user.x", h->bytes, rng_below(&h->rng, 50), 0);
}

static int op_tmpfile(struct hand *h, const struct names *names)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644), result;
	char path[40];

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = write(fd, h->bytes, random_size(h)) < 0 ? -1 : 0;
	if (result == 0)
		result = linkat(AT_FDCWD, path, AT_FDCWD, names->a, AT_SYMLINK_FOLLOW);
	return hold_or_close(h, fd) != 0 ? -1 : result;
}

static int op_list(struct hand *h, const struct names *names)
{
	const char *path = rng_below(&h->rng, 2) ? "." : names->a;
	DIR *dir = opendir(path);
	int err;

	if (dir == NULL)
		return -1;
	errno = 0;
	while (readdir(dir) != NULL)
		;
	err = errno;
	closedir(dir);
	errno = err;
	return err ? -1 : 0;
}

static int op_stat(struct hand *h, const struct names *names)
{
	struct stat stat;

	(void)h;
	return lstat(names->a, &stat);
}

static const struct {
	const char *name;
	op_fn *run;
	unsigned weight;
} ops[] = {
	{"write", op_write, 20},
	{"read", op_read, 8},
	{"pwrite", op_pwrite, 10},
	{"ftruncate", op_ftruncate, 4},
	{"punch", op_punch, 2},
	{"close", op_close, 4},
	{"fsync", op_fsync, 1},
	{"truncate", op_truncate, 4},
	{"rename", op_rename, 16},
	{"link", op_link, 6},
	{"unlink", op_unlink, 8},
	{"mkdir", op_mkdir, 8},
	{"rmdir", op_rmdir, 5},
	{"symlink", op_symlink, 1},
	{"chmod", op_chmod, 2},
	{"setxattr", op_setxattr, 2},
	{"tmpfile", op_tmpfile, 2},
	{"list", op_list, 3},
	{"stat", op_stat, 6},
};

/* What may become of an operation when others are at work. */
static bool is_expected(const struct hand *h, int err)
{
	static const int expected[] = {ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, ELOOP,
		ENAMETOOLONG, /* of a key: directories get deep */
		EINVAL,	      /* into itself; "%value" where there is none */
		EPERM,	      /* a link to a directory; an attribute of a symbolic link */
		EBADF};	      /* none is held, or one that is not open for that */

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (err == expected[i])
			return true;
	return err == ESTALE && h->application; /* which deleted the key */
}

static size_t random_op(struct hand *h)
{
	unsigned total = 0, at;
	size_t i = 0;

	for (size_t n = 0; n < sizeof(ops) / sizeof(ops[0]); n++)
		total += ops[n].weight;
	at = (unsigned)rng_below(&h->rng, total);
	while (at >= ops[i].weight)
		at -= ops[i++].weight;
	return i;
}

/* Do it, and again if the file had lost its name by the time it was opened: the kernel tries once
 * more by itself, but then that may be so again. */
static int run_op(struct hand *h, size_t op, const struct names *names)
{
	int result = ops[op].run(h, names);

	for (int i = 0; i < TRIES && result != 0 && errno == ESTALE && !h->application; i++)
		result = ops[op].run(h, names);
	return result;
}

static void *work(void *arg)
{
	struct hand *h = arg;

	memset(h->held, -1, sizeof(h->held));
	memset(h->bytes, 'a' + (int)rng_below(&h->rng, 26), sizeof(h->bytes));
	for (unsigned long i = 0; i < h->ops; i++) {
		struct names names;
		size_t op = random_op(h);

		random_path(&h->rng, names.a);
		random_path(&h->rng, names.b);
		if (run_op(h, op, &names) != 0 && !is_expected(h, errno)) {
			fprintf(stderr, "%s '%s' '%s': %s\n", ops[op].name, names.a, names.b,
				strerror(errno));
			_exit(1);
		}
	}
	for (int i = 0; i < HELD; i++)
		close(h->held[i]);
	return NULL;
}

/* ---- processes ------------------------------------------------------------------------------- */

static void run_threads(struct world *w, int process, unsigned long count)
{
	static struct hand hands[THREADS];

	if (chdir(w->mounts[process % w->mount_count]) != 0)
		_exit(1);
	for (int i = 0; i < THREADS; i++) {
		hands[i].rng = (struct rng){.state = rng_next(&w->rng)};
		hands[i].ops = count;
		hands[i].application = w->application;
		if (pthread_create(&hands[i].thread, NULL, work, &hands[i]) != 0)
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

		random_path(rng, key);
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

/* Put a count under the last of all keys, and wait until each mount shows it: then what was
 * committed before has been told, but for what is told with the count. */
static void tell_count(struct world *w)
{
	struct kt_store *store;
	struct kt_txn *txn;
	char count[12], text[12] = "", path[120];

	snprintf(count, sizeof(count), "%08u", ++w->count);
	assert_int_equal(kt_open(w->fixture->store_path, NULL, &store), 0);
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "~", 1, count, 8), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_close(store), 0);
	for (int i = 0; i < w->mount_count; i++) {
		time_t begin = time(NULL);

		snprintf(path, sizeof(path), "%s/~", w->mounts[i]);
		while (strcmp(text, count) != 0) {
			int fd = open(path, O_RDONLY | O_CLOEXEC);

			assert_true(time(NULL) < begin + w->told_s);
			if (fd < 0)
				continue;
			assert_true(read(fd, text, 8) >= 0);
			close(fd);
		}
		text[0] = '\0';
	}
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
	for (int i = 0; i < 2; i++)
		tell_count(w);
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
	const char *wanted = getenv("KEYTREE_OPS");
	unsigned long count = wanted != NULL ? strtoul(wanted, NULL, 10) : OPS;
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
