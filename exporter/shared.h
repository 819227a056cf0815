#ifndef EXPORTER_SHARED_H
#define EXPORTER_SHARED_H

#include "exporter/span.h"
#include "exporter/text.h"

/* What span.h keeps closed: the attributes as the sink in use has them in a span. */
struct span_shared {
	struct text text;
	struct span_shared *json; /* owned; the same for the ring; NULL: the text will do */
};

/* append: the sink's. NULL when memory is short. */
struct span_shared *span_shared_new(
	void (*append)(struct text *text, const struct span_attribute *attributes, size_t count),
	const struct span_attribute *attributes, size_t count);

#endif
