/* What is told as JSON: ended spans by trace, numbers of histograms; with memory and without. */
#include "proxy/admin/views.h"
#include "tests/unit/peers.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/exporter.h"
#include "exporter/metrics/metrics.h"
#include "exporter/ring/ring.h"
#include "proxy/admin/live.h"
#include "proxy/admin/sources.h"
#include "proxy/admin/stats.h"
#include "proxy/measures.h"
#include "tests/unit/loop_case.h"

static struct ring *ring;

static void add(uint8_t trace, const char *text)
{
	struct span span = {.start_unix_ns = 1, .end_unix_ns = 2};

	memset(span.context.trace_id, trace, TRACE_ID_SIZE);
	ring_add(ring, &span, text, strlen(text));
}

static FILE *out;
static char *written;
static size_t written_size;

static void begin(void)
{
	out = open_memstream(&written, &written_size);
	ck_assert_ptr_nonnull(out);
}

static void finish(void)
{
	ck_assert_int_eq(fclose(out), 0);
}

static void ends_with(const char *text)
{
	finish();
	ck_assert_str_eq(written, text);
	unit_free_foreign(written);
}

#define ID(digits)                                                                                 \
	"{\"traceId\":\"" digits digits digits digits digits digits digits digits "\",\"spans\":["
#define ONE ID("0101")
#define TWO ID("0202")

/* By trace, the one that ended last is the last; after a number; of no ring. */
START_TEST(test_traces)
{
	ring = ring_new(&(struct ring_limits){.bytes_max = 4096});
	begin();
	ck_assert(views_write_traces(out, NULL, 0));
	ends_with("{\"seq\":0,\"traces\":[]}\n");
	begin();
	ck_assert(views_write_traces(out, ring, 0));
	ends_with("{\"seq\":0,\"traces\":[]}\n");
	add(1, "a");
	add(2, "b");
	add(2, "c");
	begin();
	ck_assert(views_write_traces(out, ring, 0));
	ends_with("{\"seq\":3,\"traces\":[" ONE "a]}," TWO "b,c]}]}\n");
	add(1, "d");
	begin();
	ck_assert(views_write_traces(out, ring, 0));
	ends_with("{\"seq\":4,\"traces\":[" TWO "b,c]}," ONE "a,d]}]}\n");
	begin();
	ck_assert(views_write_traces(out, ring, 2));
	ends_with("{\"seq\":4,\"traces\":[" TWO "c]}," ONE "d]}]}\n");
	begin();
	ck_assert(views_write_traces(out, ring, 4));
	ends_with("{\"seq\":4,\"traces\":[]}\n");
	ring_free(ring);
}
END_TEST

/* As many as fit, the newest; that one always. */
START_TEST(test_spans)
{
	static const struct {
		uint64_t after;
		size_t bytes_max;
		const char *text;
	} rows[] = {
		{0, 100, "{\"spans\":[a,bb,ccc],\"omitted\":0}\n"},
		{0, 6, "{\"spans\":[a,bb,ccc],\"omitted\":0}\n"},
		{0, 5, "{\"spans\":[bb,ccc],\"omitted\":1}\n"},
		{0, 3, "{\"spans\":[ccc],\"omitted\":2}\n"},
		{0, 0, "{\"spans\":[ccc],\"omitted\":2}\n"},
		{1, 100, "{\"spans\":[bb,ccc],\"omitted\":0}\n"},
		{3, 100, "{\"spans\":[],\"omitted\":0}\n"},
	};
	size_t i;

	ring = ring_new(&(struct ring_limits){.bytes_max = 4096});
	add(1, "a");
	add(2, "bb");
	add(1, "ccc");
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin();
		ck_assert_uint_eq(
			views_write_spans(out, ring, rows[i].after, rows[i].bytes_max), 3);
		ends_with(rows[i].text);
	}
	ring_free(ring);
}
END_TEST

/* Each allocation fails: it is said, and nothing is kept. */
START_TEST(test_traces_without_memory)
{
	bool failed = true;
	long n;

	ring = ring_new(&(struct ring_limits){.bytes_max = 4096});
	add(1, "a");
	add(2, "b");
	for (n = 0; failed; n++) {
		bool done;

		ck_assert_int_lt(n, 20);
		begin();
		unit_alloc_fail_once(n);
		done = views_write_traces(out, ring, 0);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert(done || failed);
		ck_assert_int_eq(fclose(out), 0);
		unit_free_foreign(written);
	}
	ck_assert_int_gt(n, 2);
	ring_free(ring);
}
END_TEST

/* How many times a text is there. */
static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		count++;
	return count;
}

