/*
 * From histograms to a few numbers. Series that have the same text in one label are taken together;
 * what stands in labels is from the wire, and escaped.
 */
#include "proxy/admin/stats.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "exporter/exporter.h"
#include "exporter/metrics/metrics.h"
#include "proxy/admin/quote.h"
#include "proxy/admin/sources.h"
#include "proxy/generation.h"
#include "proxy/loop.h"
#include "proxy/measures.h"

/* Series that are looked at by one of their labels. */
struct stats_series {
	const struct metrics_series *series;
	struct span_text label;
};

static int stats_by_label(const void *left, const void *right)
{
	const struct stats_series *a = left, *b = right;
	size_t size = a->label.size < b->label.size ? a->label.size : b->label.size;
	int order = size > 0 ? memcmp(a->label.bytes, b->label.bytes, size) : 0;

	return order != 0 ? order
			  : (a->label.size > b->label.size) - (a->label.size < b->label.size);
}

/* Where the label stands; label_count: nowhere. */
static size_t stats_find_label(const struct metrics_instrument *instrument, const char *key)
{
	size_t i;

	for (i = 0; i < instrument->label_count; i++)
		if (strcmp(instrument->labels[i].key, key) == 0)
			break;
	return i;
}

static struct span_text stats_label(const struct metrics_series *series, size_t label)
{
	assert(label <= series->instrument->label_count);
	if (series->is_overflow || label == series->instrument->label_count ||
		series->values[label].size == 0)
		return span_text_of("_OTHER");
	return series->values[label];
}

/*
 * Calls write for all series with the same text in a label, text by text. False: out of memory.
 */
static bool stats_each(FILE *out, const struct metrics *metrics, size_t instrument, const char *key,
	bool *comma, void (*write)(FILE *out, const struct stats_series *list, size_t count))
{
	const struct metrics_series *series;
	const struct metrics_instrument *about;
	struct stats_series *list;
	size_t count = 0, i, next, all;

	about = &metrics_list(metrics, &all)[instrument];
	for (series = metrics_first(metrics, instrument); series != NULL; series = series->next)
		count++;
	if (count == 0)
		return true;
	list = calloc(count, sizeof *list);
	if (list == NULL)
		return false;
	for (series = metrics_first(metrics, instrument), i = 0; series != NULL;
		series = series->next, i++)
		list[i] = (struct stats_series){
			series, stats_label(series, stats_find_label(about, key))};
	qsort(list, count, sizeof *list, stats_by_label);
	for (i = 0; i < count; i = next) {
		for (next = i + 1; next < count && stats_by_label(&list[i], &list[next]) == 0;)
			next++;
		(void)fputs(*comma ? "," : "", out);
		*comma = true;
		write(out, list + i, next - i);
	}
	free(list);
	return true;
}

/* ---- methods ---- */

/*
 * The value that so large a part of all lies below, as Prometheus has it: on a line from one bound
 * of its bucket to the other; beyond the last bound nothing is known.
 */
static double stats_quantile(const struct stats_series *list, size_t count, double part)
{
	const struct metrics_instrument *instrument = list[0].series->instrument;
	double rank, below = 0, inside = 0, low;
	uint64_t all = 0;
	size_t i, bucket;

	assert(count > 0 && part > 0 && part < 1 && instrument->bound_count > 0);
	for (i = 0; i < count; i++)
		all += list[i].series->count;
	rank = part * (double)all;
	for (bucket = 0; bucket < instrument->bound_count; bucket++) {
		for (inside = 0, i = 0; i < count; i++)
			inside += (double)list[i].series->buckets[bucket].count;
		if (below + inside >= rank && inside > 0)
			break;
		below += inside;
	}
	if (bucket == instrument->bound_count)
		return instrument->bounds[bucket - 1];
	low = bucket > 0 ? instrument->bounds[bucket - 1] : 0;
	return low + (instrument->bounds[bucket] - low) * (rank - below) / inside;
}

static void stats_write_method(FILE *out, const struct stats_series *list, size_t count)
{
	const struct metrics_instrument *instrument = list[0].series->instrument;
	size_t error = stats_find_label(instrument, "error.type"), i;
	unsigned long long all = 0, errors = 0;

	for (i = 0; i < count; i++) {
		all += list[i].series->count;
		if (error < instrument->label_count && list[i].series->values[error].size > 0)
			errors += list[i].series->count;
	}
	(void)fputs("{\"method\":", out);
	quote_write(out, list[0].label);
	(void)fprintf(out,
		",\"count\":%llu,\"errors\":%llu,\"p50\":%.6g,\"p95\":%.6g,\"p99\":%.6g}", all,
		errors, stats_quantile(list, count, 0.5), stats_quantile(list, count, 0.95),
		stats_quantile(list, count, 0.99));
}

