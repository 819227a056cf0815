/*
 * Two lanes of records. A lane is memory that is written round and round: positions only grow, and
 * their rest by the size is the place. A record lies in one piece; what is left at the end of the
 * memory when the next one does not fit is skipped. Records leave in the order in which they came,
 * so that all in the second lane are older than those in the first.
 */
#include "exporter/ring/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Traces that are to be seen for longer: the last ones, each at a place that its id says. */
#define RING_TRACES 1024

struct ring_record {
	uint64_t number;
	uint8_t trace_id[TRACE_ID_SIZE];
	uint32_t size; /* of the text behind it; RING_SKIPPED: nothing more up to the end */
	uint32_t notable;
};

#define RING_SKIPPED UINT32_MAX

struct ring_lane {
	char *bytes;         /* owned */
	size_t size;         /* a power of two, so that a place is found without a division */
	uint64_t begin, end; /* positions: of the oldest record, of the next one */
};

enum { RING_ALIGN = 8 };

_Static_assert(sizeof(struct ring_record) % RING_ALIGN == 0, "a text begins where its record ends");

struct ring {
	struct ring_lane recent, notable;
	uint64_t slow_ns;
	uint64_t newest, forgotten;
	uint8_t traces[RING_TRACES][TRACE_ID_SIZE];
};

/* ---- lanes ---- */

static size_t ring_record_size(size_t text_size)
{
	return sizeof(struct ring_record) + (text_size + RING_ALIGN - 1) / RING_ALIGN * RING_ALIGN;
}

static size_t ring_lane_rest(const struct ring_lane *lane, uint64_t at)
{
	return lane->size - (size_t)(at & (lane->size - 1));
}

/* The record at that position, or the next one behind what is skipped; NULL: there is none. */
static struct ring_record *ring_lane_read(const struct ring_lane *lane, uint64_t *at)
{
	struct ring_record *record;

	while (*at < lane->end) {
		size_t rest = ring_lane_rest(lane, *at);

		record = (struct ring_record *)(lane->bytes + (lane->size - rest));
		if (rest >= sizeof *record && record->size != RING_SKIPPED)
			return record;
		*at += rest;
	}
	return NULL;
}

/* The oldest record, which leaves; it is there until the lane is written to. There is one. */
static const struct ring_record *ring_lane_pop(struct ring_lane *lane)
{
	const struct ring_record *record = ring_lane_read(lane, &lane->begin);

	assert(record != NULL);
	lane->begin += ring_record_size(record->size);
	return record;
}

/* What is left at the end of the memory if a record of that size does not fit there. */
static size_t ring_lane_skip(const struct ring_lane *lane, size_t size)
{
	size_t rest = ring_lane_rest(lane, lane->end);

	return rest < size ? rest : 0;
}

/* Whether there is room for a record of that size without another one that leaves. */
static bool ring_lane_has_room(const struct ring_lane *lane, size_t size)
{
	return lane->begin == lane->end ||
	       lane->end + ring_lane_skip(lane, size) + size - lane->begin <= lane->size;
}

/* Where a record of that size is to be written: there is room. */
static struct ring_record *ring_lane_push(struct ring_lane *lane, size_t size)
{
	bool was_empty = lane->begin == lane->end;
	size_t skip = ring_lane_skip(lane, size);
	struct ring_record *record;

	assert(size <= lane->size && ring_lane_has_room(lane, size));
	if (skip >= sizeof *record) {
		record = (struct ring_record *)(lane->bytes + (lane->end & (lane->size - 1)));
		record->size = RING_SKIPPED;
	}
	lane->end += skip;
	if (was_empty)
		lane->begin = lane->end;
	record = (struct ring_record *)(lane->bytes + (lane->end & (lane->size - 1)));
	lane->end += size;
	return record;
}

/* ---- traces ---- */

static uint8_t *ring_trace(struct ring *ring, const uint8_t trace_id[TRACE_ID_SIZE])
{
	unsigned place = (trace_id[TRACE_ID_SIZE - 2] << 8 | trace_id[TRACE_ID_SIZE - 1]);

	return ring->traces[place % RING_TRACES];
}

