#include "tests/unit/store/entry/sharing_world.h"

#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include "store/entry/shared_entry.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static int sharing_setup(void **state)
{
	struct sharing_world *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(temp_make(&f->temp), 0);
	*state = f;
	return 0;
}

int sharing_setup_file(void **state)
{
	struct sharing_world *f;

	sharing_setup(state);
	f = *state;
	return kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

int sharing_setup_memory(void **state)
{
	struct sharing_world *f;

	sharing_setup(state);
	f = *state;
	f->memory = true;
	return kt_open_memory("test", &f->store);
}

int sharing_teardown(void **state)
{
	struct sharing_world *f = *state;

	if (f->child > 0) {
		kill(f->child, SIGKILL);
		waitpid(f->child, NULL, 0);
	}
	kt_abort(f->txn);
	kt_close(f->store);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

void sharing_begin(struct sharing_world *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
}

void sharing_commit(struct sharing_world *f)
{
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
}

void sharing_end(struct sharing_world *f)
{
	kt_abort(f->txn);
	f->txn = NULL;
}

static void tell(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("page %llu: %s\n", (unsigned long long)page, message);
}

void sharing_assert_sound(struct sharing_world *f)
{
	uint64_t findings;

	assert_int_equal(kt_check(f->store, tell, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

int sharing_put(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

int sharing_link(struct kt_txn *txn, const char *from, const char *to)
{
	return kt_link(txn, from, strlen(from), txn, to, strlen(to));
}

int sharing_drop_key(struct kt_txn *txn, const char *key)
{
	return kt_delete(txn, key, strlen(key), 0);
}

struct kt_entry_info sharing_stat(struct kt_txn *txn, const char *key)
{
	struct kt_entry_info stat;

	assert_int_equal(kt_stat(txn, key, strlen(key), &stat), 0);
	return stat;
}

void sharing_assert_value(struct kt_txn *txn, const char *key, const char *text)
{
	struct kt_slice value;
	char buf[100];
	size_t got;

	assert_int_equal(kt_get(txn, key, strlen(key), &value), 0);
	assert_int_equal(value.size, strlen(text));
	assert_memory_equal(value.data, text, value.size);
	assert_int_equal(kt_read(txn, key, strlen(key), 0, buf, sizeof(buf), &got), 0);
	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, got);
}
