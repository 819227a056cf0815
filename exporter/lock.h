#ifndef EXPORTER_LOCK_H
#define EXPORTER_LOCK_H

#include <assert.h>
#include <pthread.h>

/*
 * Locks of ours, which are never destroyed early: one that is taken twice by a thread, or given
 * back by another, is our mistake, and is told as such.
 */

/* 0, or -1 when the system has no more of them. */
static inline int lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;
	int failed = pthread_mutexattr_init(&attributes);

	if (failed != 0)
		return -1;
	failed = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	if (failed == 0)
		failed = pthread_mutex_init(lock, &attributes);
	(void)pthread_mutexattr_destroy(&attributes); /* was initialised */
	return failed == 0 ? 0 : -1;
}

static inline void lock_take(pthread_mutex_t *lock)
{
	int failed = pthread_mutex_lock(lock);

	assert(failed == 0);
	(void)failed;
}

static inline void lock_give(pthread_mutex_t *lock)
{
	int failed = pthread_mutex_unlock(lock);

	assert(failed == 0);
	(void)failed;
}

#endif
