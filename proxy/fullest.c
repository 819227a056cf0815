/* A binary heap that is put in order when it is first asked. */
#include "proxy/fullest.h"

#include <assert.h>
#include <stdlib.h>

#define FULLEST_SIZE_MIN 8

static void fullest_put(struct fullest *fullest, size_t place, struct fullest_member *member)
{
	fullest->members[place] = member;
	member->place = place;
}

/* Whether something is taken from one rather than from the other. */
static bool fullest_precedes(const struct fullest_member *one, const struct fullest_member *other)
{
	return one->weight != other->weight ? one->weight > other->weight
					    : one->growth < other->growth;
}

/* Lets a member that precedes those above it rise. */
static void fullest_rise(struct fullest *fullest, struct fullest_member *member)
{
	size_t place = member->place, above;

	for (; place > 0; place = above) {
		above = (place - 1) / 2;
		if (!fullest_precedes(member, fullest->members[above]))
			break;
		fullest_put(fullest, place, fullest->members[above]);
	}
	fullest_put(fullest, place, member);
}

/* Lets a member sink that those below it precede. */
static void fullest_sink(struct fullest *fullest, struct fullest_member *member)
{
	size_t place = member->place, below;

	for (; (below = 2 * place + 1) < fullest->count; place = below) {
		if (below + 1 < fullest->count &&
			fullest_precedes(fullest->members[below + 1], fullest->members[below]))
			below++;
		if (!fullest_precedes(fullest->members[below], member))
			break;
		fullest_put(fullest, place, fullest->members[below]);
	}
	fullest_put(fullest, place, member);
}

void fullest_move(struct fullest *fullest, struct fullest_member *member)
{
	assert(fullest->members[member->place] == member);
	fullest_rise(fullest, member);
	fullest_sink(fullest, member);
}

struct fullest_member *fullest_find(struct fullest *fullest)
{
	size_t place;

	if (fullest->count == 0)
		return NULL;
	if (!fullest->sorted)
		for (place = fullest->count / 2; place > 0; place--)
			fullest_sink(fullest, fullest->members[place - 1]);
	fullest->sorted = true;
	return fullest->members[0];
}

int fullest_add(struct fullest *fullest, struct fullest_member *member)
{
	size_t size = fullest->size > 0 ? 2 * fullest->size : FULLEST_SIZE_MIN;
	struct fullest_member **members;

	if (fullest->count == fullest->size) {
		members = realloc(fullest->members, size * sizeof(struct fullest_member *));
		if (members == NULL)
			return -1;
		fullest->members = members;
		fullest->size = size;
	}
	member->weight = 0;
	member->growth = ++fullest->growths; /* and none is later: the last place is right */
	fullest_put(fullest, fullest->count++, member);
	return 0;
}

void fullest_remove(struct fullest *fullest, struct fullest_member *member)
{
	struct fullest_member *last = fullest->members[--fullest->count];

	assert(fullest->members[member->place] == member);
	if (last != member) {
		fullest_put(fullest, member->place, last);
		if (fullest->sorted)
			fullest_move(fullest, last);
	}
	if (fullest->count == 0)
		fullest_done(fullest);
}

void fullest_done(struct fullest *fullest)
{
	free(fullest->members);
	*fullest = (struct fullest){.growths = fullest->growths};
}
