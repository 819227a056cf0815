/*
 * Attributes that many spans have in common, rendered when they are first known; from then on a
 * span takes them in by one copy. The only failure is memory.
 */
#include "exporter/shared.h"

#include <stdint.h>
#include <stdlib.h>

#include "exporter/console/console.h"
#include "exporter/otlp/otlp.h"

struct span_shared *span_shared_new(const struct span_attribute *attributes, size_t count)
{
	struct span_shared *shared = calloc(1, sizeof *shared);

	if (shared == NULL)
		return NULL;
	text_init(&shared->otlp, SIZE_MAX / 2);
	text_init(&shared->console, SIZE_MAX / 2);
	otlp_append_attributes(&shared->otlp, attributes, count);
	console_append_shared(&shared->console, attributes, count);
	if (shared->otlp.error == TEXT_OK && shared->console.error == TEXT_OK) {
		text_fit(&shared->otlp);
		text_fit(&shared->console);
		return shared;
	}
	span_shared_free(shared);
	return NULL;
}

void span_shared_free(struct span_shared *shared)
{
	if (shared == NULL)
		return;
	text_done(&shared->otlp);
	text_done(&shared->console);
	free(shared);
}
