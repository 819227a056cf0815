/*
 * Reports; see report.h. yajl is given the text in one piece. A value is known by the names on the
 * way to it, as one path, "/spans/attributes/key"; lists add nothing to it. The table says where a
 * value goes; an attribute is looked at when its object ends, a span's kind when the span does.
 */
#include "proxy/top/report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "config/yajl_memory.h"
#include "w3c/utf8.h"

#define REPORT_PATH_MAX  64
#define REPORT_DEPTH_MAX 16

enum { REPORT_STOP = 0, REPORT_GO_ON = 1 }; /* what yajl is told */

struct report_parser {
	struct report *report;
	struct report_span *span; /* the one that is open, or the scratch for those too many */
	struct report_span scratch;
	struct report_text key, value;  /* of its attribute */
	struct report_text operation;   /* gen_ai.operation.name of the span */
	uint64_t span_kind;             /* as OTLP numbers it */
	uint64_t omitted;               /* by the program; further ones are by us */
	char path[REPORT_PATH_MAX];     /* terminated */
	size_t sizes[REPORT_DEPTH_MAX]; /* of the path, where each open object or list begins */
	size_t depth;
	bool is_object;  /* at the top */
	const char *why; /* it was given up */
};

/* ---- values ---- */

static void report_set_text(struct report_text *text, const char *bytes, size_t size)
{
	text->size = size <= sizeof text->bytes ? size : utf8_cut(bytes, sizeof text->bytes);
	memcpy(text->bytes, bytes, text->size);
}

/* What is no whole number is 0; its digits end where bytes do not, behind which yajl has more. */
static uint64_t report_number(const char *bytes, size_t size)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < size && bytes[i] >= '0' && bytes[i] <= '9'; i++) {
		if (number > (UINT64_MAX - 9) / 10)
			return UINT64_MAX;
		number = number * 10 + (uint64_t)(bytes[i] - '0');
	}
	return number;
}

static bool report_is(const struct report_text *text, const char *word)
{
	return text->size == strlen(word) && memcmp(text->bytes, word, text->size) == 0;
}

/* Where values go: to a text or a number. */
struct report_place {
	const char *path;
	struct report_text *text;
	uint64_t *number;
};

static void report_take(struct report_parser *parser, const char *bytes, size_t size)
{
	struct report *report = parser->report;
	struct report_span *span = parser->span;
	const struct report_place places[] = {
		{"/timeUnixNano", NULL, &report->time_ns},
		{"/omitted", NULL, &parser->omitted},
		{"/spans/name", &span->name, NULL},
		{"/spans/kind", NULL, &parser->span_kind},
		{"/spans/traceId", &span->trace_id, NULL},
		{"/spans/startTimeUnixNano", NULL, &span->start_ns},
		{"/spans/attributes/key", &parser->key, NULL},
		{"/spans/attributes/value/stringValue", &parser->value, NULL},
		{"/spans/attributes/value/intValue", &parser->value, NULL},
		{"/version", &report->version, NULL},
		{"/server", &report->server, NULL},
		{"/uptimeSeconds", NULL, &report->uptime_s},
		{"/sessions", NULL, &report->sessions},
		{"/inFlight", NULL, &report->in_flight},
		{"/exporter/state", &report->exporter_state, NULL},
		{"/exporter/sent", NULL, &report->sent},
		{"/exporter/pending", NULL, &report->pending},
		{"/exporter/spooled", NULL, &report->spooled},
		{"/exporter/rejected", NULL, &report->rejected},
		{"/exporter/dropped", NULL, &report->dropped},
	};
	size_t i;

	for (i = 0; i < sizeof places / sizeof *places; i++)
		if (strcmp(places[i].path, parser->path) == 0) {
			if (places[i].text != NULL)
				report_set_text(places[i].text, bytes, size);
			if (places[i].number != NULL)
				*places[i].number = report_number(bytes, size);
			return;
		}
}

/* ---- spans ---- */

static int report_open_span(struct report_parser *parser)
{
	struct report *report = parser->report;
	struct report_span *grown;

	parser->span = &parser->scratch;
	parser->span_kind = 0;
	parser->operation.size = 0;
	if (report->count == REPORT_SPANS_MAX)
		return REPORT_GO_ON;
	if ((report->count & (report->count - 1)) == 0) { /* a power of two is full */
		grown = realloc(
			report->spans, (report->count > 0 ? 2 * report->count : 1) * sizeof *grown);
		if (grown == NULL) {
			parser->why = "out of memory";
			return REPORT_STOP;
		}
		report->spans = grown;
	}
	parser->span = &report->spans[report->count++];
	*parser->span = (struct report_span){.kind = REPORT_ITEM};
	return REPORT_GO_ON;
}

static void report_end_attribute(struct report_parser *parser)
{
	static const char *const threads[] = {
		"thread.id", "gen_ai.conversation.id", "mcp.session.id", "session.id"};
	size_t i;

	if (report_is(&parser->key, "rpc.method"))
		parser->span->method = parser->value;
	else if (report_is(&parser->key, "app_server.connection_id"))
		parser->span->connection = parser->value;
	else if (report_is(&parser->key, "gen_ai.operation.name"))
		parser->operation = parser->value;
	for (i = 0; i < sizeof threads / sizeof *threads; i++)
		if (parser->span->thread.size == 0 && report_is(&parser->key, threads[i]))
			parser->span->thread = parser->value;
}

static enum report_kind report_kind_of(const struct report_parser *parser)
{
	static const struct {
		const char *operation;
		enum report_kind kind;
	} operations[] = {
		{"invoke_agent", REPORT_TURN},
		{"execute_tool", REPORT_TOOL},
		{"chat", REPORT_MODEL},
		{"generate_content", REPORT_MODEL},
		{"text_completion", REPORT_MODEL},
	};
	size_t i;

