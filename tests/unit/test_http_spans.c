/*
 * What a session tells the tracer of HTTP exchanges, seen in the spans that come of them: the
 * fields of requests, the carrier in them, and whom messages belong to. The exporter's part is
 * played by this file.
 */
#include "exporter/exporter.h"
#include "tests/unit/peers.h"
#include "tests/unit/unit.h"

enum { SPANS_MAX = 8192, EXCHANGES = 5 };

/* ---- the exporter ---- */

struct exporter {
	char spans[SPANS_MAX]; /* a line each: see exporter_submit() */
};

struct span_shared {
	char text[256];
};

/* Also what is said of exchanges of HTTP. */
static bool tells_all;

static const struct {
	const char *key, *told;
} http_keys[] = {
	{"http.request.method", "method"},
	{"http.request.method_original", "original"},
	{"url.path", "path"},
	{"url.scheme", "scheme"},
	{"error.type", "type"},
	{"server.address", "server"},
};

static void text_add_http(char *text, size_t size, const struct span_attribute *attribute)
{
	size_t used = strlen(text), i;

	for (i = 0; i < sizeof http_keys / sizeof http_keys[0]; i++)
		if (strcmp(attribute->key, http_keys[i].key) == 0)
			snprintf(text + used, size - used, " %s=%.*s", http_keys[i].told,
				(int)attribute->value.string.size, attribute->value.string.bytes);
}

/* " KEY=VALUE" for each attribute that is of interest. */
static void text_add(char *text, size_t size, const struct span_attribute *list, size_t count)
{
	size_t i, used;

	for (i = 0; i < count; i++) {
		used = strlen(text);
		if (strcmp(list[i].key, "http.response.status_code") == 0)
			snprintf(text + used, size - used, " http=%d", (int)list[i].value.integer);
		else if (strcmp(list[i].key, "sidespan.end_reason") == 0)
			snprintf(text + used, size - used, " %.*s", (int)list[i].value.string.size,
				list[i].value.string.bytes);
		else if (strncmp(list[i].key, "f.", 2) == 0)
			snprintf(text + used, size - used, " %s=%.*s", list[i].key,
				(int)list[i].value.string.size, list[i].value.string.bytes);
		else if (tells_all)
			text_add_http(text, size, &list[i]);
	}
}

struct span_shared *exporter_share(
	const struct exporter *exporter, const struct span_attribute *attributes, size_t count)
{
	struct span_shared *shared = calloc(1, sizeof *shared);

	(void)exporter;
	if (shared == NULL)
		return NULL;
	text_add(shared->text, sizeof shared->text, attributes, count);
	return shared;
}

void span_shared_free(struct span_shared *shared)
{
	free(shared);
}

void exporter_begin(struct exporter *exporter, const struct traceparent *context)
{
	(void)exporter;
	(void)context;
}

/* NAME STATUS, ^ and the parent's last byte and the tracestate if there is one, attributes. */
void exporter_submit(struct exporter *exporter, const struct span *span)
{
	static const char *const statuses[] = {"unset", "ok", "error"};
	char *text = exporter->spans;
	size_t used = strlen(text);

	used += (size_t)snprintf(text + used, SPANS_MAX - used, "%.*s %s", (int)span->name.size,
		span->name.bytes, statuses[span->status]);
	if (span->has_parent)
		used += (size_t)snprintf(text + used, SPANS_MAX - used, " ^%02x%.*s",
			span->parent_span_id[SPAN_ID_SIZE - 1], (int)span->tracestate.size,
			span->tracestate.bytes);
	text_add(text, SPANS_MAX, span->attributes, span->attribute_count);
	used = strlen(text);
	if (span->shared != NULL)
		used += (size_t)snprintf(text + used, SPANS_MAX - used, "%s", span->shared->text);
	snprintf(text + used, SPANS_MAX - used, "\n");
}

/* ---- the peers ---- */

static struct peers peers;
static struct exporter exporter;