static bool ring_is_notable(const struct ring *ring, const struct span *span)
{
	return span->status == SPAN_STATUS_ERROR ||
	       (ring->slow_ns > 0 && span->end_unix_ns > span->start_unix_ns &&
		       span->end_unix_ns - span->start_unix_ns > ring->slow_ns);
}

/* ---- in and out ---- */

/* The second lane takes a record that has left the first. */
static void ring_keep(struct ring *ring, const struct ring_record *record)
{
	struct ring_lane *lane = &ring->notable;
	size_t size = ring_record_size(record->size);

	/* the lane is as large as the other one, and the record has fitted there */
	for (; !ring_lane_has_room(lane, size); ring->forgotten++)
		(void)ring_lane_pop(lane); /* it is gone */
	memcpy(ring_lane_push(lane, size), record, sizeof *record + record->size);
}

static void ring_evict(struct ring *ring)
{
	const struct ring_record *record = ring_lane_pop(&ring->recent);

	if (record->notable ||
		memcmp(ring_trace(ring, record->trace_id), record->trace_id, TRACE_ID_SIZE) == 0)
		ring_keep(ring, record);
	else
		ring->forgotten++;
}

void ring_add(struct ring *ring, const struct span *span, const char *bytes, size_t size)
{
	struct ring_lane *lane = &ring->recent;
	bool notable = ring_is_notable(ring, span);
	struct ring_record *record;
	size_t whole;

	ring->newest++;
	if (size > lane->size || (whole = ring_record_size(size)) > lane->size) {
		ring->forgotten++;
		return;
	}
	while (!ring_lane_has_room(lane, whole))
		ring_evict(ring);
	record = ring_lane_push(lane, whole);
	record->number = ring->newest;
	memcpy(record->trace_id, span->context.trace_id, TRACE_ID_SIZE);
	record->size = (uint32_t)size;
	record->notable = notable;
	memcpy(record + 1, bytes, size);
	if (notable)
		memcpy(ring_trace(ring, record->trace_id), record->trace_id, TRACE_ID_SIZE);
}

uint64_t ring_newest(const struct ring *ring)
{
	return ring->newest;
}

uint64_t ring_forgotten(const struct ring *ring)
{
	return ring->forgotten;
}

bool ring_next(const struct ring *ring, struct ring_cursor *cursor, struct ring_span *found)
{
	const struct ring_record *record = NULL;

	if (!cursor->in_recent) {
		record = ring_lane_read(&ring->notable, &cursor->at);
		if (record == NULL)
			*cursor = (struct ring_cursor){true, ring->recent.begin};
	}
	if (cursor->in_recent)
		record = ring_lane_read(&ring->recent, &cursor->at);
	if (record == NULL)
		return false;
	cursor->at += ring_record_size(record->size);
	found->number = record->number;
	memcpy(found->trace_id, record->trace_id, TRACE_ID_SIZE);
	found->bytes = (const char *)(record + 1);
	found->size = record->size;
	return true;
}

struct ring_cursor ring_from(const struct ring *ring, uint64_t number)
{
	struct ring_cursor at = {false, ring->notable.begin}, before;
	struct ring_span span;

	do
		before = at;
	while (ring_next(ring, &at, &span) && span.number <= number);
	return before;
}

/* ---- its life ---- */

struct ring *ring_new(const struct ring_limits *limits)
{
	struct ring *ring = calloc(1, sizeof *ring);
	size_t size = RING_ALIGN; /* nothing fits in there */

	while (size <= limits->bytes_max / 4)
		size *= 2;
	assert(size < RING_SKIPPED);
	if (ring == NULL)
		return NULL;
	ring->slow_ns = limits->slow_ns;
	ring->recent.size = ring->notable.size = size;
	ring->recent.bytes = malloc(size);
	ring->notable.bytes = malloc(size);
	if (ring->recent.bytes != NULL && ring->notable.bytes != NULL)
		return ring;
	ring_free(ring);
	return NULL;
}

void ring_free(struct ring *ring)
{
	if (ring == NULL)
		return;
	free(ring->recent.bytes);
	free(ring->notable.bytes);
	free(ring);
}
