/*
 * Counts, and a list in which the oldest have their places. Most items come oldest first, so that a
 * new one goes to the end or has no place.
 */
#include "proxy/trace/survey.h"

#include <stdlib.h>
#include <string.h>

int survey_init(struct survey *survey, size_t max)
{
	*survey = (struct survey){.max = max};
	if (max > 0)
		survey->list = malloc(max * sizeof *survey->list);
	if (max == 0 || survey->list != NULL)
		return 0;
	survey->max = 0;
	return -1;
}

void survey_done(struct survey *survey)
{
	free(survey->list);
}

void survey_count(struct survey *survey, size_t type, size_t count, uint64_t oldest_ns)
{
	struct survey_kind *kind = &survey->kinds[type];

	if (count > 0 && (kind->count == 0 || oldest_ns < kind->oldest_ns))
		kind->oldest_ns = oldest_ns;
	kind->count += count;
}

bool survey_wants(const struct survey *survey, uint64_t start_ns)
{
	return survey->count < survey->max ||
	       (survey->count > 0 && start_ns < survey->list[survey->count - 1].start_ns);
}

void survey_place(struct survey *survey, const struct survey_item *item)
{
	size_t at;

	if (!survey_wants(survey, item->start_ns))
		return;
	survey->count += survey->count < survey->max; /* or the youngest goes */
	for (at = survey->count - 1; at > 0 && survey->list[at - 1].start_ns > item->start_ns; at--)
		;
	memmove(&survey->list[at + 1], &survey->list[at],
		(survey->count - 1 - at) * sizeof *survey->list);
	survey->list[at] = *item;
	survey->list[at].tracer = survey->tracer;
}

void survey_add(struct survey *survey, size_t type, const struct survey_item *item)
{
	survey_count(survey, type, 1, item->start_ns);
	survey_add_dispatch(survey, item);
}

void survey_add_dispatch(struct survey *survey, const struct survey_item *item)
{
	survey->shown_count++;
	survey_place(survey, item);
}

size_t survey_omitted(const struct survey *survey)
{
	return survey->shown_count - survey->count;
}