/* What all tests begin with, and what else some of them want. */
static void spans_begin(const char *more)
{
	const char *const flags[] = {"--profile=tests/unit/data/profiles/fields.json", more, NULL};
	char error[256];

	unit_hear_stderr();
	peers_init(&peers, flags);
	tracer_free(peers.tracer);
	peers.tracer = tracer_new(peers.config, &exporter, NULL, NULL, error, sizeof error);
	ck_assert_msg(peers.tracer != NULL, "%s", error);
	exporter.spans[0] = '\0';
}

static void spans_setup(void)
{
	tells_all = false;
	spans_begin(NULL);
}

static void spans_teardown(void)
{
	peers_done(&peers);
}

/* A head, and a body of JSON or nothing. */
static void say(int fd, const char *head, const char *body)
{
	char text[2048];

	snprintf(text, sizeof text,
		"%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", head,
		strlen(body), body);
	(void)peers_write(fd, text, strlen(text)); /* there may be nobody any more */
	peers_turn(&peers);
}

/* What has come is what was said, but for the fields of a connection. */
static void expect(int fd, const char *body)
{
	char text[2048];
	ssize_t size = peers_read(fd, text, sizeof text - 1);

	text[size > 0 ? size : 0] = '\0';
	ck_assert_msg(size > (ssize_t)strlen(body) && strcmp(text + size - strlen(body), body) == 0,
		"%s", text);
}

