/* Spans as OTLP JSON: golden texts, every type and escape, and any bytes at all in the texts. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_tree.h>

#include "exporter/escape.h"
#include "exporter/otlp/otlp.h"
#include "exporter/shared.h"
#include "tests/unit/unit.h"

#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}
#define IDS "{\"traceId\":\"000102030405060708090a0b0c0d0eff\",\"spanId\":\"a0a1a2a3a4a5a6a7\""
#define TIMES                                                                                      \
	"\"startTimeUnixNano\":\"1790000000000000000\",\"endTimeUnixNano\":"                       \
	"\"1790000000012345678\""

static struct span span_example(void)
{
	return (struct span){
		.context = {.trace_id = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255},
			.span_id = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7},
			.flags = 1},
		.parent_span_id = {0x5e, 0x91, 0xc0, 0xa7, 0x34, 0x2b, 0xd8, 0x6f},
		.name = TEXT("turn/start"),
		.kind = SPAN_KIND_SERVER,
		.start_unix_ns = 1790000000000000000u,
		.end_unix_ns = 1790000000012345678u,
	};
}

static void encoded_is(const struct span *span, const char *expected)
{
	struct text text;

	text_init(&text, SIZE_MAX / 2);
	otlp_append_span(&text, span);
	ck_assert_int_eq(text.error, TEXT_OK);
	TEXT_APPEND(&text, "\0");
	ck_assert_str_eq(text.bytes, expected);
	text_done(&text);
}

START_TEST(test_minimal)
{
	struct span span = span_example();

	encoded_is(&span, IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2," TIMES "}");
}
END_TEST

static const struct {
	bool has_parent, is_remote;
	uint8_t flags;
	const char *expected;
} flag_cases[] = {
	{false, false, 0, ",\"flags\":256,"},
	{false, false, 1, ",\"flags\":257,"},
	{false, true, 3, ",\"flags\":259,"}, /* without a parent nothing is remote */
	{true, false, 1, ",\"parentSpanId\":\"5e91c0a7342bd86f\",\"flags\":257,"},
	{true, true, 1, ",\"parentSpanId\":\"5e91c0a7342bd86f\",\"flags\":769,"},
	{true, true, 3, ",\"parentSpanId\":\"5e91c0a7342bd86f\",\"flags\":771,"},
};

START_TEST(test_flags)
{
	struct span span = span_example();
	char expected[512];

	span.has_parent = flag_cases[_i].has_parent;
	span.parent_is_remote = flag_cases[_i].is_remote;
	span.context.flags = flag_cases[_i].flags;
	snprintf(expected, sizeof expected, "%s%s%s", IDS, flag_cases[_i].expected,
		"\"name\":\"turn/start\",\"kind\":2," TIMES "}");
	encoded_is(&span, expected);
}
END_TEST