/* What runs now; what there is no memory to tell of is counted. */
START_TEST(test_open)
{
	static const char *const flags[] = {NULL};
	static const char ask[] = "{\"id\":1,\"method\":\"one\"}\n{\"id\":2,\"method\":\"two\"}\n";
	struct peers peers;
	char text[4096];

	unit_hear_stderr();
	peers_init(&peers, flags);
	peers_open(&peers, &side_line, &side_line);
	peers_connect(&peers);
	ck_assert(peers_shake(&peers));
	ck_assert_int_gt(peers_write(peers.client, ask, sizeof ask - 1), 0);
	peers_turn(&peers);
	begin();
	views_write_open(out, &peers.loop);
	finish();
	ck_assert_uint_lt(written_size, sizeof text);
	strcpy(text, written);
	unit_free_foreign(written);
	ck_assert_int_eq(strncmp(text, "{\"timeUnixNano\":\"", 17), 0);
	ck_assert_uint_gt(strtoull(text + 17, NULL, 10), (uint64_t)1000000000 * 1000000000);
	ck_assert_uint_eq(count_of(text, "\",\"spans\":[{\"traceId\":\""), 1);
	ck_assert_uint_eq(count_of(text, "},{\"traceId\":\""), 1);
	ck_assert_uint_eq(count_of(text, "\"name\":\"app_server.request one\""), 1);
	ck_assert_uint_eq(count_of(text, "\"name\":\"app_server.request two\""), 1);
	ck_assert_uint_eq(count_of(text, "}],\"omitted\":0}\n"), 1);
	begin();
	unit_alloc_fail_after(0);
	views_write_open(out, &peers.loop);
	unit_alloc_fail_never();
	finish();
	ck_assert_uint_eq(count_of(written, "\",\"spans\":[],\"omitted\":2}\n"), 1);
	unit_free_foreign(written);
	peers_close(&peers);
	peers_done(&peers);
}
END_TEST

/* ---- numbers ---- */

static const double bounds[] = {1, 2, 4};
static const struct metrics_instrument instruments[] = {
	{.name = MEASURES_REQUESTS,
		.unit = "s",
		.help = "h",
		.span = "request",
		.labels = {{"rpc.method", NULL}, {"error.type", NULL}},
		.label_count = 2,
		.bounds = bounds,
		.bound_count = 3},
	{.name = STATS_TOKENS,
		.unit = "{token}",
		.help = "h",
		.span = "call",
		.attribute = "n",
		.labels = {{"gen_ai.request.model", NULL}, {"gen_ai.token.type", "input"}},
		.label_count = 2,
		.bounds = bounds,
		.bound_count = 3},
};

static struct loop_case setup;
static struct metrics *metrics;
static struct admin_sources sources;

static void request(const char *method, double seconds, const char *error)
{
	const struct span_attribute attributes[] = {
		{.key = "rpc.method", .value.string = span_text_of(method)},
		{.key = "error.type", .value.string = span_text_of(error)}};
	struct span span = {.type = "request",
		.context = {.trace_id = {1, 2, 3, 4, 5, 6, 7, 8}, .flags = TRACE_FLAG_SAMPLED},
		.start_unix_ns = 1,
		.end_unix_ns = 1 + (uint64_t)(seconds * 1e9),
		.attributes = attributes,
		.attribute_count = 2};

	metrics_record(metrics, &span);
}

static void tokens(const char *model, int64_t count)
{
	const struct span_attribute attributes[] = {
		{.key = "gen_ai.request.model", .value.string = span_text_of(model)},
		{.key = "n", .type = SPAN_VALUE_INT, .value.integer = count}};
	struct span span = {.type = "call", .attributes = attributes, .attribute_count = 2};

	metrics_record(metrics, &span);
}

static void stats_open(void)
{
	static const char *const flags[] = {
		"--upstream=unix:///nowhere", "--listen=unix:///here", "--service-name=s", NULL};

	loop_case_open(&setup, flags);
	metrics = metrics_new(instruments, 2, 3);
	sources = (struct admin_sources){.loop = &setup.loop, .metrics = metrics};
}

static void stats_close(void)
{
	metrics_free(metrics);
	loop_case_close(&setup);
}

static void has(const char *part)
{
	ck_assert_msg(strstr(written, part) != NULL, "%s: %s", written, part);
}

