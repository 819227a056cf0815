/*
 * Attributes that many spans have in common, rendered when they are first known; from then on a
 * span takes them in by one copy. The only failure is memory.
 */
#include "exporter/shared.h"

#include <stdint.h>
#include <stdlib.h>

struct span_shared *span_shared_new(
	void (*append)(struct text *text, const struct span_attribute *attributes, size_t count),
	const struct span_attribute *attributes, size_t count)
{
	struct span_shared *shared = calloc(1, sizeof *shared);

	if (shared == NULL)
		return NULL;
	text_init(&shared->text, TEXT_UNLIMITED);
	append(&shared->text, attributes, count);
	if (shared->text.error == TEXT_OK) {
		text_fit(&shared->text);
		return shared;
	}
	span_shared_free(shared);
	return NULL;
}

void span_shared_free(struct span_shared *shared)
{
	if (shared == NULL)
		return;
	span_shared_free(shared->json);
	text_done(&shared->text);
	free(shared);
}
