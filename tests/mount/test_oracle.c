/* The file system of the disk as oracle: random operations are done on a mount and on the disk in
 * step, and give the same. Now and then the whole trees are compared, and the mount is mounted
 * anew. KEYTREE_OPS says how many operations, KEYTREE_SEED where to begin.
 */
#include "oracle_ops.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPS 20000

static size_t random_op(struct oracle *w)
{
	unsigned total = 0, at;
	size_t i = 0;

	for (size_t n = 0; n < ORACLE_OPS; n++)
		total += oracle_ops[n].weight;
	at = oracle_below(w, total);
	while (at >= oracle_ops[i].weight)
		at -= oracle_ops[i++].weight;
	return i;
}

static struct oracle_op random_arguments(struct oracle *w)
{
	static const unsigned flags[] = {0, O_CREAT, O_CREAT, O_CREAT | O_TRUNC, O_CREAT | O_EXCL,
		O_TRUNC, O_APPEND, O_CREAT | O_APPEND};
	struct oracle_op op = {
		.flags = flags[oracle_below(w, 8)],
		.mode = 0600 | oracle_below(w, 0200),
		.offset = oracle_below(w, oracle_below(w, 4) ? 3000 : ORACLE_DATA_SIZE),
		.size = oracle_below(w, oracle_below(w, 4) ? 200 : ORACLE_DATA_SIZE),
		.handle = (int)oracle_below(w, ORACLE_HANDLES),
		.seconds = (long)oracle_below(w, 1000000000),
	};

	oracle_random_path(w, op.path);
	oracle_random_path(w, op.other);
	return op;
}

/* Do an operation on both sides. Pipes are not opened: nobody is at their other end. */
static void step(struct oracle *w)
{
	size_t which = random_op(w);
	struct oracle_op op = random_arguments(w);
	long result[ORACLE_SIDES];
	int err[ORACLE_SIDES];

	if (oracle_ops[which].run == oracle_rename || oracle_ops[which].run == oracle_fallocate ||
		oracle_ops[which].run == oracle_mknod || oracle_ops[which].run == oracle_chown ||
		oracle_ops[which].run == oracle_setxattr ||
		oracle_ops[which].run == oracle_getxattr ||
		oracle_ops[which].run == oracle_removexattr)
		op.flags = oracle_below(w, 420);
	else
		op.flags |= O_NONBLOCK;
	snprintf(w->done, sizeof(w->done), "%s '%s' '%s' flags %u offset %ld size %ld handle %d",
		oracle_ops[which].name, op.path, op.other, op.flags, (long)op.offset, (long)op.size,
		op.handle);
	for (int side = 0; side < ORACLE_SIDES; side++) {
		w->got_size[side] = 0;
		errno = 0;
		result[side] = oracle_ops[which].run(w, side, &op);
		err[side] = result[side] < 0 ? errno : 0;
	}
	if (getenv("KEYTREE_VERBOSE") != NULL)
		fprintf(stderr, "%s: %ld %s\n", w->done, result[0], strerrorname_np(err[0]));
	if (result[0] != result[1] || err[0] != err[1])
		fail_msg("%s: the disk gives %ld %s, the mount %ld %s", w->done, result[0],
			strerrorname_np(err[0]), result[1], strerrorname_np(err[1]));
	if (w->got_size[0] != w->got_size[1] || memcmp(w->got[0], w->got[1], w->got_size[0]) != 0)
		fail_msg("%s: the disk gives '%.*s', the mount '%.*s'", w->done,
			(int)w->got_size[0] % 200, w->got[0], (int)w->got_size[1] % 200, w->got[1]);
}

/* ---- whole trees ----------------------------------------------------------------------------- */

static void run_on_both(
	struct oracle *w, oracle_fn *run, const char *name, const struct oracle_op *op)
{
	long result[ORACLE_SIDES];

	for (int side = 0; side < ORACLE_SIDES; side++) {
		w->got_size[side] = 0;
		result[side] = run(w, side, op);
	}
	if (result[0] != result[1] || w->got_size[0] != w->got_size[1] ||
		memcmp(w->got[0], w->got[1], w->got_size[0]) != 0)
		fail_msg("after %s: %s of '%s' differs: '%.*s', '%.*s'", w->done, name, op->path,
			(int)w->got_size[0] % 300, w->got[0], (int)w->got_size[1] % 300, w->got[1]);
}

