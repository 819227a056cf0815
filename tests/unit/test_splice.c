/*
 * What comes out of splice, and which hooks are called: a table of messages, each whole, cut at
 * every place and byte by byte; messages around the hold in every order of members; and generated
 * ones, of which the right output is known by how they were put together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/pointers.h"
#include "proxy/message/place.h"
#include "proxy/message/splice.h"
#include "tests/unit/unit.h"

#define OUR  "\"ours\":1"
#define OURS "{" OUR "}"

/* A text that grows; all are static. */
struct buffer {
	char *bytes;
	size_t used, size;
	struct buffer *next;
};

static struct buffer *buffers; /* that have bytes */

static void buffer_add(struct buffer *buffer, const void *bytes, size_t size)
{
	if (buffer->bytes == NULL) {
		buffer->next = buffers;
		buffers = buffer;
	}
	if (buffer->bytes == NULL || buffer->used + size + 1 > buffer->size) {
		buffer->size = 2 * (buffer->used + size + 1);
		buffer->bytes = realloc(buffer->bytes, buffer->size);
		ck_assert_ptr_nonnull(buffer->bytes);
	}
	if (size > 0)
		memcpy(buffer->bytes + buffer->used, bytes, size);
	buffer->used += size;
	buffer->bytes[buffer->used] = '\0';
}

