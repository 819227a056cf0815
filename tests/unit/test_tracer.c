/*
 * The tracer from messages to spans. The exporter's part is played by this file: it has the
 * functions that the tracer calls, and keeps what it is given as text.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/profile/profile.h"
#include "exporter/exporter.h"
#include "proxy/log.h"
#include "proxy/trace/follow/emit.h"
#include "proxy/trace/tracer.h"
#include "tests/unit/config_case.h"
#include "tests/unit/envelope_case.h"
#include "tests/unit/unit.h"
#include "w3c/carrier.h"

#define TRACE       "0af7651916cd43dd8448eb211c80319c"
#define PARENT      "b7ad6b7169203331"
#define SAMPLED     "00-" TRACE "-" PARENT "-01"
#define UNSAMPLED   "00-" TRACE "-" PARENT "-00"
#define ENV_TRACE   "11111111111111111111111111111111"
#define ENV_PARENT  "2222222222222222"
#define ENV_SAMPLED "00-" ENV_TRACE "-" ENV_PARENT "-01"

#define START_NS UINT64_C(1000000000)          /* the monotonic clock's first reading */
#define WALL_NS  UINT64_C(1700000000000000000) /* the wall clock at that moment */
#define STEP_NS  UINT64_C(1000000)             /* between two messages */

enum { SPANS_MAX = 64, TEXT_MAX = 16384 };

/* --- the exporter --- */

struct kept {
	struct traceparent context;
	char parent[2 * SPAN_ID_SIZE + 1]; /* hex, "" for a root */
	char tracestate[CARRIER_TRACESTATE_MAX + 1];
	char name[1024];
	char attributes[TEXT_MAX]; /* "name=value name=value ", zero bytes as @ */
	char message[2048];
	enum span_status status;
	enum span_kind kind;
	uint64_t start_unix_ns, end_unix_ns;
};

struct exporter {
	struct kept spans[SPANS_MAX];
	size_t count;
	size_t begun_count; /* not submitted yet */
};

struct span_shared {
	char text[TEXT_MAX];
};

static void text_append(char *text, size_t text_size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void text_append(char *text, size_t text_size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, format);
	used += (size_t)vsnprintf(text + used, text_size - used, format, ap);
	va_end(ap);
	if (used >= text_size)
		abort();
}

static void attributes_append(
	char text[TEXT_MAX], const struct span_attribute *attributes, size_t count)
{
	size_t i, used, size;
	char *zero;

	for (i = 0; i < count; i++) {
		size = attributes[i].value.string.size;
		used = strlen(text);
		if (attributes[i].type == SPAN_VALUE_INT) {
			(void)sprintf(text + used, "%s=%lld ", attributes[i].key,
				(long long)attributes[i].value.integer);
			continue;
		}
		if (attributes[i].type != SPAN_VALUE_STRING || used + size + 300 > TEXT_MAX)
			abort();
		used += (size_t)sprintf(text + used, "%s=", attributes[i].key);
		if (attributes[i].rendered != NULL &&
			strcmp(text + used - attributes[i].rendered->size,
				attributes[i].rendered->bytes) != 0)
			abort();
		memcpy(text + used, attributes[i].value.string.bytes, size);
		text[used + size] = ' ';
		text[used + size + 1] = '\0';
		while ((zero = memchr(text + used, '\0', size)) != NULL)
			*zero = '@'; /* so that it is a text */
	}
}

static unsigned share_count; /* of exporter_share() */

struct span_shared *exporter_share(
	const struct exporter *exporter, const struct span_attribute *attributes, size_t count)
{
	struct span_shared *shared = calloc(1, sizeof *shared);

	(void)exporter;
	share_count++;
	if (shared != NULL)
		attributes_append(shared->text, attributes, count);
	return shared;
}

void span_key_init(struct span_key *rendered, const char *key)
{
	rendered->size = (size_t)snprintf(rendered->bytes, sizeof rendered->bytes, "%s=", key);
}

void span_shared_free(struct span_shared *shared)
{
	free(shared);
}

static void text_copy(char *text, size_t text_size, struct span_text copied)
{
	if (copied.size >= text_size)
		abort();
	if (copied.size > 0)
		memcpy(text, copied.bytes, copied.size);
	text[copied.size] = '\0';
}

void exporter_begin(struct exporter *exporter, const struct traceparent *context)
{
	(void)context;
	exporter->begun_count++;
}

/* No attribute is there twice, nor on its own and in what is shared. */
static void check_keys(const struct span *span)
{
	size_t i, j;

	for (i = 0; i < span->attribute_count; i++) {
		const char *key = span->attributes[i].key;
		char shared[300];

		for (j = 0; j < i; j++)
			if (strcmp(span->attributes[j].key, key) == 0)
				abort();
		snprintf(shared, sizeof shared, " %s=", key);
		if (span->shared != NULL && strstr(span->shared->text, shared) != NULL)
			abort();
	}
}

void exporter_submit(struct exporter *exporter, const struct span *span)
{
	struct kept *kept = &exporter->spans[exporter->count++];
	size_t i;

	check_keys(span);

	if (span->begun && exporter->begun_count-- == 0)
		abort();
	if (exporter->count > SPANS_MAX)
		abort();
	memset(kept, 0, sizeof *kept);
	kept->context = span->context;
	for (i = 0; span->has_parent && i < SPAN_ID_SIZE; i++)
		text_append(kept->parent, sizeof kept->parent, "%02x", span->parent_span_id[i]);
	text_copy(kept->tracestate, sizeof kept->tracestate, span->tracestate);
	text_copy(kept->name, sizeof kept->name, span->name);
	text_copy(kept->message, sizeof kept->message, span->status_message);
	if (span->shared != NULL)
		text_append(kept->attributes, TEXT_MAX, "%s", span->shared->text);
	attributes_append(kept->attributes, span->attributes, span->attribute_count);
	kept->status = span->status;
	kept->kind = span->kind;
	kept->start_unix_ns = span->start_unix_ns;
	kept->end_unix_ns = span->end_unix_ns;
}

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

/* --- a connection under test --- */

struct setup {
	struct config_case load;
	struct exporter exporter;
	struct tracer *tracer;
	struct tracer_connection *connection;
	struct envelope_case reader;
	uint64_t now_ns;
	char carrier[CARRIER_TEXT_MAX + 1]; /* that the last request was forwarded with */
	size_t carrier_size;
	char error[256];
};

static void setup_load(struct setup *setup, const char *const *flags)
{
	static const char *const no_variables[] = {NULL};
	const char *all[32];
	size_t count = 0;

	memset(setup, 0, sizeof *setup);
	setup->now_ns = START_NS;
	while (flags != NULL && flags[count] != NULL) {
		all[count] = flags[count];
		count++;
	}
	all[count++] = "--";
	all[count++] = "server";
	all[count] = NULL;
	config_case_load(&setup->load, all, no_variables);
	ck_assert_msg(setup->load.outcome == CONFIG_RUN, "%s", setup->load.error);
}

static void setup_open(struct setup *setup, const char *const *flags, const char *traceparent,
	const char *tracestate)
{
	setup_load(setup, flags);
	setup->tracer = tracer_new(setup->load.config, &setup->exporter, traceparent, tracestate,
		setup->error, sizeof setup->error);
	ck_assert_msg(setup->tracer != NULL, "%s", setup->error);
	tracer_clock(setup->tracer, setup->now_ns, WALL_NS);
	envelope_case_init(&setup->reader, tracer_pointers(setup->tracer));
	setup->connection = tracer_connection_new(setup->tracer, 0, "stdio", true);
	ck_assert_ptr_nonnull(setup->connection);
}

static void setup_close(struct setup *setup)
{
	tracer_connection_free(setup->connection, TRACER_CONNECTION_CLOSED, setup->now_ns);
	envelope_case_done(&setup->reader);
	tracer_free(setup->tracer);
	config_case_done(&setup->load);
}

/* A message of the client is forwarded: with our carrier if it is a request. */
static void setup_client(struct setup *setup, const char *message)
{
	struct envelope *envelope = envelope_case_read(&setup->reader, message);
	const char *text = NULL;
	size_t size = tracer_carrier(setup->connection, envelope, &text);

	text_copy(setup->carrier, sizeof setup->carrier, (struct span_text){text, size});
	tracer_client_message(setup->connection, envelope, setup->now_ns, setup->now_ns);
	setup->now_ns += STEP_NS;
}

static void setup_backend(struct setup *setup, const char *message)
{
	tracer_backend_message(
		setup->connection, envelope_case_read(&setup->reader, message), setup->now_ns);
	setup->now_ns += STEP_NS;
}

static const struct tracer_counters *setup_counters(const struct setup *setup)
{
	return tracer_counters(setup->tracer);
}

/* The span that was made, and there is only one. */
static const struct kept *setup_span(const struct setup *setup)
{
	ck_assert_uint_eq(setup->exporter.count, 1);
	return &setup->exporter.spans[0];
}

static void text_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in: %s", part, text);
}

static void text_has_not(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "\"%s\" in: %s", part, text);
}

static unsigned text_count(const char *text, const char *part)
{
	unsigned count = 0;

	for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
		count++;
	return count;
}

static const char request_1[] = "{\"id\":1,\"method\":\"m\"}";
static const char reply_1[] = "{\"id\":1,\"result\":{}}";

/* Writes form with so many x for its #. */
static void fill(char *text, const char *form, size_t count)
{
	for (; *form != '\0'; form++) {
		if (*form != '#') {
			*text++ = *form;
			continue;
		}
		memset(text, 'x', count);
		text += count;
	}
	*text = '\0';
}

/* What is cut is counted: a method, a captured value, an error's message; and nothing else. */
START_TEST(test_cut_is_counted)
{
	static const struct {
		const char *client, *backend;
		size_t size; /* of what fits */
	} rows[] = {
		{"{\"id\":1,\"method\":\"#\"}", "{\"id\":1,\"result\":{}}", 256},
		{"{\"id\":1,\"method\":\"thread/read\",\"params\":{\"threadId\":\"#\"}}",
			"{\"id\":1,\"error\":{\"code\":1,\"message\":\"short\"}}", 256},
		{"{\"id\":1,\"method\":\"m\"}",
			"{\"id\":1,\"error\":{\"code\":1,\"message\":\"#\"}}", 1024},
	};
	struct setup setup;
	char text[2048];
	size_t over;

	for (over = 0; over < 2; over++) {
		setup_open(&setup, (const char *[]){"--profile=codex", NULL}, NULL, NULL);
		fill(text, rows[_i].client, rows[_i].size + over);
		setup_client(&setup, text);
		fill(text, rows[_i].backend, rows[_i].size + over);
		setup_backend(&setup, text);
		ck_assert_uint_eq(tracer_follow_counters(setup.tracer)->budget.values_cut, over);
		setup_close(&setup);
	}
}
END_TEST

/* --- names of attributes --- */

