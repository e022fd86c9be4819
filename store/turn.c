/* The writer's turn: one write transaction, or flush, at a time in this process. */
#include "store.h"

#include <errno.h>

int turn_take(struct kt_store *store, bool try)
{
	int err = 0;

	pthread_mutex_lock(&store->turn_mutex);
	if (store->turn_taken && pthread_equal(store->turn_owner, pthread_self()))
		err = -EDEADLK;
	else if (store->turn_taken && try)
		err = -EAGAIN;
	while (err == 0 && store->turn_taken)
		pthread_cond_wait(&store->turn_free, &store->turn_mutex);
	if (err == 0) {
		store->turn_taken = true;
		store->turn_owner = pthread_self();
	}
	pthread_mutex_unlock(&store->turn_mutex);
	return err;
}

void turn_give(struct kt_store *store)
{
	pthread_mutex_lock(&store->turn_mutex);
	store->turn_taken = false;
	pthread_cond_signal(&store->turn_free);
	pthread_mutex_unlock(&store->turn_mutex);
}
