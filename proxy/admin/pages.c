/* The table of pages, and those that are no more than a few lines. */
#include "proxy/admin/pages.h"

#include <string.h>

#include "config/config.h"
#include "config/options.h"
#include "config/value.h"
#include "exporter/exporter.h"
#include "proxy/admin/exposition.h"
#include "proxy/admin/quote.h"
#include "proxy/admin/sources.h"
#include "proxy/admin/stats.h"
#include "proxy/admin/views.h"
#include "proxy/counters.h"
#include "proxy/generation.h"
#include "proxy/loop.h"

#define PAGES_VALUE_SIZE   4096
#define PAGES_JSON         "application/json"
#define PAGES_HTML         "text/html; charset=utf-8"
#define PAGES_OPEN_TYPE    "application/openmetrics-text"
#define PAGES_OPEN_METRICS PAGES_OPEN_TYPE "; version=1.0.0; charset=utf-8"
#define PAGES_PROMETHEUS   "text/plain; version=0.0.4; charset=utf-8"

static bool pages_write_health(const struct pages_subject *subject, FILE *out)
{
	(void)subject;
	(void)fputs("{\"status\":\"ok\",\"version\":\"" SIDESPAN_VERSION "\"}\n", out);
	return true;
}

static bool pages_write_numbers(
	const struct pages_subject *subject, FILE *out, enum exposition_format format)
{
	const struct loop *loop = subject->sources->loop;
	struct counter list[COUNTERS_COUNT];
	struct tracer_open open[TRACER_OPEN_MAX];
	const uint64_t seconds = loop->config_unix_ns / 1000000000;
	struct exporter_counters at = {.created = 0};

	if (subject->sources->exporter != NULL)
		exporter_counters_read(subject->sources->exporter, &at);
	counters_read(list, loop, &at);
	(void)fputs("# HELP sidespan_build_info The version, as a label.\n"
		    "# TYPE sidespan_build_info gauge\n"
		    "sidespan_build_info{version=\"" SIDESPAN_VERSION "\"} 1\n",
		out);
	exposition_counters(out, format, list, COUNTERS_COUNT);
	exposition_metrics(out, format, subject->sources->metrics);
	exposition_single(out, format, "sidespan_connections_open", EXPOSITION_GAUGE,
		"Clients that are served now.", (double)loop->guest_count);
	exposition_open(out, open, generations_count_open(loop->generations, open), loop->now_ns);
	exposition_single(out, format, "sidespan_config_generation", EXPOSITION_GAUGE,
		"Which settings are in force; the first are 1.", (double)loop->config_number);
	exposition_single(out, format, "sidespan_config_last_reload_successful", EXPOSITION_GAUGE,
		"0 when settings were read again since, and were of no use.",
		loop->config_failed ? 0 : 1);
	exposition_single(out, format, "sidespan_config_last_reload_success_timestamp_seconds",
		EXPOSITION_GAUGE, "When the settings were read that are in force.",
		(double)seconds);
	exposition_process(out, format);
	exposition_end(out, format);
	return true;
}

static bool pages_write_metrics(const struct pages_subject *subject, FILE *out)
{
	return pages_write_numbers(subject, out, EXPOSITION_TEXT);
}

static bool pages_write_open_metrics(const struct pages_subject *subject, FILE *out)
{
	return pages_write_numbers(subject, out, EXPOSITION_OPEN_METRICS);
}

/* Which settings these are, and all of them. Secrets are *** in it. */
static bool pages_write_config(const struct pages_subject *subject, FILE *out)
{
	const struct loop *loop = subject->sources->loop;
	char value[PAGES_VALUE_SIZE];
	size_t i;

	(void)fprintf(
		out, "{\n\t\"generation\": \"%llu\"", (unsigned long long)loop->config_number);
	for (i = 0; i < OPTION_COUNT; i++) {
		(void)fputs(",\n\t", out);
		quote_write(out, span_text_of(option_at(i)->name));
		(void)fputs(": ", out);
		value_print(option_at(i), loop->config, value, sizeof value);
		quote_write(out, span_text_of(value));
	}
	(void)fputs("\n}\n", out);
	return true;
}