static const struct {
	const char *semconv;
	const char *reply;
	const char *attributes;
} name_rows[] = {
	{"--semconv=legacy", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}",
		"rpc.system=jsonrpc rpc.service=codex-app-server rpc.transport=stdio "
		"app_server.connection_id=0 app_server.api_version=v2 rpc.method=thread/list "
		"rpc.request_id=7 sidespan.end_reason=answered "},
	{"--semconv=rpc", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}",
		"rpc.system.name=jsonrpc rpc.transport=stdio app_server.connection_id=0 "
		"app_server.api_version=v2 rpc.method=thread/list jsonrpc.request.id=7 "
		"jsonrpc.protocol.version=2.0 sidespan.end_reason=answered "},
	{"--semconv=rpc/dup", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}",
		"rpc.system=jsonrpc rpc.system.name=jsonrpc rpc.service=codex-app-server "
		"rpc.transport=stdio app_server.connection_id=0 app_server.api_version=v2 "
		"rpc.method=thread/list rpc.request_id=7 jsonrpc.request.id=7 "
		"jsonrpc.protocol.version=2.0 sidespan.end_reason=answered "},
	/* without a member "jsonrpc" there is no version to be told */
	{"--semconv=rpc", "{\"id\":7,\"result\":{}}",
		"rpc.system.name=jsonrpc rpc.transport=stdio app_server.connection_id=0 "
		"app_server.api_version=v2 rpc.method=thread/list jsonrpc.request.id=7 "
		"sidespan.end_reason=answered "},
	{"--semconv=legacy", "{\"error\":{\"code\":-32001,\"message\":\"busy\"},\"id\":7}",
		"rpc.system=jsonrpc rpc.service=codex-app-server rpc.transport=stdio "
		"app_server.connection_id=0 app_server.api_version=v2 rpc.method=thread/list "
		"rpc.request_id=7 rpc.response.status_code=-32001 error.type=-32001 "
		"sidespan.end_reason=error "},
	{"--semconv=rpc", "{\"error\":{\"code\":-32001,\"message\":\"busy\"},\"id\":7}",
		"rpc.system.name=jsonrpc rpc.transport=stdio app_server.connection_id=0 "
		"app_server.api_version=v2 rpc.method=thread/list jsonrpc.request.id=7 "
		"rpc.status_code=-32001 error.type=-32001 sidespan.end_reason=error "},
	{"--semconv=rpc/dup", "{\"error\":{\"code\":-32001,\"message\":\"busy\"},\"id\":7}",
		"rpc.system=jsonrpc rpc.system.name=jsonrpc rpc.service=codex-app-server "
		"rpc.transport=stdio app_server.connection_id=0 app_server.api_version=v2 "
		"rpc.method=thread/list rpc.request_id=7 jsonrpc.request.id=7 "
		"rpc.response.status_code=-32001 rpc.status_code=-32001 error.type=-32001 "
		"sidespan.end_reason=error "},
};

START_TEST(test_names)
{
	const char *flags[] = {"--profile=codex", name_rows[_i].semconv, NULL};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, "{\"method\":\"thread/list\",\"id\":7,\"params\":{}}");
	setup_backend(&setup, name_rows[_i].reply);
	ck_assert_str_eq(setup_span(&setup)->attributes, name_rows[_i].attributes);
	ck_assert_str_eq(setup_span(&setup)->name, "app_server.request thread/list");
	ck_assert_int_eq(setup_span(&setup)->kind, SPAN_KIND_SERVER);
	setup_close(&setup);
}
END_TEST

static const struct {
	const char *flag;
	const char *name;
	const char *no_method; /* the name where the method is empty */
} span_name_rows[] = {
	{"--span-name={method}", "turn/start", "_OTHER"},
	{"--span-name=before {method}", "before turn/start", "before _OTHER"},
	{"--span-name={method} after", "turn/start after", "_OTHER after"},
	{"--span-name=a{method}b{method}", "aturn/startbturn/start", "a_OTHERb_OTHER"},
	{"--span-name=request", "request", "request"},
};

START_TEST(test_span_name)
{
	const char *flags[] = {span_name_rows[_i].flag, NULL};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, "{\"id\":1,\"method\":\"turn/start\"}");
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->name, span_name_rows[_i].name);
	setup_client(&setup, "{\"id\":1,\"method\":\"\"}");
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup.exporter.count, 2);
	ck_assert_str_eq(setup.exporter.spans[1].name, span_name_rows[_i].no_method);
	setup_close(&setup);
}
END_TEST

/* The longest name with the longest method. */
START_TEST(test_span_name_long)
{
	char flag[300], message[1024];
	const char *flags[] = {flag, NULL};
	struct setup setup;

	snprintf(flag, sizeof flag, "--span-name=%0247d{method}", 1);
	snprintf(message, sizeof message, "{\"id\":1,\"method\":\"%0*d\"}", 300, 2);
	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, message);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(strlen(setup_span(&setup)->name), 247 + 256);
	setup_close(&setup);
}
END_TEST

/* The service is what rpc.service says, or the command: not what we call ourselves. */
START_TEST(test_service)
{
	static const char *const flags[][4] = {
		{"--service-name=s", NULL},
		{"--service-name=s", "--rpc-service=r", NULL},
	};
	static const char *const expected[] = {"rpc.service=server ", "rpc.service=r "};
	struct setup setup;

	setup_open(&setup, flags[_i], NULL, NULL);
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_1);
	text_has(setup_span(&setup)->attributes, expected[_i]);
	setup_close(&setup);
}
END_TEST

/* --- parents --- */

enum parent_from { FROM_MESSAGE, FROM_ENVIRONMENT, FROM_NOWHERE };

#define CARRIER(text) "{\"id\":1,\"trace\":" text ",\"method\":\"m\"}"

static const struct {
	const char *message;
	const char *traceparent, *tracestate; /* of the environment */
	enum parent_from from;
	const char *state; /* of the span, and passed on */
	unsigned invalid, dropped;
} parent_rows[] = {
	/* the carrier as an object */
	{CARRIER("{\"traceparent\":\"" SAMPLED "\"}"), NULL, NULL, FROM_MESSAGE, "", 0, 0},
	{CARRIER("{\"traceparent\":\"" SAMPLED "\"}"), ENV_SAMPLED, "e=1", FROM_MESSAGE, "", 0, 0},
	{CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"a=1,b=2\"}"), NULL, NULL,
		FROM_MESSAGE, "a=1,b=2", 0, 0},
	{CARRIER("{\"tracestate\":\"a=1\",\"x\":[],\"traceparent\":\"" SAMPLED "\"}"), NULL, NULL,
		FROM_MESSAGE, "a=1", 0, 0},
	{CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":null}"), NULL, NULL, FROM_MESSAGE,
		"", 0, 0},
	{CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"\"}"), NULL, NULL, FROM_MESSAGE,
		"", 0, 0},
	{CARRIER("{\"traceparent\":\" 01-" TRACE "-" PARENT "-01-more\"}"), NULL, NULL,
		FROM_MESSAGE, "", 0, 0},
	/* as an array */
	{CARRIER("[\"" SAMPLED "\"]"), NULL, NULL, FROM_MESSAGE, "", 0, 0},
	{CARRIER("[\"" SAMPLED "\",null]"), NULL, NULL, FROM_MESSAGE, "", 0, 0},
	{CARRIER("[\"" SAMPLED "\",\"a=1\"]"), ENV_SAMPLED, NULL, FROM_MESSAGE, "a=1", 0, 0},
	{CARRIER("{\"0\":\"" SAMPLED "\"}"), NULL, NULL, FROM_NOWHERE, "", 0, 0},
	/* a tracestate that is of no use is dropped alone */
	{CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"===,,\"}"), NULL, NULL,
		FROM_MESSAGE, "", 0, 1},
	{CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":[\"a=1\"]}"), NULL, NULL,
		FROM_MESSAGE, "", 0, 1},
	{CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":7}"), ENV_SAMPLED, "e=1",
		FROM_MESSAGE, "", 0, 1},
	{CARRIER("[\"" SAMPLED "\",false]"), NULL, NULL, FROM_MESSAGE, "", 0, 1},
	/* no carrier: the environment's, or none */
	{request_1, NULL, NULL, FROM_NOWHERE, "", 0, 0},
	{request_1, ENV_SAMPLED, NULL, FROM_ENVIRONMENT, "", 0, 0},
	{request_1, ENV_SAMPLED, "e=1", FROM_ENVIRONMENT, "e=1", 0, 0},
	{request_1, ENV_SAMPLED, "===", FROM_ENVIRONMENT, "", 0, 0},
	{request_1, NULL, "e=1", FROM_NOWHERE, "", 0, 0},
	{request_1, "", "e=1", FROM_NOWHERE, "", 0, 0},
	{request_1, "garbage", "e=1", FROM_NOWHERE, "", 0, 0},
	{CARRIER("null"), ENV_SAMPLED, "e=1", FROM_ENVIRONMENT, "e=1", 0, 0},
	{CARRIER("{}"), ENV_SAMPLED, "e=1", FROM_ENVIRONMENT, "e=1", 0, 0},
	{CARRIER("[]"), ENV_SAMPLED, NULL, FROM_ENVIRONMENT, "", 0, 0},
	{CARRIER("[null,\"a=1\"]"), ENV_SAMPLED, NULL, FROM_ENVIRONMENT, "", 0, 0},
	{CARRIER("{\"traceparent\":null,\"tracestate\":null}"), ENV_SAMPLED, NULL, FROM_ENVIRONMENT,
		"", 0, 0},
	{CARRIER("{\"tracestate\":\"a=1\"}"), NULL, NULL, FROM_NOWHERE, "", 0, 0},
	/* a carrier that is there but invalid: an own trace, not the environment's */
	{CARRIER("{\"traceparent\":\"garbage\",\"tracestate\":\"a=1\"}"), ENV_SAMPLED, "e=1",
		FROM_NOWHERE, "", 1, 0},
	{CARRIER("{\"traceparent\":\"\"}"), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("{\"traceparent\":5}"), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("{\"traceparent\":[\"" SAMPLED "\"]}"), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("{\"traceparent\":\"ff-" TRACE "-" PARENT "-01\"}"), ENV_SAMPLED, NULL,
		FROM_NOWHERE, "", 1, 0},
	{CARRIER("[5]"), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("\"" SAMPLED "\""), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("7"), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("true"), ENV_SAMPLED, NULL, FROM_NOWHERE, "", 1, 0},
	{CARRIER("false"), NULL, NULL, FROM_NOWHERE, "", 1, 0},
};

/* The carrier that a request with that span and tracestate must be forwarded with. */
static void carrier_is(const char *carrier, const struct kept *span, const char *state)
{
	struct traceparent sent = span->context;
	char traceparent[TRACEPARENT_SIZE], expected[CARRIER_TEXT_MAX];

	traceparent_format(traceparent, &sent);
	snprintf(expected, sizeof expected, "{\"traceparent\":\"%.*s\"%s%s%s}", TRACEPARENT_SIZE,
		traceparent, *state != '\0' ? ",\"tracestate\":\"" : "", state,
		*state != '\0' ? "\"" : "");
	ck_assert_str_eq(carrier, expected);
}

START_TEST(test_parent)
{
	static const char *const traces[] = {TRACE, ENV_TRACE, NULL};
	static const char *const parents[] = {PARENT, ENV_PARENT, ""};
	enum parent_from from = parent_rows[_i].from;
	const struct kept *span;
	struct setup setup;

	setup_open(&setup, NULL, parent_rows[_i].traceparent, parent_rows[_i].tracestate);
	setup_client(&setup, parent_rows[_i].message);
	setup_backend(&setup, reply_1);
	span = setup_span(&setup);
	ck_assert_str_eq(span->parent, parents[from]);
	ck_assert_str_eq(span->tracestate, parent_rows[_i].state);
	carrier_is(setup.carrier, span, parent_rows[_i].state);
	text_has_not(setup.carrier, PARENT);
	text_has_not(setup.carrier, ENV_PARENT);
	if (traces[from] != NULL) {
		text_has(setup.carrier, traces[from]);
	} else {
		text_has_not(setup.carrier, TRACE);
		text_has_not(setup.carrier, ENV_TRACE);
	}
	ck_assert_uint_eq(setup_counters(&setup)->carriers_invalid, parent_rows[_i].invalid);
	ck_assert_uint_eq(setup_counters(&setup)->tracestates_dropped, parent_rows[_i].dropped);
	setup_close(&setup);
}
END_TEST

/*
 * Requests without a span: what the server is told of, and that nothing else changes. expected: in
 * the carrier; "" when the message goes on as it is; NULL when there is a span, and it is that.
 */
