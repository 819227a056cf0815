/*
 * Texts with a number that grows when they change. What changes always, such as the time of day,
 * stands at the beginning of a text and does not count. A text that there is no memory for stays as
 * it was.
 */
#include "proxy/admin/live.h"

#include <assert.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/exporter.h"
#include "exporter/ring/ring.h"
#include "proxy/admin/sources.h"
#include "proxy/admin/stats.h"
#include "proxy/admin/views.h"

struct live_text {
	const char *event, *counts_from; /* a member: what is before it does not count */
	char *bytes;                     /* owned; NULL: none yet */
	uint64_t version;
};

struct live {
	const struct admin_sources *sources; /* borrowed */
	uint64_t begun_ns;
	struct live_text open, stats;
	/* The last spans that somebody was told, as others may want the same. */
	char *spans; /* owned */
	uint64_t spans_after, spans_newest;
};

static const struct ring *live_ring(const struct live *live)
{
	return live->sources->exporter != NULL ? exporter_ring(live->sources->exporter) : NULL;
}

/* Takes the new text, which may be NULL, for the old one. */
static void live_take(struct live_text *text, char *bytes)
{
	const char *now, *before;

	if (bytes == NULL)
		return;
	bytes[strcspn(bytes, "\n")] = '\0'; /* in an event a line ends what is said */
	now = strstr(bytes, text->counts_from);
	before = text->bytes != NULL ? strstr(text->bytes, text->counts_from) : NULL;
	if (before == NULL || now == NULL || strcmp(now, before) != 0)
		text->version++;
	free(text->bytes);
	text->bytes = bytes;
}

static bool live_write_open(struct live *live, FILE *out)
{
	views_write_open(out, live->sources->loop);
	return true;
}

static bool live_write_stats(struct live *live, FILE *out)
{
	return stats_write(out, live->sources, live->begun_ns);
}

static bool live_write_spans(struct live *live, FILE *out)
{
	live->spans_newest =
		views_write_spans(out, live_ring(live), live->spans_after, LIVE_SPANS_BYTES);
	return true;
}

/* NULL: out of memory. */
static char *live_make(struct live *live, bool (*write)(struct live *live, FILE *out))
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	bool is_whole = out != NULL && write(live, out);

	if (out != NULL && fclose(out) == 0 && is_whole)
		return bytes;
	free(bytes);
	return NULL;
}

void live_refresh(struct live *live)
{
	live_take(&live->open, live_make(live, live_write_open));
	live_take(&live->stats, live_make(live, live_write_stats));
}

uint64_t live_newest(const struct live *live)
{
	const struct ring *ring = live_ring(live);

	return ring != NULL ? ring_newest(ring) : 0;
}

static bool live_tell_text(const struct live_text *text, uint64_t *told, struct evbuffer *out)
{
	if (text->bytes == NULL || *told == text->version)
		return true;
	*told = text->version;
	return evbuffer_add_printf(out, "event: %s\ndata: ", text->event) > 0 &&
	       evbuffer_add(out, text->bytes, strlen(text->bytes)) == 0 &&
	       evbuffer_add(out, "\n\n", 2) == 0;
}

static bool live_tell_spans(struct live *live, uint64_t *told, struct evbuffer *out)
{
	if (live_newest(live) <= *told)
		return true;
	if (live->spans == NULL || live->spans_after != *told ||
		live->spans_newest != live_newest(live)) {
		free(live->spans);
		live->spans_after = *told;
		live->spans = live_make(live, live_write_spans);
	}
	if (live->spans == NULL)
		return false;
	assert(live->spans_newest >= *told);
	*told = live->spans_newest;
	return evbuffer_add_printf(out,
		       "event: spans\nid: %llu\ndata: ", (unsigned long long)live->spans_newest) >
		       0 &&
	       evbuffer_add(out, live->spans, strlen(live->spans)) == 0 &&
	       evbuffer_add(out, "\n", 1) == 0; /* the second one: it ends a line */
}

bool live_tell(struct live *live, struct live_told *told, struct evbuffer *out)
{
	return live_tell_text(&live->open, &told->open, out) &&
	       live_tell_text(&live->stats, &told->stats, out) &&
	       live_tell_spans(live, &told->span, out);
}

struct live *live_new(const struct admin_sources *sources, uint64_t begun_ns)
{
	struct live *live = calloc(1, sizeof *live);

	if (live == NULL)
		return NULL;
	live->sources = sources;
	live->begun_ns = begun_ns;
	live->open = (struct live_text){.event = "open", .counts_from = "\"spans\":"};
	live->stats = (struct live_text){.event = "stats", .counts_from = "\"version\":"};
	return live;
}

void live_free(struct live *live)
{
	if (live == NULL)
		return;
	free(live->open.bytes);
	free(live->stats.bytes);
	free(live->spans);
	free(live);
}
