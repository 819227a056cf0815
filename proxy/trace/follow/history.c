/* A set-associative table: the hash chooses a set, in which the latest come first and the last is
 * forgotten. Without memory nothing is remembered. */
#include "proxy/trace/follow/history.h"

#include <stdlib.h>
#include <string.h>

void history_done(struct history *history)
{
	free(history->sets);
	history->sets = NULL;
}

static struct history_record *history_set(const struct history *history, uint64_t hash)
{
	return history->sets[hash % HISTORY_SETS];
}

void history_remember(struct history *history, uint64_t hash, const struct traceparent *context)
{
	struct history_record *set;
	size_t way;

	if (history->sets == NULL)
		history->sets = calloc(HISTORY_SETS, sizeof *history->sets);
	if (history->sets == NULL)
		return;
	set = history_set(history, hash);
	for (way = 0; way < HISTORY_WAYS - 1 && set[way].hash != hash; way++)
		;
	memmove(set + 1, set, way * sizeof *set);
	set[0] = (struct history_record){.hash = hash, .context = *context};
}

const struct traceparent *history_recall(const struct history *history, uint64_t hash)
{
	const struct history_record *set;
	size_t way;

	if (history->sets == NULL)
		return NULL;
	set = history_set(history, hash);
	for (way = 0; way < HISTORY_WAYS; way++)
		if (set[way].hash == hash)
			return &set[way].context;
	return NULL;
}