#define RECORDED(method, carrier) "{\"id\":1,\"method\":\"" method "\"" carrier "}"
#define PARENT_CARRIER            ",\"trace\":{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"a=1\"}"

static const struct {
	const char *setting, *profile, *message, *environment, *expected;
} record_rows[] = {
	{"x", "generic", RECORDED("m", ""), NULL, ""},
	{"x", "generic", RECORDED("x", ""), NULL, NULL},
	{"all", "generic", RECORDED("m", ""), NULL, NULL},
	{"x", "generic", RECORDED("m", ""), ENV_SAMPLED, ENV_SAMPLED},
	{"x", "generic", RECORDED("m", PARENT_CARRIER), NULL, SAMPLED "\",\"tracestate\":\"a=1\""},
	{"x", "generic", RECORDED("m", PARENT_CARRIER), ENV_SAMPLED,
		SAMPLED "\",\"tracestate\":\"a=1\""},
	/* bits that a server refuses are not passed on, even so */
	{"x", "codex", RECORDED("m", ",\"trace\":{\"traceparent\":\"00-" TRACE "-" PARENT "-03\"}"),
		NULL, "00-" TRACE "-" PARENT "-01"},
	/* nor is what a server may choke on: such a request has a span */
	{"x", "generic", RECORDED("m", ",\"trace\":5"), NULL, NULL},
	{"work", "generic", RECORDED("m", ""), NULL, ""},
	{"work", "codex", RECORDED("model/list", ""), NULL, ""},
	{"work", "codex", RECORDED("turn/interrupt", ""), NULL, NULL},
	{"model/*", "codex", RECORDED("model/list", ""), NULL, NULL},
	/* what may come to hang below it hangs below something */
	{"model/*", "codex", RECORDED("turn/interrupt", ""), NULL, NULL},
};

START_TEST(test_record)
{
	char profile[64], setting[64];
	const char *flags[] = {profile, setting, "--propagation-inject=/trace", NULL};
	const char *expected = record_rows[_i].expected;
	struct setup setup;

	snprintf(profile, sizeof profile, "--profile=%s", record_rows[_i].profile);
	snprintf(setting, sizeof setting, "--requests-record=%s", record_rows[_i].setting);
	setup_open(&setup, flags, record_rows[_i].environment, NULL);
	setup_client(&setup, record_rows[_i].message);
	ck_assert_uint_eq(setup_counters(&setup)->requests, 1);
	ck_assert_uint_eq(tracer_connection_waiting(setup.connection), 1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, 0);
	ck_assert_uint_eq(setup_counters(&setup)->requests_passed_on, expected != NULL);
	ck_assert_uint_eq(setup.exporter.begun_count, 0);
	if (expected == NULL) {
		ck_assert_uint_ge(setup.exporter.count, 1);
	} else {
		ck_assert_uint_eq(setup.exporter.count, 0);
		if (expected[0] == '\0')
			ck_assert_str_eq(setup.carrier, "");
		else
			text_has(setup.carrier, expected);
	}
	setup_close(&setup);
}
END_TEST

/* It is looked at, all the same: what a connection remembers is on its later spans. */
START_TEST(test_record_remembers)
{
	static const char *const flags[] = {
		"--profile=codex", "--requests-record=model/list", NULL};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, "{\"id\":1,\"method\":\"initialize\",\"params\":{\"clientInfo\":{"
			     "\"name\":\"cli\"}}}");
	setup_backend(&setup, reply_1);
	setup_client(&setup, RECORDED("model/list", ""));
	setup_backend(&setup, reply_1);
	text_has(setup_span(&setup)->attributes, "app_server.client_name=cli ");
	setup_close(&setup);
}
END_TEST

/* A tracestate of the largest size is passed on, a longer one is dropped. */
START_TEST(test_long_tracestate)
{
	char message[2 * CARRIER_TRACESTATE_MAX], state[CARRIER_TRACESTATE_MAX + 2] = "";
	struct setup setup;
	unsigned number = 0;

	while (strlen(state) + 250 < CARRIER_TRACESTATE_MAX)
		text_append(state, sizeof state, "k%02u=%0200d,", number++, 1);
	text_append(state, sizeof state, "z=%0*d",
		(int)(CARRIER_TRACESTATE_MAX - strlen(state) - 2 + (size_t)_i), 1);
	ck_assert_uint_eq(strlen(state), CARRIER_TRACESTATE_MAX + _i);
	snprintf(message, sizeof message,
		CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"%s\"}"), state);
	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, message);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->parent, PARENT);
	carrier_is(setup.carrier, setup_span(&setup), _i == 0 ? state : "");
	ck_assert_uint_eq(setup_counters(&setup)->tracestates_dropped, _i);
	setup_close(&setup);
}
END_TEST

/* With propagation.extract off nobody is asked for a parent. */
START_TEST(test_no_extract)
{
	static const char *const flags[] = {"--propagation-extract=false", NULL};
	struct setup setup;

	setup_open(&setup, flags, ENV_SAMPLED, NULL);
	setup_client(&setup, CARRIER("{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"a=1\"}"));
	setup_client(&setup, CARRIER("5"));
	tracer_connection_end(setup.connection, TRACER_SHUTDOWN, setup.now_ns);
	ck_assert_uint_eq(setup.exporter.count, 2);
	ck_assert_str_eq(setup.exporter.spans[0].parent, "");
	ck_assert_str_eq(setup.exporter.spans[0].tracestate, "");
	ck_assert_str_eq(setup.exporter.spans[1].parent, "");
	ck_assert_uint_eq(setup_counters(&setup)->carriers_invalid, 0);
	setup_close(&setup);
}
END_TEST

/* The member's name is the setting's; with none it is still read as "trace". */
START_TEST(test_carrier_name)
{
	static const struct {
		const char *flag, *place, *member, *parent;
	} rows[] = {
		{"--propagation-inject=/trace", "/trace", "trace", PARENT},
		{"--propagation-inject=none", "/trace", "trace", PARENT},
		{"--propagation-inject=/ctx", "/ctx", "ctx", PARENT},
		{"--propagation-inject=/ctx", "/ctx", "trace", ""},
	};
	const char *flags[] = {rows[_i].flag, NULL};
	struct setup setup;
	char message[256];

	setup_open(&setup, flags, NULL, NULL);
	snprintf(message, sizeof message,
		"{\"%s\":{\"traceparent\":\"" SAMPLED "\"},\"id\":1,\"method\":\"m\"}",
		rows[_i].member);
	setup_client(&setup, message);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(tracer_place_rules(setup.load.config).place, rows[_i].place);
	ck_assert_str_eq(setup_span(&setup)->parent, rows[_i].parent);
	setup_close(&setup);
}
END_TEST

/* Several places: the first one that has a context counts, a bad one too. */
#define AT_META(text)  "\"params\":{\"_meta\":" text "}"
#define AT_TRACE(text) "\"trace\":" text
#define GOOD           "{\"traceparent\":\"" SAMPLED "\"}"
#define OTHER          "{\"traceparent\":\"00-" TRACE "-00f067aa0ba902b7-01\"}"

START_TEST(test_places)
{
	static const struct {
		const char *flag, *members, *parent;
		unsigned invalid;
	} rows[] = {
		{"--propagation-extract=/params/_meta/*,/trace", AT_META(GOOD) "," AT_TRACE(OTHER),
			PARENT, 0},
		{"--propagation-extract=/params/_meta/*,/trace", AT_TRACE(OTHER) "," AT_META(GOOD),
			PARENT, 0},
		{"--propagation-extract=/trace,/params/_meta/*", AT_META(OTHER) "," AT_TRACE(GOOD),
			PARENT, 0},
		{"--propagation-extract=/params/_meta/*,/trace", AT_TRACE(GOOD), PARENT, 0},
		{"--propagation-extract=/params/_meta/*,/trace",
			AT_META("{\"baggage\":\"a=1\"}") "," AT_TRACE(GOOD), PARENT, 0},
		{"--propagation-extract=/params/_meta/*,/trace", AT_META("5") "," AT_TRACE(GOOD),
			PARENT, 0},
		{"--propagation-extract=/params/_meta/*,/trace", AT_META("[\"" SAMPLED "\"]"), "",
			0},
		{"--propagation-extract=/params/_meta/*,/trace",
			AT_META("{\"traceparent\":\"x\"}") "," AT_TRACE(GOOD), "", 1},
		{"--propagation-extract=/params/_meta/*,/trace",
			AT_META("{\"traceparent\":null}") "," AT_TRACE(GOOD), PARENT, 0},
		{"--propagation-extract=/params/trace", "\"params\":{\"trace\":" GOOD "}", PARENT,
			0},
		{"--propagation-extract=/params/trace", "\"params\":{\"trace\":5}", "", 1},
		{"--propagation-extract=none", AT_TRACE(GOOD), "", 0},
		{"--propagation-extract", AT_TRACE(GOOD), PARENT, 0},
		{"--no-propagation-extract", AT_TRACE(GOOD), "", 0},
		{"--propagation-inject=/params/_meta/*", AT_META(GOOD) "," AT_TRACE(OTHER), PARENT,
			0},
		{"--propagation-inject=/params/_meta/*", AT_TRACE(GOOD), "", 0},
	};
	const char *flags[] = {rows[_i].flag, NULL};
	struct setup setup;
	char message[512];

	setup_open(&setup, flags, NULL, NULL);
	snprintf(message, sizeof message, "{%s,\"id\":1,\"method\":\"m\"}", rows[_i].members);
	setup_client(&setup, message);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->parent, rows[_i].parent);
	ck_assert_uint_eq(setup_counters(&setup)->carriers_invalid, rows[_i].invalid);
	setup_close(&setup);
}
END_TEST

/* --- flags --- */

static const struct {
	const char *sampler;
	const char *flags; /* of the parent; NULL: no parent */
	int kept;          /* flags of the span; -1: not recorded */
	int sent;          /* flags in the carrier, but for those that the server would refuse */
} flag_rows[] = {
	{"--sampler=parentbased_always_on", NULL, 3, 3},
	{"--sampler=parentbased_always_on", "00", -1, 0},
	{"--sampler=parentbased_always_on", "01", 1, 1},
	{"--sampler=parentbased_always_on", "02", -1, 2},
	{"--sampler=parentbased_always_on", "03", 3, 3},
	{"--sampler=parentbased_always_on", "ff", 3, 3},
	{"--sampler=parentbased_always_on", "fe", -1, 2},
	{"--sampler=parentbased_always_off", NULL, -1, 2},
	{"--sampler=parentbased_always_off", "01", 1, 1},
	{"--sampler=always_on", "00", 1, 1},
	{"--sampler=always_on", "02", 3, 3},
	{"--sampler=always_off", "01", -1, 0},
	{"--sampler=always_off", NULL, -1, 2},
};

/* Who takes which flags. */
static const struct {
	const char *flag;
	int mask;
} flag_masks[] = {
	{"--profile=generic", 3},
	{"--profile=codex", 1},
	{"--propagation-flags=01", 1},
	{"--propagation-flags=03", 3},
};

/* The context is passed on whether or not there will be a span. */
START_TEST(test_flags)
{
	size_t row = (size_t)_i / COUNT(flag_masks), mask = (size_t)_i % COUNT(flag_masks);
	const char *flags[] = {flag_rows[row].sampler, flag_masks[mask].flag, NULL};
	struct setup setup;
	char message[256], sent[8];

	setup_open(&setup, flags, NULL, NULL);
	snprintf(message, sizeof message,
		CARRIER("{\"traceparent\":\"00-" TRACE "-" PARENT "-%s\"}"),
		flag_rows[row].flags != NULL ? flag_rows[row].flags : "");
	setup_client(&setup, flag_rows[row].flags != NULL ? message : request_1);
	setup_backend(&setup, reply_1);
	if (flag_rows[row].flags != NULL)
		text_has(setup.carrier, TRACE);
	snprintf(sent, sizeof sent, "-%02x\"}", flag_rows[row].sent & flag_masks[mask].mask);
	text_has(setup.carrier, sent);
	ck_assert_uint_eq(setup_counters(&setup)->requests, 1);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, 0);
	ck_assert_uint_eq(setup.exporter.count, flag_rows[row].kept >= 0);
	if (flag_rows[row].kept >= 0)
		ck_assert_int_eq(setup_span(&setup)->context.flags, flag_rows[row].kept);
	setup_close(&setup);
}
END_TEST

