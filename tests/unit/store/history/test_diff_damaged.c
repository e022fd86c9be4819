/* Differences of damaged trees end: kt_diff(), and what is built on it, restore and increments; so do
 * cursors. The pages are rightly sealed, as an attacker would have it, but one page is the child of
 * many, level above level: the keys that a walk would meet have no end. */
#include "tests/unit/fixture.h"

#include "store/commit/txn.h"
#include "store/store.h"
#include "store/tree/node.h"
#include "store/tree/node_edit.h"
#include "store/tree/page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM 80		/* blocks of a value: the pages that a test makes are written over them */
#define CHILDREN 100	/* of a branch */
#define KEYS_MOST 1000	/* that may be told before the damage is found: two leaves */
#define TIME_LIMIT_S 60 /* of one test */

struct damaged {
	struct fixture *fixture;
	int fd;
	uint64_t next, end; /* page to be written next */
};

static void open_room(struct fixture *f, struct damaged *d)
{
	static uint8_t room[ROOM * PAGE_SIZE];
	struct kt_slice value;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	assert_int_equal(kt_put(f->txn, KT_STR("room"), room, sizeof(room)), 0);
	assert_int_equal(kt_put(f->txn, KT_STR("zzz"), KT_STR("")), 0);
	assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &f->txn), 0);
	assert_int_equal(kt_get(f->txn, KT_STR("room"), &value), 0);
	d->fixture = f;
	d->next = (uint64_t)((const uint8_t *)value.data - f->store->map) / PAGE_SIZE;
	d->end = d->next + ROOM;
	d->fd = open(f->temp.path, O_RDWR | O_CLOEXEC);
	assert_true(d->fd >= 0);
	alarm(TIME_LIMIT_S);
}

static void close_room(struct damaged *d)
{
	alarm(0);
	close(d->fd);
}

/* Write a page. @return the reference to it */
static uint64_t place(struct damaged *d, uint8_t page[PAGE_SIZE])
{
	struct kt_store *store = d->fixture->store;
	uint64_t ref = page_seal(page, d->next, 1, store->seed);

	assert_true(d->next < d->end);
	assert_int_equal(pwrite(d->fd, page, PAGE_SIZE, (off_t)(d->next * PAGE_SIZE)), PAGE_SIZE);
	d->next++;
	return ref;
}

static void add(uint8_t *node, unsigned index, const struct cell *cell, const char *key)
{
	struct image_buffer buffer;
	struct image image;

	if (node_header(node)->kind == PAGE_LEAF)
		cell_image(cell, &buffer, &image);
	else
		cell_image_branch(cell, &buffer, &image);
	image.key = (const uint8_t *)key;
	image.key_size = strlen(key);
	image.spilled = cell->spilled;
	node_add_cell(node, index, &image, image.key, image.key_size);
}

/* A leaf with keys that are separated by spaces, in the order given. */
static uint64_t make_leaf(struct damaged *d, const char *keys)
{
	uint8_t leaf[PAGE_SIZE];
	unsigned count = 0;

	node_init(leaf, 0);
	while (*keys != '\0') {
		struct cell cell = {.flags = CELL_STAMPED, .version = d->next};
		size_t size = strcspn(keys, " ");
		char key[32] = "";

		memcpy(key, keys, size);
		add(leaf, count++, &cell, key);
		keys += size + (keys[size] == ' ');
	}
	return place(d, leaf);
}

/* A branch whose children are all the same. */
static uint64_t make_branch(struct damaged *d, unsigned level, uint64_t child)
{
	uint8_t branch[PAGE_SIZE];

	node_init(branch, level);
	for (unsigned i = 0; i < CHILDREN; i++) {
		struct cell cell = {.value = {.root = child}};
		char key[16] = "";

		if (i > 0)
			snprintf(key, sizeof(key), "k%02u-%u", i, level);
		add(branch, i, &cell, key);
	}
	return place(d, branch);
}

/* Branches on branches. @return reference of the root, on level DEPTH_MAX - 1 */
static uint64_t make_tower(struct damaged *d, unsigned level, uint64_t child)
{
	for (; level < DEPTH_MAX; level++)
		child = make_branch(d, level, child);
	return child;
}

/* A read transaction whose entries are another tree. */
static struct kt_txn *show(struct damaged *d, uint64_t root, unsigned depth)
{
	struct kt_txn *txn;
	struct format_tree *trees;

	assert_int_equal(kt_begin(d->fixture->store, KT_READ, &txn), 0);
	trees = txn_alloc(txn->txn, TREE_COUNT * sizeof(*trees));
	memcpy(trees, txn->txn->trees, TREE_COUNT * sizeof(*trees));
	trees[TREE_ENTRIES].root = root;
	trees[TREE_ENTRIES].depth = depth;
	txn->txn->trees = trees;
	return txn;
}

static int count(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	unsigned *told = arg;

	(void)key;
	(void)from;
	(void)to;
	return ++*told > KEYS_MOST ? -ETIME : 0;
}

