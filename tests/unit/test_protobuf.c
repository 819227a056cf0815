/* OTLP in protobuf, by hand: the bytes of each kind of field, of what is around them, of halves. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/batch.h"
#include "exporter/otlp/otlp.h"
#include "exporter/otlp/protobuf.h"
#include "exporter/otlp/reply.h"
#include "exporter/otlp/split.h"
#include "exporter/shared.h"
#include "tests/unit/unit.h"

static struct text text;

static void setup(void)
{
	text_init(&text, 100000);
}

static void teardown(void)
{
	text_done(&text);
}

static void bytes_are(const char *expected, size_t size)
{
	ck_assert_int_eq(text.error, TEXT_OK);
	ck_assert_uint_eq(text.size, size);
	ck_assert_mem_eq(text.bytes, expected, size);
}

#define BYTES_ARE(literal) bytes_are(literal, sizeof(literal) - 1)

/* ---- attributes ---- */

static const struct {
	struct span_attribute attribute;
	const char *bytes;
	size_t size;
} attribute_cases[] = {
#define CASE(literal) literal, sizeof(literal) - 1
	{{.key = "k", .type = SPAN_VALUE_STRING, .value.string = {"v", 1}},
		CASE("\x4a\x08\x0a\x01k\x12\x03\x0a\x01v")},
	{{.key = "k", .type = SPAN_VALUE_STRING, .value.string = {"", 0}},
		CASE("\x4a\x07\x0a\x01k\x12\x02\x0a\x00")},
	{{.key = "k", .type = SPAN_VALUE_STRING, .value.string = {"\xff\xc3\xa4\x80", 4}},
		CASE("\x4a\x0f\x0a\x01k\x12\x0a\x0a\x08\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd")},
	{{.key = "k", .type = SPAN_VALUE_STRING, .value.string = {"a\0b", 3}},
		CASE("\x4a\x0a\x0a\x01k\x12\x05\x0a\x03"
		     "a\0b")},
	{{.key = "k", .type = SPAN_VALUE_STRING, .value.string = {"\xf0\x9f\x98", 3}}, /* cut off */
		CASE("\x4a\x0a\x0a\x01k\x12\x05\x0a\x03\xef\xbf\xbd")},
	{{.key = "key", .type = SPAN_VALUE_INT, .value.integer = 300},
		CASE("\x4a\x0a\x0a\x03key\x12\x03\x18\xac\x02")},
	{{.key = "k", .type = SPAN_VALUE_INT, .value.integer = 0},
		CASE("\x4a\x07\x0a\x01k\x12\x02\x18\x00")},
	{{.key = "k", .type = SPAN_VALUE_INT, .value.integer = -1},
		CASE("\x4a\x10\x0a\x01k\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
	{{.key = "k", .type = SPAN_VALUE_INT, .value.integer = INT64_MAX},
		CASE("\x4a\x0f\x0a\x01k\x12\x0a\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f")},
	{{.key = "k", .type = SPAN_VALUE_BOOL, .value.boolean = true},
		CASE("\x4a\x07\x0a\x01k\x12\x02\x10\x01")},
	{{.key = "k", .type = SPAN_VALUE_BOOL, .value.boolean = false},
		CASE("\x4a\x07\x0a\x01k\x12\x02\x10\x00")},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value.real = 1.5},
		CASE("\x4a\x0e\x0a\x01k\x12\x09\x21\0\0\0\0\0\0\xf8\x3f")},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value.real = -HUGE_VAL},
		CASE("\x4a\x0e\x0a\x01k\x12\x09\x21\0\0\0\0\0\0\xf0\xff")},
};

START_TEST(test_attribute)
{
	protobuf_append_attributes(&text, &attribute_cases[_i].attribute, 1);
	bytes_are(attribute_cases[_i].bytes, attribute_cases[_i].size);
}
END_TEST

/* Lengths of one, two and three bytes. */
START_TEST(test_lengths)
{
	static const size_t sizes[] = {100, 127, 128, 200, 16383, 16384, 30000};
	struct span_attribute attribute = {.key = "k", .type = SPAN_VALUE_STRING};
	char *long_text = malloc(30000);
	size_t i, at;
	uint64_t number;

	memset(long_text, 'x', 30000);
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		attribute.value.string = (struct span_text){long_text, sizes[i]};
		text_rewind(&text, 0);
		protobuf_append_attributes(&text, &attribute, 1);
		at = 1;
		ck_assert_int_eq(protobuf_get_number(text.bytes, text.size, &at, &number), 0);
		ck_assert_uint_eq(number, text.size - at);
		ck_assert_mem_eq(text.bytes + at, "\x0a\x01k\x12", 4);
		at += 4;
		ck_assert_int_eq(protobuf_get_number(text.bytes, text.size, &at, &number), 0);
		ck_assert_uint_eq(number, text.size - at);
		ck_assert_int_eq(text.bytes[at++], 0x0a);
		ck_assert_int_eq(protobuf_get_number(text.bytes, text.size, &at, &number), 0);
		ck_assert_uint_eq(number, sizes[i]);
		ck_assert_uint_eq(text.size - at, sizes[i]);
	}
	free(long_text);
}
END_TEST

