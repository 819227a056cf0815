/* The spans that an exporter keeps for a look: in JSON, in whatever way they are exported. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exporter/exporter.h"
#include "exporter/ring/ring.h"
#include "tests/unit/unit.h"

enum { SPANS = 3, TEXT_MAX = 2048 };

static struct exporter_config config = {
	.endpoint = "http://127.0.0.1:9/",
	.endpoint_shown = "there",
	.request_bytes_max = 1000000,
	.response_bytes_max = 1000,
	.batch_bytes_max = 1000000,
	.queue_bytes_max = 1000000,
	.queue_spans_max = 1000,
	.scope_name = "test",
	.scope_version = "1",
	.user_agent = "test/1",
};

static const struct {
	enum exporter_target target;
	bool protobuf;
} ways[] = {
	{EXPORTER_OTLP, false},
	{EXPORTER_OTLP, true},
	{EXPORTER_CONSOLE, false},
	{EXPORTER_NOWHERE, false},
};

static struct exporter *begin(int way, size_t batch_spans_max)
{
	struct exporter *exporter;
	char error[256] = "";

	config.target = ways[way].target;
	config.protobuf = ways[way].protobuf;
	config.console_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	config.batch_spans_max = batch_spans_max;
	exporter = exporter_new(&config, error, sizeof error);
	ck_assert_msg(exporter != NULL, "%s", error);
	return exporter;
}

static void end(struct exporter *exporter)
{
	exporter_free(exporter);
	(void)close(config.console_fd); /* which may have done so */
}

static void submit(struct exporter *exporter, struct span_shared *shared, int number)
{
	const struct span_attribute own = {
		.key = "n", .type = SPAN_VALUE_INT, .value.integer = number};
	const char *name = "span";
	struct span span = {.context = {.trace_id = {1}, .span_id = {(uint8_t)(number + 1)}},
		.name = span_text_of(name),
		.start_unix_ns = 1,
		.end_unix_ns = 2,
		.attributes = &own,
		.attribute_count = 1,
		.shared = shared};

	if (ways[0].target == config.target || config.target == EXPORTER_CONSOLE)
		exporter_begin(exporter, &span.context);
	exporter_submit(exporter, &span);
}

/* Each is there once, whole, with what many have in common; batches make no difference. */
START_TEST(test_kept)
{
	static const struct span_attribute common = {
		.key = "common", .type = SPAN_VALUE_STRING, .value.string = {"c", 1}};
	struct exporter *exporter = NULL;
	struct span_shared *shared;
	const struct ring *ring;
	struct ring_cursor cursor;
	struct ring_span found;
	char text[TEXT_MAX], part[128];
	int i;

	config.ring_bytes_max = 100000;
	exporter = begin(_i, 2);
	shared = exporter_share(exporter, &common, 1);
	ck_assert_ptr_nonnull(shared);
	ring = exporter_ring(exporter);
	ck_assert_ptr_nonnull(ring);
	for (i = 0; i < SPANS; i++) {
		submit(exporter, shared, i);
		ck_assert_uint_eq(ring_newest(ring), i + 1);
	}
	cursor = ring_from(ring, 0);
	for (i = 0; ring_next(ring, &cursor, &found); i++) {
		snprintf(text, sizeof text, "%.*s", (int)found.size, found.bytes);
		snprintf(part, sizeof part, "{\"traceId\":\"01%030d\",\"spanId\":\"%02d%014d\"", 0,
			i + 1, 0);
		ck_assert_msg(strncmp(text, part, strlen(part)) == 0, "%s", text);
		ck_assert_str_eq(text + strlen(text) - 1, "}");
		snprintf(part, sizeof part, "{\"key\":\"n\",\"value\":{\"intValue\":\"%d\"}}", i);
		ck_assert_msg(strstr(text, part) != NULL, "%s", text);
		ck_assert_msg(
			strstr(text, "{\"key\":\"common\",\"value\":{\"stringValue\":\"c\"}}") !=
				NULL,
			"%s", text);
		ck_assert_ptr_null(strstr(text + 1, "{\"traceId\":"));
	}
	ck_assert_int_eq(i, SPANS);
	span_shared_free(shared);
	end(exporter);
}
END_TEST

/* None is kept where nobody wants it. */
START_TEST(test_not_kept)
{
	struct exporter *exporter;

	config.ring_bytes_max = 0;
	exporter = begin(_i, 2);
	ck_assert_ptr_null(exporter_ring(exporter));
	submit(exporter, NULL, 1);
	end(exporter);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("last_spans");

	unit_fixture(NULL, NULL);
	tcase_add_loop_test(tc, test_kept, 0, (int)(sizeof ways / sizeof *ways));
	tcase_add_loop_test(tc, test_not_kept, 0, 3);
	return unit_run("last_spans", tc);
}
