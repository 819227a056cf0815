#ifndef TESTS_UNIT_NAMES_CASE_H
#define TESTS_UNIT_NAMES_CASE_H

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/*
 * Names for tests: getaddrinfo() of the test's own. What a name stands for is a list of addresses,
 * one answer after the other, the last one from then on; an empty list is a name that is not known.
 */
enum { NAMES_ANSWERS_MAX = 8, NAMES_ADDRESSES_MAX = 3 };

static struct {
	const char *answers[NAMES_ANSWERS_MAX][NAMES_ADDRESSES_MAX];
	int answer_count;
	atomic_int asked;
	bool blocks; /* until names_case_release() */
	sem_t released;
} names_case;

typedef int names_case_getaddrinfo(
	const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The C library's, for an address written in digits. */
static struct addrinfo *names_case_one(
	const char *text, const char *port, const struct addrinfo *hints, struct addrinfo *next)
{
	names_case_getaddrinfo *real;
	struct addrinfo *found;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (real(text, port, hints, &found) != 0)
		return next;
	found->ai_next = next;
	return found;
}

int getaddrinfo(
	const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
	int answer = atomic_fetch_add(&names_case.asked, 1), i;

	*found = NULL;
	if (names_case.blocks)
		while (sem_wait(&names_case.released) != 0)
			;
	if (host[strspn(host, "0123456789.:")] == '\0')
		*found = names_case_one(host, port, hints, NULL);
	if (answer >= names_case.answer_count)
		answer = names_case.answer_count - 1;
	for (i = NAMES_ADDRESSES_MAX - 1; *found == NULL || i >= 0; i--) {
		if (i < 0 || answer < 0)
			break;
		if (names_case.answers[answer][i] != NULL)
			*found = names_case_one(names_case.answers[answer][i], port, hints, *found);
	}
	return *found != NULL ? 0 : EAI_NONAME;
}

/* The next answer that the name will have. */
static inline void names_case_add(const char *first, const char *second)
{
	names_case.answers[names_case.answer_count][0] = first;
	names_case.answers[names_case.answer_count++][1] = second;
}

static inline void names_case_block(void)
{
	ck_assert_int_eq(sem_init(&names_case.released, 0, 0), 0);
	names_case.blocks = true;
}

static inline void names_case_release(void)
{
	ck_assert_int_eq(sem_post(&names_case.released), 0);
}

#endif
