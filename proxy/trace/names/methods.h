#ifndef PROXY_TRACE_NAMES_METHODS_H
#define PROXY_TRACE_NAMES_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/profile/profile.h"
#include "exporter/span.h"

/*
 * The methods that a profile names, each with a number: what is to be done for a message is looked
 * up once, by its method's number, instead of comparing it with each rule's methods. Filled at the
 * start, then only read.
 */
#define METHODS_OTHER        0 /* the number of all methods that were not added */
#define METHODS_PATTERNS_MAX PROFILE_PATTERNS_MAX

struct methods_slot {
	uint64_t hash;
	struct span_text name; /* borrowed */
	unsigned number;       /* METHODS_OTHER: the slot is free */
};

struct methods {
	struct methods_slot *slots; /* owned; capacity is a power of two */
	size_t capacity;
	unsigned count;
	struct span_text *names; /* owned; as they were added, that of number 1 first */
	struct methods_slot patterns[METHODS_PATTERNS_MAX]; /* names without the *, longest first */
	size_t pattern_count;
};

void methods_init(struct methods *methods);
void methods_done(struct methods *methods);

/*
 * The number of that method, from 1 on without gaps; new ones are added, their names borrowed for
 * life. -1 when out of memory, or it is one of too many patterns.
 */
int methods_add(struct methods *methods, const char *name);

/*
 * The number of that method, else of the longest pattern that it fits; METHODS_OTHER when there is
 * neither.
 */
unsigned methods_find(const struct methods *methods, struct span_text name);

/* The name of that number, as it was added; size 0: METHODS_OTHER. */
struct span_text methods_name(const struct methods *methods, unsigned number);

/* Whether what a profile says of name, which may end in *, holds for all methods of that number. */
bool methods_covers(const struct methods *methods, const char *name, unsigned number);

/*
 * Which requests have a span: requests.record, where one of its texts is "all", or "work", or a
 * method; one that ends with * stands for all that begin so. Those that begin work are in any list.
 */
struct wanted {
	bool all;
	const struct config_list *list; /* borrowed */
};

/* list is borrowed for life. */
void wanted_init(struct wanted *wanted, const struct config_list *list);

/* Whether one of the texts is that method, or stands for it. */
bool wanted_lists(const struct wanted *wanted, struct span_text method);

#endif
