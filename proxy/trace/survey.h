#ifndef PROXY_TRACE_SURVEY_H
#define PROXY_TRACE_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/profile/lifecycle.h"

/*
 * What goes on at a moment: how much of each kind and since when, and the oldest of it. Whoever has
 * something open adds it, that of several tracers one after the other; nothing is kept beyond the
 * moment, as all of it is borrowed.
 */
struct claim;
struct connection_attributes;
struct open_span;
struct request;
struct tracer;

struct survey_item {
	uint64_t start_ns;
	struct tracer *tracer; /* the survey's, when it was placed */
	/* One of these; a request with its connection's attributes. */
	const struct request *request;
	const struct connection_attributes *attributes;
	const struct open_span *span;
	const struct claim *claim;
};

struct survey_kind {
	size_t count;
	uint64_t oldest_ns; /* if there is any */
};

struct survey {
	struct tracer *tracer; /* whose things are added now; set by who wants to show them */
	/* of the tracers together, so of use with one of them */
	struct survey_kind kinds[LIFECYCLE_SPANS_MAX + 1]; /* by type; LIFECYCLE_REQUEST: those */
	size_t shown_count;       /* all that may have a place, dispatches too */
	struct survey_item *list; /* owned; the oldest first */
	size_t count, max;
};

/* At most max items are wanted. 0, or -1 when out of memory: then it only counts. */
int survey_init(struct survey *survey, size_t max);
void survey_done(struct survey *survey);

/* Counts one of that type, or a dispatch, and gives it a place if it is one of the oldest. */
void survey_add(struct survey *survey, size_t type, const struct survey_item *item);
void survey_add_dispatch(struct survey *survey, const struct survey_item *item);

/* Many of that type, of which the oldest began then, none of which is to be shown. */
void survey_count(struct survey *survey, size_t type, size_t count, uint64_t oldest_ns);

/* Whether one that began then is one of the oldest; if not, those after it are not either. */
bool survey_wants(const struct survey *survey, uint64_t start_ns);

/* Puts an item that has been counted among the oldest, if it is one of them. */
void survey_place(struct survey *survey, const struct survey_item *item);

/* How many there are beside those in the list. */
size_t survey_omitted(const struct survey *survey);

#endif
