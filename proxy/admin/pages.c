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
#include "proxy/loop.h"
#include "proxy/numbers.h"

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

struct pages_numbers {
	FILE *out;
	enum exposition_format format;
};

static void pages_take_number(void *arg, const struct number *number)
{
	const struct pages_numbers *numbers = arg;

	exposition_number(numbers->out, numbers->format, number);
}

static bool pages_write_numbers(
	const struct pages_subject *subject, FILE *out, enum exposition_format format)
{
	const struct admin_sources *sources = subject->sources;
	struct pages_numbers numbers = {out, format};

	numbers_tell(sources->loop, sources->exporter, pages_take_number, &numbers);
	exposition_metrics(out, format, sources->metrics);
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
