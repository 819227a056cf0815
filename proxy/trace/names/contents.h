#ifndef PROXY_TRACE_NAMES_CONTENTS_H
#define PROXY_TRACE_NAMES_CONTENTS_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"

/*
 * What was said, as far as spans may have it (telemetry.contents): redacted first, by patterns that
 * may look a little beyond what is kept, then cut. Patterns are those of regcomp(3), extended.
 */
#define CONTENTS_TOGETHER_MAX 32768 /* bytes of a message that all pointers to such may take */
#define CONTENTS_BEYOND       512   /* bytes behind those that are kept, for what lies across */
#define CONTENTS_PATTERNS_MAX 16
#define CONTENTS_MATCHES_MAX  256 /* in a text; what comes then is left out */
#define CONTENTS_MARK         "[redacted]"

struct config;

struct contents {
	size_t bytes_max;  /* of a value, with the mark of one that is cut */
	regex_t *patterns; /* owned */
	size_t pattern_count;
	char *rooms[2];      /* owned; bytes_max + CONTENTS_BEYOND + 1 bytes each */
	uint64_t *cut_count; /* of texts; borrowed from whoever sets it, or NULL */
};

/*
 * pointers: how many the profile has to contents; they share CONTENTS_TOGETHER_MAX. 0, or -1 when
 * out of memory; contents_done() may follow either.
 */
int contents_init(struct contents *contents, const struct config *config, size_t pointers);
void contents_done(struct contents *contents);

/* How much of a text is to be read. */
static inline size_t contents_read_max(const struct contents *contents)
{
	return contents->bytes_max + CONTENTS_BEYOND;
}

/*
 * What is kept of a text, of which no more was read than that; is_cut: there was more. Written to
 * room, which has bytes_max bytes.
 */
struct span_text contents_take(
	struct contents *contents, struct span_text text, bool is_cut, char *room);

#endif
