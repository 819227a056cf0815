/* The texts; see views.h. What is from the wire is escaped by the encoder of spans. */
#include "proxy/admin/views.h"

#include <stdlib.h>
#include <string.h>

#include "exporter/otlp/otlp.h"
#include "exporter/ring/ring.h"
#include "exporter/text.h"
#include "proxy/generation.h"
#include "proxy/loop.h"
#include "w3c/hex.h"

/* Spans as members of a list. */
struct views_list {
	struct text text;
	size_t lost; /* for want of memory */
};

static void views_add(void *arg, const struct span *span)
{
	struct views_list *list = arg;
	size_t before = list->text.size;

	if (before > 0)
		TEXT_APPEND(&list->text, ",");
	otlp_append_span(&list->text, span);
	if (list->text.error == TEXT_OK)
		return;
	text_rewind(&list->text, before);
	list->lost++;
}

void views_write_open(FILE *out, const struct loop *loop)
{
	struct views_list list = {.lost = 0};
	size_t omitted;

	text_init(&list.text, TEXT_UNLIMITED);
	omitted = generations_show_open(
		loop->generations, VIEWS_OPEN_MAX, loop->now_ns, views_add, &list);
	(void)fprintf(out, "{\"timeUnixNano\":\"%llu\",\"spans\":[",
		(unsigned long long)tracer_unix_ns(loop->generations->now->tracer, loop->now_ns));
	if (list.text.size > 0)
		(void)fwrite(list.text.bytes, 1, list.text.size, out);
	(void)fprintf(out, "],\"omitted\":%zu}\n", omitted + list.lost);
	text_done(&list.text);
}

/* ---- what has ended ---- */

/* Spans of a trace, when they are sorted: places in the list. */
struct views_trace {
	size_t first, count;
	uint64_t newest;
};

static int views_by_trace(const void *left, const void *right)
{
	const struct ring_span *a = left, *b = right;
	int order = memcmp(a->trace_id, b->trace_id, TRACE_ID_SIZE);

	return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static int views_by_newest(const void *left, const void *right)
{
	const struct views_trace *a = left, *b = right;

	return (a->newest > b->newest) - (a->newest < b->newest);
}

/* Sorted; traces has room for as many as there are spans. Returns how many traces there are. */
static size_t views_group(struct ring_span *list, size_t count, struct views_trace *traces)
{
	size_t trace_count = 0, i;

	qsort(list, count, sizeof *list, views_by_trace);
	for (i = 0; i < count; i++) {
		if (i == 0 || memcmp(list[i].trace_id, list[i - 1].trace_id, TRACE_ID_SIZE) != 0)
			traces[trace_count++] = (struct views_trace){.first = i};
		traces[trace_count - 1].count++;
		traces[trace_count - 1].newest = list[i].number;
	}
	qsort(traces, trace_count, sizeof *traces, views_by_newest);
	return trace_count;
}

static void views_write_list(FILE *out, const struct ring_span *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (i > 0)
			(void)fputc(',', out);
		(void)fwrite(list[i].bytes, 1, list[i].size, out);
	}
}

static void views_write_trace(FILE *out, const struct ring_span *list, size_t count)
{
	char id[2 * TRACE_ID_SIZE];

	(void)hex_put(id, list[0].trace_id, TRACE_ID_SIZE);
	(void)fprintf(out, "{\"traceId\":\"%.32s\",\"spans\":[", id);
	views_write_list(out, list, count);
	(void)fputs("]}", out);
}

/* All after that number, in the order in which they ended. NULL: none, or out of memory. */
static struct ring_span *views_collect(const struct ring *ring, uint64_t after, size_t *count)
{
	struct ring_cursor begin = ring_from(ring, after), at = begin;
	struct ring_span span, *list;
	size_t i;

	for (*count = 0; ring_next(ring, &at, &span); (*count)++)
		;
	list = *count > 0 ? calloc(*count, sizeof *list) : NULL;
	for (i = 0; list != NULL && i < *count; i++)
		(void)ring_next(ring, &begin, &list[i]); /* it was there */
	return list;
}

bool views_write_traces(FILE *out, const struct ring *ring, uint64_t after)
{
	struct ring_span *list = NULL;
	struct views_trace *traces = NULL;
	size_t count = 0, trace_count, i;

	if (ring != NULL)
		list = views_collect(ring, after, &count);
	if (list != NULL)
		traces = calloc(count, sizeof *traces);
	if (count > 0 && traces == NULL) {
		free(list);
		return false;
	}
	trace_count = count > 0 ? views_group(list, count, traces) : 0;
	(void)fprintf(out, "{\"seq\":%llu,\"traces\":[",
		(unsigned long long)(ring != NULL ? ring_newest(ring) : 0));
	for (i = 0; i < trace_count; i++) {
		if (i > 0)
			(void)fputc(',', out);
		views_write_trace(out, list + traces[i].first, traces[i].count);
	}
	(void)fputs("]}\n", out);
	free(traces);
	free(list);
	return true;
}

uint64_t views_write_spans(FILE *out, const struct ring *ring, uint64_t after, size_t bytes_max)
{
	struct ring_cursor begin = ring_from(ring, after), at = begin;
	struct ring_span span;
	size_t bytes = 0, omitted = 0;
	bool is_first = true;

	while (ring_next(ring, &at, &span))
		bytes += span.size;
	(void)fputs("{\"spans\":[", out);
	while (ring_next(ring, &begin, &span)) {
		bool is_left_out = bytes > bytes_max && span.number < ring_newest(ring);

		bytes -= span.size;
		omitted += is_left_out;
		if (is_left_out)
			continue;
		if (!is_first)
			(void)fputc(',', out);
		is_first = false;
		(void)fwrite(span.bytes, 1, span.size, out);
	}
	(void)fprintf(out, "],\"omitted\":%zu}\n", omitted);
	return ring_newest(ring);
}
