/* Metrics as a collector gets them, byte for byte, and that memory which is short is seen. */
#include "exporter/otlp/measured.h"

#include <stdio.h>

#include "exporter/metrics/metrics.h"
#include "exporter/metrics/number.h"
#include "exporter/otlp/otlp.h"
#include "tests/unit/unit.h"

static const double bounds[] = {0.1, 1};

static const struct metrics_instrument instruments[] = {
	{.name = "a.call.duration",
		.unit = "s",
		.help = "Calls.",
		.span = "request",
		.labels = {{"rpc.method", NULL}, {"rpc.system.name", "jsonrpc"}},
		.label_count = 2,
		.bounds = bounds,
		.bound_count = 2},
	{.name = "never", .unit = "s", .help = "Nothing.", .span = "none", .bounds = bounds},
	{.name = "a.usage",
		.unit = "{token}",
		.help = "Tokens.",
		.span = "call",
		.attribute = "in",
		.labels = {{"type", "input"}},
		.label_count = 1,
		.bounds = bounds,
		.bound_count = 1},
	{.name = "a.usage",
		.unit = "{token}",
		.help = "never said",
		.span = "call",
		.attribute = "in",
		.labels = {{"type", "again"}},
		.label_count = 1,
		.bounds = bounds,
		.bound_count = 0},
};

static const struct number numbers[] = {
	{.name = "sidespan.posts",
		.unit = "",
		.help = "to the \"collector\"",
		.is_total = true,
		.whole = UINT64_MAX},
	{.name = "age",
		.unit = "s",
		.help = "For how long.",
		.label = "type",
		.value = "a\n\"b\"\xff",
		.is_real = true,
		.real = 1.5},
	{.name = "age",
		.unit = "s",
		.help = "For how long.",
		.goes_on = true,
		.label = "type",
		.value = "turn",
		.is_real = true},
	{.name = "process.cpu",
		.unit = "s",
		.help = "Of it.",
		.is_total = true,
		.is_real = true,
		.real = 0.25},
	{.name = "open", .unit = "", .help = "Now.", .whole = 3},
};

static const struct span_attribute resource[] = {{.key = "service.name",
	.type = SPAN_VALUE_STRING,
	.value.string = {.bytes = "sidespan", .size = 8}}};

static const struct otlp_origin origin = {.resource = resource,
	.resource_count = 1,
	.scope_name = "sidespan",
	.scope_version = "1.2.3",
	.schema_url = "https://schema"};

static void record(struct metrics *metrics, const char *type, struct span_attribute attribute,
	unsigned flags, uint64_t end_unix_ns)
{
	struct span span = {.type = type,
		.context = {.trace_id = {0xab}, .span_id = {0xcd}, .flags = (uint8_t)flags},
		.start_unix_ns = 1000000000,
		.end_unix_ns = end_unix_ns,
		.attributes = &attribute,
		.attribute_count = 1};

	metrics_record(metrics, &span);
}

static struct metrics *record_all(void)
{
	struct metrics *metrics = metrics_new(instruments, 4, 1);
	struct span_attribute method = {.key = "rpc.method",
		.type = SPAN_VALUE_STRING,
		.value.string = span_text_of("a/b")};

	ck_assert_ptr_nonnull(metrics);
	record(metrics, "request", method, 1, 1500000000);
	record(metrics, "request", method, 0, 1050000000); /* whose trace nobody finds */
	method.value.string = span_text_of("other");       /* one too many */
	record(metrics, "request", method, 0, 9000000000);
	record(metrics, "call",
		(struct span_attribute){.key = "in", .type = SPAN_VALUE_INT, .value.integer = 12},
		0, 1500000000);
	return metrics;
}

static void write_all(struct text *text, const struct metrics *metrics)
{
	struct measured measured;
	size_t i;

	measured_append_prefix(text, &origin);
	measured_begin(&measured, text, 1700000000000000001, 1700000060000000002);
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
		measured_number(&measured, &numbers[i]);
	if (metrics != NULL)
		measured_metrics(&measured, metrics);
	measured_end(&measured);
}

#define START       "\"startTimeUnixNano\":\"1700000000000000001\","
#define NOW         "\"timeUnixNano\":\"1700000060000000002\","
#define ALWAYS      "],\"aggregationTemporality\":2}}"
#define GROWING     "],\"aggregationTemporality\":2,\"isMonotonic\":true}}"
#define TYPE(value) "\"attributes\":[{\"key\":\"type\",\"value\":{\"stringValue\":\"" value "\"}}],"

static const char head[] =
	"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
	"\"value\":{\"stringValue\":\"sidespan\"}}]},\"schemaUrl\":\"https://schema\","
	"\"scopeMetrics\":[{\"scope\":{\"name\":\"sidespan\",\"version\":\"1.2.3\"},"
	"\"schemaUrl\":\"https://schema\",\"metrics\":[";

