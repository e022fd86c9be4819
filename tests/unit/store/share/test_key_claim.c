/* Claims on keys: one handle at a time has a claim, and it ends with the handle. */
#include "keytree_fs.h"

#include "tests/unit/temp.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct temp temp;
	struct kt_store *store;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (temp_make(&f->temp) != 0)
		return -1;
	return kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_close(f->store);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

/* Of two handles one has the claim, until it ends it. Keys do not hinder each other. */
static void one_has_it(void **state)
{
	struct fixture *f = *state;
	uint64_t a = kt_claim_of("a", 1), b = kt_claim_of("b", 1);
	struct kt_store *other;

	assert_true(a != b && a != 0 && b != 0);
	assert_int_equal(kt_open(f->temp.path, NULL, &other), 0);
	assert_false(kt_is_claimed(other, a));
	assert_int_equal(kt_claim(f->store, a), 0);
	assert_int_equal(kt_claim(f->store, a), 0);
	assert_true(kt_is_claimed(other, a));
	assert_false(kt_is_claimed(f->store, a)); /* not by another */
	assert_int_equal(kt_claim(other, a), -EBUSY);
	assert_int_equal(kt_claim(other, b), 0);
	kt_unclaim(f->store, a);
	assert_int_equal(kt_claim(other, a), 0);
	assert_int_equal(kt_claim(f->store, a), -EBUSY);
	assert_int_equal(kt_close(other), 0);
	assert_int_equal(kt_claim(f->store, a), 0);
}

/* A claim ends with its process. */
static void a_dead_process_has_none(void **state)
{
	struct fixture *f = *state;
	uint64_t claim = kt_claim_of("a", 1);
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct kt_store *store;

		if (kt_open(f->temp.path, NULL, &store) == 0 && kt_claim(store, claim) == 0 &&
			write(fds[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kt_claim(f->store, claim), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(kt_claim(f->store, claim), 0);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_has_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_process_has_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