#define POST    "POST / HTTP/1.1\r\nHost: h"
#define DELETE  "DELETE / HTTP/1.1\r\nHost: h"
#define OK      "HTTP/1.1 200 OK"
#define ASK     "{\"id\":1,\"method\":\"m\"}"
#define ANSWER  "{\"id\":1,\"result\":1}"
#define TOKEN   "Authorization: Bearer secret"
#define SESSION "\r\nMcp-Session-Id: "
#define PARENT  "\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* On one connection, or a new one for each. */
static const struct {
	const char *token; /* that is asked for */
	bool anew;
	struct {
		const char *head, *body, *answer_head, *answer;
	} exchanges[EXCHANGES];
	const char *spans;
	unsigned sessions; /* begun, with a name */
} rows[] = {
	/* fields: what the first request says is remembered; our token is nobody's */
	{NULL, false,
		{{POST "\r\nX-User: u\r\n" TOKEN, ASK, OK, ANSWER},
			{POST "\r\nx-user: v", ASK, OK, ANSWER}},
		"m unset http=200 answered f.authorization=Bearer secret f.user=u\n"
		"m unset http=200 answered f.authorization=Bearer secret f.user=u\n",
		0},
	{"secret", false, {{POST "\r\nX-User: u\r\n" TOKEN "\r\nx-other: 1", ASK, OK, ANSWER}},
		"m unset http=200 answered f.user=u\n", 0},
	/* the carrier, whole or in parts */
	{NULL, false, {{POST PARENT, ASK, OK, ANSWER}, {POST, ASK, OK, ANSWER}},
		"m unset ^b7 http=200 answered\nm unset http=200 answered\n", 0},
	{NULL, false, {{POST PARENT "\r\ntracestate: a=1", ASK, OK, ANSWER}},
		"m unset ^b7a=1 http=200 answered\n", 0},
	{NULL, false, {{POST PARENT "\r\ntracestate: a=1\r\nTraceState: b=2", ASK, OK, ANSWER}},
		"m unset ^b7a=1,b=2 http=200 answered\n", 0},
	{NULL, false, {{POST PARENT PARENT, ASK, OK, ANSWER}}, "m unset http=200 answered\n", 0},
	{NULL, false, {{POST "\r\ntracestate: a=1", ASK, OK, ANSWER}},
		"m unset http=200 answered\n", 0},
	/* answers that answer nothing */
	{NULL, false, {{POST, ASK, OK, "{}"}}, "m unset http=200 http_answer\n", 0},
	{NULL, false, {{POST, ASK, "HTTP/1.1 202 Accepted", ""}}, "m unset http=202 http_answer\n",
		0},
	{NULL, false, {{POST, ASK, "HTTP/1.1 500 No", ""}, {POST, ASK, OK, ANSWER}},
		"m error http=500 http_answer\nm unset http=200 answered\n", 0},
	/* a conversation that an answer begins, on many connections, to its end */
	{NULL, true,
		{{POST "\r\nx-user: u", ASK, OK SESSION "s", ANSWER},
			{POST SESSION "s", ASK, OK, ANSWER}, {POST, ASK, OK, ANSWER},
			{DELETE SESSION "s", "", OK, ""}, {POST SESSION "s", ASK, OK, ANSWER}},
		"m unset http=200 answered f.user=u f.session=s\n"
		"m unset http=200 answered f.user=u f.session=s\n"
		"m unset http=200 answered\n"
		"m unset http=200 answered f.session=s\n",
		2},
	/* one that begins with a request; 202 says that the answer comes elsewhere */
	{NULL, true,
		{{POST SESSION "s", ASK, "HTTP/1.1 202 Accepted", ""},
			{POST SESSION "s", "", OK, ANSWER}},
		"m unset http=202 answered f.session=s\n", 1},
	{NULL, true,
		{{POST SESSION "s", ASK, "HTTP/1.1 404 No", ""},
			{POST SESSION "s", ASK, OK, ANSWER}},
		"m error http=404 http_answer f.session=s\n"
		"m unset http=200 answered f.session=s\n",
		2},
	{NULL, true,
		{{DELETE SESSION "s", "", "HTTP/1.1 405 No", ""},
			{POST SESSION "s", ASK, OK, ANSWER}},
		"m unset http=200 answered f.session=s\n", 1},
	/* a server that says on each connection what is known */
	{NULL, false,
		{{POST, ASK, OK SESSION "s", ANSWER}, {POST, ASK, OK SESSION "s", ANSWER},
			{POST SESSION "t", ASK, OK SESSION "s", ANSWER}},
		"m unset http=200 answered f.session=s\n"
		"m unset http=200 answered\n"
		"m unset http=200 answered f.session=t\n",
		2},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* The exchanges of a row; what passes is looked at unless memory fails. */
static void exchange(int row, bool failing)
{
	int i;

	for (i = 0; i < EXCHANGES && rows[row].exchanges[i].head != NULL; i++) {
		if (i == 0 || rows[row].anew)
			peers_connect(&peers);
		say(peers.client, rows[row].exchanges[i].head, rows[row].exchanges[i].body);
		peers_turn(&peers);
		if (!failing)
			expect(peers.backend, rows[row].exchanges[i].body);
		say(peers.backend, rows[row].exchanges[i].answer_head,
			rows[row].exchanges[i].answer);
		if (!failing)
			expect(peers.client, rows[row].exchanges[i].answer);
		if (!rows[row].anew)
			continue;
		peers_hang_up(&peers.client);
		peers_turn(&peers);
		peers_hang_up(&peers.backend);
	}
}

START_TEST(test_spans)
{
	peers_open(&peers, &side_websocket, &side_websocket);
	peers.route.guard.token = rows[_i].token;
	exchange(_i, false);
	ck_assert_str_eq(exporter.spans, rows[_i].spans);
	ck_assert_uint_eq(peers.loop.counters.http_sessions, rows[_i].sessions);
	peers_close(&peers);
}
END_TEST

/* Each allocation fails once: there are fewer spans or they say less, and nothing is kept. */
START_TEST(test_spans_without_memory)
{
	bool refused = true;
	long n;

	for (n = 0; refused; n++) {
		ck_assert_int_lt(n, 500);
		exporter.spans[0] = '\0';
		peers_open(&peers, &side_websocket, &side_websocket);
		peers.route.guard.token = rows[_i].token;
		unit_alloc_fail_once(n);
		exchange(_i, true);
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_uint_le(strlen(exporter.spans), strlen(rows[_i].spans) + 128);
		ck_assert_uint_le(peers.loop.counters.http_sessions, rows[_i].sessions);
		if (!refused)
			ck_assert_str_eq(exporter.spans, rows[_i].spans);
		peers_close(&peers);
	}
	ck_assert_int_gt(n, 5);
}
END_TEST

/* What the request for a WebSocket says is said of all messages on it. */
START_TEST(test_websocket_request)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " PEERS_KEY "\r\nX-User: u" PARENT
		"\r\n\r\n";
	static const char answer[] =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Accept: " PEERS_ACCEPT "\r\n\r\n";
	static const char ask[] = "\x81\x95\0\0\0\0" ASK, reply[] = "\x81\x13" ANSWER;
	int i;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	(void)peers_write(peers.client, request, sizeof request - 1);
	peers_turn(&peers);
	peers_turn(&peers);
	(void)peers_write(peers.backend, answer, sizeof answer - 1);
	for (i = 0; i < 2; i++) {
		peers_turn(&peers);
		(void)peers_write(peers.client, ask, sizeof ask - 1);
		peers_turn(&peers);
		(void)peers_write(peers.backend, reply, sizeof reply - 1);
		peers_turn(&peers);
	}
	ck_assert_str_eq(
		exporter.spans, "m unset ^b7 answered f.user=u\nm unset ^b7 answered f.user=u\n");
	peers_close(&peers);
}
END_TEST