/* --- shares of methods --- */

static const struct {
	const char *sampler, *shares, *record;
	const char *flags; /* of the parent; NULL: no parent */
	int sent;          /* flags in the carrier, -1: none; a span if sampled */
	unsigned out;      /* counted */
	const char *state; /* with it: where the trace begins */
} share_rows[] = {
	{"parentbased_always_on", "m=0", "all", NULL, 2, 1, NULL},
	{"parentbased_always_on", "m*=0", "all", NULL, 2, 1, NULL},
	{"parentbased_always_on", "m=1", "all", NULL, 3, 0, "ot=th:0"},
	{"parentbased_always_on", "n=0", "all", NULL, 3, 0, NULL},
	{"parentbased_always_on", "*=0,m=1", "all", NULL, 3, 0, "ot=th:0"},
	{"parentbased_always_on", "m=0", "all", "01", 1, 0, NULL},
	{"parentbased_always_on", "m=1", "all", "00", 0, 0, NULL},
	{"parentbased_always_off", "m=1", "all", NULL, 3, 0, "ot=th:0"},
	{"parentbased_always_off", "n=1", "all", NULL, 2, 1, NULL},
	{"parentbased_always_off", "n=1", "all", "00", 0, 0, NULL},
	{"parentbased_traceidratio", "n=0", "all", NULL, 3, 0, "ot=th:0"},
	{"traceidratio", "n=0", "all", NULL, 3, 0, "ot=th:0"},
	{"traceidratio", "n=0", "all", "00", 1, 0, NULL},
	{"always_off", "m=1", "all", "00", 1, 0, NULL}, /* it follows no parent */
	{"always_on", "m=0", "all", "01", 0, 1, NULL},
	{"parentbased_always_on", "m=0", "m", NULL, 2, 1, NULL},
	{"parentbased_always_on", "m=0", "work", NULL, -1, 0, NULL}, /* no span anyway */
	{"parentbased_always_on", "m=1", "work", NULL, -1, 0, NULL},
};

START_TEST(test_shares)
{
	const char *state = share_rows[_i].state;
	char sampler[64], shares[64], record[64], message[256], sent[64];
	const char *flags[] = {
		sampler, shares, record, "--profile=generic", "--propagation-inject=/trace", NULL};
	struct setup setup;

	snprintf(sampler, sizeof sampler, "--sampler=%s", share_rows[_i].sampler);
	snprintf(shares, sizeof shares, "--sampling-methods=%s", share_rows[_i].shares);
	snprintf(record, sizeof record, "--requests-record=%s", share_rows[_i].record);
	setup_open(&setup, flags, NULL, NULL);
	snprintf(message, sizeof message,
		CARRIER("{\"traceparent\":\"00-" TRACE "-" PARENT "-%s\"}"),
		share_rows[_i].flags != NULL ? share_rows[_i].flags : "");
	setup_client(
		&setup, share_rows[_i].flags != NULL ? message : "{\"id\":1,\"method\":\"m\"}");
	setup_backend(&setup, reply_1);
	snprintf(sent, sizeof sent, "-%02x\"%s%s%s}", (unsigned)share_rows[_i].sent,
		state != NULL ? ",\"tracestate\":\"" : "", state != NULL ? state : "",
		state != NULL ? "\"" : "");
	if (share_rows[_i].sent >= 0)
		text_has(setup.carrier, sent);
	else
		ck_assert_str_eq(setup.carrier, "");
	ck_assert_uint_eq(setup_counters(&setup)->requests, 1);
	ck_assert_uint_eq(setup_counters(&setup)->requests_sampled_out, share_rows[_i].out);
	ck_assert_uint_eq(setup.exporter.count,
		share_rows[_i].sent >= 0 && (share_rows[_i].sent & TRACE_FLAG_SAMPLED) != 0);
	if (setup.exporter.count > 0)
		ck_assert_str_eq(setup_span(&setup)->tracestate, state != NULL ? state : "");
	setup_close(&setup);
}
END_TEST

/* Without an exporter contexts are made all the same. */
START_TEST(test_no_exporter)
{
	struct setup setup;

	setup_open(&setup, NULL, NULL, NULL);
	tracer_connection_free(setup.connection, TRACER_SHUTDOWN, setup.now_ns);
	tracer_free(setup.tracer);
	setup.tracer =
		tracer_new(setup.load.config, NULL, NULL, NULL, setup.error, sizeof setup.error);
	ck_assert_ptr_nonnull(setup.tracer);
	envelope_case_done(&setup.reader);
	envelope_case_init(&setup.reader, tracer_pointers(setup.tracer));
	setup.connection = tracer_connection_new(setup.tracer, 0, "tcp", true);
	setup_client(&setup, CARRIER("{\"traceparent\":\"" SAMPLED "\"}"));
	text_has(setup.carrier, TRACE);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup.exporter.count, 0);
	setup_close(&setup);
}
END_TEST

/* --- ends --- */

static const struct {
	enum tracer_end end;
	const char *reason, *message;
} end_rows[] = {
	{TRACER_CONNECTION_CLOSED, "connection_closed", "no answer: the connection was closed"},
	{TRACER_BACKEND_EXITED, "backend_exited", "no answer: the server ended"},
	{TRACER_SHUTDOWN, "shutdown", "no answer yet at shutdown"},
};

static void span_is_unanswered(
	const struct kept *span, const char *id, const char *reason, const char *message)
{
	char attributes[256];

	snprintf(attributes, sizeof attributes,
		"rpc.request_id=%s error.type=%s sidespan.end_reason=%s ", id, reason, reason);
	text_has(span->attributes, attributes);
	ck_assert_str_eq(span->message, message);
	ck_assert_int_eq(span->status, SPAN_STATUS_ERROR);
}

#define EVICTED "no answer yet when inflight.max or inflight.bytes_max was reached"

/* Both ways to end, the oldest first. */
START_TEST(test_ends)
{
	struct setup setup;

	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, request_1);
	setup_client(&setup, "{\"id\":\"two\",\"method\":\"m\"}");
	tracer_connection_end(setup.connection, end_rows[_i].end, setup.now_ns);
	ck_assert_uint_eq(setup.exporter.count, 2);
	setup_client(&setup, "{\"id\":3,\"method\":\"m\"}");
	tracer_connection_free(setup.connection, end_rows[_i].end, setup.now_ns);
	setup.connection = NULL;
	ck_assert_uint_eq(setup.exporter.count, 3);
	span_is_unanswered(
		&setup.exporter.spans[0], "1", end_rows[_i].reason, end_rows[_i].message);
	span_is_unanswered(
		&setup.exporter.spans[1], "two", end_rows[_i].reason, end_rows[_i].message);
	span_is_unanswered(
		&setup.exporter.spans[2], "3", end_rows[_i].reason, end_rows[_i].message);
	setup_close(&setup);
}
END_TEST

static const struct {
	const char *reply;
	enum span_status status;
	const char *message;
	const char *attributes; /* the last ones */
} reply_rows[] = {
	{"{\"id\":1,\"result\":null}", SPAN_STATUS_UNSET, "",
		"rpc.request_id=1 sidespan.end_reason=answered "},
	{"{\"id\":1,\"result\":{},\"error\":null}", SPAN_STATUS_UNSET, "",
		"rpc.request_id=1 sidespan.end_reason=answered "},
	{"{\"id\":1,\"error\":{\"code\":-32600,\"message\":\"bad\"}}", SPAN_STATUS_ERROR, "bad",
		"rpc.request_id=1 rpc.response.status_code=-32600 error.type=-32600 "
		"sidespan.end_reason=error "},
	{"{\"id\":1,\"error\":{\"code\":\"E1\",\"message\":\"bad\"}}", SPAN_STATUS_ERROR, "bad",
		"rpc.request_id=1 rpc.response.status_code=E1 error.type=E1 "
		"sidespan.end_reason=error "},
	{"{\"id\":1,\"error\":{\"code\":null,\"message\":\"bad\"}}", SPAN_STATUS_ERROR, "bad",
		"rpc.request_id=1 error.type=_OTHER sidespan.end_reason=error "},
	{"{\"id\":1,\"error\":{}}", SPAN_STATUS_ERROR, "",
		"rpc.request_id=1 error.type=_OTHER sidespan.end_reason=error "},
	{"{\"id\":1,\"error\":\"boom\"}", SPAN_STATUS_ERROR, "",
		"rpc.request_id=1 error.type=_OTHER sidespan.end_reason=error "},
	{"{\"id\":1,\"error\":{\"code\":1,\"message\":{\"x\":1}},\"result\":1}", SPAN_STATUS_ERROR,
		"",
		"rpc.request_id=1 rpc.response.status_code=1 error.type=1 "
		"sidespan.end_reason=error "},
};

START_TEST(test_replies)
{
	struct setup setup;

	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_rows[_i].reply);
	ck_assert_int_eq(setup_span(&setup)->status, reply_rows[_i].status);
	ck_assert_str_eq(setup_span(&setup)->message, reply_rows[_i].message);
	text_has(setup_span(&setup)->attributes, reply_rows[_i].attributes);
	setup_close(&setup);
}
END_TEST

/* --- which answer belongs to which request --- */

static const struct {
	const char *request, *reply;
	bool matched;
	const char *id; /* as the attribute says */
} match_rows[] = {
	{"1", "1", true, "1"},
	{"1.0", "1", true, "1.0"},
	{"10e-1", "1", true, "10e-1"},
	{"9007199254740993", "9007199254740993", true, "9007199254740993"},
	{"9007199254740993", "9007199254740992", false, "9007199254740993"},
	{"\"1\"", "\"1\"", true, "1"},
	{"\"1\"", "1", false, "1"},
	{"1", "\"1\"", false, "1"},
	{"\"\\u00e9\"", "\"\xc3\xa9\"", true, "\xc3\xa9"},
	{"\"\"", "\"\"", true, ""},
	{"-0", "0", true, "-0"},
	{"1", "null", false, "1"},
};

START_TEST(test_match)
{
	struct setup setup;
	char message[128], attribute[64];

	setup_open(&setup, NULL, NULL, NULL);
	snprintf(message, sizeof message, "{\"method\":\"m\",\"id\":%s}", match_rows[_i].request);
	setup_client(&setup, message);
	snprintf(message, sizeof message, "{\"result\":{},\"id\":%s}", match_rows[_i].reply);
	setup_backend(&setup, message);
	ck_assert_uint_eq(setup.exporter.count, match_rows[_i].matched);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, !match_rows[_i].matched);
	tracer_connection_end(setup.connection, TRACER_SHUTDOWN, setup.now_ns);
	snprintf(attribute, sizeof attribute, "rpc.request_id=%s ", match_rows[_i].id);
	text_has(setup_span(&setup)->attributes, attribute);
	setup_close(&setup);
}
END_TEST