/* ---- tokens ---- */

static void stats_write_tokens(FILE *out, const struct stats_series *list, size_t count)
{
	const struct metrics_instrument *instrument = list[0].series->instrument;
	size_t kind = stats_find_label(instrument, "gen_ai.token.type"), i;
	double tokens = 0;

	for (i = 0; i < count; i++)
		tokens += list[i].series->sum;
	(void)fputs("{\"model\":", out);
	quote_write(out, list[0].label);
	(void)fputs(",\"kind\":", out);
	quote_write(out, span_text_of(kind < instrument->label_count &&
						      instrument->labels[kind].value != NULL
					      ? instrument->labels[kind].value
					      : "_OTHER"));
	(void)fprintf(out, ",\"tokens\":%.0f}", tokens);
}

/* All instruments of that name. */
static bool stats_write_list(FILE *out, const struct metrics *metrics, const char *name,
	const char *key, void (*write)(FILE *out, const struct stats_series *list, size_t count))
{
	const struct metrics_instrument *list;
	bool comma = false;
	size_t count, i;

	list = metrics_list(metrics, &count);
	for (i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0 &&
			!stats_each(out, metrics, i, key, &comma, write))
			return false;
	return true;
}

/* ---- the rest ---- */

static void stats_write_head(FILE *out, const struct loop *loop, uint64_t begun_ns)
{
	const struct config *config = loop->config;

	(void)fprintf(out,
		"{\"timeUnixNano\":\"%llu\",\"uptimeSeconds\":%llu,"
		"\"version\":\"" SIDESPAN_VERSION "\",\"server\":",
		(unsigned long long)tracer_unix_ns(loop->generations->now->tracer, loop->now_ns),
		(unsigned long long)((loop->now_ns - begun_ns) / 1000000000));
	quote_write(out, span_text_of(config->service_name));
	(void)fputs(",\"jaegerUrl\":", out);
	if (config->admin_jaeger_url != NULL)
		quote_write(out, span_text_of(config->admin_jaeger_url));
	else
		(void)fputs("null", out);
	(void)fprintf(
		out, ",\"slowSeconds\":%.6g", (double)config->admin_keep_slower_than_ms / 1000);
}

bool stats_write(FILE *out, const struct admin_sources *sources, uint64_t begun_ns)
{
	const struct loop *loop = sources->loop;
	struct tracer_open open[TRACER_OPEN_MAX];

	(void)generations_count_open(loop->generations, open); /* requests are the first of them */
	stats_write_head(out, loop, begun_ns);
	(void)fputs(",\"methods\":[", out);
	if (!stats_write_list(
		    out, sources->metrics, MEASURES_REQUESTS, "rpc.method", stats_write_method))
		return false;
	(void)fputs("],\"tokens\":[", out);
	if (!stats_write_list(out, sources->metrics, STATS_TOKENS, "gen_ai.request.model",
		    stats_write_tokens))
		return false;
	(void)fprintf(
		out, "],\"sessions\":%zu,\"inFlight\":%zu,", loop->guest_count, open[0].count);
	stats_write_exporter(out, sources);
	(void)fputs("}\n", out);
	return true;
}

void stats_write_exporter(FILE *out, const struct admin_sources *sources)
{
	const struct config *config = sources->loop->config;
	struct exporter_counters at = {.created = 0};
	const char *state = "ok";

	if (sources->exporter != NULL)
		exporter_counters_read(sources->exporter, &at);
	if (config->disabled || config->exporter == CONFIG_EXPORTER_NONE)
		state = "none";
	else if (config->exporter == CONFIG_EXPORTER_CONSOLE)
		state = "console";
	else if (at.collector_away > 0)
		state = "away";
	(void)fprintf(out,
		"\"exporter\":{\"created\":%llu,\"sent\":%llu,\"rejected\":%llu,"
		"\"dropped\":%llu,\"spooled\":%llu,\"pending\":%llu,\"state\":\"%s\"}",
		(unsigned long long)at.created, (unsigned long long)at.sent,
		(unsigned long long)at.rejected,
		(unsigned long long)(at.created - at.sent - at.rejected - at.pending - at.spooled),
		(unsigned long long)at.spooled, (unsigned long long)at.pending, state);
}
