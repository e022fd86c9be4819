/* What somebody holds of a mount stays true while others change the store beneath: files that are
 * open or mapped, directories that are open or somebody's working directory, names that are known
 * not to be there. The others clear the store, go back to a snapshot, make keys directories and
 * files again, and link them. There are two mounts; all is held in both. */
#include "support.h"

#include "keytree_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOUNTS 2

/* Of one mount. */
struct holder {
	char dir[120];
	int root;	  /* its descriptor */
	int file;	  /* an open file */
	const char *map;  /* and a page of it; or NULL */
	int subdirectory; /* an open directory */
};

struct scene {
	struct fixture *fixture;
	struct kt_store *store;
	struct holder holders[MOUNTS];
	int pipe[2]; /* for is_mapped() */
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	support_setup(state);
	s->fixture = *state;
	assert_int_equal(kt_open(s->fixture->store_path, NULL, &s->store), 0);
	for (int i = 0; i < MOUNTS; i++) {
		struct holder *h = &s->holders[i];

		snprintf(h->dir, sizeof(h->dir), "%s%.*s", s->fixture->mount_dir, i, "2");
		assert_true(mkdir(h->dir, 0700) == 0 || errno == EEXIST);
		assert_int_equal(support_keytree("mount", s->fixture->store_path, h->dir), 0);
		h->root = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(h->root >= 0);
		h->file = h->subdirectory = -1;
	}
	assert_int_equal(pipe(s->pipe), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	void *fixture = s->fixture;

	assert_int_equal(chdir("/"), 0);
	for (int i = 0; i < MOUNTS; i++)
		if (s->holders[i].map != NULL)
			munmap((void *)s->holders[i].map, 4096);
	kt_close(s->store);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	for (int i = 1; i < MOUNTS; i++)
		support_keytree("umount", s->holders[i].dir, NULL);
	free(s);
	return support_teardown(&fixture);
}

/* ---- the application ------------------------------------------------------------------------- */

/* Put keys, "key=value" or "key" to delete it, in one transaction. */
static void change(struct scene *s, const char *const *changes)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(s->store, KT_WRITE, &txn), 0);
	for (; *changes != NULL; changes++) {
		const char *value = strchr(*changes, '=');
		size_t size = value != NULL ? (size_t)(value - *changes) : strlen(*changes);

		if (value != NULL)
			assert_int_equal(
				kt_put(txn, *changes, size, value + 1, strlen(value + 1)), 0);
		else
			assert_int_equal(kt_delete(txn, *changes, size, 0), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

#define CHANGE(s, ...) change((s), (const char *const[]){__VA_ARGS__, NULL})

static void clear(struct scene *s)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(s->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void restore(struct scene *s, const char *name)
{
	struct kt_txn *point;

	assert_int_equal(kt_snapshot_open(s->store, name, &point), 0);
	assert_int_equal(kt_restore(s->store, point), 0);
	kt_abort(point);
}

/* ---- what is seen ---------------------------------------------------------------------------- */

/* Wait until something is so. */
#define SOON(condition)                                                                            \
	do {                                                                                       \
		time_t begin = time(NULL);                                                         \
		while (!(condition))                                                               \
			if (time(NULL) - begin > 10)                                               \
				fail_msg("after 10 s it is not so: %s", #condition);               \
	} while (0)

/* A file below a directory has a content, by its size, too. NULL: there is no such name. */
static bool has(int dir, const char *path, const char *expected)
{
	char text[64];
	struct stat stat_;
	ssize_t got;
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return expected == NULL && errno == ENOENT && fstatat(dir, path, &stat_, 0) < 0;
	got = read(fd, text, sizeof(text));
	close(fd);
	return expected != NULL && got == (ssize_t)strlen(expected) &&
	       memcmp(text, expected, (size_t)got) == 0 && fstatat(dir, path, &stat_, 0) == 0 &&
	       stat_.st_size == got;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names in a directory are these. NULL: it is not there. */
static bool lists(int dir, const char *path, const char *expected)
{
	char names[16][32], text[512] = "";
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	size_t count = 0;

	if (stream == NULL)
		return expected == NULL;
	while (count < 16 && (entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			snprintf(names[count++], sizeof(names[0]), "%.31s", entry->d_name);
	closedir(stream);
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < count; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, names[i]);
	}
	return expected != NULL && strcmp(text, expected) == 0;
}

/* A page that is mapped begins with a text; NULL: it cannot be read any more. */
static bool is_mapped(const struct scene *s, const char *map, const char *expected)
{
	char text[64];
	size_t size = expected != NULL ? strlen(expected) : 1;
	ssize_t got = write(s->pipe[1], map, size); /* instead of a signal an error */

	if (got < 0)
		return expected == NULL && errno == EFAULT;
	assert_int_equal(read(s->pipe[0], text, sizeof(text)), got);
	return expected != NULL && memcmp(text, expected, size) == 0;
}

/* What is open has a content; NULL: there is nothing any more, of which asking for the size, which
 * a read at the end of the file does first, tells in another way. */
static bool is_open(int fd, const char *expected)
{
	char text[64];
	ssize_t got = pread(fd, text, sizeof(text), 0);

	if (got < 0)
		return expected == NULL && (errno == ESTALE || errno == ENOENT);
	return expected != NULL && got == (ssize_t)strlen(expected) &&
	       memcmp(text, expected, (size_t)got) == 0;
}

static void hold_file(struct holder *h, const char *path)
{
	h->file = openat(h->root, path, O_RDONLY | O_CLOEXEC);
	assert_true(h->file >= 0);
	h->map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, h->file, 0);
	assert_ptr_not_equal(h->map, MAP_FAILED);
}

static void hold_directory(struct holder *h, const char *path)
{
	h->subdirectory = openat(h->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(h->subdirectory >= 0);
}

static struct stat stat_at(int dir, const char *path)
{
	struct stat stat_ = {0};

	assert_int_equal(fstatat(dir, path, &stat_, 0), 0);
	return stat_;
}

/* For each of the mounts. */
#define EACH(s, h) for (struct holder *h = (s)->holders; h < (s)->holders + MOUNTS; h++)

/* ---- tests ----------------------------------------------------------------------------------- */

/* The store is cleared: everything goes, also for who has it open, and what is put then comes to
 * the same places. */
static void test_clear(void **state)
{
	struct scene *s = *state;

	CHANGE(s, "a=one", "d/e/x=1", "d/y=2");
	EACH(s, h)
	{
		SOON(lists(h->root, ".", "a d"));
		hold_file(h, "a");
		hold_directory(h, "d/e");
		assert_true(is_mapped(s, h->map, "one"));
		assert_true(lists(h->root, "d/e", "x"));
		assert_true(has(h->root, "d/none", NULL) && has(h->root, "none", NULL));
	}
	assert_int_equal(chdir(s->holders[0].dir), 0);
	assert_int_equal(chdir("d/e"), 0);
	clear(s);
	EACH(s, h)
	{
		SOON(lists(h->root, ".", ""));
		SOON(has(h->root, "a", NULL));
		SOON(lists(h->root, "d", NULL));
		SOON(is_open(h->file, NULL));
		SOON(is_mapped(s, h->map, NULL));
		SOON(has(h->subdirectory, "x", NULL));
	}
	SOON(has(AT_FDCWD, "x", NULL));
	CHANGE(s, "a=again", "d/e/x=3", "d/none=4", "none/z=5");
	EACH(s, h)
	{
		SOON(lists(h->root, ".", "a d none"));
		SOON(has(h->root, "a", "again"));
		SOON(has(h->root, "d/none", "4"));
		SOON(has(h->root, "none/z", "5"));
		SOON(is_open(h->file, "again"));
		SOON(is_mapped(s, h->map, "again"));
		SOON(has(h->subdirectory, "x", "3"));
		SOON(lists(h->subdirectory, ".", "x"));
	}
	SOON(has(AT_FDCWD, "x", "3"));
	SOON(lists(AT_FDCWD, ".", "x"));
}

/* Going back to a snapshot: values, sizes, names that come and go, files that were directories. */
static void test_restore(void **state)
{
	struct scene *s = *state;

	CHANGE(s, "a=before", "d/x=1", "d/gone/y=2", "turned=3");
	assert_int_equal(kt_snapshot_create(s->store, "before"), 0);
	CHANGE(s, "a=now, and longer", "d/x", "d/gone/y", "d/new/z=4", "turned/t=5");
	EACH(s, h)
	{
		SOON(has(h->root, "turned/t", "5"));
		SOON(has(h->root, "d/new/z", "4"));
		SOON(has(h->root, "a", "now, and longer"));
		hold_file(h, "a");
		hold_directory(h, "d/new");
		assert_true(is_mapped(s, h->map, "now, and longer"));
		assert_true(lists(h->root, "d", "new") && lists(h->root, "turned", "%value t"));
		assert_true(has(h->root, "d/x", NULL) && has(h->root, "d/gone", NULL));
	}
	assert_int_equal(chdir(s->holders[1].dir), 0);
	assert_int_equal(chdir("d"), 0);
	for (int round = 0; round < 2; round++) {
		if (round == 0)
			assert_int_equal(kt_snapshot_create(s->store, "after"), 0);
		restore(s, "before");
		EACH(s, h)
		{
			SOON(has(h->root, "a", "before"));
			SOON(has(h->root, "d/x", "1"));
			SOON(has(h->root, "d/gone/y", "2"));
			SOON(has(h->root, "turned", "3"));
			SOON(lists(h->root, "d", "gone x"));
			SOON(lists(h->root, "d/new", NULL));
			SOON(is_open(h->file, "before"));
			SOON(is_mapped(s, h->map, "before"));
			SOON(has(h->subdirectory, "z", NULL));
		}
		SOON(lists(AT_FDCWD, ".", "gone x"));
		restore(s, "after");
		EACH(s, h)
		{
			SOON(has(h->root, "a", "now, and longer"));
			SOON(lists(h->root, "d", "new"));
			SOON(lists(h->root, "turned", "%value t"));
			SOON(has(h->root, "d/x", NULL));
			SOON(has(h->root, "d/gone", NULL));
			SOON(is_open(h->file, "now, and longer"));
			SOON(is_mapped(s, h->map, "now, and longer"));
			SOON(has(h->subdirectory, "z", "4"));
		}
		SOON(lists(AT_FDCWD, ".", "new"));
	}
}

/* A key becomes a directory and turns back, again and again. Its file is the same all the time, for
 * who has it open; and so is its directory. */
static void test_turn(void **state)
{
	struct scene *s = *state;
	ino_t ino;

	CHANGE(s, "k=file");
	EACH(s, h)
	{
		SOON(has(h->root, "k", "file"));
		hold_file(h, "k");
		assert_true(is_mapped(s, h->map, "file"));
		assert_true(!has(h->root, "k/x", "1") && has(h->root, "none", NULL));
	}
	ino = stat_at(s->holders[0].root, "k").st_ino;
	for (int round = 0; round < 3; round++) {
		CHANGE(s, "k/x=1");
		EACH(s, h)
		{
			SOON(lists(h->root, "k", "%value x"));
			SOON(has(h->root, "k/x", "1"));
			SOON(has(h->root, "k/%value", "file"));
			assert_int_equal(stat_at(h->root, "k/%value").st_ino, ino);
			assert_true(is_open(h->file, "file") && is_mapped(s, h->map, "file"));
			assert_true(has(h->root, "k/none", NULL));
			if (round == 0)
				hold_directory(h, "k");
			SOON(lists(h->subdirectory, ".", "%value x"));
		}
		if (round == 0)
			assert_int_equal(fchdir(s->holders[0].subdirectory), 0);
		CHANGE(s, "k=changed", "k/none=2");
		EACH(s, h)
		{
			SOON(is_open(h->file, "changed"));
			SOON(is_mapped(s, h->map, "changed"));
			SOON(has(h->subdirectory, "%value", "changed"));
			SOON(has(h->subdirectory, "none", "2"));
		}
		SOON(lists(AT_FDCWD, ".", "%value none x"));
		CHANGE(s, "k=file", "k/x", "k/none");
		EACH(s, h)
		{
			SOON(has(h->root, "k", "file"));
			SOON(is_open(h->file, "file"));
			SOON(is_mapped(s, h->map, "file"));
			SOON(has(h->subdirectory, "x", NULL));
			assert_int_equal(stat_at(h->root, "k").st_ino, ino);
		}
		SOON(has(AT_FDCWD, "none", NULL));
	}
	/* the value goes, and what is below stays; and the other way round */
	CHANGE(s, "k/x=1", "k");
	EACH(s, h)
	{
		SOON(lists(h->root, "k", "x"));
		SOON(is_open(h->file, NULL));
		SOON(has(h->subdirectory, "x", "1"));
		SOON(has(h->subdirectory, "%value", NULL));
	}
	CHANGE(s, "k/x", "k=back");
	EACH(s, h)
	{
		SOON(has(h->root, "k", "back"));
		SOON(is_open(h->file, "back"));
		SOON(is_mapped(s, h->map, "back"));
	}
}

static bool has_links(int dir, const char *path, const char *text, unsigned links)
{
	struct stat stat_;

	return has(dir, path, text) && fstatat(dir, path, &stat_, 0) == 0 &&
	       stat_.st_nlink == links;
}

static void write_at(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
	assert_int_equal(close(fd), 0);
}

/* Several names of one file, made, written, renamed and removed through either mount and by the
 * application: one file, in both. */
static void test_links(void **state)
{
	struct scene *s = *state;
	int m = s->holders[0].root, n = s->holders[1].root;
	struct kt_txn *txn;

	write_at(m, "a", "text");
	assert_int_equal(linkat(m, "a", m, "b", 0), 0);
	EACH(s, h)
	{
		SOON(has_links(h->root, "a", "text", 2) && has_links(h->root, "b", "text", 2));
		assert_int_equal(stat_at(h->root, "a").st_ino, stat_at(m, "b").st_ino);
		hold_file(h, "a");
		assert_true(is_mapped(s, h->map, "text") && has(h->root, "c", NULL));
	}
	write_at(n, "b", "TEXT");
	assert_int_equal(linkat(n, "b", n, "c", 0), 0);
	EACH(s, h)
	{
		SOON(has_links(h->root, "a", "TEXT", 3) && has_links(h->root, "c", "TEXT", 3));
		SOON(is_open(h->file, "TEXT") && is_mapped(s, h->map, "TEXT"));
	}
	assert_int_equal(kt_begin(s->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_write(txn, "c", 1, 4, "+", 1), 0);
	assert_int_equal(kt_link(txn, "c", 1, txn, "d/e", 3), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	EACH(s, h)
	{
		SOON(has_links(h->root, "b", "TEXT+", 4) && has_links(h->root, "d/e", "TEXT+", 4));
		SOON(is_open(h->file, "TEXT+") && is_mapped(s, h->map, "TEXT+"));
	}
	/* the name under which it was opened goes, and becomes another file */
	assert_int_equal(unlinkat(n, "a", 0), 0);
	assert_int_equal(renameat(m, "b", m, "d/b"), 0);
	EACH(s, h)
	{
		SOON(has(h->root, "a", NULL) && has(h->root, "b", NULL));
		SOON(has_links(h->root, "d/b", "TEXT+", 3));
	}
	CHANGE(s, "a=another", "c=own");
	EACH(s, h)
	{
		SOON(has_links(h->root, "a", "another", 1) && has_links(h->root, "c", "own", 1));
		SOON(has_links(h->root, "d/b", "TEXT+", 2) &&
			has_links(h->root, "d/e", "TEXT+", 2));
		SOON(is_open(h->file, "TEXT+") && is_mapped(s, h->map, "TEXT+"));
		assert_int_equal(stat_at(h->root, "d/b").st_ino, stat_at(h->root, "d/e").st_ino);
	}
	write_at(m, "d/e", "text");
	assert_int_equal(linkat(m, "d/b", m, "b", 0), 0);
	assert_int_equal(renameat(n, "a", n, "d/e"), 0);
	EACH(s, h)
	{
		SOON(has_links(h->root, "d/e", "another", 1) && has(h->root, "a", NULL));
		SOON(has_links(h->root, "d/b", "text+", 2) && has_links(h->root, "b", "text+", 2));
		SOON(is_open(h->file, "text+") && is_mapped(s, h->map, "text+"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
