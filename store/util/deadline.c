#include "store/util/deadline.h"

#include <limits.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static int64_t deadline_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t deadline_after_ms(int timeout_ms)
{
	return timeout_ms < 0 ? DEADLINE_NEVER : deadline_now_ns() + timeout_ms * NS_PER_MS;
}

bool deadline_left(int64_t deadline_ns, struct timespec *ret_left)
{
	int64_t left =
		deadline_ns == DEADLINE_NEVER ? 3600 * NS_PER_S : deadline_ns - deadline_now_ns();

	if (left <= 0)
		return false;
	ret_left->tv_sec = left / NS_PER_S;
	ret_left->tv_nsec = left % NS_PER_S;
	return true;
}

int deadline_left_ms(int64_t deadline_ns)
{
	int64_t left = deadline_ns == DEADLINE_NEVER ? -NS_PER_MS : deadline_ns - deadline_now_ns();

	if (deadline_ns == DEADLINE_NEVER)
		return -1;
	if (left <= 0)
		return 0;
	left = (left + NS_PER_MS - 1) / NS_PER_MS;
	return left < INT_MAX ? (int)left : INT_MAX;
}

void deadline_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}