static void buffer_text(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

static void buffer_fill(struct buffer *buffer, char byte, size_t count)
{
	static const char zeros[256];

	while (count > 0) {
		size_t size = count < sizeof(zeros) ? count : sizeof(zeros);

		buffer_add(buffer, zeros, size);
		memset(buffer->bytes + buffer->used - size, byte, size);
		count -= size;
	}
}

static void buffer_clear(struct buffer *buffer)
{
	buffer_add(buffer, "", 0);
	buffer->used = 0;
	buffer->bytes[0] = '\0';
}

static void buffers_free(void)
{
	struct buffer *buffer;

	while ((buffer = buffers) != NULL) {
		buffers = buffer->next;
		free(buffer->bytes);
		*buffer = (struct buffer){.bytes = NULL};
	}
}

/* One message on its way. */
struct run {
	struct buffer output, calls;
	unsigned troubles;
	bool refuse;     /* the hook gives no carrier */
	bool may_edit;   /* at the end */
	bool dishonest;  /* splice_may_edit() was false, then bytes changed */
	size_t fed_most; /* bytes fed but not given out, at most */
};

static struct pointers *pointers;
static struct splice *splice;
static struct run run;

static void splice_setup(void)
{
	pointers = envelope_pointers_new("/trace");
	splice = splice_new(
		pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
	ck_assert_ptr_nonnull(splice);
}

static void splice_teardown(void)
{
	splice_free(splice);
	pointers_free(pointers);
	buffers_free();
}

/* Logs a call as its hook, kind, id and traceparent: cR1(00-a) */
static void run_log(char hook, const struct envelope *envelope)
{
	static const char kinds[] = {
		[ENVELOPE_OTHER] = 'O',
		[ENVELOPE_REQUEST] = 'R',
		[ENVELOPE_NOTIFICATION] = 'N',
		[ENVELOPE_RESULT_REPLY] = 'S',
		[ENVELOPE_ERROR_REPLY] = 'E',
	};
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	const struct envelope_value *parent = envelope_value(envelope, ENVELOPE_TRACEPARENT);

	buffer_add(&run.calls, &hook, 1);
	buffer_add(&run.calls, &kinds[envelope_kind(envelope)], 1);
	buffer_add(&run.calls, id->text, id->size);
	if (parent->type == JSON_ABSENT)
		return;
	buffer_text(&run.calls, "(");
	buffer_add(&run.calls, parent->text, parent->size);
	buffer_text(&run.calls, ")");
}

static size_t run_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	(void)arg;
	run_log('c', envelope);
	*text = OURS;
	return run.refuse ? 0 : strlen(OURS);
}

static void run_on_envelope(void *arg, const struct envelope *envelope)
{
	(void)arg;
	run_log('e', envelope);
}

static const struct splice_hooks run_hooks = {
	.carrier = run_on_carrier, .envelope = run_on_envelope};

static void run_begin(enum splice_mode mode)
{
	buffer_clear(&run.output);
	buffer_clear(&run.calls);
	run.dishonest = false;
	run.fed_most = 0;
	splice_begin(splice, mode, &run_hooks, NULL);
}

static void run_take_pieces(void)
{
	const struct splice_piece *pieces;
	size_t count, total, i, before = run.output.used;

	pieces = splice_pieces(splice, &count, &total);
	for (i = 0; i < count; i++)
		buffer_add(&run.output, pieces[i].bytes, pieces[i].size);
	ck_assert_uint_eq(run.output.used - before, total);
}

/* Feeds a copy that is overwritten afterwards, so that nothing of it may be used later. */
static void run_feed(const char *bytes, size_t size, bool last)
{
	bool may_edit = splice_may_edit(splice);
	size_t before = run.output.used;
	static struct buffer copy;

	buffer_clear(&copy);
	buffer_add(&copy, bytes, size);
	splice_feed(splice, (uint8_t *)copy.bytes, size, last);
	run_take_pieces();
	if (!may_edit && (run.output.used - before != size ||
				 memcmp(run.output.bytes + before, bytes, size) != 0))
		run.dishonest = true;
	memset(copy.bytes, '#', size);
}

/* The short way for a whole message says and writes what run has, which was fed piece by piece. */
static void run_whole(enum splice_mode mode, const char *bytes, size_t size)
{
	static struct buffer copy, output, calls;
	unsigned troubles;

	buffer_clear(&copy);
	buffer_add(&copy, bytes, size);
	buffer_clear(&output);
	buffer_add(&output, run.output.bytes, run.output.used);
	buffer_clear(&calls);
	buffer_add(&calls, run.calls.bytes, run.calls.used);
	buffer_clear(&run.output);
	buffer_clear(&run.calls);
	troubles = splice_edit_whole(
		splice, mode, &run_hooks, NULL, (const uint8_t *)copy.bytes, size);
	run_take_pieces();
	ck_assert_uint_eq(troubles, run.troubles);
	ck_assert_int_eq(splice_may_edit(splice), run.may_edit);
	ck_assert_str_eq(run.calls.bytes, calls.bytes);
	ck_assert_uint_eq(run.output.used, output.used);
	ck_assert_mem_eq(run.output.bytes, output.bytes, output.used);
}

/* A first piece, then others of step bytes. */
static void run_message(
	enum splice_mode mode, const char *bytes, size_t size, size_t first, size_t step)
{
	size_t at = 0, piece = first;

	run_begin(mode);
	do {
		piece = piece < size - at ? piece : size - at;
		run_feed(bytes + at, piece, at + piece == size);
		at += piece;
		if (at > run.output.used && at - run.output.used > run.fed_most)
			run.fed_most = at - run.output.used;
		piece = step;
	} while (at < size);
	run.troubles = splice_troubles(splice);
	run.may_edit = splice_may_edit(splice);
	if (mode != SPLICE_WATCH && first >= size && size > 0 && size <= SPLICE_HOLD_MAX)
		run_whole(mode, bytes, size);
}

static void run_expect(const char *input, size_t input_size, const char *output, size_t output_size,
	const char *calls, unsigned troubles)
{
	bool changed = input_size != output_size || memcmp(input, output, output_size) != 0;

	ck_assert_msg(run.output.used == output_size &&
			      memcmp(run.output.bytes, output, output_size) == 0,
		"%.300s\ngave %.300s\nnot  %.300s", input, run.output.bytes, output);
	ck_assert_msg(calls == NULL || strcmp(run.calls.bytes, calls) == 0,
		"%.300s\ncalled %s\nnot    %s", input, run.calls.bytes, calls);
	ck_assert_msg(run.troubles == troubles, "%.300s: troubles %u", input, run.troubles);
	ck_assert_msg(run.may_edit == changed, "%.300s", input);
	ck_assert_msg(!run.dishonest, "%.300s", input);
}

#define SAME NULL

/* A request with that carrier, which becomes another one, and the traceparent that was read. */
#define CARRIER_ROW(carrier, edited, parent)                                                       \
	{                                                                                          \
		"{\"id\":1,\"trace\":" carrier ",\"method\":\"m\"}",                               \
			"{\"id\":1,\"trace\":" edited ",\"method\":\"m\"}",                        \
			"{\"id\":1,\"method\":\"m\"}", "cR1" parent "eR1" parent, 0                \
	}

static const struct splice_row {
	const char *input;
	const char *inject, *strip; /* outputs; SAME: input */
	const char *calls;          /* of SPLICE_INJECT; the others miss the c... */
	unsigned troubles;
} splice_rows[] = {
	/* No carrier yet. */
	{"{\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}", SAME,
		"cR1eR1", 0},
	{" { \"method\" : \"m\" ,\t\"id\" : \"x\" } \r",
		" { \"method\" : \"m\" ,\t\"id\" : \"x\" ,\"trace\":" OURS "} \r", SAME, "cRxeRx",
		0},
	{"{\"\\u0069d\":1.50,\"params\":{\"trace\":1,\"x\":[{\"trace\":2}]},\"method\":\"m\"}",
		"{\"\\u0069d\":1.50,\"params\":{\"trace\":1,\"x\":[{\"trace\":2}]},\"method\":"
		"\"m\",\"trace\":" OURS "}",
		SAME, "cR1.50eR1.50", 0},
	/* One carrier, in every place and of every type. */
	{"{\"trace\":{\"traceparent\":\"00-a\"},\"id\":1,\"method\":\"m\"}",
		"{\"trace\":" OURS ",\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1(00-a)eR1(00-a)", 0},
	{"{\"id\":1,\"trace\":{\"traceparent\":\"00-a\"},\"method\":\"m\"}",
		"{\"id\":1,\"trace\":" OURS ",\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1(00-a)eR1(00-a)", 0},
	{"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"00-a\"}}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}", "{\"id\":1,\"method\":\"m\"}",
		"cR1(00-a)eR1(00-a)", 0},
	{"{\"id\":1,\"method\":\"m\",\"trace\":null}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{\"id\":1,\"trace\":\"a\\\"}\",\"method\":\"m\"}",
		"{\"id\":1,\"trace\":" OURS ",\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{\"id\":1,\"trace\":-1.5e3,\"method\":\"m\"}",
		"{\"id\":1,\"trace\":" OURS ",\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{\"id\":1,\"method\":\"m\",\"trace\":0}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{\"id\":1,\"trace\":true,\"method\":\"m\"}",
		"{\"id\":1,\"trace\":" OURS ",\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{\"id\":1,\"trace\":[{\"trace\":[]},[]],\"method\":\"m\"}",
		"{\"id\":1,\"trace\":" OURS ",\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{\"id\":1,\"trace\":{\"trace\":{\"trace\":1}},\"method\":\"m\"}",
		"{\"id\":1,\"trace\":{" OUR ",\"trace\":{\"trace\":1}},\"method\":\"m\"}",
		"{\"id\":1,\"method\":\"m\"}", "cR1eR1", 0},
	{"{\"id\":1,\"tr\\u0061\\u0063e\":1,\"method\":\"m\"}",
		"{\"id\":1,\"tr\\u0061\\u0063e\":" OURS ",\"method\":\"m\"}",
		"{\"id\":1,\"method\":\"m\"}", "cR1eR1", 0},
	{"{ \"trace\" : 1 , \"id\" : 1 , \"method\" : \"m\" }",
		"{ \"trace\" : " OURS " , \"id\" : 1 , \"method\" : \"m\" }",
		"{  \"id\" : 1 , \"method\" : \"m\" }", "cR1eR1", 0},
	{"{ \"id\" : 1 , \"trace\" : 1 , \"method\" : \"m\" }",
		"{ \"id\" : 1 , \"trace\" : " OURS " , \"method\" : \"m\" }",
		"{ \"id\" : 1  , \"method\" : \"m\" }", "cR1eR1", 0},
	{"{ \"id\" : 1 , \"method\" : \"m\" , \"trace\" : 1 }",
		"{ \"id\" : 1 , \"method\" : \"m\" , \"trace\" : " OURS " }",
		"{ \"id\" : 1 , \"method\" : \"m\"  }", "cR1eR1", 0},
	/* More than one. */
	{"{\"trace\":{\"traceparent\":\"a\"},\"id\":1,\"trace\":{\"traceparent\":\"b\"},\"method\":"
	 "\"m\"}",
		"{\"trace\":" OURS ",\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1(b)eR1(b)", 0},
	{"{\"trace\":1,\"trace\":2,\"trace\":3,\"id\":1,\"method\":\"m\"}",
		"{\"trace\":" OURS ",\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	{"{ \"trace\":1 , \"\\u0074race\":2 ,\"id\":1, \"trace\" :3 ,\"method\":\"m\",\"trace\":4}",
		"{ \"trace\":" OURS "  ,\"id\":1 ,\"method\":\"m\"}",
		"{  \"id\":1 ,\"method\":\"m\"}", "cR1eR1", 0},
	{"{\"id\":1,\"method\":\"m\",\"trace\":1,\"trace\":2}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}", "{\"id\":1,\"method\":\"m\"}",
		"cR1eR1", 0},
	/* Members of a carrier that are not ours. */
	CARRIER_ROW(
		"{\"traceparent\":\"a\",\"baggage\":\"b\"}", "{" OUR ",\"baggage\":\"b\"}", "(a)"),
	CARRIER_ROW(
		"{\"baggage\":\"b\",\"traceparent\":\"a\"}", "{\"baggage\":\"b\"," OUR "}", "(a)"),
	CARRIER_ROW("{\"x\":1,\"traceparent\":\"a\",\"y\":2}", "{\"x\":1," OUR ",\"y\":2}", "(a)"),
	CARRIER_ROW("{\"traceparent\":\"a\",\"tracestate\":\"s=1\"}", OURS, "(a)"),
	CARRIER_ROW("{\"tracestate\":\"s=1\",\"x\":{},\"traceparent\":\"a\"}", "{" OUR ",\"x\":{}}",
		"(a)"),
	CARRIER_ROW("{\"x\":[],\"tracestate\":\"s=1\"}", "{\"x\":[]," OUR "}", ""),
	CARRIER_ROW("{\"tracestate\":null,\"x\":null}", "{" OUR ",\"x\":null}", ""),
	CARRIER_ROW("{}", OURS, ""),
	CARRIER_ROW("{ }", "{" OUR " }", ""),
	CARRIER_ROW("{ \"b\" : 1 }", "{" OUR ", \"b\" : 1 }", ""),
	CARRIER_ROW("{ \"traceparent\" : \"a\" }", "{ " OUR " }", "(a)"),
	CARRIER_ROW("{ \"x\":-1.50e+3\t, \"traceparent\" :\n\"a\" , \"y\" : true }",
		"{ \"x\":-1.50e+3\t, " OUR " , \"y\" : true }", "(a)"),
	CARRIER_ROW("{\"traceparent\":\"a\" , \"traceparent\":\"b\",\"x\":1,\"tracestate\":2}",
		"{" OUR " ,\"x\":1}", "(b)"),
	CARRIER_ROW(
		"{\"trace\\u0070arent\":\"a\",\"trac\\u0065state\":\"\",\"\\u0062aggage\":\"\"}",
		"{" OUR ",\"\\u0062aggage\":\"\"}", "(a)"),
	CARRIER_ROW("{\"traceparent\":{\"traceparent\":\"a\"},\"b\":{\"traceparent\":[1,\"}\"]}}",
		"{" OUR ",\"b\":{\"traceparent\":[1,\"}\"]}}", "()"),
	CARRIER_ROW(
		"{\"traceparents\":\"a\",\"traceparen\":\"\\\"}\",\"\":\"\\\\\",\"Traceparent\":0}",
		"{" OUR ",\"traceparents\":\"a\",\"traceparen\":\"\\\"}\",\"\":\"\\\\\","
		"\"Traceparent\":0}",
		""),
	CARRIER_ROW(
		"{\"traceparent\":5,\"b\":\"\xc3\xa9\"}", "{" OUR ",\"b\":\"\xc3\xa9\"}", "(5)"),
	{"{\"trace\":{\"traceparent\":\"a\",\"b\":1},\"id\":1,\"trace\":{\"c\":2},\"method\":"
	 "\"m\"}",
		"{\"trace\":{" OUR ",\"b\":1},\"id\":1,\"method\":\"m\"}",
		"{\"id\":1,\"method\":\"m\"}", "cR1eR1", 0},
	{"{\"trace\":0,\"id\":1,\"trace\":{\"traceparent\":\"a\",\"b\":1},\"method\":\"m\"}",
		"{\"trace\":" OURS ",\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\"}",
		"cR1(a)eR1(a)", 0},
	{"[{\"id\":1,\"trace\":{\"b\":1},\"method\":\"m\"},{\"method\":\"m\",\"trace\":{\"b\":2}},"
	 "{\"trace\":{\"traceparent\":\"a\",\"b\":3},\"id\":2,\"method\":\"m\"}]",
		"[{\"id\":1,\"trace\":{" OUR
		",\"b\":1},\"method\":\"m\"},{\"method\":\"m\",\"trace\":{"
		"\"b\":2}},{\"trace\":{" OUR ",\"b\":3},\"id\":2,\"method\":\"m\"}]",
		"[{\"id\":1,\"method\":\"m\"},{\"method\":\"m\"},"
		"{\"id\":2,\"method\":\"m\"}]",
		"cR1eR1eNcR2(a)eR2(a)", 0},
	/* Not quite the carrier. */
	{"{\"id\":1,\"method\":\"m\",\"Trace\":1,\"trace \":2,\"trac\":3,\"traces\":4,\"\":5}",
		"{\"id\":1,\"method\":\"m\",\"Trace\":1,\"trace "
		"\":2,\"trac\":3,\"traces\":4,\"\":5,\"trace\":" OURS "}",
		SAME, "cR1eR1", 0},
	/* The last id and method count. */
	{"{\"id\":null,\"method\":1,\"trace\":1,\"id\":2,\"method\":\"m\"}",
		"{\"id\":null,\"method\":1,\"trace\":" OURS ",\"id\":2,\"method\":\"m\"}",
		"{\"id\":null,\"method\":1,\"id\":2,\"method\":\"m\"}", "cR2eR2", 0},
	{"{\"id\":2,\"method\":\"m\",\"trace\":1,\"id\":null}", SAME,
		"{\"id\":2,\"method\":\"m\",\"id\":null}", "eN", 0},
	/* Calls that are no requests: carriers are only taken from them. */
	{"{\"method\":\"m\",\"trace\":1}", SAME, "{\"method\":\"m\"}", "eN", 0},
	{"{\"trace\":{\"b\":1},\"method\":\"m\"}", SAME, "{\"method\":\"m\"}", "eN", 0},
	{"{\"id\":null,\"method\":\"m\",\"trace\":1,\"trace\":2}", SAME,
		"{\"id\":null,\"method\":\"m\"}", "eN", 0},
	{"{\"id\":true,\"trace\":1,\"method\":\"m\"}", SAME, "{\"id\":true,\"method\":\"m\"}", "eO",
		0},
	{"{\"id\":{\"trace\":2},\"method\":\"\",\"trace\":1}", SAME,
		"{\"id\":{\"trace\":2},\"method\":\"\"}", "eO", 0},
	{"{\"trace\":1,\"id\":[1],\"method\":\"m\"}", SAME, "{\"id\":[1],\"method\":\"m\"}", "eO",
		0},
	{"{\"id\":1.5,\"trace\":1,\"method\":\"m\"}",
		"{\"id\":1.5,\"trace\":" OURS ",\"method\":\"m\"}", "{\"id\":1.5,\"method\":\"m\"}",
		"cR1.5eR1.5", 0},
	{"{\"id\":1,\"method\":2,\"trace\":1}", SAME, SAME, "eO1", 0},
	{"{\"id\":1,\"method\":2,\"result\":3,\"trace\":1}", SAME, SAME, "eS1", 0},
	/* No calls. */
	{"{\"id\":1,\"result\":{},\"trace\":1}", SAME, SAME, "eS1", 0},
	{"{\"error\":{\"code\":1},\"trace\":{\"traceparent\":\"a\"},\"id\":\"x\"}", SAME, SAME,
		"eEx(a)", 0},
	{"{\"id\":[],\"method\":\"m\"}", SAME, SAME, "eO", 0},
	{"{\"id\":1,\"method\":null}", SAME, SAME, "eO1", 0},
	{"{\"trace\":1}", SAME, SAME, "eO", 0},
	{"{\"trace\":1,\"trace\":2}", SAME, SAME, "eO", 0},
	{"{}", SAME, SAME, "eO", 0},
	{"\"trace\"", SAME, SAME, "", 0},
	{"17", SAME, SAME, "", 0},
	{"null \r\n", SAME, SAME, "", 0},
	{"[]", SAME, SAME, "", 0},
	{"[1,\"id\",null]", SAME, SAME, "", 0},
	{"[[{\"id\":1,\"method\":\"m\"}]]", SAME, SAME, "", 0},
	/* Batches. */
	{"[{\"id\":1,\"method\":\"m\"}]", "[{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}]", SAME,
		"cR1eR1", 0},
	{" [ {\"id\":1,\"method\":\"m\",\"trace\":0} , 5 , "
	 "{\"id\":2,\"result\":{}},\n{\"trace\":7,\"id\":3,\"method\":\"m\",\"trace\":8},{"
	 "\"method\":\"m\",\"trace\":9}] ",
		" [ {\"id\":1,\"method\":\"m\",\"trace\":" OURS
		"} , 5 , {\"id\":2,\"result\":{}},\n{\"trace\":" OURS
		",\"id\":3,\"method\":\"m\"},{\"method\":\"m\",\"trace\":9}] ",
		" [ {\"id\":1,\"method\":\"m\"} , 5 , "
		"{\"id\":2,\"result\":{}},\n{\"id\":3,\"method\":\"m\"},{\"method\":\"m\"}] ",
		"cR1eR1eS2cR3eR3eN", 0},
	{"[{\"id\":1,\"method\":\"m\",\"params\":[{\"id\":2,\"method\":\"m\",\"trace\":1}]},{}]",
		"[{\"id\":1,\"method\":\"m\",\"params\":[{\"id\":2,\"method\":\"m\",\"trace\":1}],"
		"\"trace\":" OURS "},{}]",
		SAME, "cR1eR1eO", 0},
	/* Not JSON: nothing is done, no hook is called. */
	{"", SAME, SAME, "", SPLICE_NOT_JSON},
	{" ", SAME, SAME, "", SPLICE_NOT_JSON},
	{"{\"id\":1,\"method\":\"m\"", SAME, SAME, "", SPLICE_NOT_JSON},
	{"{\"id\":1,\"method\":\"m\"}}", SAME, SAME, "", SPLICE_NOT_JSON},
	{"{\"id\":1,\"method\":\"m\",\"trace\":1} x", SAME, SAME, "", SPLICE_NOT_JSON},
	{"{\"id\":1,\"method\":\"m\"}{\"id\":2,\"method\":\"m\"}", SAME, SAME, "", SPLICE_NOT_JSON},
	{"{\"id\":1,\"method\":\"m\",\"trace\":1,}", SAME, SAME, "", SPLICE_NOT_JSON},
	{"{\"id\":01,\"method\":\"m\"}", SAME, SAME, "", SPLICE_NOT_JSON},
	{"[{\"id\":1,\"method\":\"m\"},{\"id\":2,\"method\":\"m\"},]", SAME, SAME, "",
		SPLICE_NOT_JSON},
	{"[{\"id\":1,\"method\":\"m\"}", SAME, SAME, "", SPLICE_NOT_JSON},
	{"\xef\xbb\xbf{\"id\":1,\"method\":\"m\"}", SAME, SAME, "", SPLICE_NOT_JSON},
	{"hello", SAME, SAME, "", SPLICE_NOT_JSON},
};

#define SPLICE_ROWS (sizeof(splice_rows) / sizeof(*splice_rows))

/* calls without those of the carrier hook. */
static const char *row_calls(const char *calls, bool carrier)
{
	static char only[512];
	char *to = only;

	if (carrier)
		return calls;
	while (*calls != '\0') {
		size_t size = 1 + strcspn(calls + 1, "ce");

		if (*calls == 'e') {
			memcpy(to, calls, size);
			to += size;
		}
		calls += size;
	}
	*to = '\0';
	return only;
}

static void row_check(
	const struct splice_row *row, enum splice_mode mode, size_t first, size_t step)
{
	const char *output = mode == SPLICE_INJECT  ? row->inject
			     : mode == SPLICE_STRIP ? row->strip
						    : SAME;
	size_t size = strlen(row->input);

	if (output == SAME)
		output = row->input;
	run_message(mode, row->input, size, first, step);
	run_expect(row->input, size, output, strlen(output),
		row_calls(row->calls, mode == SPLICE_INJECT), row->troubles);
}

START_TEST(test_rows)
{
	static const enum splice_mode modes[] = {SPLICE_INJECT, SPLICE_STRIP, SPLICE_WATCH};
	const struct splice_row *row = &splice_rows[_i];
	size_t i, first, size = strlen(row->input);

	for (i = 0; i < 3; i++) {
		for (first = 0; first <= size; first++)
			row_check(row, modes[i], first, size);
		row_check(row, modes[i], 1, 1);
		row_check(row, modes[i], 2, 3);
	}
}
END_TEST

START_TEST(test_refused)
{
	static const char *const inputs[] = {"{\"id\":1,\"method\":\"m\"}",
		"{\"trace\":1,\"id\":1,\"method\":\"m\",\"trace\":2}"};
	size_t i;

	run.refuse = true;
	for (i = 0; i < 2; i++) {
		run_message(SPLICE_INJECT, inputs[i], strlen(inputs[i]), 9, 100);
		run_expect(inputs[i], strlen(inputs[i]), inputs[i], strlen(inputs[i]), "cR1eR1", 0);
	}
	run.refuse = false;
}
END_TEST

START_TEST(test_too_deep)
{
	static struct buffer input;
	size_t depth;

	for (depth = SPLICE_DEPTH_MAX - 1; depth <= SPLICE_DEPTH_MAX + 1; depth++) {
		bool deep = depth > SPLICE_DEPTH_MAX;

		buffer_clear(&input);
		buffer_text(&input, "{\"id\":1,\"method\":\"m\",\"params\":");
		buffer_fill(&input, '[', depth - 1);
		buffer_fill(&input, ']', depth - 1);
		buffer_text(&input, "}");
		run_message(SPLICE_INJECT, input.bytes, input.used, 100, 1000);
		ck_assert_uint_eq(run.troubles, deep ? SPLICE_TOO_DEEP : 0);
		ck_assert_str_eq(run.calls.bytes, deep ? "" : "cR1eR1");
		ck_assert_uint_eq(run.output.used,
			deep ? input.used : input.used + strlen(",\"trace\":" OURS));
	}
}
END_TEST

/*
 * Messages around and far above the hold. In the texts # stands for so many bytes that the input
 * has the size wanted, and & for the pieces of 5,000 that it is filled with. Over the hold, flow is
 * the output, if it is another; troubles and calls likewise.
 */
static const struct long_row {
	enum splice_mode mode;
	const char *input, *held, *flow;
	const char *calls, *flow_calls;
	unsigned flow_troubles;
} long_rows[] = {
	/* Late carriers, and none. */
	{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"params\":\"#\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":" OURS "}", SAME, "cR1eR1",
		NULL, 0},
	{SPLICE_INJECT, "{\"params\":\"#\",\"id\":1,\"method\":\"m\"} \r",
		"{\"params\":\"#\",\"id\":1,\"method\":\"m\",\"trace\":" OURS "} \r", SAME,
		"cR1eR1", NULL, 0},
	{SPLICE_INJECT,
		"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":{\"traceparent\":\"a\"}}",
		"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":" OURS "}", SAME,
		"cR1(a)eR1(a)", NULL, 0},
	{SPLICE_INJECT, "{\"id\":1,\"params\":\"#\" , \"trace\" : 5 , \"method\":\"m\"}",
		"{\"id\":1,\"params\":\"#\" , \"trace\" : " OURS " , \"method\":\"m\"}", SAME,
		"cR1eR1", NULL, 0},
	{SPLICE_INJECT,
		"{\"params\":\"#\",\"trace\":1,\"x\":2,\"id\":1,\"trace\":2,\"method\":\"m\","
		"\"trace\":3}",
		"{\"params\":\"#\",\"trace\":" OURS ",\"x\":2,\"id\":1,\"method\":\"m\"}", SAME,
		"cR1eR1", NULL, 0},
	/* Early carriers of early requests. */
	{SPLICE_INJECT,
		"{\"trace\":{\"traceparent\":\"a\"},\"id\":1,\"method\":\"m\",\"params\":\"#\"}",
		"{\"trace\":" OURS ",\"id\":1,\"method\":\"m\",\"params\":\"#\"}", SAME,
		"cR1(a)eR1(a)", NULL, 0},
	{SPLICE_INJECT,
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"a\"},\"params\":\"#\","
		"\"trace\":{\"traceparent\":\"b\"},\"x\":0}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS ",\"params\":\"#\",\"x\":0}", SAME,
		"cR1(b)eR1(b)", "cR1(a)eR1(b)", 0},
	/* Early carriers of what turns out to be a request too late, or no request. */
	{SPLICE_INJECT, "{\"trace\":1,\"id\":1,\"params\":\"#####\",\"method\":\"m\"}",
		"{\"trace\":" OURS ",\"id\":1,\"params\":\"#####\",\"method\":\"m\"}",
		"{\"trace\":1,\"id\":1,\"params\":\"#####\",\"method\":\"m\"}", "cR1eR1", "eR1",
		SPLICE_UNDECIDED},
	{SPLICE_INJECT, "{\"trace\":1,\"method\":\"m\",\"params\":\"#####\"}", SAME, SAME, "eN",
		NULL, 0},
	{SPLICE_INJECT, "{\"trace\":1,\"id\":5,\"result\":\"#\",\"trace\":2}", SAME, SAME, "eS5",
		NULL, 0},
	{SPLICE_INJECT, "{\"id\":null,\"method\":\"m\",\"trace\":1,\"params\":\"#\"}", SAME, SAME,
		"eN", NULL, 0},
	/* It changes its mind on the way. */
	{SPLICE_INJECT, "{\"id\":null,\"method\":\"m\",\"trace\":1,\"params\":\"#\",\"id\":7}",
		"{\"id\":null,\"method\":\"m\",\"trace\":" OURS ",\"params\":\"#\",\"id\":7}",
		"{\"id\":null,\"method\":\"m\",\"trace\":1,\"params\":\"#\",\"id\":7}", "cR7eR7",
		"eR7", SPLICE_UNDECIDED},
	{SPLICE_INJECT, "{\"id\":7,\"method\":\"m\",\"trace\":1,\"params\":\"#\",\"id\":null}",
		SAME, "{\"id\":7,\"method\":\"m\",\"trace\":" OURS ",\"params\":\"#\",\"id\":null}",
		"eN", "cR7eN", 0},
	/* Long white space, long keys, long carriers. */
	{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"#\":0,\"trace\":1}",
		"{\"id\":1,\"method\":\"m\",\"#\":0,\"trace\":" OURS "}", SAME, "cR1eR1", NULL, 0},
	{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",_\"trace\":1}",
		"{\"id\":1,\"method\":\"m\",_\"trace\":" OURS "}", SAME, "cR1eR1", NULL, 0},
	{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"trace\"_:_1_}",
		"{\"id\":1,\"method\":\"m\",\"trace\"_:_" OURS "_}", SAME, "cR1eR1", NULL, 0},
	{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"trace\":1,_____\"trace\":2}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS "}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS ",_____\"trace\":2}", "cR1eR1", NULL,
		SPLICE_UNDECIDED},
	{SPLICE_INJECT,
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"a\",\"x\":\"#####\","
		"\"traceparent\":\"b\"},\"y\":1}",
		"{\"id\":1,\"method\":\"m\",\"trace\":{" OUR ",\"x\":\"#####\"},\"y\":1}",
		"{\"id\":1,\"method\":\"m\",\"trace\":{\"traceparent\":\"a\",\"x\":\"#####\","
		"\"traceparent\":\"b\"},\"y\":1}",
		"cR1(b)eR1(b)", "eR1(b)", SPLICE_UNDECIDED},
	{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"trace\":\"#####\",\"y\":1}",
		"{\"id\":1,\"method\":\"m\",\"trace\":" OURS ",\"y\":1}", SAME, "cR1eR1", NULL, 0},
	/* Other members of carriers. */
	{SPLICE_INJECT,
		"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":{\"b\":1 , "
		"\"traceparent\":\"a\""
		",\"tracestate\":\"s\", \"c\":{}}}",
		"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":{\"b\":1 , " OUR
		", \"c\":{}}}",
		SAME, "cR1(a)eR1(a)", NULL, 0},
	{SPLICE_INJECT,
		"{\"trace\":{\"b\":\"\\\"\"},\"id\":1,\"trace\":{\"c\":2},\"method\":\"m\",\"x\":"
		"\"#\"}",
		"{\"trace\":{" OUR ",\"b\":\"\\\"\"},\"id\":1,\"method\":\"m\",\"x\":\"#\"}", SAME,
		"cR1eR1", NULL, 0},
	{SPLICE_INJECT,
		"{\"trace\":{\"b\":\"#####\",\"traceparent\":\"a\"},\"id\":1,\"method\":\"m\"}",
		"{\"trace\":{\"b\":\"#####\"," OUR "},\"id\":1,\"method\":\"m\"}",
		"{\"trace\":{\"b\":\"#####\",\"traceparent\":\"a\"},\"id\":1,\"method\":\"m\"}",
		"cR1(a)eR1(a)", "eR1(a)", SPLICE_UNDECIDED},
	{SPLICE_INJECT,
		"[{\"id\":1,\"method\":\"m\",\"x\":\"#\"},{\"trace\":{\"traceparent\":\"a\",\"b\":"
		"1,"
		"\"traceparent\":\"b\"},\"id\":2,\"method\":\"m\"}]",
		"[{\"id\":1,\"method\":\"m\",\"x\":\"#\",\"trace\":" OURS "},{\"trace\":{" OUR
		",\"b\":1},\"id\":2,\"method\":\"m\"}]",
		SAME, "cR1eR1cR2(b)eR2(b)", "cR1cR2(b)eR1eR2(b)", 0},
	{SPLICE_INJECT, "{\"trace\":[\"#####\"],\"id\":1,\"method\":\"m\"}",
		"{\"trace\":" OURS ",\"id\":1,\"method\":\"m\"}",
		"{\"trace\":[\"#####\"],\"id\":1,\"method\":\"m\"}", "cR1eR1", "eR1",
		SPLICE_UNDECIDED},
	/* Stripping. */
	{SPLICE_STRIP, "{\"trace\":1,\"id\":1,\"method\":\"m\",\"params\":\"#\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":\"#\"}", SAME, "eR1", NULL, 0},
	{SPLICE_STRIP,
		"{ \"trace\":1 , \"trace\":2 ,\"id\":1,\"method\":\"m\",\"params\":\"#\" , "
		"\"trace\":3 }",
		"{  \"id\":1,\"method\":\"m\",\"params\":\"#\"  }", SAME, "eR1", NULL, 0},
	{SPLICE_STRIP, "{\"id\":1,\"params\":\"#\",\"trace\":1,\"method\":\"m\"}",
		"{\"id\":1,\"params\":\"#\",\"method\":\"m\"}", SAME, "eR1", NULL, 0},
	{SPLICE_STRIP, "{\"id\":1,\"method\":\"m\",\"trace\":\"#####\",\"params\":{}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{}}", SAME, "eR1", NULL, 0},
	{SPLICE_STRIP, "{\"method\":\"m\",\"trace\":1,\"params\":\"#\"}",
		"{\"method\":\"m\",\"params\":\"#\"}", SAME, "eN", NULL, 0},
	{SPLICE_STRIP, "{\"trace\":{\"b\":1},\"method\":\"m\",\"params\":\"#\",\"trace\":2}",
		"{\"method\":\"m\",\"params\":\"#\"}", SAME, "eN", NULL, 0},
	{SPLICE_STRIP, "{\"trace\":1,\"method\":\"m\",\"params\":\"#####\",\"id\":null}",
		"{\"method\":\"m\",\"params\":\"#####\",\"id\":null}", SAME, "eN", NULL, 0},
	{SPLICE_STRIP, "{\"trace\":1,\"params\":\"#####\",\"method\":\"m\"}",
		"{\"params\":\"#####\",\"method\":\"m\"}",
		"{\"trace\":1,\"params\":\"#####\",\"method\":\"m\"}", "eN", NULL,
		SPLICE_UNDECIDED},
	{SPLICE_STRIP, "{\"id\":{\"x\":0},\"params\":\"#\",\"trace\":1,\"method\":\"m\"}",
		"{\"id\":{\"x\":0},\"params\":\"#\",\"method\":\"m\"}", SAME, "eO", NULL, 0},
	{SPLICE_STRIP, "{\"id\":1,\"result\":\"#\",\"trace\":1}", SAME, SAME, "eS1", NULL, 0},
	{SPLICE_STRIP, "{\"id\":1,\"method\":\"m\",_____\"trace\":1}",
		"{\"id\":1,\"method\":\"m\"}", "{\"id\":1,\"method\":\"m\",_____\"trace\":1}",
		"eR1", NULL, SPLICE_UNDECIDED},
	/* Batches. */
	{SPLICE_INJECT,
		"[{\"id\":1,\"method\":\"m\"},{\"id\":2,\"method\":\"m\",\"params\":\"#\"},{"
		"\"trace\":1,\"id\":3,\"method\":\"m\"},{\"id\":4,\"result\":0}]",
		"[{\"id\":1,\"method\":\"m\",\"trace\":" OURS
		"},{\"id\":2,\"method\":\"m\",\"params\":\"#\",\"trace\":" OURS "},{\"trace\":" OURS
		",\"id\":3,\"method\":\"m\"},{\"id\":4,\"result\":0}]",
		SAME, "cR1eR1cR2eR2cR3eR3eS4", "cR1cR2cR3eR1eR2eR3eS4", 0},
	{SPLICE_STRIP,
		"[{\"id\":1,\"method\":\"m\",\"trace\":{}},{\"id\":2,\"method\":\"m\",\"params\":"
		"\"#\"},{\"trace\":1,\"id\":3,\"method\":\"m\"}]",
		"[{\"id\":1,\"method\":\"m\"},{\"id\":2,\"method\":\"m\",\"params\":\"#\"},{\"id\":"
		"3,\"method\":\"m\"}]",
		SAME, "eR1eR2eR3", NULL, 0},
};

#define LONG_ROWS (sizeof(long_rows) / sizeof(*long_rows))

/* Writes text with each # and _ as that many x and blanks. */
static void long_expand(struct buffer *to, const char *text, size_t fill)
{
	buffer_clear(to);
	for (; *text != '\0'; text++) {
		if (*text == '#')
			buffer_fill(to, 'x', fill);
		else if (*text == '_')
			buffer_fill(to, ' ', fill);
		else
			buffer_add(to, text, 1);
	}
}

/* How much fill makes the input at least as long as size; the rest is put behind as blanks. */
static size_t long_fill(const char *text, size_t size)
{
	size_t fills = 0, others = 0;

	for (; *text != '\0'; text++) {
		fills += *text == '#' || *text == '_';
		others += *text != '#' && *text != '_';
	}
	ck_assert_uint_gt(fills, 0);
	return (size - others) / fills;
}

/* Sanitizers are slow: with them not every cut, nor so many messages; the fuzz targets go on. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CUT_STRIDE 5
#define SEEDS      250
#else
#define CUT_STRIDE 1
#define SEEDS      1000
#endif

static void long_check(const struct long_row *row, size_t size)
{
	static struct buffer input, output;
	bool flows = size > SPLICE_HOLD_MAX;
	const char *text = flows && row->flow != SAME ? row->flow : row->held;
	const char *calls = flows && row->flow_calls != NULL ? row->flow_calls : row->calls;
	size_t fill = long_fill(row->input, size), first, blanks;

	long_expand(&input, row->input, fill);
	long_expand(&output, text == SAME ? row->input : text, fill);
	blanks = size - input.used;
	buffer_fill(&input, ' ', blanks);
	buffer_fill(&output, ' ', blanks);
	ck_assert_uint_eq(input.used, size);
	for (first = 0; first <= size; first++) {
		if (first == 50)
			first = SPLICE_HOLD_MAX - 50; /* the middle is always alike */
		if (first == SPLICE_HOLD_MAX + 10 && size > first + 200)
			first = size - 60;
		if (first % CUT_STRIDE != 0)
			continue;
		run_message(row->mode, input.bytes, size, first, first % 3 == 0 ? 4096 : size);
		run_expect(input.bytes, size, output.bytes, output.used, calls,
			flows ? row->flow_troubles : 0);
	}
	run_message(row->mode, input.bytes, size, 1, 1);
	run_expect(input.bytes, size, output.bytes, output.used, calls,
		flows ? row->flow_troubles : 0);
	if (output.used + 100 > size) /* else something long was left out on the way */
		ck_assert_uint_le(run.fed_most, SPLICE_HOLD_MAX + 100);
}

