/* A binary heap that is put in order when it is first asked; see fullest.h. */
#include "proxy/trace/names/fullest.h"

#include <assert.h>
#include <stdlib.h>

#define FULLEST_SIZE_MIN 8

static void fullest_put(struct fullest *fullest, size_t place, struct fullest_member *member)
{
	fullest->members[place] = member;
	member->place = place;
}

/* Lets a member that has more than those above it rise. */
static void fullest_rise(struct fullest *fullest, struct fullest_member *member)
{
	size_t place = member->place, above;

	for (; place > 0; place = above) {
		above = (place - 1) / 2;
		if (fullest->members[above]->weight >= member->weight)
			break;
		fullest_put(fullest, place, fullest->members[above]);
	}
	fullest_put(fullest, place, member);
}

/* Lets a member that has less than those below it sink. */
static void fullest_sink(struct fullest *fullest, struct fullest_member *member)
{
	size_t place = member->place, below;

	for (; (below = 2 * place + 1) < fullest->count; place = below) {
		if (below + 1 < fullest->count &&
			fullest->members[below + 1]->weight > fullest->members[below]->weight)
			below++;
		if (fullest->members[below]->weight <= member->weight)
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
	member->weight = 0; /* as little as any: the last place is right */
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
	*fullest = (struct fullest){.members = NULL};
}
