#include "store/util/array.h"

#include <stdlib.h>

#define CAPACITY_FIRST 16

void *array_grow(void *array, size_t element, size_t *capacity)
{
	size_t more = *capacity > 0 ? *capacity * 2 : CAPACITY_FIRST;
	void *grown = reallocarray(array, more, element);

	if (grown != NULL)
		*capacity = more;
	return grown;
}