START_TEST(test_long)
{
	const struct long_row *row = &long_rows[_i];

	long_check(row, SPLICE_HOLD_MAX - 1);
	long_check(row, SPLICE_HOLD_MAX);
	if (strstr(row->input, "#####") == NULL && strstr(row->input, "_____") == NULL) {
		long_check(row, SPLICE_HOLD_MAX + 1);
		long_check(row, SPLICE_HOLD_MAX + 100);
	}
	long_check(row, 3 * SPLICE_HOLD_MAX + 5);
}
END_TEST

/*
 * A message that breaks after it has begun to flow: what was edited stays, the rest is as it came.
 */
START_TEST(test_breaks_late)
{
	static const struct {
		const char *input, *output, *calls;
	} rows[] = {
		{"{\"id\":1,\"method\":\"m\",\"trace\":1,\"params\":\"#\",x}",
			"{\"id\":1,\"method\":\"m\",\"trace\":" OURS ",\"params\":\"#\",x}", "cR1"},
		{"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":x}",
			"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":x}", ""},
		{"{\"id\":1,\"method\":\"m\",\"params\":\"#\"}x",
			"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":" OURS "}x", "cR1"},
		{"{\"id\":1,\"method\":\"m\",\"params\":\"#\"} \r {}",
			"{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":" OURS "} \r {}",
			"cR1"},
		{"[{\"id\":1,\"method\":\"m\",\"params\":\"#\"},{\"id\":2,\"method\":\"m\"}",
			"[{\"id\":1,\"method\":\"m\",\"params\":\"#\",\"trace\":" OURS
			"},{\"id\":2,\"method\":\"m\",\"trace\":" OURS "}",
			"cR1cR2"},
		{"[{\"id\":1,\"result\":\"#\"},{\"id\":2,\"method\":\"m\"}]]",
			"[{\"id\":1,\"result\":\"#\"},{\"id\":2,\"method\":\"m\",\"trace\":" OURS
			"}]]",
			"cR2"},
		{"{\"id\":1,\"method\":\"m\",\"params\":\"#\"",
			"{\"id\":1,\"method\":\"m\",\"params\":\"#\"", ""},
		{"{\"trace\":1,\"id\":1,\"params\":\"#\",\"trace\":2",
			"{\"trace\":1,\"id\":1,\"params\":\"#\",\"trace\":2", ""},
	};
	static struct buffer input, output;
	size_t i, first;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		long_expand(&input, rows[i].input, 20000);
		long_expand(&output, rows[i].output, 20000);
		for (first = input.used - 100; first <= input.used; first++) {
			run_message(SPLICE_INJECT, input.bytes, input.used, first, 1);
			ck_assert_str_eq(run.output.bytes, output.bytes);
			ck_assert_str_eq(run.calls.bytes, rows[i].calls);
			ck_assert_uint_eq(run.troubles, SPLICE_NOT_JSON);
			ck_assert(!run.dishonest);
		}
	}
}
END_TEST

