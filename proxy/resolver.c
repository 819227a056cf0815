/*
 * Looking names up; see resolver.h. The thread owns a job and the one end of a pipe, which it
 * closes when it is done; it shares nothing else. Whoever of the two comes last frees the job, as a
 * look-up cannot be stopped and may outlive everything here.
 */
#include "proxy/resolver.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/loop.h"

#define RESOLVER_FRESH_NS 5000000000ull

enum { RESOLVER_JOB_RUNS, RESOLVER_JOB_DONE, RESOLVER_JOB_ABANDONED };

struct resolver_job {
	struct url url;
	int done_fd; /* owned by the thread; its end of file says that it is done */
	struct address list[ADDRESS_LIST_MAX];
	size_t count;
	char error[256];
	atomic_int state;
};

struct resolver {
	struct loop *loop;     /* borrowed */
	const struct url *url; /* borrowed */
	bool is_name;
	struct address list[ADDRESS_LIST_MAX];
	size_t count;             /* 0: not known */
	uint64_t good_until_ns;   /* of a name */
	struct resolver_job *job; /* shared with the thread; NULL: no look-up goes on */
	struct event on_ask;      /* activated to start one: from the loop, never before it runs */
	struct event on_done;     /* with its descriptor; set up while there is a job */
	TAILQ_HEAD(, resolver_wait) waits;
	size_t wait_count;
};

/* ---- the thread ---- */

static void *resolver_thread(void *arg)
{
	struct resolver_job *job = arg;
	int done_fd = job->done_fd;

	job->count = address_resolve(
		job->list, ADDRESS_LIST_MAX, &job->url, job->error, sizeof job->error);
	if (atomic_exchange(&job->state, RESOLVER_JOB_DONE) == RESOLVER_JOB_ABANDONED)
		free(job);
	(void)close(done_fd); /* nothing was written through it */
	return NULL;
}

/* Starts it, with all signals left to the loop's thread. 0, or an errno. */
static int resolver_start_thread(struct resolver_job *job)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int error = pthread_attr_init(&attributes);

	if (error != 0)
		return error;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED); /* is valid */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* is valid */
	error = pthread_create(&thread, &attributes, resolver_thread, job);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return error;
}

/* ---- look-ups ---- */

/* Tells those who are waiting now: who asks again meanwhile has asked for another look-up. */
static void resolver_tell(struct resolver *resolver, const char *error)
{
	size_t count = resolver->wait_count;
	struct resolver_wait *wait;

	while (count-- > 0 && (wait = TAILQ_FIRST(&resolver->waits)) != NULL) {
		resolver_leave(resolver, wait);
		wait->hook(wait->arg, error);
	}
}

static void resolver_on_done(int fd, short what, void *arg)
{
	struct resolver *resolver = arg;
	struct resolver_job *job = resolver->job;

	(void)what;
	(void)close(fd); /* nothing comes through it but its end */
	assert(atomic_load(&job->state) == RESOLVER_JOB_DONE);
	loop_clock(resolver->loop);
	resolver->job = NULL;
	resolver->count = job->count;
	memcpy(resolver->list, job->list, sizeof resolver->list);
	resolver->good_until_ns = resolver->loop->now_ns + RESOLVER_FRESH_NS;
	resolver_tell(resolver, job->count == 0 ? job->error : NULL);
	free(job);
}

/* 0, or an errno. */
static int resolver_start(struct resolver *resolver)
{
	struct resolver_job *job = calloc(1, sizeof *job);
	int ends[2] = {-1, -1}, failed, error = ENOMEM;

	if (job == NULL)
		goto fail;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		error = errno;
		goto fail;
	}
	job->url = *resolver->url;
	job->done_fd = ends[1];
	failed = event_assign(&resolver->on_done, resolver->loop->base, ends[0], EV_READ,
		resolver_on_done, resolver);
	assert(failed == 0); /* only a wrong combination of flags can fail */
	if (event_add(&resolver->on_done, NULL) != 0)
		goto fail;
	error = resolver_start_thread(job);
	if (error != 0) {
		(void)event_del(&resolver->on_done); /* it was set up, so this cannot fail */
		goto fail;
	}
	resolver->job = job;
	return 0;
fail:
	if (ends[0] >= 0) {
		(void)close(ends[0]); /* nothing was written to it */
		(void)close(ends[1]);
	}
	free(job);
	return error;
}

static void resolver_on_ask(int fd, short what, void *arg)
{
	struct resolver *resolver = arg;
	int error;

	(void)fd;
	(void)what;
	if (resolver->job != NULL || resolver->wait_count == 0)
		return;
	error = resolver_start(resolver);
	if (error != 0)
		resolver_tell(resolver, strerror(error));
}

/* ---- what sessions see ---- */

struct resolver *resolver_new(struct loop *loop, const struct url *url)
{
	struct resolver *resolver = calloc(1, sizeof *resolver);
	char error[256];
	int failed;

	if (resolver == NULL)
		return NULL;
	resolver->loop = loop;
	resolver->url = url;
	resolver->is_name = address_is_name(url);
	TAILQ_INIT(&resolver->waits);
	failed = event_assign(&resolver->on_ask, loop->base, -1, 0, resolver_on_ask, resolver);
	assert(failed == 0); /* only a wrong combination of flags can fail */
	(void)failed;
	if (!resolver->is_name)
		resolver->count =
			address_resolve(resolver->list, ADDRESS_LIST_MAX, url, error, sizeof error);
	return resolver;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	assert(resolver->wait_count == 0);
	(void)event_del(&resolver->on_ask); /* it was set up, so this cannot fail */
	if (resolver->job != NULL) {
		(void)event_del(&resolver->on_done); /* it was set up, so this cannot fail */
		(void)close(event_get_fd(&resolver->on_done)); /* nothing comes through it */
		if (atomic_exchange(&resolver->job->state, RESOLVER_JOB_ABANDONED) ==
			RESOLVER_JOB_DONE)
			free(resolver->job);
	}
	free(resolver);
}

size_t resolver_known(const struct resolver *resolver, struct address list[ADDRESS_LIST_MAX])
{
	if (resolver->is_name && resolver->loop->now_ns >= resolver->good_until_ns)
		return 0;
	memcpy(list, resolver->list, resolver->count * sizeof *list);
	return resolver->count;
}

void resolver_ask(struct resolver *resolver, struct resolver_wait *wait)
{
	assert(!wait->waiting);
	wait->waiting = true;
	TAILQ_INSERT_TAIL(&resolver->waits, wait, link);
	resolver->wait_count++;
	if (resolver->job == NULL)
		event_active(&resolver->on_ask, EV_TIMEOUT, 0);
}

void resolver_leave(struct resolver *resolver, struct resolver_wait *wait)
{
	if (!wait->waiting)
		return;
	wait->waiting = false;
	TAILQ_REMOVE(&resolver->waits, wait, link);
	resolver->wait_count--;
}

void resolver_worked(struct resolver *resolver, const struct address *address)
{
	struct address worked = *address; /* it may be one of the list */
	size_t i;

	for (i = 0; i < resolver->count; i++)
		if (resolver->list[i].size == worked.size &&
			memcmp(&resolver->list[i].storage, &worked.storage, worked.size) == 0)
			break;
	if (i == resolver->count)
		return; /* of an earlier look-up */
	memmove(&resolver->list[1], &resolver->list[0], i * sizeof worked);
	resolver->list[0] = worked;
}

void resolver_failed(struct resolver *resolver)
{
	resolver->good_until_ns = 0;
}
