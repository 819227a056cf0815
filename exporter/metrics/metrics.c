/*
 * Histograms in a hash table, keyed by instrument and the values of its labels. An instrument's
 * series of overflow is made with the instrument, so that nothing is lost for want of memory.
 */
#include "exporter/metrics/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "w3c/utf8.h"

#define METRICS_CHAINS 256

struct metrics_owner {
	const struct metrics_instrument *instrument;
	struct metrics_series *first, **last; /* the first of all is that of overflow */
	struct metrics_series *latest;        /* to which something was added; or NULL */
	struct metrics_owner *same;           /* the next one of the same type of spans */
	struct metrics_owner *other;          /* of the first of a type: that of the next type */
	size_t count;
	size_t read_count; /* labels up to the last one that spans have a value for */
};

struct metrics {
	size_t series_max;
	struct metrics_counters counters;
	const struct metrics_instrument *list; /* borrowed */
	struct metrics_series *chains[METRICS_CHAINS];
	struct metrics_owner *types; /* the first instrument of the first type of spans */
	size_t owner_count;
	struct metrics_owner owners[];
};

/* Texts of numbers, for as long as a span is measured. */
struct metrics_values {
	struct span_text list[METRICS_LABELS_MAX];
	char numbers[METRICS_LABELS_MAX][24];
};

/* ---- what a span has ---- */

/* Every span comes here: most keys differ in their first letter, or are the same pointer. */
static const struct span_attribute *metrics_find(const struct span *span, const char *key)
{
	const struct span_attribute *attribute = span->attributes;
	const struct span_attribute *end = attribute + span->attribute_count;

	for (; attribute < end; attribute++)
		if (attribute->key == key ||
			(*attribute->key == *key && strcmp(attribute->key, key) == 0))
			return attribute;
	return NULL;
}

static struct span_text metrics_text(const struct span_attribute *attribute, char number[24])
{
	struct span_text text = {.bytes = number};

	switch (attribute->type) {
	case SPAN_VALUE_STRING:
		text = attribute->value.string;
		if (text.size > METRICS_LABEL_SIZE_MAX)
			text.size = utf8_cut(text.bytes, METRICS_LABEL_SIZE_MAX);
		break;
	case SPAN_VALUE_INT:
		text.size = (size_t)snprintf(number, 24, "%" PRId64, attribute->value.integer);
		break;
	case SPAN_VALUE_BOOL:
		text = span_text_of(attribute->value.boolean ? "true" : "false");
		break;
	case SPAN_VALUE_DOUBLE:
		text.size = (size_t)snprintf(number, 24, "%.6g", attribute->value.real);
		break;
	}
	return text;
}

static void metrics_read_labels(
	const struct metrics_owner *owner, const struct span *span, struct metrics_values *values)
{
	const struct metrics_instrument *instrument = owner->instrument;
	const struct span_attribute *attribute;
	size_t i;

	memset(values->list, 0, sizeof values->list);
	for (i = 0; i < owner->read_count; i++) {
		attribute = instrument->labels[i].value == NULL
				    ? metrics_find(span, instrument->labels[i].key)
				    : NULL;
		if (attribute != NULL)
			values->list[i] = metrics_text(attribute, values->numbers[i]);
	}
}

/* What is measured. False: the span has no such number. */
static bool metrics_read_value(
	const struct metrics_instrument *instrument, const struct span *span, double *value)
{
	const struct span_attribute *attribute;

	if (instrument->attribute == NULL) {
		*value = span->end_unix_ns > span->start_unix_ns
				 ? (double)(span->end_unix_ns - span->start_unix_ns) / 1e9
				 : 0;
		return true;
	}
	attribute = metrics_find(span, instrument->attribute);
	if (attribute == NULL)
		return false;
	if (attribute->type == SPAN_VALUE_INT)
		*value = (double)attribute->value.integer;
	else if (attribute->type == SPAN_VALUE_DOUBLE)
		*value = attribute->value.real;
	else
		return false;
	return true;
}

/* ---- series ---- */

static uint64_t metrics_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

/* Eight bytes at once. */
static uint64_t metrics_hash_text(uint64_t hash, struct span_text text)
{
	uint64_t word;

	hash = metrics_mix(hash, text.size);
	for (; text.size >= sizeof word; text.bytes += sizeof word, text.size -= sizeof word) {
		memcpy(&word, text.bytes, sizeof word);
		hash = metrics_mix(hash, word);
	}
	if (text.size == 0)
		return hash;
	word = 0;
	memcpy(&word, text.bytes, text.size);
	return metrics_mix(hash, word);
}

static uint64_t metrics_hash(
	const struct metrics_instrument *instrument, const struct span_text *values)
{
	uint64_t hash = metrics_mix(0, (uint64_t)(uintptr_t)instrument);
	size_t i;

	for (i = 0; i < instrument->label_count; i++)
		if (instrument->labels[i].value == NULL)
			hash = metrics_hash_text(hash, values[i]);
	return hash;
}

static bool metrics_is_for(const struct metrics_series *series, const struct metrics_owner *owner,
	const struct span_text *values)
{
	size_t i;

	if (series->instrument != owner->instrument)
		return false;
	for (i = 0; i < owner->read_count; i++)
		if (series->values[i].size != values[i].size ||
			(values[i].size > 0 && memcmp(series->values[i].bytes, values[i].bytes,
						       values[i].size) != 0))
			return false;
	return true;
}