/*
 * What the carrier hook notes is there for the envelope hook, also when a batch flows; a batch that
 * says more than a shelf takes goes on without our carriers, and counts as far as it was kept.
 */
struct noted {
	unsigned asked, seen, given;
};

static size_t noted_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	struct noted *noted = arg;

	noted->asked++;
	envelope_set_note(envelope, &noted->asked, sizeof(noted->asked));
	*text = OURS;
	return strlen(OURS);
}

static void noted_on_envelope(void *arg, const struct envelope *envelope)
{
	struct noted *noted = arg;
	const unsigned *note = envelope_note(envelope);

	noted->seen++;
	if (note == NULL)
		return;
	ck_assert_uint_eq(*note, noted->seen);
	ck_assert_uint_eq(strtoul(envelope_value(envelope, ENVELOPE_ID)->text, NULL, 10), *note);
	noted->given++;
}

/* What is told of a message that outgrows the hold. */
struct outgrown {
	unsigned count;
	bool is_unknown;
	bool has_method, has_id, has_result;
};

static void outgrown_on(void *arg, const struct envelope *envelope)
{
	struct outgrown *outgrown = arg;

	outgrown->count++;
	outgrown->is_unknown = envelope == NULL;
	if (envelope == NULL)
		return;
	outgrown->has_method = envelope_value(envelope, ENVELOPE_METHOD)->type == JSON_STRING;
	outgrown->has_id = envelope_value(envelope, ENVELOPE_ID)->type == JSON_NUMBER;
	outgrown->has_result = envelope_value(envelope, ENVELOPE_RESULT)->type != JSON_ABSENT;
}

