/* Stands in for what kt_strerror() needs of the engine, until that is there. */
#include "store/keytree.h"

__attribute__((weak)) const char *kt_name(const struct kt_store *store)
{
	(void)store;
	return "";
}