/* Series of a method are one, quantiles lie between bounds, what is beyond the last is that. */
START_TEST(test_stats)
{
	int i;

	stats_open();
	begin();
	ck_assert(stats_write(out, &sources, setup.loop.now_ns));
	ck_assert_int_eq(fclose(out), 0);
	has("\"uptimeSeconds\":0,\"version\":\"");
	has(",\"server\":\"s\",\"jaegerUrl\":null,\"slowSeconds\":1,\"methods\":[],\"tokens\":[],"
	    "\"sessions\":0,"
	    "\"inFlight\":0,\"exporter\":{\"created\":0,");
	unit_free_foreign(written);
	for (i = 0; i < 3; i++)
		request("b\"", 0.5, "");
	request("b\"", 1.5, "x");
	for (i = 0; i < 4; i++)
		request("a", 9, "");
	request("too", 1, "many");
	tokens("m", 30);
	tokens("m", 12);
	begin();
	ck_assert(stats_write(out, &sources, setup.loop.now_ns));
	ck_assert_int_eq(fclose(out), 0);
	has("\"methods\":[{\"method\":\"_OTHER\",\"count\":1,\"errors\":0,");
	has("\"p99\":4},{\"method\":\"b");
	has("{\"method\":\"a\",\"count\":4,\"errors\":0,\"p50\":4,\"p95\":4,\"p99\":4}");
	has("{\"method\":\"b\\\"\",\"count\":4,\"errors\":1,\"p50\":0.666667,\"p95\":1.8,\"p99\":1."
	    "96}");
	has("\"tokens\":[{\"model\":\"m\",\"kind\":\"input\",\"tokens\":42}]");
	unit_free_foreign(written);
	stats_close();
}
END_TEST

/* A profile's own instrument of that name may have none of the labels, and as many as can be. */
START_TEST(test_stats_without_labels)
{
	static const struct metrics_instrument alone[] = {
		{.name = MEASURES_REQUESTS,
			.unit = "s",
			.help = "h",
			.span = "request",
			.labels = {{"a", "x"}, {"b", "x"}, {"c", "x"}, {"d", "x"}, {"e", "x"},
				{"f", "x"}, {"g", "x"}, {"h", "x"}},
			.label_count = METRICS_LABELS_MAX,
			.bounds = bounds,
			.bound_count = 3},
	};

	stats_open();
	metrics_free(metrics);
	sources.metrics = metrics = metrics_new(alone, 1, 3);
	request("a", 0.5, "x");
	begin();
	ck_assert(stats_write(out, &sources, setup.loop.now_ns));
	ck_assert_int_eq(fclose(out), 0);
	has("\"methods\":[{\"method\":\"_OTHER\",\"count\":1,\"errors\":0,");
	unit_free_foreign(written);
	stats_close();
}
END_TEST

/* What becomes of spans, by the settings. */
START_TEST(test_exporter_state)
{
	static const struct {
		const char *flag, *state;
	} rows[] = {{"--exporter=otlp", "ok"}, {"--exporter=none", "none"},
		{"--exporter=console", "console"}, {"--disabled", "none"}};
	const char *flags[] = {"--upstream=unix:///nowhere", rows[_i].flag, NULL};
	char state[32];

	loop_case_open(&setup, flags);
	sources = (struct admin_sources){.loop = &setup.loop};
	begin();
	stats_write_exporter(out, &sources);
	ck_assert_int_eq(fclose(out), 0);
	snprintf(state, sizeof state, "\"state\":\"%s\"}", rows[_i].state);
	has(state);
	unit_free_foreign(written);
	loop_case_close(&setup);
}
END_TEST

/* Each allocation fails: a text is whole, or it is said that it is not. */
START_TEST(test_stats_without_memory)
{
	bool failed = true;
	int undone = 0;
	long n;

	stats_open();
	request("a", 1, "");
	tokens("m", 1);
	for (n = 0; failed; n++) {
		bool done;

		ck_assert_int_lt(n, 50);
		begin();
		unit_alloc_fail_once(n);
		done = stats_write(out, &sources, setup.loop.now_ns);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert(done || failed);
		undone += !done;
		ck_assert_int_eq(fclose(out), 0);
		unit_free_foreign(written);
	}
	ck_assert_int_gt(n, 2);
	ck_assert_int_ge(undone, 2); /* methods, and tokens */
	stats_close();
}
END_TEST

/* ---- events ---- */

static const char *told(struct live *live, struct live_told *what)
{
	static char text[8192];
	struct evbuffer *buffer = evbuffer_new();
	int size;

	ck_assert(live_tell(live, what, buffer));
	size = evbuffer_remove(buffer, text, sizeof text - 1);
	ck_assert_int_ge(size, 0);
	text[size] = '\0';
	evbuffer_free(buffer);
	return text;
}

static void refresh(struct live *live)
{
	live_refresh(live);
	unit_alloc_adopt(); /* both texts are streams of the C library, freed by us */
	unit_alloc_adopt();
}