static bool pages_write_open(const struct pages_subject *subject, FILE *out)
{
	views_write_open(out, subject->sources->loop);
	return true;
}

static const struct ring *pages_ring(const struct pages_subject *subject)
{
	return subject->sources->exporter != NULL ? exporter_ring(subject->sources->exporter)
						  : NULL;
}

uint64_t pages_number(struct http_text text)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++)
		number = number * 10 + (uint64_t)(text.bytes[i] - '0');
	return i == text.size && i < 20 ? number : 0; /* of 64 bits nearly all */
}

/* ?since=N: what ended after that one. */
static bool pages_write_traces(const struct pages_subject *subject, FILE *out)
{
	static const struct http_text since = {"?since=", 7};
	struct http_text query = subject->query;

	if (query.size > since.size && memcmp(query.bytes, since.bytes, since.size) == 0)
		query = (struct http_text){query.bytes + since.size, query.size - since.size};
	return views_write_traces(out, pages_ring(subject), pages_number(query));
}

static bool pages_write_stats(const struct pages_subject *subject, FILE *out)
{
	return stats_write(out, subject->sources, subject->begun_ns);
}

bool pages_is_ready(const struct pages_subject *subject)
{
	return !subject->unreached && !subject->draining;
}

/* Telemetry that does not get through is told, but is no reason to keep clients away. */
static bool pages_write_ready(const struct pages_subject *subject, FILE *out)
{
	const char *server = "reachable";

	if (subject->draining)
		server = "we end";
	else if (subject->unreached)
		server = "unreachable";
	(void)fprintf(out, "{\"ready\":%s,\"server\":\"%s\",",
		pages_is_ready(subject) ? "true" : "false", server);
	stats_write_exporter(out, subject->sources);
	(void)fputs("}\n", out);
	return true;
}

static const struct pages_row pages_rows[] = {
	{"/", PAGES_HTML, PAGES_FIXED, true, NULL},
	{"/healthz", PAGES_JSON, PAGES_WRITTEN, true, pages_write_health},
	{"/readyz", PAGES_JSON, PAGES_READY, true, pages_write_ready},
	{"/metrics", PAGES_OPEN_METRICS, PAGES_WRITTEN, false, pages_write_open_metrics},
	{"/metrics", PAGES_PROMETHEUS, PAGES_WRITTEN, false, pages_write_metrics},
	{"/config", PAGES_JSON, PAGES_WRITTEN, false, pages_write_config},
	{"/open", PAGES_JSON, PAGES_WRITTEN, false, pages_write_open},
	{"/traces", PAGES_JSON, PAGES_WRITTEN, false, pages_write_traces},
	{"/stats", PAGES_JSON, PAGES_WRITTEN, false, pages_write_stats},
	{"/live", "text/event-stream", PAGES_ENDLESS, false, NULL},
};

#define PAGES_COUNT (sizeof pages_rows / sizeof *pages_rows)

/* Whether one of the types that the client takes is the page's, when it has to be asked for. */
static bool pages_is_wanted(const struct pages_row *page, const struct http_head *head)
{
	struct http_cursor at = {.field = 0};
	const size_t size = strlen(PAGES_OPEN_TYPE);
	struct http_text item;

	if (strncmp(page->type, PAGES_OPEN_TYPE, size) != 0)
		return true;
	while (http_list_next(head, "Accept", &at, &item))
		if (item.size >= size && strncmp(item.bytes, PAGES_OPEN_TYPE, size) == 0)
			return true;
	return false;
}

const struct pages_row *pages_find(const struct http_head *head, struct http_text *query)
{
	struct http_text authority, path;
	size_t i, size;

	http_target_split(head->target, &authority, &path);
	for (size = 0; size < path.size && path.bytes[size] != '?'; size++)
		;
	*query = (struct http_text){path.bytes + size, path.size - size};
	for (i = 0; i < PAGES_COUNT; i++)
		if (strlen(pages_rows[i].path) == size &&
			memcmp(pages_rows[i].path, path.bytes, size) == 0 &&
			pages_is_wanted(&pages_rows[i], head))
			return &pages_rows[i];
	return NULL;
}