/* ---- exchanges without JSON-RPC ---- */

#define M64     "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM"
#define P128    M64 M64
#define P1024   P128 P128 P128 P128 P128 P128 P128 P128
#define REST    " HTTP/1.1\r\nHost: h"
#define NOTICE  "{\"method\":\"n\"}"
#define DROPPED "\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

static const struct {
	const char *head, *body, *answer_head, *answer, *spans;
} plain[] = {
	{"GET /a/b?c=1" REST, "", OK, "{}",
		"GET unset method=GET path=/a/b scheme=http http=200\n"},
	{"QUERY /" REST, "", OK, "", "QUERY unset method=QUERY path=/ scheme=http http=200\n"},
	{"PATCHY /" REST, "", OK, "",
		"HTTP unset method=_OTHER original=PATCHY path=/ scheme=http http=200\n"},
	{"get /" REST, "", OK, "",
		"HTTP unset method=_OTHER original=get path=/ scheme=http http=200\n"},
	{M64 "N /" REST, "", OK, "",
		"HTTP unset method=_OTHER original=" M64 " path=/ scheme=http http=200\n"},
	{"GET /" P1024 REST, "", "HTTP/1.1 404 No", "",
		"GET unset method=GET path=/" P128 P128 P128 P128 P128 P128 P128 M64
		"MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM scheme=http "
		"http=404\n"},
	{POST PARENT "\r\ntracestate: a=1", "[1]", "HTTP/1.1 499 No", "",
		"POST unset ^b7a=1 method=POST path=/ scheme=http http=499\n"},
	{POST, "{\"x\":1}", "HTTP/1.1 500 No", "",
		"POST error method=POST path=/ scheme=http http=500 type=500\n"},
	{POST DROPPED, "{}", OK, "", ""},
	/* what is JSON-RPC, or may be */
	{POST, ASK, OK, ANSWER, "m unset http=200 answered\n"},
	{POST, ANSWER, OK, "", ""},
	{POST, "{\"id\":1,\"error\":{\"code\":1}}", OK, "", ""},
	{POST, "{\"jsonrpc\":\"2.0\"}", OK, "", ""},
	{POST, "{\"jsonrpc\":2}", OK, "", "POST unset method=POST path=/ scheme=http http=200\n"},
	{"GET /" REST, "", OK, ANSWER, ""},
	{POST, NOTICE, OK, "", "POST unset method=POST path=/ scheme=http http=200\n"},
	{POST, NOTICE, "HTTP/1.1 202 Accepted", "", ""},
	{POST, NOTICE, "HTTP/1.1 204 None", "", ""},
	{POST, NOTICE, "HTTP/1.1 203 Other", "",
		"POST unset method=POST path=/ scheme=http http=203\n"},
};

enum { PLAIN = sizeof plain / sizeof plain[0] };

static void all_begin(void)
{
	spans_teardown();
	spans_begin("--http-spans=all");
	tells_all = true;
	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
}