/* ---- spans ---- */

/* A length in five bytes: below 128. */
#define LENGTH(literal) literal "\x80\x80\x80\x00"

static const struct span least = {
	.context = {.trace_id = "0123456789abcde", .span_id = "ABCDEFG", .flags = 3},
	.name = {"name", 4},
	.kind = SPAN_KIND_SERVER,
	.start_unix_ns = 0x0102030405060708,
	.end_unix_ns = 0x0102030405060709,
};

#define LEAST_HEAD                                                                                 \
	"\x0a\x10"                                                                                 \
	"0123456789abcde\0"                                                                        \
	"\x12\x08"                                                                                 \
	"ABCDEFG\0"
#define LEAST_TIMES                                                                                \
	"\x30\x02\x39\x08\x07\x06\x05\x04\x03\x02\x01\x41\x09\x07\x06\x05\x04\x03\x02\x01"

START_TEST(test_least_span)
{
	protobuf_append_span(&text, &least);
	BYTES_ARE("\x12" LENGTH("\xbc") LEAST_HEAD LEAST_TIMES "\x85\x01\x03\x01\x00\x00"
							       "\x2a\x04name");
}
END_TEST

START_TEST(test_whole_span)
{
	static const struct span_attribute attributes[] = {
		{.key = "a", .type = SPAN_VALUE_BOOL, .value.boolean = true}};
	static const struct span_event events[] = {
		{.name = "e", .time_unix_ns = 1, .attributes = attributes, .attribute_count = 1}};
	static const struct span_link links[] = {
		{.trace_id = "fedcba987654321", .span_id = "1234567"}};
	struct span_shared *shared = span_shared_new(protobuf_append_attributes,
		&(struct span_attribute){.key = "s", .type = SPAN_VALUE_INT, .value.integer = 1},
		1);
	struct span span = least;

	span.has_parent = span.parent_is_remote = true;
	memcpy(span.parent_span_id, "abcdefg", 8);
	span.tracestate = span_text_of("t=1");
	span.end_unix_ns = span.start_unix_ns; /* at least one more */
	span.shared = shared;
	span.attributes = attributes;
	span.attribute_count = 1;
	span.events = events;
	span.event_count = 1;
	span.dropped_event_count = 300;
	span.links = links;
	span.link_count = 1;
	span.status = SPAN_STATUS_ERROR;
	span.status_message = span_text_of("why");
	protobuf_append_span(&text, &span);
	BYTES_ARE(
		"\x12"
		"\xaa\x81\x80\x80\x00" LEAST_HEAD "\x22\x08"
		"abcdefg\0" LEAST_TIMES "\x85\x01\x03\x03\x00\x00"
		"\x1a\x03t=1\x2a\x04name"
		"\x4a\x07\x0a\x01s\x12\x02\x18\x01\x4a\x07\x0a\x01"
		"a\x12\x02\x10\x01"
		"\x5a" LENGTH("\x95") "\x09\x01\0\0\0\0\0\0\0\x12\x01"
				      "e"
				      "\x1a\x07\x0a\x01"
				      "a\x12\x02\x10\x01"
				      "\x60\xac\x02"
				      "\x6a" LENGTH("\x9c") "\x0a\x10"
							    "fedcba987654321\0"
							    "\x12\x08"
							    "1234567\0"
							    "\x7a" LENGTH(
								    "\x87") "\x12\x03why\x18\x02");
	span_shared_free(shared);
}
END_TEST

/* Texts are left out when they are empty, the message of what is no error always. */
START_TEST(test_ok_span)
{
	struct span span = least;

	span.status = SPAN_STATUS_OK;
	span.status_message = span_text_of("why");
	span.name.size = 0;
	protobuf_append_span(&text, &span);
	BYTES_ARE("\x12" LENGTH("\xbe") LEAST_HEAD LEAST_TIMES "\x85\x01\x03\x01\x00\x00"
							       "\x7a" LENGTH("\x82") "\x18\x01");
}
END_TEST