static void compare_tree(struct oracle *w, const char *path, int depth)
{
	struct oracle_op op = {.flags = 1};
	char names[ORACLE_DATA_SIZE], *at = names, *name;

	if (strlen(path) > w->deepest)
		w->deepest = strlen(path);
	snprintf(op.path, sizeof(op.path), "%s", path);
	run_on_both(w, oracle_list, "the list", &op);
	snprintf(names, sizeof(names), "%.*s", (int)w->got_size[0], w->got[0]);
	while ((name = strsep(&at, "\n")) != NULL) {
		struct stat stat;

		if (*name == '\0' || !strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(op.path, sizeof(op.path), "%.1500s/%.300s", path, name);
		run_on_both(w, oracle_stat, "stat", &op);
		assert_int_equal(fstatat(w->root[0], op.path, &stat, AT_SYMLINK_NOFOLLOW), 0);
		if (S_ISREG(stat.st_mode) && (stat.st_mode & 0400))
			run_on_both(w, oracle_read_file, "the content", &op);
		else if (S_ISLNK(stat.st_mode))
			run_on_both(w, oracle_readlink, "the target", &op);
		else if (S_ISDIR(stat.st_mode) && depth < 1000)
			compare_tree(w, op.path, depth + 1);
		for (op.flags = 1; op.flags < 4 && !S_ISLNK(stat.st_mode); op.flags++)
			run_on_both(w, oracle_getxattr, "an attribute", &op);
	}
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	return ftw->level > 0 ? remove(path) : 0;
}

/* Renaming directories into directories makes trees deep, and there is an end to that: a key has
 * 4096 bytes. Begin anew before. */
static void sweep(struct oracle *w)
{
	for (int side = 0; side < ORACLE_SIDES; side++) {
		assert_int_equal(fchdir(w->root[side]), 0);
		assert_int_equal(nftw(".", remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
	assert_int_equal(chdir("/"), 0);
	w->deepest = 0;
}

static void compare_all(struct oracle *w)
{
	compare_tree(w, ".", 0);
	if (w->deepest > 700)
		sweep(w);
}

/* ---- the test -------------------------------------------------------------------------------- */

static void open_roots(struct oracle *w)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/disk", w->fixture->dir);
	mkdir(path, 0755);
	w->root[0] = open(path, O_RDONLY | O_DIRECTORY);
	support_mount_with(w->fixture, w->options);
	w->root[1] = open(w->fixture->mount_dir, O_RDONLY | O_DIRECTORY);
	assert_true(w->root[0] >= 0 && w->root[1] >= 0);
}

static void close_all(struct oracle *w)
{
	for (int i = 0; i < ORACLE_HANDLES; i++) {
		for (int side = 0; side < ORACLE_SIDES; side++) {
			if (w->fd[i][side] >= 0)
				assert_int_equal(close(w->fd[i][side]), 0);
			w->fd[i][side] = -1;
		}
	}
	close(w->root[0]);
	close(w->root[1]);
	support_unmount(w->fixture);
}

static bool has_links(struct oracle *w)
{
	int fd = openat(w->root[1], "l", O_CREAT | O_WRONLY, 0644);
	bool has;

	close(fd);
	has = linkat(w->root[1], "l", w->root[1], "m", 0) == 0;
	unlinkat(w->root[1], "l", 0);
	unlinkat(w->root[1], "m", 0);
	return has;
}

/* @param scratch  names of scratch files, which do not outlive the mount */
static void run_operations(void **state, const char *scratch)
{
	unsigned long limit = support_operations(OPS);
	unsigned often = (unsigned)(limit / 70 + 1);
	struct oracle *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->fixture = *state;
	snprintf(w->options, sizeof(w->options), "scratch=%s", scratch);
	memset(w->fd, -1, sizeof(w->fd));
	for (size_t i = 0; i < ORACLE_DATA_SIZE; i++)
		w->data[i] = (char)('!' + i % 90);
	umask(0);
	open_roots(w);
	w->links = has_links(w);
	for (unsigned long i = 0; i < limit; i++) {
		step(w);
		if (oracle_below(w, often) == 0)
			compare_all(w);
		if (oracle_below(w, 10 * often) == 0) {
			if (*scratch != '\0')
				sweep(w);
			close_all(w);
			assert_int_equal(support_keytree("check", w->fixture->store_path, NULL), 0);
			open_roots(w);
			compare_all(w);
		}
	}
	close_all(w);
	free(w);
}

/* Random operations give what they give on the disk, and so do the trees, before and after a
 * remount. */
static void test_operations(void **state)
{
	run_operations(state, "");
}

/* So do they if some names are those of scratch files: whatever the store knows of these, and when,
 * the mount is like a disk. */
static void test_scratch(void **state)
{
	run_operations(state, "c:a-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_operations, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_scratch, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