/* Each exchange has one of its own, twice on one connection, unless requests have theirs. */
START_TEST(test_all)
{
	char expected[4096];
	int i;

	all_begin();
	for (i = 0; i < 2; i++) {
		say(peers.client, plain[_i].head, plain[_i].body);
		peers_turn(&peers);
		expect(peers.backend, plain[_i].body);
		if (i == 0)
			ck_assert_str_eq(exporter.spans, "");
		say(peers.backend, plain[_i].answer_head, plain[_i].answer);
	}
	snprintf(expected, sizeof expected, "%s%s", plain[_i].spans, plain[_i].spans);
	ck_assert_str_eq(exporter.spans, expected);
	peers_close(&peers);
}
END_TEST

/* One without an answer has failed. */
START_TEST(test_all_unanswered)
{
	all_begin();
	say(peers.client, "GET /" REST, "");
	peers_turn(&peers);
	peers_hang_up(&peers.client);
	peers_turn(&peers);
	peers_close(&peers);
	ck_assert_str_eq(
		exporter.spans, "GET error method=GET path=/ scheme=http type=connection_closed\n");
}
END_TEST

/* ---- our carrier in a request's head ---- */

#define NOTE  "{\"method\":\"n\"}"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

/* %s: so much text that the head goes before the message is all there. */
static const struct {
	const char *head, *body;
	const char *trace; /* that the server is told of; NULL: what the client said, "": of any */
	const char *state; /* behind it */
	const char *spans;
} told[] = {
	{POST, ASK, "", NULL, "m unset http=200 answered\n"},
	{POST PARENT, ASK, TRACE, NULL, "m unset ^b7 http=200 answered\n"},
	{POST PARENT "\r\ntracestate: a=1", ASK, TRACE, "a=1",
		"m unset ^b7a=1 http=200 answered\n"},
	{POST PARENT, "[" ASK ",{\"id\":2,\"method\":\"k\"}]", TRACE, NULL,
		"m unset ^b7 http=200 answered\nk unset ^b7 http=200 http_answer\n"},
	{POST PARENT, NOTE, NULL, NULL, ""},
	{POST PARENT, ANSWER, NULL, NULL, ""},
	{POST PARENT, "{\"id\":1,\"method\":\"m\",\"params\":\"%s\"}", TRACE, NULL,
		"m unset ^b7 http=200 answered\n"},
	{POST PARENT, "{\"params\":\"%s\",\"method\":\"m\",\"id\":1}", TRACE, NULL,
		"m unset ^b7 http=200 answered\n"},
	{POST PARENT, "{\"result\":\"%s\",\"id\":1}", NULL, NULL, ""},
};