static size_t outgrown_no_carrier(void *arg, struct envelope *envelope, const char **text)
{
	(void)arg;
	(void)envelope;
	(void)text;
	return 0;
}

static void outgrown_ignored(void *arg, const struct envelope *envelope)
{
	(void)arg;
	(void)envelope;
}

/* A message is BEFORE, as many x, or blanks behind one, as make what follows begin at an offset. */
static const struct {
	const char *before, *behind;
	size_t offset;
	struct outgrown expected;
} outgrown_rows[] = {
	{"{\"method\":\"m\",\"params\":\"", "\",\"id\":1}", SPLICE_HOLD_MAX - 9,
		{.has_method = true}}, /* to its end it has SPLICE_HOLD_MAX bytes */
	{"{\"method\":\"m\",\"params\":\"", "\",\"id\":1}", SPLICE_HOLD_MAX - 8,
		{.count = 1, .has_method = true}},
	{"{\"method\":\"m\",\"params\":\"", "\",\"id\":1,\"a\":2}", SPLICE_HOLD_MAX - 9,
		{.count = 1, .has_method = true, .has_id = true}},
	{"{\"method\":\"m\",\"params\":\"", "\",\"id\":1,\"a\":2}", 2 * SPLICE_HOLD_MAX,
		{.count = 1, .has_method = true}},
	{"{\"id\":1,\"result\":[\"", "\"]}", SPLICE_HOLD_MAX + 1,
		{.count = 1, .has_id = true, .has_result = true}},
	{"{\"id\":1,\"result\":\"", "\"}", SPLICE_HOLD_MAX + 1, {.count = 0}},
	{"[{\"id\":1,\"method\":\"m\",\"a\":\"", "\"}]", SPLICE_HOLD_MAX + 1,
		{.count = 1, .has_method = true, .has_id = true}},
	{"[{\"id\":1,\"method\":\"m\"},{\"method\":\"m\",\"a\":\"", "\"}]", SPLICE_HOLD_MAX + 1,
		{.count = 1, .is_unknown = true}},
	{" ", "{\"id\":1,\"method\":\"m\"}", SPLICE_HOLD_MAX + 1, {.count = 1, .is_unknown = true}},
	{"[[\"", "\"]]", SPLICE_HOLD_MAX + 1, {.count = 1, .is_unknown = true}},
	{"[ ", "{\"id\":1,\"method\":\"m\"}]", SPLICE_HOLD_MAX + 1,
		{.count = 1, .is_unknown = true}},
	{"{\"id\":1,\"method\":\"m\"} ", " ", SPLICE_HOLD_MAX + 1,
		{.count = 1, .has_method = true, .has_id = true}},
	{"{\"method\":m\"", "\"}", SPLICE_HOLD_MAX + 1, {.count = 0}},
};

/* It is told once, by the first SPLICE_HOLD_MAX bytes, however many came together. */
START_TEST(test_outgrown)
{
	static const struct splice_hooks hooks = {.carrier = outgrown_no_carrier,
		.envelope = outgrown_ignored,
		.outgrown = outgrown_on};
	static const size_t steps[] = {1, 1000, SPLICE_HOLD_MAX - 1, SPLICE_HOLD_MAX,
		SPLICE_HOLD_MAX + 1, SPLICE_HOLD_MAX + 9, 100000};
	static const enum splice_mode modes[] = {SPLICE_HOLD, SPLICE_INJECT, SPLICE_STRIP};
	size_t row = (size_t)_i / 3, i, at, step;
	const struct outgrown *expected = &outgrown_rows[row].expected;
	static struct buffer input;

	buffer_clear(&input);
	buffer_text(&input, outgrown_rows[row].before);
	buffer_fill(&input, input.bytes[input.used - 1] == ' ' ? ' ' : 'x',
		outgrown_rows[row].offset - input.used);
	buffer_text(&input, outgrown_rows[row].behind);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct outgrown outgrown = {.count = 0};

		splice_begin(splice, modes[_i % 3], &hooks, &outgrown);
		for (at = 0; at < input.used; at += step) {
			step = input.used - at < steps[i] ? input.used - at : steps[i];
			splice_feed(
				splice, (uint8_t *)input.bytes + at, step, at + step == input.used);
		}
		ck_assert_uint_eq(outgrown.count, expected->count);
		if (expected->count == 0)
			continue;
		ck_assert_int_eq(outgrown.is_unknown, expected->is_unknown);
		ck_assert_int_eq(outgrown.has_method, expected->has_method);
		ck_assert_int_eq(outgrown.has_id, expected->has_id);
		ck_assert_int_eq(outgrown.has_result, expected->has_result);
	}
}
END_TEST

START_TEST(test_notes)
{
	static const struct splice_hooks hooks = {
		.carrier = noted_on_carrier, .envelope = noted_on_envelope};
	static const unsigned counts[] = {1, 3, 500, 5000, 40000};
	static struct buffer input;
	unsigned i, count = counts[_i];
	struct noted noted = {.asked = 0};
	size_t at, step;

	buffer_clear(&input);
	for (i = 1; i <= count; i++) {
		char member[64];

		snprintf(member, sizeof(member), "%c{\"id\":%u,\"method\":\"m\"}",
			i == 1 ? '[' : ',', i);
		buffer_text(&input, member);
	}
	buffer_text(&input, "]");
	buffer_clear(&run.output);
	splice_begin(splice, SPLICE_INJECT, &hooks, &noted);
	for (at = 0; at < input.used; at += step) {
		step = input.used - at < 4096 ? input.used - at : 4096;
		splice_feed(splice, (uint8_t *)input.bytes + at, step, at + step == input.used);
		run_take_pieces();
	}
	ck_assert_uint_eq(noted.given, noted.asked);
	ck_assert_uint_eq(run.output.used, input.used + noted.asked * strlen(",\"trace\":" OURS));
	if (count <= 5000) {
		ck_assert_uint_eq(noted.asked, count);
		ck_assert_uint_eq(noted.seen, count);
		ck_assert_uint_eq(splice_troubles(splice), 0);
	} else {
		ck_assert_uint_gt(noted.asked, 5000);
		ck_assert_uint_lt(noted.asked, count);
		ck_assert_uint_gt(noted.seen, noted.asked);
		ck_assert_uint_lt(noted.seen, count);
		ck_assert_uint_eq(splice_troubles(splice), SPLICE_ENVELOPE_LARGE);
	}
}
END_TEST

/* Out of memory for a batch that flows: what could not be kept is told, nothing else is lost. */
START_TEST(test_alloc_failure_shelf)
{
	static const char begin[] = "[{\"id\":1,\"result\":1}",
			  rest[] = ",{\"id\":2,\"result\":1}]";

	run_begin(SPLICE_WATCH);
	unit_alloc_fail_after(0);
	splice_feed(splice, (const uint8_t *)begin, strlen(begin), false);
	unit_alloc_fail_never();
	splice_feed(splice, (const uint8_t *)rest, strlen(rest), true);
	ck_assert_str_eq(run.calls.bytes, "eS2");
	ck_assert_uint_eq(splice_troubles(splice), SPLICE_NO_MEMORY);
}
END_TEST

/* Memory: text goes through a long message without waiting. */
START_TEST(test_flows)
{
	static struct buffer input;
	size_t at, step = 1000;

	long_expand(&input, "{\"id\":1,\"method\":\"m\",\"params\":[\"#\",\"#\"]}", 100000);
	run_begin(SPLICE_INJECT);
	for (at = 0; at + step < input.used; at += step) {
		run_feed(input.bytes + at, step, false);
		if (at + step > SPLICE_HOLD_MAX)
			ck_assert_uint_eq(run.output.used, at + step);
		else
			ck_assert_uint_eq(run.output.used, 0);
		ck_assert(splice_may_edit(splice));
	}
}
END_TEST

