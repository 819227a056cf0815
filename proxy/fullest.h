#ifndef PROXY_FULLEST_H
#define PROXY_FULLEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which of many has most: to take something from it when there is too much in sum; of those that
 * have as much, the one that has not grown for longest. As long as nobody asks, a change
 * of what one has costs nothing; from the first question on they are kept in order (a heap), until
 * fullest_rest().
 */
struct fullest_member {
	size_t weight;   /* what it has */
	size_t place;    /* in members */
	uint64_t growth; /* when it last grew, or was set to what it had */
};

struct fullest {
	struct fullest_member **members; /* owned; the members are borrowed */
	size_t count, size;
	uint64_t growths;
	bool sorted; /* none comes before the one at half its place */
};

/* A member that has nothing. 0, or -1: out of memory. */
int fullest_add(struct fullest *fullest, struct fullest_member *member);
void fullest_remove(struct fullest *fullest, struct fullest_member *member);

/* Frees the list, not the members. */
void fullest_done(struct fullest *fullest);

/* Moves a member whose weight has changed. */
void fullest_move(struct fullest *fullest, struct fullest_member *member);

static inline void fullest_set(
	struct fullest *fullest, struct fullest_member *member, size_t weight)
{
	if (weight >= member->weight)
		member->growth = ++fullest->growths;
	member->weight = weight;
	if (fullest->sorted)
		fullest_move(fullest, member);
}

/* The one that has most; NULL: there is none. */
struct fullest_member *fullest_find(struct fullest *fullest);

/* There will be no question for a while. */
static inline void fullest_rest(struct fullest *fullest)
{
	fullest->sorted = false;
}

#endif
