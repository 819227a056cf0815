#ifndef TESTS_UNIT_ENVELOPE_CASE_H
#define TESTS_UNIT_ENVELOPE_CASE_H

#include <string.h>

#include "proxy/message/envelope_fill.h"
#include "proxy/message/skim.h"
#include "tests/unit/unit.h"

/* A reader of messages that are one object each: gives the envelope of the last one read. */
struct envelope_case {
	struct envelope envelope;
	struct skim skim;
};

/* pointers are borrowed for life and may not grow any more. */
static inline void envelope_case_init(struct envelope_case *reader, const struct pointers *pointers)
{
	ck_assert_int_eq(envelope_init(&reader->envelope, pointers), 0);
	skim_init(&reader->skim, pointers, &reader->envelope);
}

static inline void envelope_case_done(struct envelope_case *reader)
{
	envelope_done(&reader->envelope);
}

static inline struct envelope *envelope_case_read(struct envelope_case *reader, const char *message)
{
	const uint8_t *at = (const uint8_t *)message;
	const uint8_t *end = at + strlen(message);

	skim_begin(&reader->skim, SKIM_WATCH);
	ck_assert_msg(skim_run(&reader->skim, &at, end) == SKIM_ENVELOPE_END && at == end,
		"not an object: %s", message);
	(void)envelope_judge(&reader->envelope); /* as splice does before its hooks */
	return &reader->envelope;
}

#endif