/* What opens no span: all of it is forwarded as it is. */
static const struct {
	const char *message;
	unsigned unusable;
} ignored_rows[] = {
	{"{\"method\":\"m\"}", 0},
	{"{\"method\":\"m\",\"id\":null}", 0},
	{"{\"id\":1,\"result\":{}}", 0},
	{"{\"id\":1,\"error\":{}}", 0},
	{"{\"id\":1,\"method\":5}", 0},
	{"{\"id\":1}", 0},
	{"{}", 0},
	{"{\"method\":\"m\",\"id\":true}", 1},
	{"{\"method\":\"m\",\"id\":[1]}", 1},
	{"{\"method\":\"m\",\"id\":{}}", 1},
};

START_TEST(test_ignored)
{
	struct setup setup;

	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, ignored_rows[_i].message);
	ck_assert_str_eq(setup.carrier, "");
	ck_assert_uint_eq(setup_counters(&setup)->requests, 0);
	ck_assert_uint_eq(setup_counters(&setup)->ids_unusable, ignored_rows[_i].unusable);
	setup_close(&setup);
	ck_assert_uint_eq(setup.exporter.count, 0);
}
END_TEST

/* An id of the largest size has a span, one byte more has none. */
START_TEST(test_long_id)
{
	struct setup setup;
	char message[512];

	setup_open(&setup, NULL, NULL, NULL);
	snprintf(message, sizeof message, "{\"method\":\"m\",\"id\":\"%0*d\"}",
		ENVELOPE_ID_MAX + _i, 1);
	setup_client(&setup, message);
	ck_assert_uint_eq(setup_counters(&setup)->requests, _i == 0);
	ck_assert_uint_eq(setup_counters(&setup)->ids_unusable, _i);
	snprintf(
		message, sizeof message, "{\"result\":1,\"id\":\"%0*d\"}", ENVELOPE_ID_MAX + _i, 1);
	setup_backend(&setup, message);
	ck_assert_uint_eq(setup.exporter.count, _i == 0);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, _i);
	setup_close(&setup);
}
END_TEST

/* Requests and notifications of the server are no answers, whatever their ids. */
START_TEST(test_server_messages)
{
	struct setup setup;

	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, request_1);
	setup_backend(&setup, "{\"id\":1,\"method\":\"approve\",\"params\":{}}");
	setup_backend(&setup, "{\"method\":\"note\",\"params\":{\"id\":1}}");
	setup_client(&setup, "{\"id\":1,\"result\":{}}"); /* the client's answer to the server */
	ck_assert_uint_eq(setup.exporter.count, 0);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, 0);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup.exporter.count, 1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup.exporter.count, 1);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, 1);
	setup_close(&setup);
}
END_TEST

/* Answers in any order; ids of two connections have nothing to do with each other. */
START_TEST(test_order_and_connections)
{
	struct setup setup;
	struct tracer_connection *other;

	setup_open(&setup, NULL, NULL, NULL);
	other = tracer_connection_new(setup.tracer, 7, "websocket", true);
	ck_assert_ptr_nonnull(other);
	setup_client(&setup, request_1);
	setup_client(&setup, "{\"id\":2,\"method\":\"n\"}");
	tracer_client_message(other,
		envelope_case_read(&setup.reader, "{\"id\":2,\"method\":\"o\"}"), setup.now_ns,
		setup.now_ns);
	setup_backend(&setup, "{\"id\":2,\"result\":0}");
	setup_backend(&setup, reply_1);
	tracer_backend_message(
		other, envelope_case_read(&setup.reader, "{\"id\":2,\"result\":0}"), setup.now_ns);
	ck_assert_uint_eq(setup.exporter.count, 3);
	text_has(setup.exporter.spans[0].attributes,
		"app_server.connection_id=0 rpc.method=n rpc.request_id=2 ");
	text_has(setup.exporter.spans[1].attributes,
		"app_server.connection_id=0 rpc.method=m rpc.request_id=1 ");
	text_has(setup.exporter.spans[2].attributes,
		"rpc.transport=websocket app_server.connection_id=7 rpc.method=o ");
	tracer_connection_free(other, TRACER_SHUTDOWN, setup.now_ns);
	tracer_connection_free(NULL, TRACER_SHUTDOWN, setup.now_ns);
	setup_close(&setup);
}
END_TEST

/* --- requests that make room --- */

START_TEST(test_id_reused)
{
	struct setup setup;

	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, "{\"id\":1,\"method\":\"first\"}");
	setup_client(&setup, "{\"id\":1.0,\"method\":\"second\"}");
	span_is_unanswered(
		setup_span(&setup), "1", "id_reused", "no answer yet when the id was used again");
	text_has(setup_span(&setup)->attributes, "rpc.method=first ");
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup.exporter.count, 2);
	text_has(setup.exporter.spans[1].attributes, "rpc.method=second rpc.request_id=1.0 ");
	ck_assert_uint_eq(setup_counters(&setup)->ids_reused, 1);
	ck_assert_uint_eq(setup_counters(&setup)->requests, 2);
	setup_close(&setup);
}
END_TEST

static void request_on(struct setup *setup, struct tracer_connection *connection, int id)
{
	char message[64];

	snprintf(message, sizeof message, "{\"id\":%d,\"method\":\"m\"}", id);
	tracer_client_message(connection, envelope_case_read(&setup->reader, message),
		setup->now_ns, setup->now_ns);
}

/* There is room for 13 small requests: the connection that has most loses its oldest. */
START_TEST(test_evicted_for_room)
{
	static const char *const flags[] = {"--inflight-bytes-max=4100", NULL};
	static const char *const lost[] = {"1", "2", "101", "102", "3"};
	struct tracer_connection *other;
	struct setup setup;
	size_t i;
	int id;

	setup_open(&setup, flags, NULL, NULL);
	other = tracer_connection_new(setup.tracer, 1, "stdio", true);
	for (id = 1; id <= 8; id++)
		request_on(&setup, setup.connection, id);
	for (id = 101; id <= 105; id++)
		request_on(&setup, other, id);
	ck_assert_uint_eq(setup.exporter.count, 0);
	request_on(&setup, other, 106); /* 8 and 5 */
	request_on(&setup, other, 107); /* 7 and 6 */
	request_on(&setup, other, 108); /* 6 and 7 */
	request_on(&setup, other, 109);
	tracer_tick(setup.tracer, setup.now_ns);
	tracer_backend_message(other,
		envelope_case_read(&setup.reader, "{\"id\":109,\"result\":1}"), setup.now_ns);
	ck_assert_uint_eq(setup.exporter.count, 5);
	request_on(&setup, setup.connection, 9); /* 6 and 6, and there is room again */
	ck_assert_uint_eq(setup.exporter.count, 5);
	request_on(&setup, other, 110); /* 7 and 6 */
	ck_assert_uint_eq(setup.exporter.count, 6);
	for (i = 0; i < 5; i++)
		span_is_unanswered(
			&setup.exporter.spans[i < 4 ? i : 5], lost[i], "evicted", EVICTED);
	ck_assert_uint_eq(setup_counters(&setup)->evicted_for_room, 5);
	ck_assert_uint_eq(setup_counters(&setup)->evicted, 0);
	ck_assert_uint_eq(tracer_connection_waiting(setup.connection), 6);
	ck_assert_uint_eq(tracer_connection_waiting(other), 7);
	tracer_connection_free(other, TRACER_CONNECTION_CLOSED, setup.now_ns);
	/* what it had is free again */
	for (id = 10; id < 17; id++)
		request_on(&setup, setup.connection, id);
	ck_assert_uint_eq(setup_counters(&setup)->evicted_for_room, 5);
	setup_close(&setup);
}
END_TEST

/* One that is larger than all there may be is alone, and counts as every other. */
START_TEST(test_evicted_for_one)
{
	static const char *const flags[] = {"--inflight-bytes-max=4KiB", NULL};
	static char message[8192];
	struct setup setup;
	int id, used;

	setup_open(&setup, flags, NULL, NULL);
	for (id = 2; id < 10; id++)
		request_on(&setup, setup.connection, id);
	used = snprintf(message, sizeof message,
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"" SAMPLED
		"\",\"tracestate\":\"a=1");
	for (id = 0; id < 16; id++)
		used += snprintf(
			message + used, sizeof message - (size_t)used, ",k%d=%0230d", id, 1);
	snprintf(message + used, sizeof message - (size_t)used, "\"}}");
	setup_client(&setup, message);
	ck_assert_uint_eq(setup_counters(&setup)->tracestates_dropped, 0);
	ck_assert_uint_eq(setup_counters(&setup)->evicted_for_room, 8);
	ck_assert_uint_eq(tracer_connection_waiting(setup.connection), 1);
	setup_client(&setup, "{\"id\":2,\"method\":\"m\"}");
	ck_assert_uint_eq(setup_counters(&setup)->evicted_for_room, 9);
	ck_assert_uint_eq(tracer_connection_waiting(setup.connection), 1);
	setup_close(&setup);
}
END_TEST

START_TEST(test_evicted)
{
	static const char *const flags[] = {"--inflight-max=2", NULL};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, request_1);
	setup_client(&setup, "{\"id\":2,\"method\":\"m\"}");
	ck_assert_uint_eq(setup.exporter.count, 0);
	setup_client(&setup, "{\"id\":3,\"method\":\"m\"}");
	span_is_unanswered(setup_span(&setup), "1", "evicted", EVICTED);
	setup_client(&setup, "{\"id\":3,\"method\":\"m\"}"); /* reuse needs no further room */
	ck_assert_uint_eq(setup.exporter.count, 2);
	ck_assert_uint_eq(setup_counters(&setup)->evicted, 1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(setup_counters(&setup)->replies_unmatched, 1);
	setup_backend(&setup, "{\"id\":2,\"result\":0}");
	setup_backend(&setup, "{\"id\":3,\"result\":0}");
	ck_assert_uint_eq(setup.exporter.count, 4);
	setup_close(&setup);
	ck_assert_uint_eq(setup.exporter.count, 4);
}
END_TEST

START_TEST(test_expired)
{
	static const char *const flags[] = {"--inflight-max-age=1s", NULL};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, request_1);
	setup_client(&setup, "{\"id\":2,\"method\":\"m\"}");
	tracer_connection_expire(setup.connection, START_NS + 1000000000 - 1);
	ck_assert_uint_eq(setup.exporter.count, 0);
	tracer_connection_expire(setup.connection, START_NS + 1000000000);
	span_is_unanswered(setup_span(&setup), "1", "expired", "no answer within inflight.max_age");
	ck_assert_uint_eq(
		setup_span(&setup)->end_unix_ns - setup_span(&setup)->start_unix_ns, 1000000000);
	tracer_connection_expire(setup.connection, START_NS + 1000000000 + STEP_NS);
	tracer_connection_expire(setup.connection, START_NS + 1000000000 + STEP_NS);
	ck_assert_uint_eq(setup.exporter.count, 2);
	ck_assert_uint_eq(setup_counters(&setup)->expired, 2);
	setup_close(&setup);
}
END_TEST

/* --- captures --- */

START_TEST(test_captures_of_codex)
{
	static const struct {
		const char *request, *reply;
		const char *has, *has_not;
	} rows[] = {
		{"{\"id\":1,\"method\":\"turn/start\",\"params\":{\"threadId\":\"T\"}}",
			"{\"id\":1,\"result\":{\"turn\":{\"id\":\"U\"}}}",
			"thread.id=T turn.id=U gen_ai.conversation.id=T sidespan.end_reason",
			"client_name"},
		{"{\"id\":1,\"method\":\"thread/fork\",\"params\":{\"threadId\":\"T\"}}",
			"{\"id\":1,\"result\":{\"thread\":{\"id\":\"new\"}}}",
			"thread.id=new sidespan.end_reason", "thread.id=T"},
		{"{\"id\":1,\"method\":\"thread/fork\",\"params\":{\"threadId\":\"T\"}}",
			"{\"id\":1,\"error\":{\"code\":1}}",
			"thread.id=T rpc.response.status_code=1", "turn.id"},
		{"{\"id\":1,\"method\":\"turn/steer\",\"params\":{\"threadId\":\"T\","
		 "\"turnId\":\"old\",\"expectedTurnId\":\"U\"}}",
			"{\"id\":1,\"result\":{}}", "thread.id=T turn.id=U ", "turn.id=old"},
		{"{\"id\":1,\"method\":\"turn/other\",\"params\":{\"expectedTurnId\":\"U\"}}",
			"{\"id\":1,\"result\":{\"turn\":{\"id\":\"U\"}}}",
			"rpc.request_id=1 sidespan.end_reason", "turn.id"},
	};
	static const char *const flags[] = {"--profile=codex", "--lifecycle=off", NULL};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, rows[_i].request);
	setup_backend(&setup, rows[_i].reply);
	text_has(setup_span(&setup)->attributes, rows[_i].has);
	text_has_not(setup_span(&setup)->attributes, rows[_i].has_not);
	setup_close(&setup);
}
END_TEST