/* The server is told of one span, by a field of its own in place of the client's. */
START_TEST(test_told)
{
	static char fill[20000], body[21000], text[24000], head[512];
	const char *field, *client_field = strstr(PARENT, "00-");
	size_t used = 0;
	ssize_t n;

	spans_teardown();
	spans_begin("--propagation-inject=header");
	peers_open(&peers, &side_websocket, &side_websocket);
	peers_connect(&peers);
	memset(fill, 'x', sizeof fill - 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(body, sizeof body, told[_i].body, fill);
#pragma GCC diagnostic pop
	snprintf(head, sizeof head,
		"%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		told[_i].head, strlen(body));
	ck_assert_int_eq(peers_write(peers.client, head, strlen(head)), strlen(head));
	ck_assert_int_eq(peers_write(peers.client, body, strlen(body)), strlen(body));
	peers_turn(&peers);
	peers_turn(&peers);
	while ((n = peers_read(peers.backend, text + used, sizeof text - 1 - used)) > 0) {
		used += (size_t)n;
		peers_turn(&peers);
	}
	text[used] = '\0';
	ck_assert_str_eq(strstr(text, "\r\n\r\n") + 4, body);
	field = strcasestr(text, "\r\ntraceparent: 00-");
	ck_assert_ptr_nonnull(field);
	field += strlen("\r\ntraceparent: ");
	ck_assert_ptr_null(strcasestr(field, "traceparent"));
	if (told[_i].trace == NULL) {
		ck_assert_mem_eq(field, client_field, strlen(client_field));
	} else {
		ck_assert_mem_eq(field + 3, told[_i].trace, strlen(told[_i].trace));
		ck_assert(memcmp(field + 36, client_field + 36, 16) != 0);
		ck_assert_mem_eq(field + 52, told[_i].trace[0] == '\0' ? "-03\r\n" : "-01\r\n", 5);
	}
	field = strcasestr(text, "tracestate: ");
	ck_assert_int_eq(field != NULL, told[_i].state != NULL);
	if (field != NULL)
		ck_assert_mem_eq(field + 12, told[_i].state, strlen(told[_i].state));
	say(peers.backend, OK, ANSWER);
	ck_assert_str_eq(exporter.spans, told[_i].spans);
	peers_close(&peers);
}
END_TEST

/* ---- a stream that names where requests go to ---- */

static const struct {
	const char *stream, *endpoint, *target;
	bool found;
} streams[] = {
	{"/sse", "/messages?sid=1", "/messages?sid=1", true},
	{"/sse", "/messages?sid=1", "/messages?sid=2", false},
	{"/a/sse?b=/c", "m?sid=1", "/a/m?sid=1", true},
	{"/a/sse?b=/c", "?sid=1", "/a/sse?sid=1", true},
	{"/sse", "m#here", "/m", true},
	{"/sse", "http://h/m?sid=1", "/m?sid=1", true},
	{"/sse", "http://h", "/", true},
	{"/sse", "http://h?sid=1", "/?sid=1", true},
	{"http://h/a/sse", "m", "/a/m", true},
	{"/sse", "", "/", false},
};

/* Requests that are posted there are answered on the stream, which is another connection. */
START_TEST(test_stream)
{
	char text[512];
	int client, backend;

	peers_open(&peers, &side_websocket, &side_websocket);
	peers.route.reaped = NULL; /* there are two */
	peers_connect(&peers);
	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", streams[_i].stream);
	(void)peers_write(peers.client, text, strlen(text));
	peers_turn(&peers);
	peers_turn(&peers);
	snprintf(text, sizeof text,
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\n"
		"data: %s\n\n",
		streams[_i].endpoint);
	(void)peers_write(peers.backend, text, strlen(text));
	peers_turn(&peers);
	ck_assert_uint_eq(peers.loop.counters.http_sessions, streams[_i].endpoint[0] != '\0');
	client = peers.client;
	backend = peers.backend;
	peers.backend = -1;
	peers_connect(&peers);
	snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: h", streams[_i].target);
	say(peers.client, text, ASK);
	say(peers.backend, "HTTP/1.1 200 OK", "");
	ck_assert_str_eq(exporter.spans, streams[_i].found ? "" : "m unset http=200 http_answer\n");
	(void)peers_write(backend, "data: " ANSWER "\n\n", strlen("data: " ANSWER "\n\n"));
	peers_turn(&peers);
	ck_assert_str_eq(exporter.spans, streams[_i].found ? "m unset http=200 answered\n"
							   : "m unset http=200 http_answer\n");
	peers_hang_up(&client);
	peers_hang_up(&backend);
	peers_turn(&peers);
	exporter.spans[0] = '\0';
	say(peers.client, text, ASK); /* it is over */
	say(peers.backend, "HTTP/1.1 200 OK", "");
	ck_assert_str_eq(exporter.spans, "m unset http=200 http_answer\n");
	peers_close(&peers);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("http_spans");

	unit_fixture(spans_setup, spans_teardown);
	tcase_add_loop_test(tc, test_spans, 0, ROWS);
	tcase_add_loop_test(tc, test_spans_without_memory, 0, ROWS);
	tcase_add_test(tc, test_websocket_request);
	tcase_add_loop_test(tc, test_all, 0, PLAIN);
	tcase_add_test(tc, test_all_unanswered);
	tcase_add_loop_test(tc, test_told, 0, (int)(sizeof told / sizeof told[0]));
	tcase_add_loop_test(tc, test_stream, 0, sizeof streams / sizeof streams[0]);
	return unit_run("http_spans", tc);
}
