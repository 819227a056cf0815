/*
 * tracestate, as a carrier meets it: an accepted list comes back the same from its own text, stays
 * acceptable after every change, and leaves as JSON that has no quote or control character loose.
 */
#include <stdlib.h>
#include <string.h>

#include "w3c/carrier.h"
#include "w3c/sampling.h"
#include "w3c/tracestate.h"

#define PARENT "00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-03"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_reparses(const struct tracestate *list)
{
	static char text[TRACESTATE_SIZE_MAX], again_text[TRACESTATE_SIZE_MAX];
	struct tracestate again;
	size_t size = tracestate_format(text, list);

	check(size == tracestate_size(list));
	check(tracestate_parse(&again, text, size) == 0);
	check(again.count == list->count);
	check(tracestate_format(again_text, &again) == size);
	check(memcmp(text, again_text, size) == 0);
}

static void check_changes(struct tracestate *list, size_t size_max)
{
	static const uint8_t trace_id[TRACE_ID_SIZE] = {1};
	char value[TRACESTATE_VALUE_MAX];

	check(tracestate_set(list, "own", 3, "value", 5) == 0);
	check_reparses(list);
	(void)sampling_decide(list, value, trace_id, 0);
	check_reparses(list);
	tracestate_truncate(list, size_max);
	check(tracestate_size(list) <= size_max);
	check_reparses(list);
	tracestate_delete(list, "own", 3);
	check(tracestate_find(list, "own", 3) == NULL);
	check_reparses(list);
}

static void check_json(const struct trace_context *context)
{
	static char text[CARRIER_TEXT_MAX];
	size_t i, size = carrier_format(text, context, TRACE_FLAG_SAMPLED), quotes = 0;

	check(size <= sizeof text && text[0] == '{' && text[size - 1] == '}');
	for (i = 0; i < size; i++) {
		check(text[i] >= 0x20 && text[i] <= 0x7e);
		quotes += text[i] == '"';
		i += text[i] == '\\';
	}
	check(quotes == (context->tracestate != NULL ? 8 : 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *text = (const char *)bytes;
	struct trace_context context;
	struct tracestate list;
	enum carrier_verdict verdict;
	int status = tracestate_parse(&list, text, size);

	verdict = carrier_extract(&context, PARENT, strlen(PARENT), text, size);
	check(verdict == (status == 0 && size <= CARRIER_TRACESTATE_MAX ? CARRIER_VALID
									: CARRIER_VALID_NO_STATE));
	check_json(&context);
	if (status != 0) {
		check(list.count == 0);
		return 0;
	}
	check_reparses(&list);
	check_changes(&list, size / 2);
	return 0;
}