START_TEST(test_everything)
{
	struct span_attribute connection[] = {
		{.key = "rpc.system",
			.type = SPAN_VALUE_STRING,
			.value = {.string = TEXT("jsonrpc")}},
		{.key = "port", .type = SPAN_VALUE_INT, .value = {.integer = 51234}},
	};
	struct span_attribute own[] = {
		{.key = "rpc.method",
			.type = SPAN_VALUE_STRING,
			.value = {.string = TEXT("turn/\"start\"")}},
		{.key = "empty", .type = SPAN_VALUE_STRING, .value = {.string = {NULL, 0}}},
	};
	struct span_event events[] = {
		{"first", 1790000000000000001u, own, 1},
		{"second", 7, NULL, 0},
	};
	struct span_link links[] = {
		{{0xff}, {0x01}},
		{{0xab, 0xcd}, {0xef}},
	};
	struct span span = span_example();

	span.shared = span_shared_new(otlp_append_attributes, connection, 2);
	ck_assert_ptr_nonnull(span.shared);
	span.tracestate = (struct span_text)TEXT("foo=\"1\",b=2");
	span.attributes = own;
	span.attribute_count = 2;
	span.events = events;
	span.event_count = 2;
	span.links = links;
	span.link_count = 2;
	span.dropped_event_count = 3;
	span.status = SPAN_STATUS_ERROR;
	span.status_message = (struct span_text)TEXT("unknown\nthread");
	encoded_is(&span, IDS
		",\"traceState\":\"foo=\\\"1\\\",b=2\",\"flags\":257,"
		"\"name\":\"turn/start\",\"kind\":2," TIMES ",\"attributes\":["
		"{\"key\":\"rpc.system\",\"value\":{\"stringValue\":\"jsonrpc\"}},"
		"{\"key\":\"port\",\"value\":{\"intValue\":\"51234\"}},"
		"{\"key\":\"rpc.method\",\"value\":{\"stringValue\":\"turn/\\\"start\\\"\"}},"
		"{\"key\":\"empty\",\"value\":{\"stringValue\":\"\"}}],\"events\":["
		"{\"timeUnixNano\":\"1790000000000000001\",\"name\":\"first\",\"attributes\":["
		"{\"key\":\"rpc.method\",\"value\":{\"stringValue\":\"turn/\\\"start\\\"\"}}]},"
		"{\"timeUnixNano\":\"7\",\"name\":\"second\"}],\"droppedEventsCount\":3,\"links\":["
		"{\"traceId\":\"ff000000000000000000000000000000\",\"spanId\":"
		"\"0100000000000000\"},"
		"{\"traceId\":\"abcd0000000000000000000000000000\",\"spanId\":"
		"\"ef00000000000000\"}],"
		"\"status\":{\"code\":2,\"message\":\"unknown\\nthread\"}}");
	span_shared_free((struct span_shared *)(uintptr_t)span.shared);
}
END_TEST

/* Events as the specification has them, in the order given; times are their own. */
static const struct {
	size_t event_count;
	uint32_t dropped;
	const char *expected;
} event_cases[] = {
	{0, 0, "}"},
	{0, 1, ",\"droppedEventsCount\":1}"},
	{1, 0, ",\"events\":[{\"timeUnixNano\":\"18446744073709551615\",\"name\":\"a\\u0001\"}]}"},
	{2, UINT32_MAX,
		",\"events\":[{\"timeUnixNano\":\"18446744073709551615\",\"name\":\"a\\u0001\"},"
		"{\"timeUnixNano\":\"0\",\"name\":\"\",\"attributes\":["
		"{\"key\":\"n\",\"value\":{\"intValue\":\"-1\"}}]}],"
		"\"droppedEventsCount\":4294967295}"},
};

START_TEST(test_events)
{
	struct span_attribute number = {
		.key = "n", .type = SPAN_VALUE_INT, .value = {.integer = -1}};
	struct span_event events[] = {{"a\1", UINT64_MAX, NULL, 0}, {"", 0, &number, 1}};
	struct span span = span_example();
	char expected[512];

	span.events = events;
	span.event_count = event_cases[_i].event_count;
	span.dropped_event_count = event_cases[_i].dropped;
	snprintf(expected, sizeof expected, "%s%s",
		IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2," TIMES,
		event_cases[_i].expected);
	encoded_is(&span, expected);
}
END_TEST

START_TEST(test_shared_alone)
{
	struct span_attribute attribute = {
		.key = "a", .type = SPAN_VALUE_BOOL, .value = {.boolean = true}};
	struct span_shared *shared = span_shared_new(otlp_append_attributes, &attribute, 1);
	struct span_shared *empty = span_shared_new(otlp_append_attributes, NULL, 0);
	struct span span = span_example();

	ck_assert_ptr_nonnull(shared);
	ck_assert_ptr_nonnull(empty);
	span.shared = shared;
	encoded_is(&span, IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2," TIMES
			      ",\"attributes\":[{\"key\":\"a\",\"value\":{\"boolValue\":true}}]}");
	span.shared = empty;
	encoded_is(&span, IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2," TIMES "}");
	span.attributes = &attribute;
	span.attribute_count = 1;
	encoded_is(&span, IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2," TIMES
			      ",\"attributes\":[{\"key\":\"a\",\"value\":{\"boolValue\":true}}]}");
	span_shared_free(shared);
	span_shared_free(empty);
	span_shared_free(NULL);
}
END_TEST