#define INITIALIZE(id, name)                                                                       \
	"{\"id\":" id ",\"method\":\"initialize\",\"params\":{\"clientInfo\":{\"name\":\"" name    \
	"\",\"version\":\"1\"}}}"

/* Who the client is, is known once initialize has been answered well, and then for good. */
START_TEST(test_connection_values)
{
	static const char *const flags[] = {"--profile=codex", NULL};
	struct setup setup;
	const struct kept *spans = setup.exporter.spans;

	share_count = 0;
	setup_open(&setup, flags, NULL, NULL);
	setup_client(&setup, INITIALIZE("1", "wrong"));
	setup_client(&setup, "{\"id\":2,\"method\":\"early\"}");
	setup_backend(&setup, "{\"id\":2,\"result\":0}");
	text_has_not(spans[0].attributes, "client_name");
	setup_backend(&setup, "{\"id\":1,\"error\":{\"code\":1}}"); /* not kept, but of this span */
	text_has(spans[1].attributes, "app_server.client_name=wrong app_server.client_version=1 ");
	setup_client(&setup, "{\"id\":3,\"method\":\"between\"}");
	setup_backend(&setup, "{\"id\":3,\"result\":0}");
	text_has_not(spans[2].attributes, "client_name");

	tracer_header(setup.connection, "x-client", 8, "x", 1); /* nobody asks for it */
	ck_assert_uint_eq(share_count, 1);                      /* nothing new */
	setup_client(&setup, INITIALIZE("4", "right"));
	setup_client(&setup, "{\"id\":5,\"method\":\"waiting\"}");
	setup_backend(&setup, "{\"id\":4,\"result\":{}}");
	ck_assert_uint_eq(text_count(spans[3].attributes, "app_server.client_name=right "), 1);
	setup_backend(&setup, "{\"id\":5,\"result\":0}"); /* began before it was known */
	ck_assert_uint_eq(text_count(spans[4].attributes, "app_server.client_name=right "), 1);

	setup_client(&setup, INITIALIZE("6", "again")); /* its own span says so, others do not */
	setup_backend(&setup, "{\"id\":6,\"result\":{}}");
	ck_assert_uint_eq(text_count(spans[5].attributes, "app_server.client_name=again "), 1);
	ck_assert_uint_eq(text_count(spans[5].attributes, "app_server.client_version=1 "), 1);
	ck_assert_uint_eq(text_count(spans[5].attributes, "rpc.system=jsonrpc "), 1);
	text_has(spans[5].attributes, "app_server.api_version=v2 ");
	text_has_not(spans[5].attributes, "right");
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(text_count(spans[6].attributes, "app_server.client_name=right "), 1);
	ck_assert_uint_eq(setup.exporter.count, 7);
	ck_assert_uint_eq(share_count, 2); /* what was known at the fourth answer */
	setup_close(&setup);
}
END_TEST

/*
 * What the head of an HTTP request says of a request that is to come is what that one is told: by
 * its method, if that is known, or as if it had a span. Only one keeps it.
 */
START_TEST(test_promise)
{
	static const char *const flags[] = {"--profile=codex", "--requests-record=other", NULL};
	static const char other[] = "{\"id\":2,\"method\":\"other\"}";
	struct tracer_promise promise = {.is_open = false};
	char fields[CARRIER_FIELDS_MAX + 1];
	struct envelope *envelope;
	struct setup setup;
	size_t size;

	setup_open(&setup, flags, NULL, NULL);
	tracer_exchange(setup.connection, 1, 0, NULL, &promise);
	ck_assert(!tracer_promise(setup.connection, envelope_case_read(&setup.reader, reply_1)));
	ck_assert(!tracer_promise(
		setup.connection, envelope_case_read(&setup.reader, "{\"id\":1,\"error\":{}}")));
	ck_assert(!promise.is_open);
	/* one without a span has no parent either: nothing to tell */
	envelope = envelope_case_read(&setup.reader, request_1);
	ck_assert(tracer_promise(setup.connection, envelope));
	ck_assert(promise.is_open);
	ck_assert_uint_eq(tracer_fields(setup.connection, fields), 0);
	setup_client(&setup, request_1);
	ck_assert(!promise.is_open);
	ck_assert_uint_eq(setup.carrier_size, 0);
	ck_assert(tracer_promise(
		setup.connection, _i == 0 ? NULL : envelope_case_read(&setup.reader, other)));
	ck_assert(promise.is_open);
	size = tracer_fields(setup.connection, fields);
	ck_assert_uint_gt(size, TRACEPARENT_SIZE);
	fields[size] = '\0';
	ck_assert_ptr_nonnull(strstr(fields, "00-"));
	strstr(fields, "00-")[TRACEPARENT_SIZE] = '\0';
	setup_client(&setup, other);
	ck_assert(!promise.is_open);
	text_has(setup.carrier, strstr(fields, "00-"));
	setup_client(&setup, "{\"id\":3,\"method\":\"other\"}");
	text_has_not(setup.carrier, strstr(fields, "00-"));
	setup_close(&setup);
}
END_TEST

/* The message has the first word on its parent; on its baggage the one that has some. */
START_TEST(test_fields_and_message)
{
	static const char *const flags[] = {"--profile=codex", "--baggage-attributes=who",
		"--propagation-extract=/trace,header", NULL};
	static const struct {
		const char *message, *baggage;
		const char *parent, *who; /* of the span; "": none */
		bool cut;
	} cases[] = {
		{"{\"id\":1,\"method\":\"m\"}", "who=field", PARENT, "who=field ", false},
		{"{\"id\":1,\"method\":\"m\"}", "who=field", PARENT, "", true},
		{"{\"id\":1,\"method\":\"m\"}", NULL, PARENT, "", false},
		{"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"" ENV_SAMPLED "\"}}",
			"who=field", ENV_PARENT, "who=field ", false},
		{"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"" ENV_SAMPLED
		 "\",\"baggage\":\"who=message\"}}",
			"who=field", ENV_PARENT, "who=message ", false},
	};
	struct carrier_view view = {.found = true,
		.traceparent = {SAMPLED, TRACEPARENT_SIZE},
		.baggage = {cases[_i].baggage,
			cases[_i].baggage != NULL ? strlen(cases[_i].baggage) : 0},
		.baggage_cut = cases[_i].cut};
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	tracer_exchange(setup.connection, 1, 0, &view, NULL);
	setup_client(&setup, cases[_i].message);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->parent, cases[_i].parent);
	ck_assert_uint_eq(
		text_count(setup_span(&setup)->attributes, "who="), cases[_i].who[0] != '\0');
	text_has(setup_span(&setup)->attributes, cases[_i].who);
	setup_close(&setup);
}
END_TEST

/* Where requests go is said of those that come by HTTP, whose connections are not one's own. */
START_TEST(test_server_address)
{
	static const char *const flags[] = {"--upstream=ws://there:81", NULL};
	static const char *const no_variables[] = {NULL};
	static const char *const transports[] = {"http", "ws"};
	struct setup setup = {.now_ns = START_NS};

	config_case_load(&setup.load, flags, no_variables);
	ck_assert_msg(setup.load.outcome == CONFIG_RUN, "%s", setup.load.error);
	setup.tracer = tracer_new(
		setup.load.config, &setup.exporter, NULL, NULL, setup.error, sizeof setup.error);
	ck_assert_msg(setup.tracer != NULL, "%s", setup.error);
	envelope_case_init(&setup.reader, tracer_pointers(setup.tracer));
	setup.connection = tracer_connection_new(setup.tracer, 0, transports[_i], false);
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(text_count(setup.exporter.spans[0].attributes,
				  "server.address=there server.port=81 "),
		_i == 0);
	ck_assert_uint_eq(
		text_count(setup.exporter.spans[0].attributes, " server."), _i == 0 ? 2 : 0);
	setup_close(&setup);
}
END_TEST

/* A profile of the user's: flags for it, and the file to unlink. */
static char *profile_file(char *flag, size_t flag_size, const char *captures)
{
	char text[8192];
	char *file;

	snprintf(text, sizeof text, "{\"name\":\"mine\",\"captures\":[%s]}", captures);
	file = config_case_file(text);
	snprintf(flag, flag_size, "--profile=%s", file);
	return file;
}

static const struct {
	const char *captures;
	const char *first_request, *first_reply; /* with id 1 */
	const char *first;                       /* what the first span must have */
	const char *second;                      /* and the second one, whose method is n */
	const char *second_not;
} keep_rows[] = {
	/* without if_ok a value is kept at once, whatever comes of the request */
	{"{\"from\":\"request\",\"pointer\":\"/params/a\",\"attribute\":\"x\","
	 "\"keep\":\"connection\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"A\"}}",
		"{\"id\":1,\"error\":{\"code\":1}}", "x=A ", "x=A ", "x=B"},
	/* of the answer */
	{"{\"from\":\"reply\",\"pointer\":\"/result/a\",\"attribute\":\"x\","
	 "\"keep\":\"connection\",\"if_ok\":true}",
		"{\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"result\":{\"a\":\"A\"}}", "x=A ",
		"x=A ", "x=B"},
	{"{\"from\":\"reply\",\"pointer\":\"/result/a\",\"attribute\":\"x\","
	 "\"keep\":\"connection\"}",
		"{\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"result\":{\"a\":\"A\"}}", "x=A ",
		"x=A ", "x=B"},
	{"{\"from\":\"reply\",\"pointer\":\"/error/data\",\"attribute\":\"x\","
	 "\"keep\":\"connection\",\"if_ok\":true}",
		"{\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"error\":{\"data\":\"A\"}}", "x=A ",
		"rpc.method=n", "x=A"},
	/* a value that another rule took for its span alone is not kept */
	{"{\"from\":\"request\",\"pointer\":\"/params/a\",\"attribute\":\"x\"},"
	 "{\"from\":\"request\",\"pointer\":\"/params/c\",\"attribute\":\"x\","
	 "\"keep\":\"connection\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"A\"}}", "{\"id\":1,\"result\":0}",
		"x=A ", "rpc.method=n", "x=A"},
	/* a value with a zero byte in it is kept as a whole */
	{"{\"from\":\"request\",\"pointer\":\"/params/a\",\"attribute\":\"x\","
	 "\"keep\":\"connection\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"A\\u0000B\"}}",
		"{\"id\":1,\"result\":0}", "x=A@B ", "x=A@B ", "x=A "},
	/* several rules for one attribute: the later one with a value is the span's */
	{"{\"from\":\"request\",\"pointer\":\"/params/a\",\"attribute\":\"x\"},"
	 "{\"from\":\"request\",\"pointer\":\"/params/b\",\"attribute\":\"x\"},"
	 "{\"from\":\"reply\",\"pointer\":\"/result/c\",\"attribute\":\"x\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"b\":\"B\",\"a\":\"A\"}}",
		"{\"id\":1,\"result\":{}}", "x=B ", "rpc.method=n", "x="},
};

