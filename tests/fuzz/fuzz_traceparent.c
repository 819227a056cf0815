/* traceparent: what is accepted comes back the same from its own text. */
#include <stdlib.h>
#include <string.h>

#include "w3c/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct traceparent untouched;
	struct traceparent parsed = {.flags = 0}, again;
	char text[TRACEPARENT_SIZE];

	if (traceparent_parse(&parsed, (const char *)bytes, size) != 0) {
		check(memcmp(&parsed, &untouched, sizeof parsed) == 0);
		return 0;
	}
	check((parsed.flags & ~(TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM)) == 0);
	traceparent_format(text, &parsed);
	check(traceparent_parse(&again, text, sizeof text) == 0);
	check(memcmp(&parsed, &again, sizeof again) == 0);
	return 0;
}
