#include "memory.h"

#include <stddef.h>

static unsigned long countdown;
static bool armed, failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void memory_fail_at(unsigned long n)
{
	countdown = n;
	failed = false;
}

bool memory_failed(void)
{
	return failed;
}

void memory_enter(void)
{
	armed = true;
}

bool memory_leave(void)
{
	bool entered = armed;

	armed = false;
	return entered;
}

void memory_restore(bool entered)
{
	armed = entered;
}

static bool fails(void)
{
	if (!armed || countdown == 0 || --countdown > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}