START_TEST(test_keep)
{
	char flag[128];
	const char *flags[] = {flag, NULL};
	char *file = profile_file(flag, sizeof flag, keep_rows[_i].captures);
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	config_case_unlink(file);
	setup_client(&setup, keep_rows[_i].first_request);
	setup_backend(&setup, keep_rows[_i].first_reply);
	text_has(setup_span(&setup)->attributes, keep_rows[_i].first);
	ck_assert_uint_eq(text_count(setup_span(&setup)->attributes, " x="), 1);
	setup_client(&setup, "{\"id\":2,\"method\":\"n\"}");
	setup_backend(&setup, "{\"id\":2,\"result\":0}");
	text_has(setup.exporter.spans[1].attributes, keep_rows[_i].second);
	text_has_not(setup.exporter.spans[1].attributes, keep_rows[_i].second_not);
	ck_assert_uint_le(text_count(setup.exporter.spans[1].attributes, " x="), 1);
	setup_close(&setup);
}
END_TEST

/* As many captures as a profile may have, of few attributes: the last one with a value counts. */
START_TEST(test_many_captures)
{
	char captures[8000] = "", flag[128];
	const char *flags[] = {flag, NULL};
	struct setup setup;
	char *file;
	int i;

	for (i = 0; i < PROFILE_CAPTURES_MAX; i++)
		text_append(captures, sizeof captures,
			"%s{\"from\":\"request\",\"pointer\":\"/params/%d\",\"attribute\":\"x%d\"}",
			i > 0 ? "," : "", i, i % 2);
	file = profile_file(flag, sizeof flag, captures);
	setup_open(&setup, flags, NULL, NULL);
	config_case_unlink(file);
	snprintf(captures, sizeof captures, "{\"id\":1,\"method\":\"m\",\"params\":[0");
	for (i = 1; i < PROFILE_CAPTURES_MAX; i++)
		text_append(captures, sizeof captures, ",%d", i);
	text_append(captures, sizeof captures, "]}");
	setup_client(&setup, captures);
	setup_backend(&setup, reply_1);
	text_has(setup_span(&setup)->attributes,
		"rpc.request_id=1 x0=62 x1=63 sidespan.end_reason=answered ");
	setup_close(&setup);
}
END_TEST

/* Values that are too long, from the request and from the answer, end with a mark. */
START_TEST(test_long_values)
{
	static const char *const flags[] = {"--profile=codex", "--lifecycle=off", NULL};
	char message[1024], expected[600];
	struct setup setup;

	setup_open(&setup, flags, NULL, NULL);
	snprintf(message, sizeof message,
		"{\"id\":1,\"method\":\"turn/start\",\"params\":{\"threadId\":\"%0300d\"}}", 1);
	setup_client(&setup, message);
	snprintf(
		message, sizeof message, "{\"id\":1,\"result\":{\"turn\":{\"id\":\"%0300d\"}}}", 2);
	setup_backend(&setup, message);
	snprintf(expected, sizeof expected,
		"thread.id=%0253d\xe2\x80\xa6 turn.id=%0253d\xe2\x80\xa6 ", 0, 0);
	text_has(setup_span(&setup)->attributes, expected);
	setup_close(&setup);
}
END_TEST

/* A profile that uses all the attributes and constants that it may have. */
START_TEST(test_many_attributes)
{
	char text[8192] = "{\"name\":\"mine\",\"constants\":{", flag[128];
	const char *flags[] = {flag, "--semconv=rpc/dup", NULL};
	struct setup setup;
	char *file;
	int i, turn;

	for (i = 0; i < PROFILE_CONSTANTS_MAX; i++)
		text_append(text, sizeof text, "%s\"c%02d\":\"v\"", i > 0 ? "," : "", i);
	text_append(text, sizeof text, "},\"captures\":[");
	for (i = 0; i < 32; i++)
		text_append(text, sizeof text,
			"%s{\"from\":\"request\",\"pointer\":\"/params/%d\","
			"\"attribute\":\"x%02d\",\"keep\":\"%s\"}",
			i > 0 ? "," : "", i, i, _i == 0 ? "connection" : "span");
	text_append(text, sizeof text, "]}");
	file = config_case_file(text);
	snprintf(flag, sizeof flag, "--profile=%s", file);
	setup_open(&setup, flags, NULL, NULL);
	config_case_unlink(file);
	for (turn = 0; turn < 2; turn++) { /* the second time all values differ from what is kept */
		snprintf(text, sizeof text, "{\"id\":1,\"method\":\"m\",\"params\":[%d", turn);
		for (i = 1; i < 32; i++)
			text_append(text, sizeof text, ",%d", i + turn);
		text_append(text, sizeof text, "]}");
		setup_client(&setup, text);
		setup_backend(&setup, "{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":{\"code\":1}}");
		for (i = 0; i < 32; i++) {
			snprintf(text, sizeof text, " c%02d=v ", i);
			ck_assert_uint_eq(
				text_count(setup.exporter.spans[turn].attributes, text), 1);
			snprintf(text, sizeof text, " x%02d=%d ", i, i + turn);
			ck_assert_uint_eq(
				text_count(setup.exporter.spans[turn].attributes, text), 1);
		}
	}
	setup_close(&setup);
}
END_TEST

/* --- the carrier that was sent is the span's --- */

#define LONG_TEXT  "0123456789012345678901234567890123456789012345678901234567890123456789"
#define LONG_TEXTS LONG_TEXT LONG_TEXT LONG_TEXT
/* More methods than the envelope has memory for at first: what it has read is moved. */
#define METHODS                                                                                    \
	",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS    \
	"\",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS  \
	"\",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS  \
	"\",\"method\":\"" LONG_TEXTS "\",\"method\":\"" LONG_TEXTS "\",\"method\":\"m\""

/* What comes behind id, method and a first carrier. */
static const struct {
	const char *rest;
	const char *tracestate; /* of the span */
	unsigned invalid, dropped;
} late_rows[] = {
	{"}", "a=1", 0, 0},
	{",\"x\":1}", "a=1", 0, 0},
	{METHODS "}", "a=1", 0, 0},
	{",\"trace\":{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"a=1\"}}", "a=1", 0, 0},
	{",\"trace\":{\"traceparent\":\"" ENV_SAMPLED "\",\"tracestate\":\"e=1\"}}", "", 0, 0},
	{",\"trace\":{\"traceparent\":\"" SAMPLED "\",\"tracestate\":\"=\"}}", "", 0, 1},
	{",\"trace\":{\"traceparent\":\"" SAMPLED "\"}}", "", 0, 0},
	{",\"trace\":[\"" ENV_SAMPLED "\"]}", "", 0, 0},
	{",\"trace\":{\"traceparent\":\"\"}}", "", 1, 0},
	{",\"trace\":{\"traceparent\":null}}", "", 0, 0},
	{",\"trace\":{\"traceparent\":true}}", "", 1, 0},
	{",\"trace\":null}", "", 0, 0},
	{",\"trace\":5}", "", 1, 0},
};

/*
 * A message longer than what is held gets its carrier before its end is seen. Should a second
 * carrier turn up after that, the span still belongs to what the server was told.
 */
START_TEST(test_second_carrier)
{
	static const char first[] =
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"" SAMPLED
		"\",\"tracestate\":\"a=1\"}";
	const uint8_t *at = (const uint8_t *)first;
	struct setup setup;
	const char *carrier;
	size_t size;

	setup_open(&setup, NULL, NULL, NULL);
	skim_begin(&setup.reader.skim, SKIM_STOP); /* as splice does */
	ck_assert_int_eq(skim_run(&setup.reader.skim, &at, at + strlen(first)), SKIM_CARRIER_END);
	(void)envelope_judge(&setup.reader.envelope);
	size = tracer_carrier(setup.connection, &setup.reader.envelope, &carrier);
	text_copy(setup.carrier, sizeof setup.carrier, (struct span_text){carrier, size});
	at = (const uint8_t *)late_rows[_i].rest;
	while (skim_run(&setup.reader.skim, &at, at + strlen((const char *)at)) !=
		SKIM_ENVELOPE_END)
		;
	tracer_client_message(setup.connection, &setup.reader.envelope, setup.now_ns, setup.now_ns);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->parent, PARENT);
	carrier_is(setup.carrier, setup_span(&setup), "a=1");
	ck_assert_str_eq(setup_span(&setup)->tracestate, late_rows[_i].tracestate);
	ck_assert_uint_eq(setup_counters(&setup)->carriers_invalid, late_rows[_i].invalid);
	ck_assert_uint_eq(setup_counters(&setup)->tracestates_dropped, late_rows[_i].dropped);
	setup_close(&setup);
}
END_TEST

/* The same where bytes are read into the memory of earlier ones, at the same place. */
static const struct {
	const char *traceparent; /* of the second carrier */
	unsigned invalid;
} reused_rows[] = {
	{SAMPLED, 0},
	{ENV_SAMPLED, 0},
	{"00-" TRACE "-0000000000000000-01", 1},
};

START_TEST(test_second_carrier_in_its_place)
{
	char bytes[256];
	const uint8_t *at = (const uint8_t *)bytes;
	struct setup setup;
	const char *carrier;
	int size;

	setup_open(&setup, NULL, NULL, NULL);
	size = snprintf(bytes, sizeof bytes, "%s",
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"" SAMPLED "\"}");
	skim_begin(&setup.reader.skim, SKIM_STOP);
	ck_assert_int_eq(skim_run(&setup.reader.skim, &at, at + size), SKIM_CARRIER_END);
	(void)envelope_judge(&setup.reader.envelope);
	ck_assert_uint_gt(tracer_carrier(setup.connection, &setup.reader.envelope, &carrier), 0);
	envelope_keep(&setup.reader.envelope); /* as splice does when bytes go away */
	at = (const uint8_t *)bytes;
	size = snprintf(bytes, sizeof bytes,
		",\"x\":              1,\"trace\":{\"traceparent\":\"%s\"}}",
		reused_rows[_i].traceparent);
	ck_assert_int_eq(
		skim_run(&setup.reader.skim, &at, (const uint8_t *)bytes + size), SKIM_CARRIER_END);
	ck_assert_int_eq(skim_run(&setup.reader.skim, &at, (const uint8_t *)bytes + size),
		SKIM_ENVELOPE_END);
	ck_assert_ptr_eq(envelope_value(&setup.reader.envelope, ENVELOPE_TRACEPARENT)->text,
		strstr(bytes, reused_rows[_i].traceparent));
	ck_assert_int_eq(strstr(bytes, "00-") - bytes, 45);
	tracer_client_message(setup.connection, &setup.reader.envelope, setup.now_ns, setup.now_ns);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->parent, PARENT);
	ck_assert_uint_eq(setup_counters(&setup)->carriers_invalid, reused_rows[_i].invalid);
	setup_close(&setup);
}
END_TEST

/* Without a carrier before (nothing is injected) a context is made then; two are never the same. */
START_TEST(test_contexts_differ)
{
	struct setup setup;
	const char *carrier;
	int i;

	setup_open(&setup, NULL, NULL, NULL);
	(void)tracer_carrier(
		setup.connection, envelope_case_read(&setup.reader, request_1), &carrier);
	for (i = 0; i < 3; i++) {
		tracer_client_message(setup.connection,
			envelope_case_read(&setup.reader, request_1), setup.now_ns, setup.now_ns);
		setup_backend(&setup, reply_1);
	}
	ck_assert_uint_eq(setup.exporter.count, 3);
	for (i = 0; i < 3; i++)
		ck_assert_mem_ne(setup.exporter.spans[i].context.span_id,
			setup.exporter.spans[(i + 1) % 3].context.span_id, SPAN_ID_SIZE);
	setup_close(&setup);
}
END_TEST

