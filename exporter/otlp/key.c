/* Keys of attributes, rendered when they are first known; see span.h. Nothing can fail. */
#include <stdio.h>

#include "exporter/otlp/otlp.h"
#include "exporter/span.h"

void span_key_init(struct span_key *rendered, const char *key)
{
	int size = snprintf(rendered->bytes, sizeof rendered->bytes, "%s%s%s", OTLP_KEY_BEGIN, key,
		OTLP_STRING_BEGIN);

	rendered->size = size < (int)sizeof rendered->bytes ? (size_t)size : 0;
}