static const struct form_row {
	const char *input;
	enum splice_form form;
	bool at_once; /* a begin of it is passed on at once */
} form_rows[] = {
	{"{}", SPLICE_FORM_MESSAGE, false},
	{" \t\r\n{\"id\":1,\"method\":\"m\"} ", SPLICE_FORM_MESSAGE, false},
	{"[]", SPLICE_FORM_MESSAGE, false},
	{"[{\"id\":1},5]", SPLICE_FORM_MESSAGE, false},
	{"{\"id\":1", SPLICE_FORM_OTHER, false},
	{"{\"id\":1} x", SPLICE_FORM_OTHER, false},
	{"{}{}", SPLICE_FORM_OTHER, false},
	{"{x", SPLICE_FORM_OTHER, false},
	{"[{}] x", SPLICE_FORM_OTHER, false},
	{"[", SPLICE_FORM_OTHER, false},
	{"", SPLICE_FORM_OTHER, false},
	{" \r", SPLICE_FORM_OTHER, false},
	{"5", SPLICE_FORM_OTHER, true},
	{" \"text\"", SPLICE_FORM_OTHER, true},
	{"null", SPLICE_FORM_OTHER, true},
	{"hello", SPLICE_FORM_FOREIGN, true},
	{"  hello {}", SPLICE_FORM_FOREIGN, true},
	{"12:30 INFO {\"id\":1}", SPLICE_FORM_FOREIGN, true},
	{"\"text\" {}", SPLICE_FORM_FOREIGN, true},
	{"true {}", SPLICE_FORM_FOREIGN, true},
	{"\x81\x05{\"id\":1}", SPLICE_FORM_FOREIGN, true},
	{"\xef\xbb\xbf{}", SPLICE_FORM_FOREIGN, true},
	{"}", SPLICE_FORM_FOREIGN, true},
	{"GET / HTTP/1.1\r", SPLICE_FORM_FOREIGN, true},
	{"PRI * HTTP/2.0\r", SPLICE_FORM_FOREIGN, true},
	{"Content-Length: 5\r", SPLICE_FORM_FIELD, true},
	{"content-length:5", SPLICE_FORM_FIELD, true},
	{"CONTENT-LENGTH:", SPLICE_FORM_FIELD, true},
	{"Content-Length", SPLICE_FORM_FOREIGN, true},
	{"Content-Length : 5", SPLICE_FORM_FOREIGN, true},
	{"Content\rLength: 5", SPLICE_FORM_FOREIGN, true},
	{"Content-Length\x1a 5", SPLICE_FORM_FOREIGN, true},
	{" Content-Length: 5", SPLICE_FORM_FOREIGN, true},
	{"Content-Type: x\r", SPLICE_FORM_FOREIGN, true},
};

#define FORM_ROWS (sizeof(form_rows) / sizeof(*form_rows))

/* What kind of text it was, wherever it is cut. */
START_TEST(test_forms)
{
	static const enum splice_mode modes[] = {SPLICE_INJECT, SPLICE_STRIP, SPLICE_WATCH};
	const struct form_row *row = &form_rows[_i];
	size_t i, first, size = strlen(row->input);

	for (i = 0; i < 3; i++)
		for (first = 0; first <= size; first++) {
			run_message(modes[i], row->input, size, first, 1 + first % 3);
			ck_assert_msg(splice_form(splice) == row->form, "%s at %zu: %d", row->input,
				first, splice_form(splice));
		}
	/* a message that was broken says nothing of the next one */
	run_message(SPLICE_INJECT, "{}", 2, 2, 2);
	ck_assert_int_eq(splice_form(splice), SPLICE_FORM_MESSAGE);
}
END_TEST

/* What cannot be a message does not wait for its end, unless it has to. */
START_TEST(test_passes_at_once)
{
	const struct form_row *row = &form_rows[_i];
	size_t first, i, blanks = strspn(row->input, " \t\r\n"), size = strlen(row->input);

	run.refuse = true;
	for (first = 1; first < size; first++) {
		run_begin(SPLICE_INJECT);
		for (i = 0; i < size; i++)
			run_feed(row->input + i, 1, false);
		ck_assert_uint_eq(run.output.used, row->at_once ? size : 0);
		ck_assert_int_eq(splice_may_edit(splice), !row->at_once);
		run_begin(SPLICE_INJECT);
		run_feed(row->input, first, false);
		ck_assert_uint_eq(run.output.used, row->at_once && first > blanks ? first : 0);
		run_begin(SPLICE_INJECT);
		splice_hold_all(splice);
		run_feed(row->input, first, false);
		ck_assert_uint_eq(run.output.used, 0);
		run_feed(row->input + first, size - first, true);
		ck_assert_str_eq(run.output.bytes, row->input);
		ck_assert_int_eq(splice_form(splice), row->form);
	}
	run.refuse = false;
}
END_TEST

START_TEST(test_may_edit)
{
	static const struct {
		enum splice_mode mode;
		const char *begin;
		bool long_begin, may_edit;
	} rows[] = {
		{SPLICE_WATCH, "{\"id\":1", false, false},
		{SPLICE_INJECT, "", false, true},
		{SPLICE_INJECT, "{\"id\":1", false, true},
		{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"x\":\"#", true, true},
		{SPLICE_INJECT, "{\"id\":1,\"method\":\"m\",\"trace\":\"#\"", true, true},
		{SPLICE_INJECT, "{\"method\":\"m\",\"trace\":\"#\"", true, false},
		{SPLICE_INJECT, "[{\"method\":\"m\",\"trace\":\"#\"", true, true},
		{SPLICE_INJECT, "{\"id\":1,\"result\":\"#\"} ", true, false},
		{SPLICE_INJECT, "\"#", true, false},
		{SPLICE_INJECT, "[\"#", true, true},
		{SPLICE_INJECT, "{\"#\"x", true, false},
		{SPLICE_INJECT, "__", true, true},
	};
	static struct buffer begin;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		long_expand(&begin, rows[i].begin, rows[i].long_begin ? 40000 : 1);
		run_begin(rows[i].mode);
		run_feed(begin.bytes, begin.used, false);
		ck_assert_msg(splice_may_edit(splice) == rows[i].may_edit, "%s", rows[i].begin);
	}
}
END_TEST

/*
 * The stream ends inside a message: what is held comes out as it came, the next one is not touched.
 */
START_TEST(test_abandon)
{
	static const char *const inputs[] = {"{\"id\":1,\"meth", "{\"id\":1,\"method\":\"m\"}",
		"{\"id\":1,\"x\":\"#\",\"trace\":1",
		"{\"id\":1,\"method\":\"m\",\"x\":\"#\",\"tra"};
	static struct buffer input;
	size_t i, first;

	for (i = 0; i < 4; i++) {
		long_expand(&input, inputs[i], 20000);
		for (first = input.used - 10; first <= input.used; first++) {
			run_begin(SPLICE_INJECT);
			run_feed(input.bytes, first, false);
			run_feed(input.bytes + first, input.used - first, false);
			splice_abandon(splice);
			run_take_pieces();
			ck_assert_str_eq(run.output.bytes, input.bytes);
			ck_assert_str_eq(run.calls.bytes, "");
			ck_assert(!splice_may_edit(splice));
		}
	}
	run_message(SPLICE_INJECT, "{\"id\":2,\"method\":\"m\"}", 21, 21, 1);
	ck_assert_str_eq(run.output.bytes, "{\"id\":2,\"method\":\"m\",\"trace\":" OURS "}");
}
END_TEST

/* A message dropped halfway leaves nothing behind. */
START_TEST(test_begin_drops)
{
	run_begin(SPLICE_INJECT);
	run_feed("[{\"trace\":1,\"id\":1,", 19, false);
	run_message(SPLICE_STRIP, "{\"id\":2,\"method\":\"m\",\"trace\":2}", 31, 5, 7);
	ck_assert_str_eq(run.output.bytes, "{\"id\":2,\"method\":\"m\"}");
	ck_assert_str_eq(run.calls.bytes, "eR2");
}
END_TEST