static const struct {
	enum span_status status;
	struct span_text message;
	const char *expected;
} status_cases[] = {
	{SPAN_STATUS_UNSET, TEXT("not sent"), "}"},
	{SPAN_STATUS_OK, TEXT("not sent"), ",\"status\":{\"code\":1}}"},
	{SPAN_STATUS_ERROR, {NULL, 0}, ",\"status\":{\"code\":2}}"},
	{SPAN_STATUS_ERROR, TEXT("x"), ",\"status\":{\"code\":2,\"message\":\"x\"}}"},
};

START_TEST(test_status)
{
	struct span span = span_example();
	char expected[512];

	span.status = status_cases[_i].status;
	span.status_message = status_cases[_i].message;
	snprintf(expected, sizeof expected, "%s%s",
		IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2," TIMES,
		status_cases[_i].expected);
	encoded_is(&span, expected);
}
END_TEST

static const struct {
	uint64_t start, end;
	const char *expected;
} time_cases[] = {
	{0, 0, "\"startTimeUnixNano\":\"0\",\"endTimeUnixNano\":\"1\"}"},
	{5, 4, "\"startTimeUnixNano\":\"5\",\"endTimeUnixNano\":\"6\"}"},
	{9, 10, "\"startTimeUnixNano\":\"9\",\"endTimeUnixNano\":\"10\"}"},
	{99, 100, "\"startTimeUnixNano\":\"99\",\"endTimeUnixNano\":\"100\"}"},
	{1790000000123456789u, UINT64_MAX,
		"\"startTimeUnixNano\":\"1790000000123456789\","
		"\"endTimeUnixNano\":\"18446744073709551615\"}"},
};

START_TEST(test_times)
{
	struct span span = span_example();
	char expected[512];

	span.start_unix_ns = time_cases[_i].start;
	span.end_unix_ns = time_cases[_i].end;
	span.kind = SPAN_KIND_CLIENT;
	snprintf(expected, sizeof expected, "%s%s",
		IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":3,", time_cases[_i].expected);
	encoded_is(&span, expected);
}
END_TEST

/* One that goes on has no end; what else it has stands where it always does. */
START_TEST(test_open)
{
	struct span span = span_example();

	span.start_unix_ns = 7;
	span.end_unix_ns = 9;
	span.is_open = true;
	encoded_is(&span, IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2,"
			      "\"startTimeUnixNano\":\"7\"}");
	span.status = SPAN_STATUS_OK;
	encoded_is(&span, IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2,"
			      "\"startTimeUnixNano\":\"7\",\"status\":{\"code\":1}}");
}
END_TEST

/* Ends near and far from starts of every size: the two have digits in common or not. */
START_TEST(test_times_of_every_size)
{
	struct span span = span_example();
	uint64_t start = 1, duration;
	char expected[512];
	int digits, size;

	for (digits = 1; digits <= 20; digits++, start *= 10) {
		for (size = 0, duration = 1; size <= digits; size++, duration *= 10) {
			span.start_unix_ns = start + start / 7 * (unsigned)_i;
			span.end_unix_ns = span.start_unix_ns + duration - (unsigned)(_i % 2);
			if (span.end_unix_ns <= span.start_unix_ns)
				span.end_unix_ns = span.start_unix_ns + 1;
			snprintf(expected, sizeof expected,
				"%s\"startTimeUnixNano\":\"%" PRIu64
				"\",\"endTimeUnixNano\":\"%" PRIu64 "\"}",
				IDS ",\"flags\":257,\"name\":\"turn/start\",\"kind\":2,",
				span.start_unix_ns, span.end_unix_ns);
			encoded_is(&span, expected);
		}
	}
}
END_TEST