/* However little room there is, the text says so, and nothing is written beyond. */
START_TEST(test_too_large)
{
	size_t limit, whole;

	protobuf_append_span(&text, &least);
	whole = text.size;
	for (limit = 0; limit < whole; limit++) {
		text_done(&text);
		text_init(&text, limit);
		protobuf_append_span(&text, &least);
		ck_assert(text.error == TEXT_TOO_LARGE || text.size > limit);
	}
}
END_TEST

/* ---- a request ---- */

static const struct span_attribute resource[] = {
	{.key = "r", .type = SPAN_VALUE_STRING, .value.string = {"x", 1}}};

static const struct batch_format format = {
	.append = protobuf_append_span,
	.suffix = "",
	.spans_max = 100,
	.bytes_max = 10000,
	.request_bytes_max = 10000,
	.encoding = BATCH_PROTOBUF,
	.seal = protobuf_seal,
};

static struct batch *make_batch(size_t count, bool schema)
{
	struct otlp_origin origin = {.resource = resource,
		.resource_count = 1,
		.scope_name = "s",
		.scope_version = schema ? "2" : NULL,
		.schema_url = schema ? "u" : NULL};
	struct batch_format of = format;
	struct batch *batch = batch_new();
	struct span span = least;
	char name[2] = "0";

	protobuf_append_prefix(&text, &origin);
	of.prefix = text.bytes;
	of.prefix_size = text.size;
	span.name = span_text_of(name);
	for (; count > 0; count--, name[0]++)
		ck_assert_int_eq(batch_append(batch, &of, &span), BATCH_APPENDED);
	batch_seal(batch, &of);
	return batch;
}

#define SPAN(name)                                                                                 \
	"\x12" LENGTH("\xb9") LEAST_HEAD LEAST_TIMES "\x85\x01\x03\x01\x00\x00\x2a\x01" name
#define HEAD(size, spans_size)                                                                     \
	"\x0a" size "\x0a" LENGTH("\x8a") "\x0a\x08\x0a\x01r\x12\x03\x0a\x01x"                     \
					  "\x12" spans_size "\x0a" LENGTH("\x83") "\x0a\x01s"

START_TEST(test_request)
{
	static const char one[] = HEAD(LENGTH("\xde"), LENGTH("\xc8")) SPAN("0");
	struct batch *batch = make_batch(1, false);

	ck_assert_uint_eq(batch->encoding, BATCH_PROTOBUF);
	ck_assert_uint_eq(batch->body.size, sizeof one - 1);
	ck_assert_mem_eq(batch->body.bytes, one, sizeof one - 1);
	batch_free(batch);
}
END_TEST

START_TEST(test_request_with_schema)
{
	static const char one[] = "\x0a" LENGTH("\xe7") "\x0a" LENGTH(
		"\x8a") "\x0a\x08\x0a\x01r\x12\x03\x0a\x01x"
			"\x1a\x01u"
			"\x12" LENGTH("\xce") "\x0a" LENGTH("\x86") "\x0a\x01s\x12\x01"
								    "2"
								    "\x1a\x01u" SPAN("0");
	struct batch *batch = make_batch(1, true);

	ck_assert_uint_eq(batch->body.size, sizeof one - 1);
	ck_assert_mem_eq(batch->body.bytes, one, sizeof one - 1);
	batch_free(batch);
}
END_TEST

START_TEST(test_split)
{
	static const char first[] = HEAD(LENGTH("\xde"), LENGTH("\xc8")) SPAN("0");
	static const char second[] =
		HEAD("\x9d\x81\x80\x80\x00", "\x87\x81\x80\x80\x00") SPAN("1") SPAN("2");
	struct batch *batch = make_batch(3, false), *parts[2];

	ck_assert_int_eq(split_batch(batch, parts), 0);
	ck_assert_uint_eq(parts[0]->body.size, sizeof first - 1);
	ck_assert_mem_eq(parts[0]->body.bytes, first, sizeof first - 1);
	ck_assert_uint_eq(parts[0]->span_count, 1);
	ck_assert_uint_eq(parts[1]->body.size, sizeof second - 1);
	ck_assert_mem_eq(parts[1]->body.bytes, second, sizeof second - 1);
	ck_assert_uint_eq(parts[1]->span_count, 2);
	ck_assert_uint_eq(parts[1]->encoding, BATCH_PROTOBUF);
	batch_free(parts[0]);
	batch_free(parts[1]);
	batch_free(batch);
}
END_TEST