/* In one block: the series, its buckets, the texts of its values. */
static struct metrics_series *metrics_series_new(
	const struct metrics_instrument *instrument, const struct span_text *values)
{
	size_t buckets_size = (instrument->bound_count + 1) * sizeof(struct metrics_bucket);
	size_t texts_size = 0, i;
	struct metrics_series *series;
	char *text;

	for (i = 0; values != NULL && i < instrument->label_count; i++)
		texts_size += values[i].size;
	series = calloc(1, sizeof *series + buckets_size + texts_size);
	if (series == NULL)
		return NULL;
	series->instrument = instrument;
	series->buckets = (struct metrics_bucket *)(series + 1);
	text = (char *)series->buckets + buckets_size;
	for (i = 0; values != NULL && i < instrument->label_count; i++) {
		if (values[i].size == 0)
			continue;
		memcpy(text, values[i].bytes, values[i].size);
		series->values[i] = (struct span_text){.bytes = text, .size = values[i].size};
		text += values[i].size;
	}
	return series;
}

static void metrics_link(struct metrics_owner *owner, struct metrics_series *series)
{
	*owner->last = series;
	owner->last = &series->next;
	owner->count++;
}

static struct metrics_series *metrics_series_of(
	struct metrics *metrics, struct metrics_owner *owner, const struct span_text *values)
{
	struct metrics_series **chain, *series;
	uint64_t hash;

	if (owner->latest != NULL && metrics_is_for(owner->latest, owner, values))
		return owner->latest;
	hash = metrics_hash(owner->instrument, values);
	chain = &metrics->chains[hash % METRICS_CHAINS];
	for (series = *chain; series != NULL; series = series->chain)
		if (series->hash == hash && metrics_is_for(series, owner, values))
			return owner->latest = series;
	if (owner->count <= metrics->series_max) /* beside that of overflow */
		series = metrics_series_new(owner->instrument, values);
	if (series == NULL) {
		metrics->counters.metric_overflows++;
		return owner->first;
	}
	series->hash = hash;
	series->chain = *chain;
	*chain = series;
	metrics_link(owner, series);
	return owner->latest = series;
}

static void metrics_add(struct metrics_series *series, double value, const struct span *span)
{
	const struct metrics_instrument *instrument = series->instrument;
	struct metrics_bucket *bucket;
	size_t i;

	for (i = 0; i < instrument->bound_count && value > instrument->bounds[i]; i++)
		;
	bucket = &series->buckets[i];
	bucket->count++;
	series->count++;
	series->sum += value;
	if ((span->context.flags & TRACE_FLAG_SAMPLED) == 0)
		return; /* nobody finds that trace */
	memcpy(bucket->exemplar.trace_id, span->context.trace_id, TRACE_ID_SIZE);
	memcpy(bucket->exemplar.span_id, span->context.span_id, SPAN_ID_SIZE);
	bucket->exemplar.value = value;
	bucket->exemplar.unix_ns = span->end_unix_ns;
}

/* ---- all of them ---- */

static size_t metrics_count_read(const struct metrics_instrument *instrument)
{
	size_t count = instrument->label_count;

	while (count > 0 && instrument->labels[count - 1].value != NULL)
		count--;
	return count;
}

/* Appends to the instruments of the same type of spans, so that their order is kept. */
static void metrics_place(struct metrics *metrics, struct metrics_owner *owner)
{
	struct metrics_owner **at = &metrics->types;

	while (*at != NULL && strcmp((*at)->instrument->span, owner->instrument->span) != 0)
		at = &(*at)->other;
	while (*at != NULL)
		at = &(*at)->same;
	*at = owner;
}

struct metrics *metrics_new(const struct metrics_instrument *list, size_t count, size_t series_max)
{
	struct metrics *metrics = calloc(1, sizeof *metrics + count * sizeof metrics->owners[0]);
	struct metrics_series *overflow;
	size_t i;

	if (metrics == NULL)
		return NULL;
	metrics->series_max = series_max;
	metrics->list = list;
	metrics->owner_count = count;
	for (i = 0; i < count; i++) {
		assert(list[i].label_count <= METRICS_LABELS_MAX);
		assert(list[i].bound_count <= METRICS_BOUNDS_MAX);
		metrics->owners[i].instrument = &list[i];
		metrics->owners[i].read_count = metrics_count_read(&list[i]);
		metrics->owners[i].last = &metrics->owners[i].first;
		overflow = metrics_series_new(&list[i], NULL);
		if (overflow == NULL) {
			metrics_free(metrics);
			return NULL;
		}
		overflow->is_overflow = true;
		metrics_link(&metrics->owners[i], overflow);
		metrics_place(metrics, &metrics->owners[i]);
	}
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	struct metrics_series *series, *next;
	size_t i;

	if (metrics == NULL)
		return;
	for (i = 0; i < metrics->owner_count; i++)
		for (series = metrics->owners[i].first; series != NULL; series = next) {
			next = series->next;
			free(series);
		}
	free(metrics);
}

void metrics_record(struct metrics *metrics, const struct span *span)
{
	struct metrics_owner *owner = span->type != NULL ? metrics->types : NULL;
	struct metrics_values values;
	double value;

	while (owner != NULL && owner->instrument->span != span->type &&
		strcmp(owner->instrument->span, span->type) != 0)
		owner = owner->other;
	for (; owner != NULL; owner = owner->same) {
		if (!metrics_read_value(owner->instrument, span, &value))
			continue;
		metrics_read_labels(owner, span, &values);
		metrics_add(metrics_series_of(metrics, owner, values.list), value, span);
	}
}

const struct metrics_instrument *metrics_list(const struct metrics *metrics, size_t *count)
{
	*count = metrics->owner_count;
	return metrics->list;
}

const struct metrics_series *metrics_first(const struct metrics *metrics, size_t instrument)
{
	const struct metrics_series *first = metrics->owners[instrument].first;

	return first->count > 0 ? first : first->next;
}

struct metrics_counters metrics_counters(const struct metrics *metrics)
{
	return metrics != NULL ? metrics->counters : (struct metrics_counters){0};
}