/* A carrier's name is any text. */
START_TEST(test_carrier_names)
{
	static const struct {
		const char *name, *input, *output;
	} rows[] = {
		{"/a~1b~0c", "{\"id\":1,\"method\":\"m\"}",
			"{\"id\":1,\"method\":\"m\",\"a/b~c\":" OURS "}"},
		{"/a~1b~0c", "{\"id\":1,\"method\":\"m\",\"a\\/b~c\":1,\"a\":2}",
			"{\"id\":1,\"method\":\"m\",\"a\\/b~c\":" OURS ",\"a\":2}"},
		{"/\"\\\n\xc3\xa9", "{\"id\":1,\"method\":\"m\"}",
			"{\"id\":1,\"method\":\"m\",\"\\\"\\\\\\n\xc3\xa9\":" OURS "}"},
		{"/\"\\\n\xc3\xa9", "{\"id\":1,\"\\\"\\\\\\n\\u00e9\":0,\"method\":\"m\"}",
			"{\"id\":1,\"\\\"\\\\\\n\\u00e9\":" OURS ",\"method\":\"m\"}"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		splice_teardown();
		pointers = envelope_pointers_new(rows[i].name);
		splice = splice_new(pointers, &(struct place_rules){.place = rows[i].name});
		run_message(SPLICE_INJECT, rows[i].input, strlen(rows[i].input), 10, 3);
		ck_assert_str_eq(run.output.bytes, rows[i].output);
	}
}
END_TEST

START_TEST(test_alloc_failures_new)
{
	struct splice *made = NULL;
	long n;

	for (n = 0; n < 100 && made == NULL; n++) {
		unit_alloc_fail(_i, n);
		made = splice_new(
			pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
		unit_alloc_fail_never();
		ck_assert_int_eq(made == NULL, unit_alloc_failed());
	}
	splice_free(made);
	splice_free(NULL);
	ck_assert_int_gt(n, 6);
	ck_assert_int_lt(n, 100);
}
END_TEST

static size_t big_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	static char big[5000];

	(void)arg;
	(void)envelope;
	memset(big, '1', sizeof(big));
	*text = big;
	return sizeof(big);
}

static void quiet_on_envelope(void *arg, const struct envelope *envelope)
{
	(void)arg;
	(void)envelope;
}

/* Feeds with the n-th allocation and all later ones failing; collects pieces without allocating. */
static size_t alloc_feed(char *output, const char *input, size_t size, size_t step, bool *failed)
{
	static const struct splice_hooks hooks = {
		.carrier = big_on_carrier, .envelope = quiet_on_envelope};
	const struct splice_piece *pieces;
	size_t at, i, count, total, used = 0;

	splice_begin(splice, SPLICE_INJECT, &hooks, NULL);
	for (at = 0; at < size; at += step) {
		step = step < size - at ? step : size - at;
		splice_feed(splice, (const uint8_t *)input + at, step, at + step == size);
		pieces = splice_pieces(splice, &count, &total);
		for (i = 0; i < count; used += pieces[i++].size)
			memcpy(output + used, pieces[i].bytes, pieces[i].size);
	}
	*failed = unit_alloc_failed();
	unit_alloc_fail_never();
	return used;
}

/* Out of memory, every byte still comes out: each request as it came, or well edited. */
static void alloc_check(const char *input, size_t size, size_t step, size_t requests)
{
	char *output = calloc(1, size + requests * 6000);
	bool failed = true;
	size_t used, extra = strlen(",\"trace\":") + 5000;
	long n;

	for (n = 0; n < 200 && failed; n++) {
		splice_free(splice);
		splice = splice_new(
			pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
		unit_alloc_fail_after(n);
		used = alloc_feed(output, input, size, step, &failed);
		ck_assert_uint_ge(used, size);
		ck_assert_uint_eq((used - size) % extra, 0);
		ck_assert_int_eq((splice_troubles(splice) & SPLICE_NO_MEMORY) != 0, failed);
		ck_assert_uint_eq(output[0], input[0]);
		ck_assert_uint_eq(output[used - 1], input[size - 1]);
		if (!failed)
			ck_assert_uint_eq(used, size + requests * extra);
		else if (used == size)
			ck_assert_mem_eq(output, input, size);
	}
	ck_assert(!failed);
	ck_assert_int_gt(n, 1);
	free(output);
}

START_TEST(test_alloc_failures_feed)
{
	static struct buffer input;
	size_t i;

	buffer_clear(&input);
	buffer_text(&input, "[");
	for (i = 0; i < 100; i++)
		buffer_text(&input,
			i == 0 ? "{\"id\":1,\"method\":\"m\"}" : ",{\"id\":1,\"method\":\"m\"}");
	buffer_text(&input, "]");
	alloc_check(input.bytes, input.used, input.used, 100);
	alloc_check(input.bytes, input.used, 100, 100);
	long_expand(&input,
		"[{\"id\":1,\"method\":\"m\",\"x\":\"#\"},{\"id\":2,\"method\":\"m\",\"x\":\"#\"}]",
		20000);
	alloc_check(input.bytes, input.used, input.used, 2);
	alloc_check(input.bytes, input.used, 1, 2);
	alloc_check(input.bytes, input.used, 30000, 2);
}
END_TEST

/* Many marks: the array grows, or the message goes on untouched. */
START_TEST(test_alloc_failures_marks)
{
	static struct buffer input;
	const struct splice_piece *pieces;
	size_t i, count, total;
	bool failed = true;
	long n;

	buffer_clear(&input);
	buffer_text(&input, "{\"id\":1");
	for (i = 0; i < 50; i++)
		buffer_text(&input, ",\"trace\":1");
	buffer_text(&input, ",\"method\":\"m\"}");
	buffer_fill(&run.calls, ' ', 100); /* so that it does not grow meanwhile */
	for (n = 0; n < 50 && failed; n++) {
		splice_free(splice);
		splice = splice_new(
			pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
		buffer_clear(&run.calls);
		splice_begin(splice, SPLICE_STRIP, &run_hooks, NULL);
		unit_alloc_fail_after(n);
		splice_feed(splice, (const uint8_t *)input.bytes, input.used, true);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		pieces = splice_pieces(splice, &count, &total);
		ck_assert_uint_eq(
			total, failed ? input.used : input.used - 50 * strlen(",\"trace\":1"));
		ck_assert_int_eq(splice_troubles(splice), failed ? SPLICE_NO_MEMORY : 0);
		ck_assert(count > 0 && pieces[0].bytes == (const uint8_t *)input.bytes);
	}
	ck_assert(!failed);
	ck_assert_int_gt(n, 3);
}
END_TEST

static void buffer_join(struct buffer *to, const struct buffer *from)
{
	buffer_add(to, from->bytes, from->used);
}

/* The same for many members of one carrier: it is edited as a whole, or not at all. */
START_TEST(test_alloc_failures_members)
{
	static struct buffer input, output;
	bool failed = true;
	size_t i, used;
	long n;

	buffer_clear(&input);
	buffer_clear(&output);
	buffer_text(&input, "{\"id\":1,\"method\":\"m\",\"trace\":{\"b\":1");
	buffer_text(&output, "{\"id\":1,\"method\":\"m\",\"trace\":{\"b\":1");
	for (i = 0; i < 50; i++) {
		buffer_text(&input, ",\"traceparent\":1,\"c\":2");
		buffer_text(&output, i == 0 ? "," OUR ",\"c\":2" : ",\"c\":2");
	}
	buffer_text(&input, "},\"trace\":1,\"trace\":2}");
	buffer_text(&output, "}}");
	run_message(SPLICE_INJECT, input.bytes, input.used, input.used, 1);
	ck_assert_str_eq(run.output.bytes, output.bytes);
	for (n = 0; n < 50 && failed; n++) {
		splice_free(splice);
		splice = splice_new(
			pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
		buffer_clear(&run.calls);
		splice_begin(splice, SPLICE_INJECT, &run_hooks, NULL);
		unit_alloc_fail_after(n);
		splice_feed(splice, (const uint8_t *)input.bytes, input.used, true);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		buffer_clear(&run.output);
		run_take_pieces();
		used = run.output.used;
		ck_assert_uint_eq(used, failed ? input.used : output.used);
		ck_assert_int_eq(
			splice_troubles(splice) & SPLICE_NO_MEMORY, failed ? SPLICE_NO_MEMORY : 0);
	}
	ck_assert(!failed);
	ck_assert_int_gt(n, 1);
}
END_TEST

/* Generated messages. */

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % limit;
}

static const char *random_of(const char *const *choices, unsigned count)
{
	return choices[random_below(count)];
}

#define RANDOM_OF(choices) random_of(choices, sizeof(choices) / sizeof(*(choices)))

static void random_blank(struct buffer *to)
{
	static const char *const blanks[] = {"", "", "", "", "", " ", "\t", "\r\n ", "  "};

	buffer_text(to, RANDOM_OF(blanks));
}

static void random_value(struct buffer *to, int depth)
{
	static const char *const scalars[] = {"1", "-0.5e+3", "true", "false", "null", "\"\"",
		"\"x\"", "\"\\\"}],{\\\\\"", "\"trace\"", "\"\\u0041\\ud83d\\ude00\xc3\xa9\"", "{}",
		"[]", "{\"trace\":{\"traceparent\":\"n\"}}",
		"[{\"id\":1,\"method\":\"m\",\"trace\":1}]"};
	unsigned i, count = random_below(4);
	bool array = random_below(2) == 0;

	if (depth == 0 || random_below(3) > 0) {
		buffer_text(to, RANDOM_OF(scalars));
		return;
	}
	buffer_text(to, array ? "[" : "{");
	for (i = 0; i < count; i++) {
		buffer_text(to, i > 0 ? "," : "");
		random_blank(to);
		if (!array)
			buffer_text(to, i % 2 == 0 ? "\"trace\":" : "\"id\" :");
		random_value(to, depth - 1);
		random_blank(to);
	}
	buffer_text(to, array ? "]" : "}");
}

enum member_kind {
	MEMBER_ID,
	MEMBER_METHOD,
	MEMBER_CARRIER,
	MEMBER_OTHER,
};

/* A member as it is put together; the expected output is put together from the same. */
struct member {
	enum member_kind kind;
	struct buffer before, key, value, after;
	struct buffer edited; /* of a carrier: with ours in it */
	bool usable;          /* as the id or method of a request */
};

#define MEMBERS_MAX 12

static struct member members[MEMBERS_MAX];

static void random_id(struct member *member)
{
	static const char *const good[] = {"1", "-7.0", "\"x\"", "\"\\u00e9\""};
	static const char *const bad[] = {"null", "true", "[1]", "{\"id\":1}"};

	member->usable = random_below(5) > 0;
	buffer_text(&member->value, member->usable ? RANDOM_OF(good) : RANDOM_OF(bad));
}

static void random_method(struct member *member)
{
	static const char *const bad[] = {"null", "1", "[\"m\"]"};

	member->usable = random_below(6) > 0;
	buffer_text(&member->value, member->usable ? "\"m/n\"" : RANDOM_OF(bad));
}

/* An object with members that are ours among others. */
static void random_object(struct member *member)
{
	static const char *const ours[] = {
		"\"traceparent\"", "\"tracestate\"", "\"tracepar\\u0065nt\""};
	static const char *const others[] = {"\"baggage\"", "\"\"", "\"traceparents\"", "\"\\\"\""};
	struct buffer *sides[] = {&member->value, &member->edited};
	unsigned i, count = random_below(6);
	bool written = false, any = false;
	static struct buffer piece;

	buffer_text(sides[0], "{");
	buffer_text(sides[1], "{");
	for (i = 0; i < count; i++) {
		bool is_ours = random_below(2) == 0;
		size_t at;

		buffer_clear(&piece);
		random_blank(&piece);
		at = piece.used;
		buffer_text(&piece, is_ours ? RANDOM_OF(ours) : RANDOM_OF(others));
		random_blank(&piece);
		buffer_text(&piece, ":");
		random_blank(&piece);
		random_value(&piece, 2);
		buffer_text(sides[0], i > 0 ? "," : "");
		buffer_join(sides[0], &piece);
		if (!is_ours || !written) {
			buffer_text(sides[1], any ? "," : "");
			buffer_add(sides[1], piece.bytes, is_ours ? at : piece.used);
			buffer_text(sides[1], is_ours ? OUR : "");
			any = true;
			written = written || is_ours;
		}
		buffer_clear(&piece);
		random_blank(&piece);
		buffer_join(sides[0], &piece);
		buffer_join(sides[1], &piece);
	}
	buffer_text(sides[0], "}");
	buffer_text(sides[1], "}");
	if (written)
		return;
	buffer_clear(sides[1]);
	buffer_text(sides[1], count > 0 ? "{" OUR "," : "{" OUR);
	buffer_add(sides[1], sides[0]->bytes + 1, sides[0]->used - 1);
}

static void random_carrier(struct member *member)
{
	const char *value;

	if (random_below(2) == 0) {
		random_object(member);
		return;
	}
	random_value(&member->value, 3);
	value = member->value.bytes;
	if (value[0] != '{') {
		buffer_text(&member->edited, OURS);
		return;
	}
	value++;
	buffer_text(&member->edited, "{" OUR);
	buffer_text(&member->edited, value[strspn(value, " \t\r\n")] == '}' ? "" : ",");
	buffer_text(&member->edited, value);
}

static void random_member(struct member *member, bool repeats, bool *seen_id, bool *seen_method)
{
	static const char *const ids[] = {"\"id\"", "\"id\"", "\"\\u0069d\""};
	static const char *const methods[] = {"\"method\"", "\"method\"", "\"m\\u0065thod\""};
	static const char *const carriers[] = {"\"trace\"", "\"trace\"", "\"tr\\u0061ce\""};
	static const char *const others[] = {"\"params\"", "\"x\"", "\"traces\"", "\"\"", "\"Id\"",
		"\"result\"", "\"a longer key than most\""};
	static const char *const *const keys[] = {ids, methods, carriers, others};

	buffer_clear(&member->before);
	buffer_clear(&member->key);
	buffer_clear(&member->value);
	buffer_clear(&member->after);
	buffer_clear(&member->edited);
	member->kind = (enum member_kind)random_below(4);
	if ((member->kind == MEMBER_ID && *seen_id && !repeats) ||
		(member->kind == MEMBER_METHOD && *seen_method && !repeats))
		member->kind = MEMBER_OTHER;
	*seen_id = *seen_id || member->kind == MEMBER_ID;
	*seen_method = *seen_method || member->kind == MEMBER_METHOD;
	random_blank(&member->before);
	buffer_text(
		&member->key, random_of(keys[member->kind], member->kind == MEMBER_OTHER ? 7 : 3));
	random_blank(&member->key);
	buffer_text(&member->key, ":");
	random_blank(&member->key);
	if (member->kind == MEMBER_ID)
		random_id(member);
	else if (member->kind == MEMBER_METHOD)
		random_method(member);
	else if (member->kind == MEMBER_CARRIER)
		random_carrier(member);
	else
		random_value(&member->value, 3);
	random_blank(&member->after);
}

static void random_pad(struct member *member)
{
	buffer_clear(&member->value);
	buffer_text(&member->value, "\"");
	buffer_fill(&member->value, 'y', SPLICE_HOLD_MAX / 2 + random_below(SPLICE_HOLD_MAX));
	buffer_text(&member->value, "\"");
}

/* Whether its carriers are edited. */
static bool members_concern(unsigned count, enum splice_mode mode)
{
	bool id = false, method = false;
	unsigned i;

	for (i = 0; i < count; i++) {
		if (members[i].kind == MEMBER_ID)
			id = members[i].usable;
		if (members[i].kind == MEMBER_METHOD)
			method = members[i].usable;
	}
	return method && (id || mode == SPLICE_STRIP);
}

static void members_write(struct buffer *to, unsigned count)
{
	unsigned i;

	buffer_text(to, "{");
	for (i = 0; i < count; i++) {
		buffer_text(to, i > 0 ? "," : "");
		buffer_join(to, &members[i].before);
		buffer_join(to, &members[i].key);
		buffer_join(to, &members[i].value);
		buffer_join(to, &members[i].after);
	}
	buffer_text(to, "}");
}

/* The output for one of those. */
static void members_write_edited(struct buffer *to, unsigned count, enum splice_mode mode)
{
	bool written = mode == SPLICE_STRIP, kept = false;
	unsigned i;

	buffer_text(to, "{");
	for (i = 0; i < count; i++) {
		if (members[i].kind == MEMBER_CARRIER && written) {
			buffer_join(to, kept ? &members[i].after : &members[i].before);
			continue;
		}
		buffer_text(to, kept ? "," : "");
		kept = true;
		buffer_join(to, &members[i].before);
		buffer_join(to, &members[i].key);
		if (members[i].kind == MEMBER_CARRIER)
			buffer_join(to, &members[i].edited);
		else
			buffer_join(to, &members[i].value);
		buffer_join(to, &members[i].after);
		written = written || members[i].kind == MEMBER_CARRIER;
	}
	if (!written)
		buffer_text(to, ",\"trace\":" OURS);
	buffer_text(to, "}");
}

/* Whether all between the first carrier and the last of it, id and method fits the hold. */
static bool members_are_near(unsigned count)
{
	size_t from = 0, at = 0;
	bool found = false;
	unsigned i;

	for (i = 0; i < count; i++) {
		if (members[i].kind == MEMBER_CARRIER && !found) {
			from = at;
			found = true;
		}
		at += 2 + members[i].before.used + members[i].key.used + members[i].value.used +
		      members[i].after.used;
		if (found && members[i].kind != MEMBER_OTHER && at - from > SPLICE_HOLD_MAX - 8)
			return false;
	}
	return true;
}

struct generated {
	struct buffer input, output, calls;
	bool near;
};

static void generate_envelope(struct generated *generated, enum splice_mode mode, bool big)
{
	bool seen_id = false, seen_method = false, concern;
	unsigned i, count = random_below(MEMBERS_MAX + 1);

	for (i = 0; i < count; i++) {
		random_member(&members[i], !big, &seen_id, &seen_method);
		if (big && members[i].kind == MEMBER_OTHER && random_below(2) == 0)
			random_pad(&members[i]);
	}
	concern = members_concern(count, mode);
	members_write(&generated->input, count);
	if (concern && mode != SPLICE_WATCH)
		members_write_edited(&generated->output, count, mode);
	else
		members_write(&generated->output, count);
	if (concern && mode == SPLICE_INJECT)
		buffer_text(&generated->calls, "c");
	buffer_text(&generated->calls, "e");
	generated->near = generated->near && (!concern || members_are_near(count));
}

static void generate(struct generated *generated, enum splice_mode mode, bool big)
{
	unsigned i, count = random_below(4) == 0 ? random_below(4) : 0;
	struct buffer *sides[] = {&generated->input, &generated->output};

	buffer_clear(&generated->input);
	buffer_clear(&generated->output);
	buffer_clear(&generated->calls);
	generated->near = true;
	if (count == 0) {
		generate_envelope(generated, mode, big);
		return;
	}
	buffer_text(sides[0], "[ ");
	buffer_text(sides[1], "[ ");
	for (i = 0; i < count; i++) {
		buffer_text(sides[0], i > 0 ? " , " : "");
		buffer_text(sides[1], i > 0 ? " , " : "");
		generate_envelope(generated, mode, big);
	}
	buffer_text(sides[0], "]\n");
	buffer_text(sides[1], "]\n");
}

/* calls as they come when the message flows: no envelope counts before all of it is there. */
static const char *generated_flow_calls(const char *calls)
{
	static char sorted[2 * 4 + 1];
	char *to = sorted;
	const char *at;

	for (at = calls; *at != '\0'; at++)
		if (*at == 'c')
			*to++ = 'c';
	for (at = calls; *at != '\0'; at++)
		if (*at == 'e')
			*to++ = 'e';
	*to = '\0';
	return sorted;
}

/* The hooks of the calls logged, without what they saw. */
static void generated_check_calls(const char *calls)
{
	const char *seen = run.calls.bytes;

	for (; *calls != '\0'; calls++) {
		ck_assert_int_eq(*seen, *calls);
		seen += 2;
		while (*seen != '\0' &&
			!((*seen == 'c' || *seen == 'e') && seen[1] >= 'A' && seen[1] <= 'Z'))
			seen++;
	}
	ck_assert_int_eq(*seen, '\0');
}

static void generated_check(const struct generated *generated, enum splice_mode mode)
{
	size_t size = generated->input.used;

	run_message(mode, generated->input.bytes, size, random_below((unsigned)size + 1),
		1 + random_below(random_below(2) == 0 ? 9 : 20000));
	if ((run.troubles & SPLICE_UNDECIDED) != 0) {
		ck_assert(size > SPLICE_HOLD_MAX && !generated->near);
		return;
	}
	run_expect(generated->input.bytes, size, generated->output.bytes, generated->output.used,
		NULL, 0);
	generated_check_calls(size > SPLICE_HOLD_MAX ? generated_flow_calls(generated->calls.bytes)
						     : generated->calls.bytes);
}

START_TEST(test_generated)
{
	static const enum splice_mode modes[] = {SPLICE_INJECT, SPLICE_STRIP, SPLICE_WATCH};
	static struct generated generated;
	unsigned i, seed;

	for (seed = 0; seed < SEEDS; seed++) {
		bool big = seed % 8 == 0;

		random_state = seed * 1000u + (unsigned)_i;
		generate(&generated, modes[_i], big);
		for (i = 0; i < (big ? 2 : 10); i++)
			generated_check(&generated, modes[_i]);
	}
}
END_TEST

/*
 * The same with one byte broken or missing: if it fits the hold, nothing is changed or called.
 * Watched, nothing is called either.
 */
START_TEST(test_generated_broken)
{
	static const enum splice_mode modes[] = {SPLICE_INJECT, SPLICE_STRIP, SPLICE_WATCH};
	static const char bad[] = "{}[],:\"x\\0\x01 ";
	static struct generated generated;
	unsigned seed, broken = 0;

	for (seed = 0; seed < 3000; seed++) {
		struct buffer *input = &generated.input;
		size_t at;

		random_state = seed;
		generate(&generated, SPLICE_INJECT, false);
		at = random_below((unsigned)input->used);
		if (seed % 2 == 0)
			input->bytes[at] = bad[random_below(sizeof(bad) - 1)];
		else
			input->used = at;
		run_message(modes[_i], input->bytes, input->used, at, 5);
		if ((run.troubles & SPLICE_NOT_JSON) == 0)
			continue;
		broken++;
		run_expect(
			input->bytes, input->used, input->bytes, input->used, "", SPLICE_NOT_JSON);
	}
	ck_assert_uint_gt(broken, 2000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("splice");

	unit_fixture(splice_setup, splice_teardown);
	tcase_add_loop_test(tc, test_rows, 0, (int)SPLICE_ROWS);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_too_deep);
	tcase_add_loop_test(tc, test_long, 0, (int)LONG_ROWS);
	tcase_add_test(tc, test_breaks_late);
	tcase_add_loop_test(tc, test_notes, 0, 5);
	tcase_add_loop_test(
		tc, test_outgrown, 0, 3 * (int)(sizeof(outgrown_rows) / sizeof(*outgrown_rows)));
	tcase_add_test(tc, test_alloc_failure_shelf);
	tcase_add_test(tc, test_flows);
	tcase_add_loop_test(tc, test_forms, 0, (int)FORM_ROWS);
	tcase_add_loop_test(tc, test_passes_at_once, 0, (int)FORM_ROWS);
	tcase_add_test(tc, test_may_edit);
	tcase_add_test(tc, test_abandon);
	tcase_add_test(tc, test_begin_drops);
	tcase_add_test(tc, test_carrier_names);
	tcase_add_loop_test(tc, test_alloc_failures_new, 0, 2);
	tcase_add_test(tc, test_alloc_failures_feed);
	tcase_add_test(tc, test_alloc_failures_marks);
	tcase_add_test(tc, test_alloc_failures_members);
	tcase_add_loop_test(tc, test_generated, 0, 3);
	tcase_add_loop_test(tc, test_generated_broken, 0, 3);
	return unit_run("splice", tc);
}