/* Cut anywhere, or with another number of spans, it is not split, nor read beyond its end. */
START_TEST(test_cannot_split)
{
	struct batch *batch = make_batch(2, true), *parts[2];
	struct batch cut = *batch;
	size_t size;

	for (size = 0; size < batch->body.size; size++) {
		cut.body.bytes = (char *)unit_guard_copy(batch->body.bytes, size);
		cut.body.size = size;
		ck_assert_int_eq(split_batch(&cut, parts), -1);
		unit_guard_free((uint8_t *)cut.body.bytes, size);
	}
	batch->span_count = 3;
	ck_assert_int_eq(split_batch(batch, parts), -1);
	batch_free(batch);
}
END_TEST

/* ---- numbers and answers ---- */

static const struct {
	const char *bytes;
	size_t size;
	int result;
	uint64_t number;
} number_cases[] = {
	{CASE("\x00"), 0, 0},
	{CASE("\x7f"), 0, 127},
	{CASE("\x80\x01"), 0, 128},
	{CASE("\x81\x80\x80\x80\x00"), 0, 1},
	{CASE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0, UINT64_MAX},
	{CASE(""), -1, 0},
	{CASE("\x80"), -1, 0},
	{CASE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -1, 0},
};

START_TEST(test_number)
{
	uint8_t *bytes = unit_guard_copy(number_cases[_i].bytes, number_cases[_i].size);
	uint64_t number;
	size_t at = 0;

	ck_assert_int_eq(protobuf_get_number((char *)bytes, number_cases[_i].size, &at, &number),
		number_cases[_i].result);
	if (number_cases[_i].result == 0) {
		ck_assert_uint_eq(number, number_cases[_i].number);
		ck_assert_uint_eq(at, number_cases[_i].size);
	}
	unit_guard_free(bytes, number_cases[_i].size);
}
END_TEST

static const struct {
	const char *bytes;
	size_t size;
	int result;
	uint64_t rejected;
	const char *message;
} reply_cases[] = {
	{CASE(""), 0, 0, ""},
	{CASE("\x0a\x00"), 0, 0, ""},
	{CASE("\x0a\x02\x08\x05"), 0, 5, ""},
	{CASE("\x0a\x06\x08\xac\x02\x12\x01x"), 0, 300, "x"},
	{CASE("\x0a\x03\x12\x01x\x0a\x02\x08\x02"), 0, 2, "x"},
	{CASE("\x08\x0d\x12\x03why"), 0, 0, "why"}, /* google.rpc.Status */
	{CASE("\x12\x03why\x08\x0d\x1a\x02??"), 0, 0, "why"},
	{CASE("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0, 0, ""}, /* -1 */
	{CASE("\x0a\x04\x12\x02\x07\xff"), 0, 0, "??"},
	{CASE("\x4d"
	      "1234\x49"
	      "12345678"),
		0, 0, ""}, /* others of fixed size */
	{CASE("\x0a\x01"), -1, 0, ""},
	{CASE("\x0a\x02\x08"), -1, 0, ""},
	{CASE("\x0a\x02\x12\x05"), -1, 0, ""},
	{CASE("\x12"), -1, 0, ""},
	{CASE("\x4d"
	      "123"),
		-1, 0, ""},
	{CASE("\x0b\x0c"), -1, 0, ""}, /* a group */
	{CASE("<html>"), -1, 0, ""},
};

START_TEST(test_reply)
{
	uint8_t *bytes = unit_guard_copy(reply_cases[_i].bytes, reply_cases[_i].size);
	struct reply reply;

	ck_assert_int_eq(reply_parse_protobuf(&reply, (char *)bytes, reply_cases[_i].size),
		reply_cases[_i].result);
	ck_assert_uint_eq(reply.rejected_spans, reply_cases[_i].rejected);
	if (strcmp(reply_cases[_i].message, "??") == 0) /* made fit to be shown */
		ck_assert_uint_gt(strlen(reply.message), 0);
	else
		ck_assert_str_eq(reply.message, reply_cases[_i].message);
	unit_guard_free(bytes, reply_cases[_i].size);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("protobuf");

	unit_fixture(setup, teardown);
	tcase_add_loop_test(tc, test_attribute, 0, ROWS(attribute_cases));
	tcase_add_test(tc, test_lengths);
	tcase_add_test(tc, test_least_span);
	tcase_add_test(tc, test_whole_span);
	tcase_add_test(tc, test_ok_span);
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_request);
	tcase_add_test(tc, test_request_with_schema);
	tcase_add_test(tc, test_split);
	tcase_add_test(tc, test_cannot_split);
	tcase_add_loop_test(tc, test_number, 0, ROWS(number_cases));
	tcase_add_loop_test(tc, test_reply, 0, ROWS(reply_cases));
	return unit_run("protobuf", tc);
}