/* What has changed is told, to each what it has not heard; the time does not count. */
START_TEST(test_live)
{
	struct live_told first = {0}, second = {0};
	struct live *live;
	const char *text;

	stats_open();
	live = live_new(&sources, setup.loop.now_ns);
	ck_assert_str_eq(told(live, &first), "");
	refresh(live);
	text = told(live, &first);
	ck_assert_int_eq(strncmp(text, "event: open\ndata: {\"timeUnixNano\":\"", 35), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"spans\":[],\"omitted\":0}\n\nevent: stats\ndata: {"));
	ck_assert_str_eq(text + strlen(text) - 3, "}\n\n");
	setup.loop.now_ns += 5000000000;
	refresh(live);
	ck_assert_str_eq(told(live, &first), "");
	request("a", 1, "");
	refresh(live);
	text = told(live, &first);
	ck_assert_int_eq(strncmp(text, "event: stats\n", 13), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"uptimeSeconds\":5,"));
	ck_assert_ptr_null(strstr(text, "event: open"));
	text = told(live, &second);
	ck_assert_ptr_nonnull(strstr(text, "event: open"));
	ck_assert_ptr_nonnull(strstr(text, "event: stats"));
	live_free(live);
	live_free(NULL);
	stats_close();
}
END_TEST

static void submit(struct exporter *exporter, const char *name)
{
	exporter_submit(exporter, &(struct span){.context = {.trace_id = {1}, .span_id = {1}},
					  .name = span_text_of(name),
					  .start_unix_ns = 1,
					  .end_unix_ns = 2});
}

/* The event has these spans, by the first letters of their names, and that number. */
static void told_spans(
	struct live *live, struct live_told *what, const char *names, uint64_t number)
{
	const char *text = told(live, what), *at = text;
	char head[64], name[16];

	ck_assert_uint_eq(what->span, number);
	if (names[0] == '\0') {
		ck_assert_str_eq(text, "");
		return;
	}
	snprintf(head, sizeof head, "event: spans\nid: %d\ndata: {\"spans\":[{", (int)number);
	ck_assert_int_eq(strncmp(text, head, strlen(head)), 0);
	ck_assert_str_eq(
		text + strlen(text) - strlen("],\"omitted\":0}\n\n"), "],\"omitted\":0}\n\n");
	for (; *names != '\0'; names++) {
		snprintf(name, sizeof name, "\"name\":\"%c\"", *names);
		at = strstr(at, name);
		ck_assert_msg(at != NULL, "%s: %s", name, text);
		at++;
	}
	ck_assert_ptr_null(strstr(at, "\"name\":"));
}

/* Spans that have ended: each hears what it has not, though the last ones' text is kept. */
START_TEST(test_live_spans)
{
	static const struct exporter_config config = {
		.target = EXPORTER_NOWHERE,
		.endpoint = "",
		.endpoint_shown = "",
		.request_bytes_max = 1000000,
		.batch_spans_max = 100,
		.batch_bytes_max = 1000000,
		.queue_bytes_max = 1000000,
		.queue_spans_max = 1000,
		.ring_bytes_max = 100000,
		.scope_name = "",
		.scope_version = "",
	};
	struct live_told first = {0}, second = {0}, third = {.span = 1};
	char error[256] = "";
	struct exporter *exporter = exporter_new(&config, error, sizeof error);
	struct live *live;

	ck_assert_msg(exporter != NULL, "%s", error);
	stats_open();
	live = live_new(&sources, setup.loop.now_ns);
	ck_assert_uint_eq(live_newest(live), 0);
	sources.exporter = exporter;
	ck_assert_uint_eq(live_newest(live), 0);
	told_spans(live, &first, "", 0);
	submit(exporter, "a");
	submit(exporter, "b");
	ck_assert_uint_eq(live_newest(live), 2);
	told_spans(live, &first, "ab", 2);
	unit_alloc_adopt();
	told_spans(live, &first, "", 2);
	told_spans(live, &second, "ab", 2);
	told_spans(live, &third, "b", 2);
	unit_alloc_adopt();
	submit(exporter, "c");
	told_spans(live, &first, "c", 3);
	unit_alloc_adopt();
	told_spans(live, &second, "c", 3);
	third = (struct live_told){.span = 1};
	told_spans(live, &third, "bc", 3);
	unit_alloc_adopt();
	live_free(live);
	exporter_free(exporter);
	sources.exporter = NULL;
	stats_close();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("views");

	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_traces);
	tcase_add_test(tc, test_spans);
	tcase_add_test(tc, test_traces_without_memory);
	tcase_add_test(tc, test_stats);
	tcase_add_test(tc, test_stats_without_labels);
	tcase_add_loop_test(tc, test_exporter_state, 0, 4);
	tcase_add_test(tc, test_stats_without_memory);
	tcase_add_test(tc, test_live);
	tcase_add_test(tc, test_live_spans);
	return unit_run("views", tc);
}