static const struct {
	struct span_attribute attribute;
	const char *expected;
} value_cases[] = {
	{{.key = "k", .type = SPAN_VALUE_STRING, .value = {.string = TEXT("v")}},
		"{\"stringValue\":\"v\"}"},
	{{.key = "k", .type = SPAN_VALUE_STRING, .value = {.string = TEXT("")}},
		"{\"stringValue\":\"\"}"},
	{{.key = "k", .type = SPAN_VALUE_INT, .value = {.integer = 0}}, "{\"intValue\":\"0\"}"},
	{{.key = "k", .type = SPAN_VALUE_INT, .value = {.integer = -32602}},
		"{\"intValue\":\"-32602\"}"},
	{{.key = "k", .type = SPAN_VALUE_INT, .value = {.integer = 9007199254740993}},
		"{\"intValue\":\"9007199254740993\"}"},
	{{.key = "k", .type = SPAN_VALUE_INT, .value = {.integer = INT64_MAX}},
		"{\"intValue\":\"9223372036854775807\"}"},
	{{.key = "k", .type = SPAN_VALUE_INT, .value = {.integer = INT64_MIN}},
		"{\"intValue\":\"-9223372036854775808\"}"},
	{{.key = "k", .type = SPAN_VALUE_BOOL, .value = {.boolean = true}}, "{\"boolValue\":true}"},
	{{.key = "k", .type = SPAN_VALUE_BOOL, .value = {.boolean = false}},
		"{\"boolValue\":false}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = 0.1}}, "{\"doubleValue\":0.1}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = -2}}, "{\"doubleValue\":-2}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = 1.0 / 3}},
		"{\"doubleValue\":0.3333333333333333}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = DBL_MAX}},
		"{\"doubleValue\":1.7976931348623157e+308}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = 5e-324}},
		"{\"doubleValue\":4.94065645841247e-324}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = (double)NAN}},
		"{\"doubleValue\":\"NaN\"}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = (double)INFINITY}},
		"{\"doubleValue\":\"Infinity\"}"},
	{{.key = "k", .type = SPAN_VALUE_DOUBLE, .value = {.real = -(double)INFINITY}},
		"{\"doubleValue\":\"-Infinity\"}"},
};

START_TEST(test_values)
{
	char expected[128];
	struct text text;

	text_init(&text, 1000);
	otlp_append_attributes(&text, &value_cases[_i].attribute, 1);
	TEXT_APPEND(&text, "\0");
	snprintf(expected, sizeof expected, "{\"key\":\"k\",\"value\":%s}",
		value_cases[_i].expected);
	ck_assert_str_eq(text.bytes, expected);
	text_done(&text);
}
END_TEST

/* A rendered key makes no difference, however long it is. */
START_TEST(test_rendered_key)
{
	struct span_attribute attributes[2];
	char name[SPAN_KEY_SIZE + 8], value[] = "some \"value\"";
	struct span_key rendered;
	struct text texts[2];
	size_t i;

	memset(name, 'k', sizeof name);
	name[_i] = '\0';
	span_key_init(&rendered, name);
	ck_assert_int_eq(rendered.size > 0,
		strlen(OTLP_KEY_BEGIN) + (size_t)_i + strlen(OTLP_STRING_BEGIN) < SPAN_KEY_SIZE);
	for (i = 0; i < 2; i++) {
		attributes[i] = (struct span_attribute){
			.key = name,
			.type = SPAN_VALUE_STRING,
			.value.string = TEXT(value),
			.rendered = i == 0 ? NULL : &rendered,
		};
		text_init(&texts[i], SIZE_MAX / 2);
		otlp_append_attributes(&texts[i], &attributes[i], 1);
		ck_assert_int_eq(texts[i].error, TEXT_OK);
	}
	ck_assert_uint_eq(texts[0].size, texts[1].size);
	ck_assert_mem_eq(texts[0].bytes, texts[1].bytes, texts[0].size);
	text_done(&texts[0]);
	text_done(&texts[1]);

	/* of a number it is not used */
	attributes[1].type = SPAN_VALUE_INT;
	attributes[1].value.integer = 7;
	text_init(&texts[1], SIZE_MAX / 2);
	otlp_append_attributes(&texts[1], &attributes[1], 1);
	TEXT_APPEND(&texts[1], "\0");
	ck_assert_ptr_nonnull(strstr(texts[1].bytes, "\",\"value\":{\"intValue\":\"7\"}}"));
	text_done(&texts[1]);
}
END_TEST

START_TEST(test_prefix)
{
	struct span_attribute resource[] = {
		{.key = "service.name",
			.type = SPAN_VALUE_STRING,
			.value = {.string = TEXT("a\tb")}},
	};
	struct otlp_origin full = {resource, 1, "sidespan", "1.2", "https://x/1"};
	struct otlp_origin bare = {NULL, 0, "s", NULL, NULL};
	struct text text;

	text_init(&text, 1000);
	otlp_append_prefix(&text, &full);
	TEXT_APPEND(&text, OTLP_SUFFIX "\0");
	ck_assert_str_eq(text.bytes,
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
		"\"value\":{\"stringValue\":\"a\\tb\"}}]},\"schemaUrl\":\"https://x/1\","
		"\"scopeSpans\":[{\"scope\":{\"name\":\"sidespan\",\"version\":\"1.2\"},"
		"\"schemaUrl\":\"https://x/1\",\"spans\":[]}]}]}");
	text_rewind(&text, 0);
	otlp_append_prefix(&text, &bare);
	TEXT_APPEND(&text, OTLP_SUFFIX "\0");
	ck_assert_str_eq(text.bytes, "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":["
				     "{\"scope\":{\"name\":\"s\"},\"spans\":[]}]}]}");
	text_done(&text);
}
END_TEST

#define FFFD "\xef\xbf\xbd"

static const struct {
	struct span_text bytes;
	const char *escaped, *shown;
} escape_cases[] = {
	{TEXT(""), "", ""},
	{TEXT("plain ASCII, longer than one block of 16"),
		"plain ASCII, longer than one block of 16",
		"plain ASCII, longer than one block of 16"},
	{TEXT("\"\\/"), "\\\"\\\\/", "\"\\/"},
	{TEXT("\b\t\n\f\r"), "\\b\\t\\n\\f\\r", FFFD FFFD FFFD FFFD FFFD},
	{TEXT("\0\x1f\x7f"), "\\u0000\\u001f\x7f", FFFD FFFD FFFD},
	{TEXT("\x1b[31m"), "\\u001b[31m", FFFD "[31m"},
	{TEXT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	{TEXT("\xc2\x9b"), "\xc2\x9b", FFFD}, /* CSI in eight bits */
	{TEXT("\xc2\xa0"), "\xc2\xa0", "\xc2\xa0"},
	/* direction, no width, a separator of lines, a tag; a system test has all of them */
	{TEXT("\xe2\x80\xae\xd8\x9c"), "\xe2\x80\xae\xd8\x9c", FFFD FFFD},
	{TEXT("a\xe2\x80\x8b\xef\xbb\xbf"), "a\xe2\x80\x8b\xef\xbb\xbf", "a" FFFD FFFD},
	{TEXT("\xe2\x80\xa8"), "\xe2\x80\xa8", FFFD},
	{TEXT("\xf3\xa0\x81\xa1"), "\xf3\xa0\x81\xa1", FFFD},
	{TEXT("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
	/* ill-formed: lone continuation, overlong, surrogate, too high, cut short */
	{TEXT("a\x80z"), "a" FFFD "z", "a" FFFD "z"},
	{TEXT("\xc0\x80"), FFFD FFFD, FFFD FFFD},
	{TEXT("\xe0\x80\x80"), FFFD FFFD FFFD, FFFD FFFD FFFD},
	{TEXT("\xed\xa0\x80"), FFFD FFFD FFFD, FFFD FFFD FFFD},
	{TEXT("\xf0\x8f\xbf\xbf"), FFFD FFFD FFFD FFFD, FFFD FFFD FFFD FFFD},
	{TEXT("\xf4\x90\x80\x80"), FFFD FFFD FFFD FFFD, FFFD FFFD FFFD FFFD},
	{TEXT("\xf5\x80"), FFFD FFFD, FFFD FFFD},
	{TEXT("\xff\xfe"), FFFD FFFD, FFFD FFFD},
	{TEXT("\xe2\x82"), FFFD, FFFD},
	{TEXT("\xe2\x82z"), FFFD "z", FFFD "z"},
	{TEXT("\xf0\x9f\x98"), FFFD, FFFD},
	{TEXT("\xf0\x9f\xc3\xa9"), FFFD "\xc3\xa9", FFFD "\xc3\xa9"},
	{TEXT("\xc3"), FFFD, FFFD},
	{TEXT("\xc3\""), FFFD "\\\"", FFFD "\""},
};

/* At every distance from the block borders, and right before an unreadable page. */
START_TEST(test_escapes)
{
	static const char filler[] = "0123456789012345678901234567890123456789012345678901234567890"
				     "123456789012345678901234567890123456789";
	const struct span_text *bytes = &escape_cases[_i].bytes;
	size_t lead, size;
	struct text text;
	uint8_t *copy;

	for (lead = 0; lead < 40; lead++) {
		size = lead + bytes->size;
		copy = unit_guard_copy(filler, size);
		memcpy(copy + lead, bytes->bytes, bytes->size);
		text_init(&text, 1000);
		escape_append(&text, (const char *)copy, size);
		TEXT_APPEND(&text, "\0");
		ck_assert_str_eq(text.bytes + lead, escape_cases[_i].escaped);
		text_rewind(&text, 0);
		escape_append_shown(&text, (const char *)copy, size, 1000);
		TEXT_APPEND(&text, "\0");
		ck_assert_str_eq(text.bytes + lead, escape_cases[_i].shown);
		text_done(&text);
		unit_guard_free(copy, size);
	}
}
END_TEST

START_TEST(test_shown_is_clipped)
{
	struct text text;

	text_init(&text, 100);
	escape_append_shown(&text, "\xc3\xa9\xc3\xa9\xc3\xa9", 6, 2);
	TEXT_APPEND(&text, "|");
	escape_append_shown(&text, "ab", 2, 2);
	TEXT_APPEND(&text, "\0");
	ck_assert_str_eq(text.bytes, "\xc3\xa9\xc3\xa9\xe2\x80\xa6|ab");
	text_done(&text);
}
END_TEST

/*
 * Every byte at every place, at every size: both ways to copy see it, and write no byte too many.
 */
START_TEST(test_copy_twins)
{
	size_t size = (size_t)_i, place;
	uint8_t *from = unit_guard_copy("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", size);
	uint8_t *to = unit_guard_copy(from, size);
	unsigned byte;
	bool clean;

	for (place = 0; place < size; place++) {
		for (byte = 0; byte < 256; byte++) {
			from[place] = (uint8_t)byte;
			clean = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
			ck_assert_int_eq(escape_copy((char *)to, (char *)from, size), clean);
			ck_assert_int_eq(escape_copy_plain((char *)to, (char *)from, size), clean);
			if (clean)
				ck_assert_mem_eq(to, from, size);
		}
		from[place] = 'a';
	}
	unit_guard_free(from, size);
	unit_guard_free(to, size);
}
END_TEST

/* An independent and simple reader of UTF-8. */
static bool utf8_is_valid(const uint8_t *bytes, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point;
	size_t i, length;

	while (size > 0) {
		length = *bytes < 0x80   ? 1
			 : *bytes < 0xc0 ? 0
			 : *bytes < 0xe0 ? 2
			 : *bytes < 0xf0 ? 3
			 : *bytes < 0xf8 ? 4
					 : 0;
		if (length == 0 || length > size)
			return false;
		point = length == 1 ? *bytes : *bytes & (0x7fu >> length);
		for (i = 1; i < length; i++) {
			if (bytes[i] >> 6 != 2)
				return false;
			point = point << 6 | (bytes[i] & 0x3fu);
		}
		if (point < least[length] || point > 0x10ffff ||
			(point >= 0xd800 && point < 0xe000))
			return false;
		bytes += length;
		size -= length;
	}
	return true;
}

static const char *tree_string(yajl_val tree, const char *first, const char *second)
{
	const char *path[] = {first, second, NULL};
	yajl_val value = yajl_tree_get(tree, path, yajl_t_string);

	ck_assert_ptr_nonnull(value);
	return YAJL_GET_STRING(value);
}

/* Any bytes give valid JSON in valid UTF-8, and what was valid comes back the same. */
START_TEST(test_any_bytes)
{
	struct span span = span_example();
	char bytes[48], error[256];
	size_t size, i;
	struct text text;
	unsigned seed = (unsigned)_i;
	yajl_val tree;

	size = (size_t)rand_r(&seed) % sizeof bytes;
	for (i = 0; i < size; i++)
		bytes[i] = (char)(rand_r(&seed) >> 8 & (_i % 2 ? 0xff : 0x7f));
	for (i = 0; i < size; i++)
		bytes[i] = bytes[i] == '\0' ? 'x' : bytes[i]; /* the tree's strings end there */
	span.name = span.tracestate = span.status_message = (struct span_text){bytes, size};
	span.status = SPAN_STATUS_ERROR;
	text_init(&text, 10000);
	otlp_append_span(&text, &span);
	ck_assert(utf8_is_valid((uint8_t *)text.bytes, text.size));
	TEXT_APPEND(&text, "\0");
	tree = yajl_tree_parse(text.bytes, error, sizeof error);
	ck_assert_msg(tree != NULL, "%s: %s", error, text.bytes);
	if (utf8_is_valid((uint8_t *)bytes, size)) {
		ck_assert_uint_eq(strlen(tree_string(tree, "name", NULL)), size);
		ck_assert_mem_eq(tree_string(tree, "name", NULL), bytes, size);
		if (size > 0)
			ck_assert_mem_eq(tree_string(tree, "status", "message"), bytes, size);
	}
	yajl_tree_free(tree);
	text_done(&text);
}
END_TEST

START_TEST(test_text_limit)
{
	struct text text;
	size_t i;

	text_init(&text, 10000);
	for (i = 0; i < 100000; i++)
		TEXT_APPEND(&text, "0123456789");
	ck_assert_int_eq(text.error, TEXT_TOO_LARGE);
	ck_assert_uint_le(text.size, 10000 + TEXT_SLACK);
	text_rewind(&text, 5);
	ck_assert_int_eq(text.error, TEXT_OK);
	ck_assert_uint_eq(text.size, 5);
	text_done(&text);
	ck_assert_ptr_null(text.bytes);
}
END_TEST

START_TEST(test_text_shrink)
{
	struct text text;
	size_t i;

	text_init(&text, SIZE_MAX / 2);
	for (i = 0; i < 20000; i++)
		TEXT_APPEND(&text, "0123456789");
	ck_assert_uint_ge(text.capacity, 200000);
	text_rewind(&text, 10);
	text_shrink(&text);
	ck_assert_uint_eq(text.capacity, 11);
	ck_assert_mem_eq(text.bytes, "0123456789", 10);
	text_done(&text);
}
END_TEST

START_TEST(test_no_memory)
{
	struct span_attribute attribute = {
		.key = "a", .type = SPAN_VALUE_INT, .value = {.integer = 1}};
	struct span_shared *shared = NULL;
	struct text text;
	long n;

	for (n = 0; shared == NULL; n++) {
		unit_alloc_fail_after(n);
		shared = span_shared_new(otlp_append_attributes, &attribute, 1);
		unit_alloc_fail_never();
		ck_assert(shared != NULL || unit_alloc_failed());
	}
	ck_assert_int_ge(n, 3); /* giving memory back may fail: nothing is lost */
	span_shared_free(shared);

	text_init(&text, 1000);
	unit_alloc_fail_after(0);
	TEXT_APPEND(&text, "x");
	escape_append(&text, "x", 1);
	escape_append_shown(&text, "x", 1, 1);
	unit_alloc_fail_never();
	ck_assert_int_eq(text.error, TEXT_NO_MEMORY);
	ck_assert_uint_eq(text.size, 0);
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("otlp");

	tcase_add_test(tc, test_minimal);
	tcase_add_loop_test(tc, test_flags, 0, ROWS(flag_cases));
	tcase_add_test(tc, test_everything);
	tcase_add_loop_test(tc, test_events, 0, sizeof event_cases / sizeof *event_cases);
	tcase_add_test(tc, test_shared_alone);
	tcase_add_loop_test(tc, test_status, 0, ROWS(status_cases));
	tcase_add_loop_test(tc, test_times_of_every_size, 0, 8);
	tcase_add_test(tc, test_open);
	tcase_add_loop_test(tc, test_times, 0, ROWS(time_cases));
	tcase_add_loop_test(tc, test_values, 0, ROWS(value_cases));
	tcase_add_loop_test(tc, test_rendered_key, 0, SPAN_KEY_SIZE + 8);
	tcase_add_test(tc, test_prefix);
	tcase_add_loop_test(tc, test_escapes, 0, ROWS(escape_cases));
	tcase_add_test(tc, test_shown_is_clipped);
	tcase_add_loop_test(tc, test_copy_twins, 0, 48);
	tcase_add_loop_test(tc, test_any_bytes, 0, 400);
	tcase_add_test(tc, test_text_limit);
	tcase_add_test(tc, test_text_shrink);
	tcase_add_test(tc, test_no_memory);
	return unit_run("otlp", tc);
}