/* A context that was handed out for a message without an end is not the next request's. */
START_TEST(test_stale_context)
{
	struct setup setup;
	const char *carrier;

	setup_open(&setup, NULL, NULL, NULL);
	(void)tracer_carrier(setup.connection,
		envelope_case_read(&setup.reader, CARRIER("{\"traceparent\":\"" SAMPLED "\"}")),
		&carrier);
	tracer_client_message(setup.connection,
		envelope_case_read(&setup.reader, "{\"method\":\"note\"}"), setup.now_ns,
		setup.now_ns);
	tracer_client_message(setup.connection, envelope_case_read(&setup.reader, request_1),
		setup.now_ns, setup.now_ns);
	setup_backend(&setup, reply_1);
	ck_assert_str_eq(setup_span(&setup)->parent, "");
	ck_assert_uint_eq(setup_span(&setup)->context.flags, 3); /* an own root */
	setup_close(&setup);
}
END_TEST

/* --- time --- */

START_TEST(test_times)
{
	struct setup setup;
	const struct kept *spans = setup.exporter.spans;

	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(spans[0].start_unix_ns, WALL_NS);
	ck_assert_uint_eq(spans[0].end_unix_ns, WALL_NS + STEP_NS);

	/* a little drift changes nothing: spans stay in order */
	tracer_clock(setup.tracer, setup.now_ns, WALL_NS + setup.now_ns - START_NS + 99000000);
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(spans[1].start_unix_ns, WALL_NS + 2 * STEP_NS);
	tracer_clock(setup.tracer, setup.now_ns, WALL_NS + setup.now_ns - START_NS - 99000000);
	setup_client(&setup, request_1);

	/* the clock was set: durations stay true, later spans follow it, forwards and backwards */
	tracer_clock(setup.tracer, setup.now_ns, 2 * WALL_NS);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(spans[2].start_unix_ns, WALL_NS + 4 * STEP_NS);
	ck_assert_uint_eq(spans[2].end_unix_ns, WALL_NS + 5 * STEP_NS);
	setup_client(&setup, request_1);
	ck_assert_uint_eq(setup.now_ns, START_NS + 7 * STEP_NS);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(spans[3].start_unix_ns, 2 * WALL_NS + STEP_NS);
	tracer_clock(setup.tracer, setup.now_ns, WALL_NS);
	setup_client(&setup, request_1);
	setup_backend(&setup, reply_1);
	ck_assert_uint_eq(spans[4].start_unix_ns, WALL_NS);
	ck_assert_uint_eq(setup.exporter.count, 5);
	setup_close(&setup);
}
END_TEST

/* --- the warning --- */

/* Standard error goes to a file of memory from here on. */
static int stderr_keep(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	return fd;
}

static void stderr_read(int fd, char *text, size_t text_size)
{
	ssize_t size = pread(fd, text, text_size - 1, 0);

	ck_assert_int_ge(size, 0);
	text[size] = '\0';
}

#define WARNING "sidespan: warn: ignoring the invalid trace carrier of request "

/* Method and id are named, escaped; a flood is held back. */
START_TEST(test_warning)
{
	char lines[8192];
	int fd = stderr_keep(), i;
	struct setup setup;

	log_lines_max_set(5);
	log_tick(START_NS);
	setup_open(&setup, NULL, NULL, NULL);
	setup_client(&setup, "{\"id\":\"a\\nb\",\"trace\":5,\"method\":\"m\\u001b[1m\"}");
	for (i = 0; i < 20; i++)
		setup_client(&setup, CARRIER("\"secret\""));
	stderr_read(fd, lines, sizeof lines);
	text_has(lines, WARNING "m\\x1b[1m, id a\\x0ab: a new trace begins");
	text_has_not(lines, "secret");
	ck_assert_uint_eq(text_count(lines, "\n"), 5);
	log_tick(START_NS + 10000000000);
	stderr_read(fd, lines, sizeof lines);
	ck_assert_uint_eq(text_count(lines, "\n"), 6);
	text_has(lines, "warn: 16 more lines like this one were held back: ignoring");
	ck_assert_uint_eq(setup_counters(&setup)->carriers_invalid, 21);
	setup_close(&setup);
	close(fd);
}
END_TEST

#define IGNORING(name) "sidespan: warn: ignoring the invalid " name " of the environment\n"

static const struct {
	const char *traceparent, *tracestate;
	const char *warning;
} environment_rows[] = {
	{NULL, NULL, ""}, {"", NULL, ""}, /* an empty variable is as good as none */
	{ENV_SAMPLED, NULL, ""}, {ENV_SAMPLED, "a=1", ""},
	{"garbage", NULL, IGNORING("TRACEPARENT")},
	{"garbage", "a=1\nb=2", IGNORING("TRACEPARENT")},
	{"ff-" ENV_TRACE "-" ENV_PARENT "-01", NULL, IGNORING("TRACEPARENT")},
	{ENV_SAMPLED "\n", NULL, IGNORING("TRACEPARENT")},
	{ENV_SAMPLED, "a=1\nb=2", IGNORING("TRACESTATE")},
	{ENV_SAMPLED, "===", IGNORING("TRACESTATE")}, {NULL, "===", ""}, /* no state of nothing */
};

START_TEST(test_environment_warning)
{
	char lines[1024];
	int fd = stderr_keep();
	struct setup setup;

	setup_open(&setup, NULL, environment_rows[_i].traceparent, environment_rows[_i].tracestate);
	stderr_read(fd, lines, sizeof lines);
	ck_assert_str_eq(lines, environment_rows[_i].warning);
	setup_close(&setup);
	close(fd);
}
END_TEST

/* --- memory --- */

/* Every allocation of tracer_new() fails once. */
START_TEST(test_no_memory_new)
{
	static const char *const flags[] = {"--profile=codex", NULL};
	struct setup setup;
	struct tracer *tracer;
	int n = -1;

	setup_load(&setup, flags);
	do {
		setup.error[0] = '\0';
		unit_alloc_fail(_i, ++n);
		tracer = tracer_new(setup.load.config, &setup.exporter, ENV_SAMPLED, "a=1",
			setup.error, sizeof setup.error);
		unit_alloc_fail_never();
		ck_assert_int_eq(tracer != NULL, !unit_alloc_failed());
		if (tracer == NULL)
			ck_assert_str_ne(setup.error, "");
		tracer_free(tracer);
	} while (unit_alloc_failed());
	ck_assert_int_ge(n, 5);
	config_case_done(&setup.load);
}
END_TEST

/* Two requests, each answered; what is said here must not allocate. */
static void converse(struct setup *setup, struct envelope *const messages[4])
{
	const char *carrier;
	int i;

	for (i = 0; i < 4; i += 2) {
		setup->carrier_size = tracer_carrier(setup->connection, messages[i], &carrier);
		tracer_client_message(setup->connection, messages[i], setup->now_ns, setup->now_ns);
		tracer_backend_message(setup->connection, messages[i + 1], setup->now_ns);
	}
}

/*
 * From every allocation of a connection's life on there is no more memory: context is still passed
 * on, and every request has a span or is counted.
 */
START_TEST(test_no_memory_connection)
{
	static const char *const flags[] = {"--profile=codex", NULL};
	static const char *const texts[] = {INITIALIZE("1", "me"), reply_1, request_1, reply_1};
	struct envelope *messages[4];
	struct envelope_case readers[4];
	struct setup setup;
	uint64_t requests;
	int n = -1, i;

	do {
		setup_open(&setup, flags, NULL, NULL);
		tracer_connection_free(setup.connection, TRACER_SHUTDOWN, setup.now_ns);
		for (i = 0; i < 4; i++) {
			envelope_case_init(&readers[i], tracer_pointers(setup.tracer));
			messages[i] = envelope_case_read(&readers[i], texts[i]);
		}
		unit_alloc_fail(_i, ++n);
		setup.connection = tracer_connection_new(setup.tracer, 0, "stdio", true);
		if (setup.connection != NULL)
			converse(&setup, messages);
		unit_alloc_fail_never();
		requests = setup_counters(&setup)->requests;
		ck_assert(setup.connection != NULL || n <= 3);
		if (setup.connection != NULL) {
			ck_assert_uint_gt(setup.carrier_size, TRACEPARENT_SIZE);
			ck_assert_uint_eq(setup.exporter.count, requests);
			ck_assert_uint_eq(requests + setup_counters(&setup)->requests_no_memory, 2);
		}
		for (i = 0; i < 4; i++)
			envelope_case_done(&readers[i]);
		setup_close(&setup);
	} while (unit_alloc_failed());
	ck_assert_int_ge(n, 6);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tracer");

	tcase_add_loop_test(tc, test_cut_is_counted, 0, 3);
	tcase_add_loop_test(tc, test_names, 0, COUNT(name_rows));
	tcase_add_loop_test(tc, test_span_name, 0, COUNT(span_name_rows));
	tcase_add_test(tc, test_span_name_long);
	tcase_add_loop_test(tc, test_service, 0, 2);
	tcase_add_loop_test(tc, test_parent, 0, COUNT(parent_rows));
	tcase_add_loop_test(tc, test_record, 0, COUNT(record_rows));
	tcase_add_test(tc, test_record_remembers);
	tcase_add_loop_test(tc, test_long_tracestate, 0, 2);
	tcase_add_test(tc, test_no_extract);
	tcase_add_loop_test(tc, test_carrier_name, 0, 4);
	tcase_add_loop_test(tc, test_places, 0, 16);
	tcase_add_loop_test(tc, test_flags, 0, COUNT(flag_rows) * COUNT(flag_masks));
	tcase_add_loop_test(tc, test_shares, 0, COUNT(share_rows));
	tcase_add_test(tc, test_no_exporter);
	tcase_add_loop_test(tc, test_ends, 0, COUNT(end_rows));
	tcase_add_loop_test(tc, test_replies, 0, COUNT(reply_rows));
	tcase_add_loop_test(tc, test_match, 0, COUNT(match_rows));
	tcase_add_loop_test(tc, test_ignored, 0, COUNT(ignored_rows));
	tcase_add_loop_test(tc, test_long_id, 0, 2);
	tcase_add_test(tc, test_server_messages);
	tcase_add_test(tc, test_order_and_connections);
	tcase_add_test(tc, test_id_reused);
	tcase_add_test(tc, test_evicted);
	tcase_add_test(tc, test_evicted_for_room);
	tcase_add_test(tc, test_evicted_for_one);
	tcase_add_test(tc, test_expired);
	tcase_add_loop_test(tc, test_captures_of_codex, 0, 5);
	tcase_add_test(tc, test_connection_values);
	tcase_add_loop_test(tc, test_server_address, 0, 2);
	tcase_add_loop_test(tc, test_promise, 0, 2);
	tcase_add_loop_test(tc, test_fields_and_message, 0, 5);
	tcase_add_loop_test(tc, test_keep, 0, COUNT(keep_rows));
	tcase_add_test(tc, test_many_captures);
	tcase_add_test(tc, test_long_values);
	tcase_add_loop_test(tc, test_many_attributes, 0, 2);
	tcase_add_loop_test(tc, test_second_carrier, 0, COUNT(late_rows));
	tcase_add_loop_test(tc, test_second_carrier_in_its_place, 0, COUNT(reused_rows));
	tcase_add_test(tc, test_contexts_differ);
	tcase_add_test(tc, test_stale_context);
	tcase_add_test(tc, test_times);
	tcase_add_test(tc, test_warning);
	tcase_add_loop_test(tc, test_environment_warning, 0, COUNT(environment_rows));
	tcase_add_loop_test(tc, test_no_memory_new, 0, 2);
	tcase_add_loop_test(tc, test_no_memory_connection, 0, 2);
	return unit_run("tracer", tc);
}
