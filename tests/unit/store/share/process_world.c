#include "tests/unit/store/share/process_world.h"

#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

void process_not_so(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: child: not so: %s\n", file, line, what);
	_exit(line % 250 + 1);
}

int process_setup(void **state)
{
	struct process_world *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-process-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	snprintf(f->lock, sizeof(f->lock), "%s-lock", f->path);
	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*state = f;
	return kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

int process_teardown(void **state)
{
	struct process_world *f = *state;

	kt_close(f->store);
	munmap(f->shared, sizeof(*f->shared));
	temp_remove_dir(f->dir);
	free(f);
	return 0;
}

int64_t process_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void process_await(struct process_world *f, int turn)
{
	int64_t end = process_now_ns() + INT64_C(60000000000);

	while (atomic_load(&f->shared->turn) < turn && process_now_ns() < end)
		sched_yield();
}

void process_advance(struct process_world *f, int turn)
{
	atomic_store(&f->shared->turn, turn);
}

void process_join(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

void process_kill_child(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

int process_put_number(struct kt_store *store, const char *key, uint64_t number, unsigned flags)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	err = kt_put_uint(txn, key, strlen(key), 8, number);
	if (err != 0) {
		kt_abort(txn);
		return err;
	}
	return kt_commit(txn, flags);
}

uint64_t process_number_in(struct kt_txn *txn, const char *key)
{
	uint64_t number = UINT64_MAX;

	kt_get_uint(txn, key, strlen(key), 8, &number);
	return number;
}

uint64_t process_get_number(struct kt_store *store, const char *key)
{
	struct kt_txn *txn;
	uint64_t number;

	if (kt_begin(store, KT_READ, &txn) != 0)
		return UINT64_MAX;
	number = process_number_in(txn, key);
	kt_abort(txn);
	return number;
}

void process_check(struct kt_store *store)
{
	uint64_t findings = 1;

	assert_int_equal(kt_check(store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

void process_churn(struct kt_store *store, int commits)
{
	static unsigned char value[30000];
	struct kt_txn *txn;

	for (int i = 0; i < commits; i++) {
		char key[16];

		snprintf(key, sizeof(key), "churn %d", i % 8);
		memset(value, i + 1, sizeof(value));
		assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		assert_int_equal(kt_put(txn, key, strlen(key), value, sizeof(value)), 0);
		assert_int_equal(kt_commit(txn, i % 4 == 0 ? KT_FLUSH : 0), 0);
	}
}

bool process_is_whole(struct kt_txn *txn)
{
	for (int i = 0; i < 8; i++) {
		struct kt_slice value;
		char key[16];

		snprintf(key, sizeof(key), "churn %d", i);
		if (kt_get(txn, key, strlen(key), &value) != 0 || value.size != 30000)
			return false;
		for (size_t at = 1; at < value.size; at++)
			if (((const unsigned char *)value.data)[at] !=
				((const unsigned char *)value.data)[0])
				return false;
	}
	return true;
}

pid_t process_start_reader(struct process_world *f, unsigned flags, uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct kt_store *store;
		struct kt_txn *txn;

		MUST(uid == 0 || (setgid(uid) == 0 && setuid(uid) == 0));
		MUST(kt_open(f->path, KT_OPTIONS(.flags = flags), &store) == 0);
		MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
		MUST(process_is_whole(txn));
		process_advance(f, 1);
		process_await(f, 2);
		MUST(process_is_whole(txn));
		kt_abort(txn);
		MUST(kt_begin(store, KT_READ | KT_VERIFY, &txn) == 0);
		MUST(process_number_in(txn, "after") == 7);
		MUST(process_is_whole(txn));
		kt_abort(txn);
		MUST(kt_close(store) == 0);
		_exit(0);
	}
	process_await(f, 1);
	return pid;
}
