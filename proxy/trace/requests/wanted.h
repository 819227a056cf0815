#ifndef PROXY_TRACE_REQUESTS_WANTED_H
#define PROXY_TRACE_REQUESTS_WANTED_H

#include <stdbool.h>

#include "config/config.h"
#include "exporter/span.h"

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
