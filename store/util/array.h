/* Arrays that grow: to twice their size each time, so that adding an element costs the same on
 * average. */
#ifndef STORE_UTIL_ARRAY_H
#define STORE_UTIL_ARRAY_H

#include <stddef.h>

/** Make room for more elements.
 *  @param array     taken on success; NULL: there is none yet
 *  @param element   size of an element
 *  @param capacity  elements there is room for; on success, larger
 *  @return the array; NULL without memory: nothing has changed */
void *array_grow(void *array, size_t element, size_t *capacity);

#endif