static const char counted[] =
	"{\"name\":\"sidespan.posts\",\"description\":\"to the \\\"collector\\\"\","
	"\"sum\":{\"dataPoints\":[{" START NOW "\"asInt\":\"9223372036854775807\"}" GROWING ","
	"{\"name\":\"age\",\"description\":\"For how long.\",\"unit\":\"s\","
	"\"gauge\":{\"dataPoints\":[{" TYPE("a\\n\\\"b\\\"\xef\xbf\xbd") NOW "\"asDouble\":1.5},"
									     "{" TYPE("turn") NOW
	"\"asDouble\":0}]}},"
	"{\"name\":\"process.cpu\",\"description\":\"Of it.\",\"unit\":\"s\","
	"\"sum\":{\"dataPoints\":[{" START NOW "\"asDouble\":0.25}" GROWING ","
	"{\"name\":\"open\",\"description\":\"Now.\",\"gauge\":{\"dataPoints\":[{" NOW
	"\"asInt\":\"3\"}]}}";

static const char of_calls[] =
	",{\"name\":\"a.call.duration\",\"description\":\"Calls.\",\"unit\":\"s\","
	"\"histogram\":{\"dataPoints\":[{\"attributes\":[{\"key\":\"rpc.system.name\","
	"\"value\":{\"stringValue\":\"jsonrpc\"}},{\"key\":\"otel.metric.overflow\","
	"\"value\":{\"boolValue\":true}}]," START NOW "\"count\":\"1\",\"sum\":8,"
	"\"bucketCounts\":[\"0\",\"0\",\"1\"],\"explicitBounds\":[0.1,1]},"
	"{\"attributes\":[{\"key\":\"rpc.method\",\"value\":{\"stringValue\":\"a/b\"}},"
	"{\"key\":\"rpc.system.name\",\"value\":{\"stringValue\":\"jsonrpc\"}}]," START NOW
	"\"count\":\"2\",\"sum\":0.55,\"bucketCounts\":[\"1\",\"1\",\"0\"],"
	"\"explicitBounds\":[0.1,1],\"exemplars\":[{\"timeUnixNano\":\"1500000000\","
	"\"asDouble\":0.5,\"spanId\":\"cd00000000000000\","
	"\"traceId\":\"ab000000000000000000000000000000\"}]}" ALWAYS;

/* Two instruments of one name are one metric; what was never measured is none. */
static const char of_usage[] =
	",{\"name\":\"a.usage\",\"description\":\"Tokens.\",\"unit\":\"{token}\","
	"\"histogram\":{\"dataPoints\":[{" TYPE("input") START NOW
	"\"count\":\"1\",\"sum\":12,"
	"\"bucketCounts\":[\"0\",\"1\"],\"explicitBounds\":[0.1]},"
	"{" TYPE("again") START NOW "\"count\":\"1\",\"sum\":12,\"bucketCounts\":[\"1\"],"
				    "\"explicitBounds\":[]}" ALWAYS;

START_TEST(test_request)
{
	struct metrics *metrics = record_all();
	char expected[8192];
	struct text text;

	text_init(&text, SIZE_MAX / 2);
	write_all(&text, metrics);
	ck_assert_int_eq(text.error, TEXT_OK);
	text_append(&text, "", 1);
	(void)snprintf(
		expected, sizeof expected, "%s%s%s%s]}]}]}", head, counted, of_calls, of_usage);
	ck_assert_str_eq(text.bytes, expected);
	text_done(&text);
	metrics_free(metrics);
}
END_TEST

START_TEST(test_nothing)
{
	struct measured measured;
	struct text text;

	text_init(&text, SIZE_MAX / 2);
	measured_append_prefix(&text, &(struct otlp_origin){.scope_name = "s"});
	measured_begin(&measured, &text, 1, 2);
	measured_end(&measured);
	text_append(&text, "", 1);
	ck_assert_str_eq(text.bytes, "{\"resourceMetrics\":[{\"resource\":{},\"scopeMetrics\":[{"
				     "\"scope\":{\"name\":\"s\"},\"metrics\":[]}]}]}");
	text_done(&text);
}
END_TEST

/* Wherever room or memory ends, the text says so. */
START_TEST(test_limits)
{
	struct metrics *metrics = record_all();
	struct text text;
	size_t size, limit;

	text_init(&text, SIZE_MAX / 2);
	write_all(&text, metrics);
	size = text.size;
	text_done(&text);
	for (limit = 1; limit + TEXT_SLACK < size; limit += 97) {
		text_init(&text, limit);
		write_all(&text, metrics);
		ck_assert_int_eq(text.error, TEXT_TOO_LARGE);
		text_done(&text);
	}
	text_init(&text, SIZE_MAX / 2);
	unit_alloc_fail_after(0);
	write_all(&text, metrics);
	unit_alloc_fail_never();
	ck_assert_int_eq(text.error, TEXT_NO_MEMORY);
	text_done(&text);
	metrics_free(metrics);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("measured");

	tcase_add_test(tc, test_request);
	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_limits);
	return unit_run("measured", tc);
}
