/* Event streams: what the events say, however they are cut, against a guard page. */
#include <stdio.h>
#include <string.h>

#include "proxy/side/events.h"
#include "tests/unit/unit.h"

#define TEST_BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *bytes;
	size_t size;
	const char *data; /* of each event, then | */
} test_streams[] = {
	{TEST_BYTES(""), ""},
	{TEST_BYTES("data: {}\n\n"), "{}|"},
	{TEST_BYTES("data:{}\r\n\r\n"), "{}|"},
	{TEST_BYTES("data: {}\r\r"), "{}|"},
	{TEST_BYTES("data: {}\r\n\rdata:x\n\r\n"), "{}|x|"},
	{TEST_BYTES("\xef\xbb\xbf"
		    "data: 1\n\n"),
		"1|"},
	{TEST_BYTES("\xef\xbb"
		    "data: 1\n\ndata: 2\n\n"),
		"2|"},
	{TEST_BYTES("\xef\xbb\n"
		    "data: 1\n\n"),
		"1|"},
	{TEST_BYTES("data: {\ndata:  \"a\"\r\ndata\rdata: :}\n\n"), "{\n \"a\"\n\n:}|"},
	{TEST_BYTES(": note\nevent: message\nid: 7\nretry: 10\ndata: 1\n: data: 2\n\n"), "1|"},
	{TEST_BYTES("id: 1\ndata:\n\n"), "|"},
	{TEST_BYTES("data\n\n"), "|"},
	{TEST_BYTES("event: x\n\n\n\n:\n\n"), ""},
	{TEST_BYTES("datax: 1\ndat: 2\nDATA: 3\n data: 4\ndata : 5\n\n"), ""},
	{TEST_BYTES("event: endpoint\ndata: /a\n\ndata: 1\n\n"), "/a>1|"},
	{TEST_BYTES("data:/a\r\nevent:endpoint\r\n\r\ndata:1\r\n\r\n"), "/a>1|"},
	{TEST_BYTES("event: endpoint\n\ndata: 1\n\n"), "1|"},
	{TEST_BYTES("event: endpoint\nevent: x\ndata: 1\n\n"), "1|"},
	{TEST_BYTES("event: endpoint\nevent\ndata: 1\n\n"), "1|"},
	{TEST_BYTES("event: endpoint\nevent:\ndata: 1\n\n"), "1|"},
	{TEST_BYTES("event: endpoints\ndata: 1\n\nevent: endpoin\ndata: 2\n\n"), "1|2|"},
	{TEST_BYTES("event:  endpoint\ndata: 1\n\nevents: endpoint\ndata: 2\n\n"), "1|2|"},
	{TEST_BYTES("data: 1\n\ndata: 2"), "1|2|"},
	{TEST_BYTES("data: 1\n\ndata: 2\r\n"), "1|2|"},
	{TEST_BYTES("data: 1\n\ndata"), "1||"},
	{TEST_BYTES("data: 1\n\ndat"), "1|"},
	{TEST_BYTES("data:  \n\n"), " |"},
	{TEST_BYTES("data:1\n\ndata:2\n\ndata: \n\ndata:\n\ndata: 3\n\n"), "1|2|||3|"},
	{TEST_BYTES("data: 1\n\ndata: 2\r\n\r\ndata: 3\r\n\ndata: 4\n\r\n"), "1|2|3|4|"},
	{TEST_BYTES("data: 1\n\ndata: 2\rdata: 3\n\ndata: 4\r\r\ndata: 5\n\n"), "1|2\n3|4|5|"},
	{TEST_BYTES("data: 1\n\ndata:\r\n\r\ndata: 2\ndata: 3\n\ndata: \r\n\r\n"), "1||2\n3||"},
	{TEST_BYTES("data: 1\n\nevent: endpoint\ndata: 2\n\nevent: x\ndata: 3\n\n"), "1|2>3|"},
	{TEST_BYTES("data: 1\n\ndata: 2\n: 3\n\nid: 4\n\ndata: 5\n\n"), "1|2|5|"},
	{TEST_BYTES("\n\r\n\rdata: 1\n\n"), "1|"},
};

static void test_take(struct events *events, const uint8_t *bytes, size_t size, char **told)
{
	enum events_result result;
	const uint8_t *data;
	size_t data_size;

	while ((result = events_next(events, &bytes, &size, &data, &data_size)) != EVENTS_MORE) {
		if (result == EVENTS_DATA || result == EVENTS_WHOLE) {
			ck_assert_uint_gt(data_size, 0);
			memcpy(*told, data, data_size);
			*told += data_size;
		}
		if (result != EVENTS_DATA) {
			*(*told)++ = result == EVENTS_LINE       ? '\n'
				     : result == EVENTS_ENDPOINT ? '>'
								 : '|';
		}
	}
	ck_assert_uint_eq(size, 0);
}

static void test_stream(int index, size_t cut, size_t step)
{
	const uint8_t *bytes = (const uint8_t *)test_streams[index].bytes;
	size_t size = test_streams[index].size, from = 0, end = cut;
	struct events events = {0};
	char told[128] = "", *at = told;
	uint8_t *copy;

	for (;;) {
		copy = unit_guard_copy(bytes + from, end - from);
		test_take(&events, copy, end - from, &at);
		unit_guard_free(copy, end - from);
		if (end == size)
			break;
		from = end;
		end = size - end < step ? size : end + step;
	}
	if (events_finish(&events))
		*at++ = '|';
	*at = '\0';
	ck_assert_str_eq(told, test_streams[index].data);
	ck_assert(!events_finish(&events));
}

START_TEST(test_events)
{
	size_t size = test_streams[_i].size, cut;

	for (cut = 0; cut <= size; cut++)
		test_stream(_i, cut, size);
	test_stream(_i, 0, 1);
	test_stream(_i, size > 0, 2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("events");

	tcase_add_loop_test(tc, test_events, 0, sizeof test_streams / sizeof *test_streams);
	return unit_run("events", tc);
}