	for (i = 0; i < sizeof operations / sizeof *operations; i++)
		if (report_is(&parser->operation, operations[i].operation))
			return operations[i].kind;
	switch (parser->span_kind) {
	case 2: /* SPAN_KIND_SERVER */
		return REPORT_REQUEST;
	case 3: /* SPAN_KIND_CLIENT: the server has asked */
		return REPORT_WAIT;
	default:
		return parser->span->method.size > 0 ? REPORT_DISPATCH : REPORT_ITEM;
	}
}

static void report_end_span(struct report_parser *parser)
{
	parser->span->kind = report_kind_of(parser);
	parser->report->omitted += parser->span == &parser->scratch;
}

/* ---- what yajl tells ---- */

static int report_on_null(void *arg)
{
	(void)arg; /* as if it were not there */
	return REPORT_GO_ON;
}

static int report_on_boolean(void *arg, int value)
{
	(void)arg; /* nothing of it is wanted */
	(void)value;
	return REPORT_GO_ON;
}

static int report_on_number(void *arg, const char *bytes, size_t size)
{
	report_take(arg, bytes, size);
	return REPORT_GO_ON;
}

static int report_on_string(void *arg, const unsigned char *bytes, size_t size)
{
	report_take(arg, (const char *)bytes, size);
	return REPORT_GO_ON;
}

static int report_open(void *arg)
{
	struct report_parser *parser = arg;

	if (parser->depth == REPORT_DEPTH_MAX) {
		parser->why = "nested too deeply";
		return REPORT_STOP;
	}
	parser->sizes[parser->depth++] = strlen(parser->path);
	return REPORT_GO_ON;
}

static int report_on_object(void *arg)
{
	struct report_parser *parser = arg;

	if (parser->depth == 0)
		parser->is_object = true;
	if (report_open(parser) == REPORT_STOP)
		return REPORT_STOP;
	if (strcmp(parser->path, "/spans/attributes") == 0)
		parser->key.size = parser->value.size = 0;
	return strcmp(parser->path, "/spans") == 0 ? report_open_span(parser) : REPORT_GO_ON;
}

/* A name for which there is no room is none that is wanted, nor is what is within it. */
static int report_on_key(void *arg, const unsigned char *bytes, size_t size)
{
	struct report_parser *parser = arg;
	size_t at = parser->sizes[parser->depth - 1];

	assert(parser->depth > 0 && at < sizeof parser->path);
	if (at + size + 2 > sizeof parser->path || memchr(bytes, '\0', size) != NULL ||
		memchr(bytes, '/', size) != NULL) {
		bytes = (const unsigned char *)"?";
		size = 1;
	}
	if (at + size + 2 > sizeof parser->path)
		return REPORT_GO_ON; /* nothing that is wanted has so long a path */
	parser->path[at] = '/';
	memcpy(parser->path + at + 1, bytes, size);
	parser->path[at + 1 + size] = '\0';
	return REPORT_GO_ON;
}

static int report_close(void *arg)
{
	struct report_parser *parser = arg;

	assert(parser->depth > 0); /* yajl pairs them */
	parser->path[parser->sizes[--parser->depth]] = '\0';
	return REPORT_GO_ON;
}

static int report_on_object_end(void *arg)
{
	struct report_parser *parser = arg;

	(void)report_close(parser); /* always goes on */
	if (strcmp(parser->path, "/spans/attributes") == 0)
		report_end_attribute(parser);
	else if (strcmp(parser->path, "/spans") == 0)
		report_end_span(parser);
	return REPORT_GO_ON;
}

static const yajl_callbacks report_callbacks = {
	.yajl_null = report_on_null,
	.yajl_boolean = report_on_boolean,
	.yajl_number = report_on_number,
	.yajl_string = report_on_string,
	.yajl_start_map = report_on_object,
	.yajl_map_key = report_on_key,
	.yajl_end_map = report_on_object_end,
	.yajl_start_array = report_open,
	.yajl_end_array = report_close,
};

/* ---- both ---- */

static int report_read(struct report *report, const char *text, size_t size, const char **why)
{
	struct report_parser parser = {.report = report, .span = &parser.scratch};
	struct yajl_memory memory;
	yajl_handle yajl;
	yajl_status status;

	if (yajl_memory_init(&memory, size) != 0) {
		*why = "out of memory";
		return -1;
	}
	yajl = yajl_alloc(&report_callbacks, &memory.functions, &parser);
	status = yajl_parse(yajl, (const unsigned char *)text, size);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	yajl_free(yajl);
	yajl_memory_done(&memory);
	if (status == yajl_status_ok && parser.is_object) {
		report->omitted += parser.omitted;
		return 0;
	}
	*why = parser.why != NULL ? parser.why : "not what sidespan says";
	return -1;
}

int report_read_open(struct report *report, const char *text, size_t size, const char **why)
{
	struct report read = *report;

	read.spans = NULL;
	read.count = 0;
	read.time_ns = read.omitted = 0;
	if (report_read(&read, text, size, why) != 0) {
		free(read.spans);
		return -1;
	}
	free(report->spans);
	*report = read;
	return 0;
}

int report_read_stats(struct report *report, const char *text, size_t size, const char **why)
{
	struct report read = {.spans = NULL};

	if (report_read(&read, text, size, why) != 0) {
		free(read.spans);
		return -1;
	}
	free(read.spans); /* it has none, unless something is wrong there */
	read.spans = report->spans;
	read.count = report->count;
	read.omitted = report->omitted;
	read.time_ns = report->time_ns;
	read.has_stats = true;
	*report = read;
	return 0;
}

void report_done(struct report *report)
{
	free(report->spans);
	*report = (struct report){.spans = NULL};
}