static void assert_damaged(struct kt_txn *from, struct kt_txn *to)
{
	unsigned told = 0;

	assert_int_equal(kt_diff(from, to, count, &told), -EUCLEAN);
	told = 0;
	assert_int_equal(kt_diff(to, from, count, &told), -EUCLEAN);
	told = 0;
	assert_int_equal(kt_diff_prefix(from, to, KT_STR("k"), count, &told), -EUCLEAN);
}

/* All ways of a tree lead to one leaf. */
static void one_leaf(void **state)
{
	struct fixture *f = *state;
	struct damaged d;
	struct kt_txn *tower;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	open_room(f, &d);
	tower = show(&d, make_tower(&d, 1, make_leaf(&d, "k1 k2 k3")), DEPTH_MAX);
	assert_damaged(f->txn, tower);
	assert_int_equal(kt_restore(f->store, tower), -EUCLEAN);
	assert_int_equal(kt_backup_since_fd(tower, f->txn, null, NULL, NULL), -EUCLEAN);
	kt_abort(tower);
	close(null);
	close_room(&d);
}

/* So do those of two trees, which share the branches above it: no leaf is ever entered. */
static void shared_branch(void **state)
{
	struct fixture *f = *state;
	struct damaged d;
	struct kt_txn *towers[2];
	uint64_t branch;

	open_room(f, &d);
	branch = make_branch(&d, 1, make_leaf(&d, "k1 k2 k3"));
	for (int i = 0; i < 2; i++)
		towers[i] = show(&d, make_tower(&d, 2, branch), DEPTH_MAX);
	assert_damaged(towers[0], towers[1]);
	kt_abort(towers[0]);
	kt_abort(towers[1]);
	close_room(&d);
}

/* Walk through all entries. @return the error at the end */
static int walk(struct kt_txn *txn, int (*step)(struct kt_cursor *cursor))
{
	struct kt_cursor *cursor;
	unsigned steps = 0;
	int err;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while ((err = step(cursor)) == 0 && ++steps < KEYS_MOST)
		;
	kt_cursor_close(cursor);
	return err;
}

/* A tree with one leaf everywhere, where the keys of the leaf contradict themselves. */
static void assert_leaf_found(struct damaged *d, uint64_t leaf)
{
	struct kt_txn *txn = show(d, make_tower(d, 1, leaf), DEPTH_MAX);

	assert_int_equal(walk(txn, kt_cursor_next), -EUCLEAN);
	assert_int_equal(walk(txn, kt_cursor_prev), -EUCLEAN);
	assert_damaged(d->fixture->txn, txn);
	kt_abort(txn);
}

/* The leaf comes behind itself: its last key is the smallest. The heads of all keys are equal, and
 * more of them nobody verifies when a page is read. */
static void own_neighbour(void **state)
{
	struct fixture *f = *state;
	struct damaged d;

	open_room(f, &d);
	assert_leaf_found(&d, make_leaf(&d, "keep5 keep3 keep1"));
	close_room(&d);
}

/* A page with a key that is too long for a node. */
static uint64_t make_overflow(struct damaged *d, char byte, size_t size)
{
	uint8_t page[PAGE_SIZE] = {0};
	struct page_header *header = (struct page_header *)(void *)page;

	header->kind = PAGE_OVERFLOW;
	header->count = (uint16_t)size;
	memset(page + sizeof(*header) + 8, byte, size);
	return place(d, page);
}

/* The same by long keys, of which the leaf holds other bytes than stand in the overflow pages. */
static void two_opinions(void **state)
{
	static const char held[] = "ac", whole[] = "b0";
	struct fixture *f = *state;
	struct damaged d;
	uint8_t leaf[PAGE_SIZE];

	open_room(f, &d);
	node_init(leaf, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct cell cell = {.flags = CELL_STAMPED,
			.version = 1,
			.spilled = true,
			.key_size = 300,
			.key_overflow = make_overflow(&d, whole[i], 300)};
		char key[SUFFIX_MAX + 1] = "";

		memset(key, held[i], SUFFIX_MAX);
		add(leaf, i, &cell, key);
	}
	assert_leaf_found(&d, place(&d, leaf));
	close_room(&d);
}

/* A snapshot's record can tell any depth, and a node any level. */
static void impossible_depth(void **state)
{
	struct fixture *f = *state;
	struct damaged d;
	struct kt_txn *deep;

	open_room(f, &d);
	deep = show(&d, make_branch(&d, 199, make_leaf(&d, "k1 k2 k3")), 200);
	assert_damaged(f->txn, deep);
	assert_non_null(strstr(kt_strerror(f->store, -EUCLEAN), "impossible depth"));
	kt_abort(deep);
	close_room(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_FILE(one_leaf),
		FIXTURE_FILE(shared_branch),
		FIXTURE_FILE(own_neighbour),
		FIXTURE_FILE(two_opinions),
		FIXTURE_FILE(impossible_depth),
	};

	cmocka_set_test_filter(getenv("KEYTREE_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
