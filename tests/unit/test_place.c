/*
 * Places of carriers: how they are named; what becomes of a message at each kind of place, whole,
 * cut at every byte and byte by byte, held and in flow, also when its size was promised; and what
 * an envelope says at several of them.
 */
#include "proxy/message/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "proxy/message/pointers.h"
#include "proxy/message/splice.h"
#include "tests/fuzz/place_check.h"
#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define TEXT_SIZE    (8 * SPLICE_HOLD_MAX)

START_TEST(test_names)
{
	static const struct {
		const char *text, *name;
		bool in_params, shared;
	} rows[] = {
		{"/trace", "trace", false, false},
		{"/trace/*", "trace", false, true},
		{"/params/_meta", "_meta", true, false},
		{"/params/_meta/*", "_meta", true, true},
		{"/a~1b~0c", "a/b~c", false, false},
		{"/params/id", "id", true, false},
		{"/*", "*", false, false},
		{"", NULL, false, false},
		{"/", NULL, false, false},
		{"trace", NULL, false, false},
		{"/trace/", NULL, false, false},
		{"/a/b", NULL, false, false},
		{"/a/b/*", NULL, false, false},
		{"/params/a/b", NULL, false, false},
		{"/params", NULL, false, false},
		{"/params/", NULL, false, false},
		{"/params/*", NULL, false, false},
		{"/id", NULL, false, false},
		{"/result/*", NULL, false, false},
		{"/a~", NULL, false, false},
		{"/a~2", NULL, false, false},
	};
	char text[2 * PLACE_NAME_MAX + 32] = "/params/";
	struct place place;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		int parsed = place_parse(&place, rows[i].text);

		ck_assert_msg(parsed == (rows[i].name != NULL ? 0 : -1), "%s", rows[i].text);
		if (parsed != 0)
			continue;
		ck_assert_str_eq(place.name, rows[i].name);
		ck_assert_int_eq(place.in_params, rows[i].in_params);
		ck_assert_int_eq(place.shared, rows[i].shared);
		ck_assert_uint_eq(
			strlen(place.pointer) + (place.shared ? 2 : 0), strlen(rows[i].text));
	}
	for (i = 0; i < PLACE_NAME_MAX; i++)
		strcat(text, "~1");
	ck_assert_int_eq(place_parse(&place, text), 0);
	ck_assert_uint_eq(strlen(place.name), PLACE_NAME_MAX);
	strcat(text, "x");
	ck_assert_int_eq(place_parse(&place, text), -1);
}
END_TEST

/* ---- one message on its way ---- */

static struct splice *splice;
static struct pointers *pointers;
static char output[TEXT_SIZE], plain[TEXT_SIZE];
static size_t output_size;
static unsigned asked, seen;
static bool refuse;

static size_t place_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	static char ours[sizeof(PLACE_CHECK_OURS)];

	(void)arg;
	if (envelope_kind(envelope) != ENVELOPE_REQUEST)
		abort(); /* no memory may be needed here */
	asked++;
	memset(ours, 'x', sizeof(ours)); /* what was given before is gone */
	*text = memcpy(ours, PLACE_CHECK_OURS, strlen(PLACE_CHECK_OURS));
	return refuse ? 0 : strlen(PLACE_CHECK_OURS);
}

static void place_on_envelope(void *arg, const struct envelope *envelope)
{
	(void)arg;
	(void)envelope;
	seen++;
}

static const struct splice_hooks place_hooks = {
	.carrier = place_on_carrier, .envelope = place_on_envelope};

static void place_open(const struct place_set *set)
{
	pointers = place_set_pointers(set);
	splice = splice_new(pointers, &set->rules);
	ck_assert_ptr_nonnull(splice);
}

static void place_close(void)
{
	splice_free(splice);
	pointers_free(pointers);
	splice = NULL;
}

static void place_take(void)
{
	const struct splice_piece *pieces;
	size_t count, total, i, before = output_size;

	pieces = splice_pieces(splice, &count, &total);
	ck_assert_uint_lt(output_size + total, TEXT_SIZE);
	for (i = 0; i < count; output_size += pieces[i++].size)
		memcpy(output + output_size, pieces[i].bytes, pieces[i].size);
	ck_assert_uint_eq(output_size - before, total);
	output[output_size] = '\0';
}

/* Feeds copies: a first piece, then others of step bytes. Returns the troubles. */
static unsigned place_run(enum splice_mode mode, bool promise, const char *text, size_t size,
	size_t first, size_t step)
{
	size_t at = 0, piece = first;

	output_size = 0;
	asked = seen = 0;
	splice_begin(splice, mode, &place_hooks, NULL);
	if (promise)
		splice_promise(splice);
	do {
		uint8_t *copy;

		piece = piece < size - at ? piece : size - at;
		copy = malloc(piece + 1);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text + at, piece);
		splice_feed(splice, copy, piece, at + piece == size);
		at += piece;
		place_take();
		free(copy);
		if (promise && output_size > 0 && at < size) /* told with the first piece */
			ck_assert_uint_le(splice_growth(splice), SPLICE_GROWTH);
		piece = step;
	} while (at < size);
	return splice_troubles(splice);
}

/* ---- a table of messages ---- */

static const struct place_set sets[] = {
	{.rules = {.place = "/params/_meta/*", .makes_params = true, .strips_trace = true}},
	{.rules = {.place = "/params/_meta/*", .strips_trace = true, .strips_baggage = true}},
	{.rules = {.place = "/params/_meta/*", .strips_baggage = true}},
	{.rules = {.place = "/params/trace", .makes_params = true, .strips_trace = true}},
	{.rules = {.place = "/ctx/*", .strips_trace = true}},
	{.rules = {.place = "/trace", .strips_baggage = true}},
	{.rules = {.place = "/trace", .strips_trace = true}, .further = {"/params/_meta/*"}},
	{.rules = {.place = "/params/_meta/*", .makes_params = true, .strips_trace = true},
		.further = {"/trace"}},
	{.rules = {.place = "/trace", .strips_trace = true, .strips_baggage = true},
		.further = {"/params/trace", "/ctx", "/params/_meta/*"}},
	{.rules = {.place = "/params/trace", .makes_params = true, .strips_trace = true},
		.further = {"/params/x", "/ctx/*", "/params/trace/*"}},
};

enum {
	META,
	META_BARE,
	META_BAGGAGE,
	PARAMS_VALUE,
	TOP_SHARED,
	TRACE_BAGGAGE,
	TWO,
	TWO_TURNED,
	FOUR,
	PARAMS_TWO
};

#define O      "\"ours\":1"
#define SAME   NULL
#define INJECT SPLICE_INJECT
#define SWAP   SPLICE_REPLACE
#define STRIP  SPLICE_STRIP

/* text in params of a request, before and after. */
#define PARAMS(rules, mode, before, after)                                                         \
	{                                                                                          \
		rules, mode, "{\"id\":1,\"params\":" before ",\"method\":\"m\"}",                  \
			"{\"id\":1,\"params\":" after ",\"method\":\"m\"}", 0                      \
	}
#define UNPLACED(rules, text)                                                                      \
	{                                                                                          \
		rules, INJECT, text, SAME, SPLICE_NO_PLACE                                         \
	}

static const struct place_row {
	int rules;
	enum splice_mode mode;
	const char *input, *output;
	unsigned troubles;
} place_rows[] = {
	/* What stands in _meta stays, in order and spelling. */
	PARAMS(META, INJECT, "{\"_meta\":{\"progressToken\":1}}",
		"{\"_meta\":{" O ",\"progressToken\":1}}"),
	PARAMS(META, INJECT,
		"{\"a\":[{}],\"_meta\":{ \"progressToken\" : 1.0e0 , "
		"\"traceparent\":\"x\",\"b\":\"\\u0041\"} ,\"z\":null}",
		"{\"a\":[{}],\"_meta\":{ \"progressToken\" : 1.0e0 , " O
		",\"b\":\"\\u0041\"} ,\"z\":null}"),
	PARAMS(META, INJECT, "{\"_meta\":{\"baggage\":\"k=v\",\"tracestate\":\"\"}}",
		"{\"_meta\":{\"baggage\":\"k=v\"," O "}}"),
	PARAMS(META, INJECT, "{\"\\u005fmeta\":{}}", "{\"\\u005fmeta\":{" O "}}"),
	PARAMS(META, INJECT, "{\"_meta\":{\"traceparent\":\"x\",\"tracestate\":\"y\"}}",
		"{\"_meta\":{" O "}}"),
	/* There is none: it is made. */
	PARAMS(META, INJECT, "{}", "{\"_meta\":{" O "}}"),
	PARAMS(META, INJECT, "{ }", "{ \"_meta\":{" O "}}"),
	PARAMS(META, INJECT, "{\"a\":{\"_meta\":1} }", "{\"a\":{\"_meta\":1} ,\"_meta\":{" O "}}"),
	PARAMS(META_BARE, INJECT, "{}", "{\"_meta\":{" O "}}"),
	{META, INJECT, "{\"method\":\"m\",\"id\":1}",
		"{\"method\":\"m\",\"id\":1,\"params\":{\"_meta\":{" O "}}}", 0},
	{META, INJECT, " { \"method\":\"m\",\"id\":\"1\" } ",
		" { \"method\":\"m\",\"id\":\"1\" ,\"params\":{\"_meta\":{" O "}}} ", 0},
	UNPLACED(META_BARE, "{\"method\":\"m\",\"id\":1}"),
	/* Nothing can be written. */
	UNPLACED(META, "{\"id\":1,\"method\":\"m\",\"params\":[{\"_meta\":{}}]}"),
	UNPLACED(META, "{\"id\":1,\"method\":\"m\",\"params\":[]}"),
	UNPLACED(META, "{\"id\":1,\"method\":\"m\",\"params\":null}"),
	UNPLACED(META, "{\"id\":1,\"method\":\"m\",\"params\":\"_meta\"}"),
	UNPLACED(META, "{\"id\":1,\"method\":\"m\",\"params\":{\"_meta\":null}}"),
	UNPLACED(META, "{\"id\":1,\"method\":\"m\",\"params\":{\"_meta\":[],\"x\":1}}"),
	UNPLACED(META, "{\"id\":1,\"params\":{\"_meta\":\"{}\"},\"method\":\"m\"}"),
	/* No request of the client. */
	{META, INJECT, "{\"method\":\"m\",\"params\":{\"_meta\":{\"traceparent\":\"x\"}}}", SAME,
		0},
	{META, INJECT, "{\"method\":\"m\"}", SAME, 0},
	{META, INJECT, "{\"id\":1,\"result\":{\"_meta\":{}},\"params\":{}}", SAME, 0},
	{META, INJECT, "{\"id\":null,\"method\":\"m\",\"params\":{}}", SAME, 0},
	/* _meta elsewhere is not this place. */
	{META, INJECT,
		"{\"_meta\":{},\"id\":1,\"method\":\"m\",\"params\":{\"params\":{\"_meta\":{}}}}",
		"{\"_meta\":{},\"id\":1,\"method\":\"m\",\"params\":{\"params\":{\"_meta\":{}},\"_"
		"meta\":{" O "}}}",
		0},
	/* Twice: whichever the server takes has ours, and none has theirs. */
	PARAMS(META, INJECT, "{\"_meta\":{\"traceparent\":1},\"_meta\":{\"a\":1,\"tracestate\":2}}",
		"{\"_meta\":{" O "},\"_meta\":{\"a\":1," O "}}"),
	{META, INJECT, "{\"params\":{},\"id\":1,\"params\":{\"_meta\":{}},\"method\":\"m\"}",
		"{\"params\":{\"_meta\":{" O "}},\"id\":1,\"params\":{\"_meta\":{" O
		"}},\"method\":\"m\"}",
		0},
	{META, INJECT, "{\"params\":[],\"id\":1,\"params\":{},\"method\":\"m\",\"params\":null}",
		"{\"params\":[],\"id\":1,\"params\":{\"_meta\":{" O
		"}},\"method\":\"m\",\"params\":null}",
		0},
	/* Batches. */
	{META, INJECT,
		"[{\"method\":\"m\",\"id\":1},{\"method\":\"n\"},{\"params\":{},\"id\":2,"
		"\"method\":\"m\"}]",
		"[{\"method\":\"m\",\"id\":1,\"params\":{\"_meta\":{" O "}}},{\"method\":\"n\"},"
		"{\"params\":{\"_meta\":{" O "}},\"id\":2,\"method\":\"m\"}]",
		0},
	/* Broken: nothing is done. */
	{META, INJECT, "{\"id\":1,\"method\":\"m\",\"params\":{}", SAME, SPLICE_NOT_JSON},
	{META, INJECT, "{\"id\":1,\"params\":{\"_meta\":{}},\"method\":\"m\"}x", SAME,
		SPLICE_NOT_JSON},
	/* Baggage is carried on, or not. */
	PARAMS(META_BARE, SWAP, "{\"_meta\":{\"baggage\":\"k=v\",\"a\":1}}",
		"{\"_meta\":{" O ",\"a\":1}}"),
	PARAMS(META_BARE, SWAP, "{\"_meta\":{\"a\":1,\"baggage\":\"k=v\",\"traceparent\":0}}",
		"{\"_meta\":{\"a\":1," O "}}"),
	PARAMS(META_BARE, SWAP,
		"{\"_meta\":{\"baggage\":1 , \"b\\u0061ggage\" : 2,\"tracestate\":0}}",
		"{\"_meta\":{ " O "}}"),
	{META_BARE, SWAP,
		"{\"method\":\"m\",\"params\":{\"_meta\":{\"baggage\":1,\"traceparent\":2}}}",
		"{\"method\":\"m\",\"params\":{\"_meta\":{}}}", 0},
	{TRACE_BAGGAGE, SWAP,
		"{\"trace\":{\"traceparent\":0,\"baggage\":1},\"id\":1,\"method\":\"m\"}",
		"{\"trace\":{" O "},\"id\":1,\"method\":\"m\"}", 0},
	{TRACE_BAGGAGE, SWAP, "{\"trace\":5,\"method\":\"m\"}", SAME, 0},
	/* Stripping. */
	PARAMS(META, STRIP,
		"{\"_meta\":{\"traceparent\":1,\"a\":1,\"baggage\":2,\"tracestate\":3}}",
		"{\"_meta\":{\"a\":1,\"baggage\":2}}"),
	PARAMS(META, STRIP, "{\"_meta\":{ \"traceparent\":1 , \"tracestate\":3 }}",
		"{\"_meta\":{   }}"),
	PARAMS(META, STRIP, "{\"_meta\":5}", "{\"_meta\":5}"),
	PARAMS(META, STRIP, "{}", "{}"),
	PARAMS(META_BARE, STRIP,
		"{\"_meta\":{\"traceparent\":1,\"baggage\":2,\"a\":{\"baggage\":1}}}",
		"{\"_meta\":{\"a\":{\"baggage\":1}}}"),
	PARAMS(META_BAGGAGE, STRIP, "{\"_meta\":{\"traceparent\":1,\"baggage\":2}}",
		"{\"_meta\":{\"traceparent\":1}}"),
	{META, STRIP, "{\"method\":\"m\",\"params\":{\"_meta\":{\"tracestate\":1}}}",
		"{\"method\":\"m\",\"params\":{\"_meta\":{}}}", 0},
	{META, STRIP, "{\"id\":1,\"result\":1,\"params\":{\"_meta\":{\"tracestate\":1}}}", SAME, 0},
	{TRACE_BAGGAGE, STRIP,
		"{\"method\":\"m\",\"trace\":{\"baggage\":1,\"traceparent\":2},\"trace\":7}",
		"{\"method\":\"m\",\"trace\":{\"traceparent\":2},\"trace\":7}", 0},
	/* A member of params that is ours alone. */
	PARAMS(PARAMS_VALUE, INJECT, "{\"trace\":7,\"a\":1,\"trace\":{}}",
		"{\"trace\":{" O "},\"a\":1}"),
	PARAMS(PARAMS_VALUE, INJECT, "{\"a\":1}", "{\"a\":1,\"trace\":{" O "}}"),
	PARAMS(PARAMS_VALUE, STRIP, "{\"trace\":7}", "{}"),
	PARAMS(PARAMS_VALUE, STRIP, "{ \"trace\":7 , \"trace\":8 }", "{   }"),
	PARAMS(PARAMS_VALUE, STRIP, "{ \"trace\":7 , \"a\":8 ,\"trace\":1}", "{  \"a\":8 }"),
	{PARAMS_VALUE, INJECT,
		"{\"params\":{\"trace\":1},\"id\":1,\"params\":{\"trace\":2},\"method\":\"m\"}",
		"{\"params\":{\"trace\":{" O "}},\"id\":1,\"params\":{\"trace\":{" O
		"}},\"method\":\"m\"}",
		0},
	{PARAMS_VALUE, STRIP,
		"{\"params\":{\"trace\":1},\"id\":1,\"params\":{\"trace\":2,\"a\":1},\"method\":"
		"\"m\"}",
		"{\"params\":{},\"id\":1,\"params\":{\"a\":1},\"method\":\"m\"}", 0},
	{PARAMS_VALUE, INJECT, "{\"method\":\"m\",\"id\":1}",
		"{\"method\":\"m\",\"id\":1,\"params\":{\"trace\":{" O "}}}", 0},
	/* An object of the message that is others', too. */
	{TOP_SHARED, INJECT, "{\"id\":1,\"ctx\":{\"a\":1},\"method\":\"m\"}",
		"{\"id\":1,\"ctx\":{" O ",\"a\":1},\"method\":\"m\"}", 0},
	{TOP_SHARED, INJECT, "{\"id\":1,\"method\":\"m\"}",
		"{\"id\":1,\"method\":\"m\",\"ctx\":{" O "}}", 0},
	UNPLACED(TOP_SHARED, "{\"id\":1,\"ctx\":null,\"method\":\"m\"}"),
	/* Two places: all of both goes, in either order, nested or not, and what is empty then
	   stays. */
	{TWO, STRIP,
		"{\"id\":1,\"trace\":{\"traceparent\":1},\"params\":{\"_meta\":{\"traceparent\":2,"
		"\"a\":3}},\"method\":\"m\"}",
		"{\"id\":1,\"params\":{\"_meta\":{\"a\":3}},\"method\":\"m\"}", 0},
	{TWO, STRIP, "{\"params\":{\"_meta\":{\"tracestate\":2}},\"trace\":5,\"method\":\"m\"}",
		"{\"params\":{\"_meta\":{}},\"method\":\"m\"}", 0},
	{TWO_TURNED, STRIP, "{\"trace\":5,\"params\":{\"_meta\":{}},\"method\":\"m\",\"trace\":[]}",
		"{\"params\":{\"_meta\":{}},\"method\":\"m\"}", 0},
	{TWO, STRIP,
		"{ \"trace\" : 1 , \"trace\":{\"_meta\":{\"traceparent\":1}} , "
		"\"method\":\"m\",\"params\":{\"trace\":1,\"_meta\":{\"_meta\":{\"traceparent\":1},"
		"\"trace\":2,\"traceparent\":{\"traceparent\":4}}}}",
		"{   "
		"\"method\":\"m\",\"params\":{\"trace\":1,\"_meta\":{\"_meta\":{\"traceparent\":1},"
		"\"trace\":2}}}",
		0},
	{TWO, STRIP,
		"{\"id\":{\"a\":1},\"method\":\"m\",\"trace\":1,\"params\":{\"_meta\":{\"baggage\":"
		"1,\"traceparent\":2}},\"params\":{\"_meta\":{\"tracestate\":2}},\"trace\":2}",
		"{\"id\":{\"a\":1},\"method\":\"m\",\"params\":{\"_meta\":{\"baggage\":1}},"
		"\"params\":{\"_meta\":{}}}",
		0},
	{TWO, STRIP, "{\"method\":\"m\",\"params\":[{\"_meta\":{\"traceparent\":1}}],\"trace\":1}",
		"{\"method\":\"m\",\"params\":[{\"_meta\":{\"traceparent\":1}}]}", 0},
	{TWO, STRIP,
		"[{\"trace\":1,\"method\":\"m\"},{\"method\":\"m\",\"params\":{\"_meta\":{"
		"\"traceparent\":1}},\"trace\":2,\"id\":3},{\"trace\":1,\"result\":2,\"id\":3}]",
		"[{\"method\":\"m\"},{\"method\":\"m\",\"params\":{\"_meta\":{}},\"id\":3},{"
		"\"trace\":1,\"result\":2,\"id\":3}]",
		0},
	{TWO, STRIP,
		"{\"id\":1,\"result\":1,\"trace\":1,\"params\":{\"_meta\":{\"traceparent\":1}}}",
		SAME, 0},
	{FOUR, STRIP,
		"{\"ctx\":1,\"trace\":2,\"params\":{\"trace\":1,\"_meta\":{\"baggage\":1},"
		"\"trace\":{}},\"ctx\":{},\"method\":\"m\"}",
		"{\"params\":{\"_meta\":{}},\"method\":\"m\"}", 0},
	{FOUR, STRIP,
		"{\"ctx\":1,\"method\":\"m\",\"params\":{\"a\":1,\"trace\":1,\"_meta\":{"
		"\"baggage\":1,\"b\":1,\"tracestate\":1}},\"trace\":2}",
		"{\"method\":\"m\",\"params\":{\"a\":1,\"_meta\":{\"b\":1}}}", 0},
	{FOUR, STRIP, "{\"p\\u0061rams\":{\"tr\\u0061ce\":1},\"c\\u0074x\":7,\"method\":\"m\"}",
		"{\"p\\u0061rams\":{},\"method\":\"m\"}", 0},
	{PARAMS_TWO, STRIP,
		"{\"params\":{\"x\":1,\"trace\":2},\"x\":1,\"ctx\":{\"traceparent\":0},\"method\":"
		"\"m\"}",
		"{\"params\":{},\"x\":1,\"ctx\":{},\"method\":\"m\"}", 0},
	{PARAMS_TWO, STRIP,
		"{\"params\":{\"x\":1 ,\"trace\":2 , \"a\":1,\"x\":2},\"method\":\"m\"}",
		"{\"params\":{ \"a\":1},\"method\":\"m\"}", 0},
	{PARAMS_TWO, STRIP, "{\"params\":[\"x\",{\"x\":1}],\"method\":\"m\"}", SAME, 0},
	/* Only the first place is looked at where ours alone is put in. */
	{TWO, INJECT,
		"{\"id\":1,\"trace\":1,\"params\":{\"_meta\":{\"traceparent\":2}},\"method\":"
		"\"m\"}",
		"{\"id\":1,\"trace\":{" O
		"},\"params\":{\"_meta\":{\"traceparent\":2}},\"method\":\"m\"}",
		0},
	{TWO_TURNED, INJECT, "{\"id\":1,\"trace\":1,\"params\":{},\"method\":\"m\"}",
		"{\"id\":1,\"trace\":1,\"params\":{\"_meta\":{" O "}},\"method\":\"m\"}", 0},
	{FOUR, INJECT, "{\"id\":1,\"trace\":{\"baggage\":1},\"ctx\":2,\"method\":\"m\"}",
		"{\"id\":1,\"trace\":{" O ",\"baggage\":1},\"ctx\":2,\"method\":\"m\"}", 0},
	/* Ours at one place, theirs from all. */
	{TWO, SWAP,
		"{\"trace\":1,\"id\":1,\"params\":{\"_meta\":{\"traceparent\":2,\"a\":1}},"
		"\"method\":\"m\"}",
		"{\"trace\":{" O "},\"id\":1,\"params\":{\"_meta\":{\"a\":1}},\"method\":\"m\"}",
		0},
	{TWO, SWAP, "{\"id\":1,\"method\":\"m\",\"params\":{\"_meta\":{\"traceparent\":2}}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"_meta\":{}},\"trace\":{" O "}}", 0},
	{TWO_TURNED, SWAP,
		"{\"trace\":1,\"id\":1,\"params\":{\"_meta\":{\"traceparent\":2,\"a\":1}},"
		"\"method\":\"m\"}",
		"{\"id\":1,\"params\":{\"_meta\":{" O ",\"a\":1}},\"method\":\"m\"}", 0},
	{TWO_TURNED, SWAP, "{\"trace\":1,\"id\":1,\"method\":\"m\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"_meta\":{" O "}}}", 0},
	{TWO_TURNED, SWAP, "{\"trace\":1,\"id\":1,\"method\":\"m\",\"params\":[]}",
		"{\"id\":1,\"method\":\"m\",\"params\":[]}", SPLICE_NO_PLACE},
	{TWO_TURNED, SWAP,
		"{\"trace\":1,\"method\":\"m\",\"params\":{\"_meta\":{\"tracestate\":1}}}",
		"{\"method\":\"m\",\"params\":{\"_meta\":{}}}", 0},
	{TWO, SWAP,
		"{\"trace\":1,\"trace\":2,\"id\":null,\"method\":\"m\",\"params\":{\"_meta\":{"
		"\"tracestate\":1}}}",
		"{\"id\":null,\"method\":\"m\",\"params\":{\"_meta\":{}}}", 0},
	{TWO, SWAP, "{\"trace\":1,\"id\":1,\"trace\":2,\"method\":\"m\",\"trace\":{}}",
		"{\"trace\":{" O "},\"id\":1,\"method\":\"m\"}", 0},
	{FOUR, SWAP, "{\"trace\":1,\"ctx\":2,\"id\":1,\"method\":\"m\"}",
		"{\"trace\":{" O "},\"id\":1,\"method\":\"m\"}", 0},
	{FOUR, SWAP, "{\"ctx\":1,\"trace\":2,\"ctx\":3,\"id\":1,\"method\":\"m\"}",
		"{\"trace\":{" O "},\"id\":1,\"method\":\"m\"}", 0},
	{FOUR, SWAP, "{\"trace\":1,\"ctx\":2,\"method\":\"m\"}", "{\"method\":\"m\"}", 0},
	{PARAMS_TWO, SWAP, "{\"params\":{\"x\":1},\"id\":1,\"method\":\"m\"}",
		"{\"params\":{\"trace\":{" O "}},\"id\":1,\"method\":\"m\"}", 0},
	{PARAMS_TWO, SWAP,
		"{\"params\":{ \"x\":1 , \"x\" : 2 "
		"},\"params\":{\"a\":1},\"params\":{},\"id\":1,\"method\":\"m\"}",
		"{\"params\":{   \"trace\":{" O "}},\"params\":{\"a\":1,\"trace\":{" O
		"}},\"params\":{\"trace\":{" O "}},\"id\":1,\"method\":\"m\"}",
		0},
	{PARAMS_TWO, SWAP, "{\"params\":{\"x\":1,\"a\":1,\"x\":2},\"id\":1,\"method\":\"m\"}",
		"{\"params\":{\"a\":1,\"trace\":{" O "}},\"id\":1,\"method\":\"m\"}", 0},
	{PARAMS_TWO, SWAP,
		"{\"params\":{\"trace\":0,\"x\":1},\"id\":1,\"method\":\"m\",\"ctx\":{"
		"\"traceparent\":1}}",
		"{\"params\":{\"trace\":{" O "}},\"id\":1,\"method\":\"m\",\"ctx\":{}}", 0},
};

START_TEST(test_rows)
{
	const struct place_row *row = &place_rows[_i];
	const char *expected = row->output == SAME ? row->input : row->output;
	size_t size = strlen(row->input), first;
	bool good = (row->troubles & SPLICE_NOT_JSON) == 0;

	place_open(&sets[row->rules]);
	for (first = 0; first <= size + 1; first++) {
		unsigned troubles = first <= size
					    ? place_run(row->mode, first % 2 == 1, row->input, size,
						      first, size)
					    : place_run(row->mode, false, row->input, size, 1, 1);

		ck_assert_msg(strcmp(output, expected) == 0, "%s\ngave %s\nnot  %s", row->input,
			output, expected);
		ck_assert_msg(troubles == row->troubles, "%s: %u", row->input, troubles);
		ck_assert_msg(!good || seen > 0, "%s", row->input);
		ck_assert_uint_eq(asked > 0, strstr(expected, O) != NULL);
	}
	place_close();
}
END_TEST

/*
 * The hook may want a request left as it is, wherever it was going to be written: but for what is
 * taken from all.
 */
START_TEST(test_refused)
{
	static const char *const inputs[] = {"{\"id\":1,\"method\":\"m\"}",
		"{\"params\":{},\"id\":1,\"method\":\"m\",\"params\":{\"_meta\":{}}}"};
	static const char both[] = "{\"trace\":1,\"id\":1,\"params\":{\"_meta\":{\"traceparent\":2,"
				   "\"a\":1}},\"trace\":{},\"method\":\"m\"}";
	size_t i;

	place_open(&sets[META]);
	refuse = true;
	for (i = 0; i < COUNT(inputs); i++) {
		ck_assert_uint_eq(place_run(INJECT, false, inputs[i], strlen(inputs[i]), 9, 3), 0);
		ck_assert_str_eq(output, inputs[i]);
		ck_assert_uint_eq(asked, 1);
	}
	place_close();
	place_open(&sets[TWO]);
	ck_assert_uint_eq(place_run(SWAP, false, both, strlen(both), 9, 3), 0);
	ck_assert_str_eq(output, "{\"id\":1,\"params\":{\"_meta\":{\"a\":1}},\"method\":\"m\"}");
	ck_assert_uint_eq(asked, 1);
	refuse = false;
	place_close();
}
END_TEST

/* ---- messages longer than the hold ---- */

/* In the texts # stands for many x. The last ones are not for promises. */
static const struct flow_row {
	int rules;
	enum splice_mode mode;
	const char *input, *output;
	unsigned troubles;
} flow_rows[] = {
	/* As an SDK writes it: what it is stands at the end. */
	{META, INJECT,
		"{\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{\"progressToken\":1}},"
		"\"jsonrpc\":\"2.0\",\"id\":5}",
		"{\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{" O
		",\"progressToken\":1}},\"jsonrpc\":\"2.0\",\"id\":5}",
		0},
	{META, INJECT, "{\"method\":\"m\",\"params\":{\"a\":\"#\"},\"id\":5}",
		"{\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{" O "}},\"id\":5}", 0},
	{META, INJECT, "{\"id\":5,\"method\":\"m\",\"params\":{\"_meta\":{},\"a\":\"#\"}}",
		"{\"id\":5,\"method\":\"m\",\"params\":{\"_meta\":{" O "},\"a\":\"#\"}}", 0},
	{META, INJECT, "{\"id\":5,\"method\":\"m\",\"x\":\"#\"}",
		"{\"id\":5,\"method\":\"m\",\"x\":\"#\",\"params\":{\"_meta\":{" O "}}}", 0},
	{META, INJECT, "{\"id\":5,\"params\":{},\"x\":\"#\",\"method\":\"m\",\"params\":{}}", SAME,
		SPLICE_UNDECIDED},
	{META, INJECT, "{\"id\":5,\"params\":{\"_meta\":{},\"a\":\"#\"},\"method\":\"m\"}", SAME,
		SPLICE_UNDECIDED},
	{META, INJECT, "{\"id\":5,\"method\":\"m\",\"params\":{\"_meta\":{\"a\":\"#\"}}}", SAME,
		SPLICE_UNDECIDED},
	{META, INJECT, "{\"id\":5,\"method\":\"m\",\"params\":[\"#\"]}", SAME, SPLICE_NO_PLACE},
	{META, INJECT, "{\"id\":5,\"method\":\"m\",\"params\":{\"_meta\":\"#\"}}", SAME,
		SPLICE_NO_PLACE},
	{META, INJECT, "{\"method\":\"m\",\"params\":{\"_meta\":{\"tracestate\":1},\"a\":\"#\"}}",
		SAME, 0},
	{META, INJECT, "{\"id\":1,\"result\":{\"_meta\":{},\"a\":\"#\"}}", SAME, 0},
	{META, INJECT,
		"{\"id\":5,\"method\":\"m\",\"params\":{\"_meta\":{},\"a\":\"#\",\"_meta\":{\"b\":"
		"1}},\"params\":{}}",
		"{\"id\":5,\"method\":\"m\",\"params\":{\"_meta\":{" O "},\"a\":\"#\",\"_meta\":{" O
		",\"b\":1}},\"params\":{\"_meta\":{" O "}}}",
		0},
	{META, INJECT,
		"[{\"id\":5,\"method\":\"m\",\"params\":{\"a\":\"#\"}},{\"id\":6,\"method\":\"m\"}"
		"]",
		"[{\"id\":5,\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{" O
		"}}},{\"id\":6,\"method\":\"m\",\"params\":{\"_meta\":{" O "}}}]",
		0},
	{META, STRIP,
		"{\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{\"traceparent\":1,\"b\":2}}}",
		"{\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{\"b\":2}}}", 0},
	{META_BAGGAGE, SWAP,
		"{\"method\":\"m\",\"id\":1,\"params\":{\"a\":\"#\",\"_meta\":{\"baggage\":1,\"b\":"
		"2}}}",
		"{\"method\":\"m\",\"id\":1,\"params\":{\"a\":\"#\",\"_meta\":{" O ",\"b\":2}}}",
		0},
	{PARAMS_VALUE, INJECT, "{\"method\":\"m\",\"params\":{\"trace\":1,\"a\":\"#\"},\"id\":1}",
		SAME, SPLICE_UNDECIDED},
	{PARAMS_VALUE, STRIP,
		"{\"method\":\"m\",\"params\":{\"trace\":1,\"a\":\"#\",\"trace\":2},\"id\":1}",
		"{\"method\":\"m\",\"params\":{\"a\":\"#\"},\"id\":1}", 0},
	/* The comma goes with the first member, whenever that is taken out. */
	{PARAMS_VALUE, STRIP,
		"{\"method\":\"m\",\"params\":{\"trace\":1,\"trace\":2,\"trace\":3,\"a\":\"#\"}}",
		"{\"method\":\"m\",\"params\":{\"a\":\"#\"}}", 0},
	{PARAMS_VALUE, STRIP,
		"{\"params\":{\"trace\":1},\"params\":{\"a\":1,\"b\":2},\"method\":\"m\",\"x\":\"#"
		"\"}",
		"{\"params\":{},\"params\":{\"a\":1,\"b\":2},\"method\":\"m\",\"x\":\"#\"}", 0},
	/* Two places, in flow. */
	{TWO, STRIP,
		"{\"method\":\"m\",\"trace\":1,\"params\":{\"a\":\"#\",\"_meta\":{\"traceparent\":"
		"1,\"b\":2}},\"trace\":2}",
		"{\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{\"b\":2}}}", 0},
	{TWO, STRIP,
		"{\"trace\":1,\"params\":{\"_meta\":{\"traceparent\":1}},\"method\":\"m\",\"x\":\"#"
		"\",\"trace\":2}",
		"{\"params\":{\"_meta\":{}},\"method\":\"m\",\"x\":\"#\"}", 0},
	{FOUR, STRIP,
		"[{\"method\":\"m\",\"params\":{\"trace\":1,\"a\":\"#\"},\"ctx\":1},{\"trace\":1,"
		"\"method\":\"m\"}]",
		"[{\"method\":\"m\",\"params\":{\"a\":\"#\"}},{\"method\":\"m\"}]", 0},
	{TWO, STRIP,
		"{\"trace\":1,\"params\":{\"_meta\":{\"traceparent\":1},\"a\":\"#\"},\"method\":"
		"\"m\"}",
		SAME, SPLICE_UNDECIDED},
	{TWO_TURNED, SWAP,
		"{\"trace\":1,\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"#\"},\"trace\":{}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"#\",\"_meta\":{" O "}}}", 0},
	{TWO_TURNED, SWAP,
		"{\"method\":\"m\",\"trace\":1,\"params\":{\"_meta\":{\"tracestate\":1},\"a\":\"#"
		"\"},\"x\":1}",
		"{\"method\":\"m\",\"params\":{\"_meta\":{},\"a\":\"#\"},\"x\":1}", 0},
	{TWO, SWAP, "{\"method\":\"m\",\"trace\":{\"traceparent\":1},\"a\":\"#\",\"id\":1}",
		"{\"method\":\"m\",\"a\":\"#\",\"id\":1,\"trace\":{" O "}}", 0},
	{PARAMS_TWO, SWAP,
		"{\"id\":1,\"method\":\"m\",\"params\":{\"x\":1,\"x\":2},\"params\":{\"x\":1,\"a\":"
		"\"#\",\"x\":1}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"trace\":{" O
		"}},\"params\":{\"a\":\"#\",\"trace\":{" O "}}}",
		0},
	{PARAMS_TWO, SWAP,
		"{\"id\":1,\"method\":\"m\",\"params\":{\"x\":1,\"trace\":1,\"a\":\"#\"}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"trace\":{" O "},\"a\":\"#\"}}", 0},
	/* Too long to wait itself: this cannot be where a size was promised. */
	{PARAMS_VALUE, STRIP,
		"{\"method\":\"m\",\"params\":{\"trace\":\"#\",\"trace\":2,\"a\":1,\"trace\":1}}",
		"{\"method\":\"m\",\"params\":{\"a\":1}}", 0},
	{PARAMS_VALUE, STRIP, "{\"method\":\"m\",\"params\":{\"trace\":\"#\"},\"a\":1}",
		"{\"method\":\"m\",\"params\":{},\"a\":1}", 0},
	{PARAMS_TWO, SWAP,
		"{\"id\":1,\"method\":\"m\",\"params\":{\"x\":\"#\",\"trace\":1,\"a\":1}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"trace\":{" O "},\"a\":1}}", 0},
	{PARAMS_TWO, SWAP,
		"{\"id\":1,\"method\":\"m\",\"params\":{\"x\":\"#\"},\"params\":{\"a\":1,\"b\":2}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"trace\":{" O
		"}},\"params\":{\"a\":1,\"b\":2,\"trace\":{" O "}}}",
		0},
	{PARAMS_TWO, SWAP,
		"{\"id\":1,\"method\":\"m\",\"params\":{\"x\":\"#\",\"x\":{\"a\":\"#\"},\"x\":1}}",
		"{\"id\":1,\"method\":\"m\",\"params\":{\"trace\":{" O "}}}", 0},
	{PARAMS_TWO, SWAP, "{\"method\":\"m\",\"params\":{\"trace\":\"#\",\"a\":1}}",
		"{\"method\":\"m\",\"params\":{\"a\":1}}", 0},
	{TWO, SWAP, "{\"method\":\"m\",\"trace\":\"#\",\"id\":1}",
		"{\"method\":\"m\",\"id\":1,\"trace\":{" O "}}", 0},
	{TWO, SWAP, "{\"method\":\"m\",\"params\":{\"_meta\":{\"traceparent\":1}},\"trace\":\"#\"}",
		"{\"method\":\"m\",\"params\":{\"_meta\":{}}}", 0},
	{TWO_TURNED, SWAP, "{\"method\":\"m\",\"trace\":1,\"params\":{\"_meta\":{\"a\":\"#\"}}}",
		"{\"method\":\"m\",\"params\":{\"_meta\":{\"a\":\"#\"}}}", SPLICE_UNDECIDED},
	{TRACE_BAGGAGE, SWAP, "{\"method\":\"m\",\"trace\":\"#\",\"id\":1}", SAME,
		SPLICE_UNDECIDED},
};

#define FLOW_PROMISED (COUNT(flow_rows) - 10)

static size_t flow_expand(char *to, const char *text, size_t fill)
{
	size_t used = 0;

	for (; *text != '\0'; text++) {
		if (*text != '#') {
			to[used++] = *text;
			continue;
		}
		memset(to + used, 'x', fill);
		used += fill;
	}
	to[used] = '\0';
	return used;
}

/* Where it may matter: near the ends, and around the hold. */
static size_t flow_next_cut(size_t cut, size_t size)
{
	if (cut == 120)
		return SPLICE_HOLD_MAX - 60;
	if (cut == SPLICE_HOLD_MAX + 60 && size > cut + 130)
		return size - 120;
	return cut + 1;
}

START_TEST(test_flow)
{
	static char input[TEXT_SIZE], expected[TEXT_SIZE];
	const struct flow_row *row = &flow_rows[_i];
	size_t size = flow_expand(input, row->input, 20000), cut;

	(void)flow_expand(expected, row->output == SAME ? row->input : row->output, 20000);
	place_open(&sets[row->rules]);
	for (cut = 0; cut <= size; cut = flow_next_cut(cut, size)) {
		unsigned troubles =
			place_run(row->mode, false, input, size, cut, cut % 3 == 0 ? 1000 : size);

		ck_assert_msg(strcmp(output, expected) == 0, "%s at %zu", row->input, cut);
		ck_assert_msg(troubles == row->troubles, "%s: %u", row->input, troubles);
	}
	place_close();
}
END_TEST

/* Blanks between tokens are all that a promise may add. */
static void flow_drop_blanks(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++)
		if (*text != ' ')
			*to++ = *text;
	*to = '\0';
}

/* A promised size is kept, whatever the message turns out to be. */
START_TEST(test_promise)
{
	static char input[TEXT_SIZE];
	const struct flow_row *row = &flow_rows[_i];
	size_t size = flow_expand(input, row->input, 20000), cut, growth = 0;
	const char *expected = row->output == SAME ? row->input : row->output;

	(void)flow_expand(plain, expected, 20000);
	place_open(&sets[row->rules]);
	for (cut = 1; cut < size; cut = flow_next_cut(cut, size)) {
		unsigned troubles = place_run(row->mode, true, input, size, cut, size);

		ck_assert_msg(
			cut == 1 || growth == splice_growth(splice), "%s at %zu", row->input, cut);
		growth = splice_growth(splice);
		ck_assert_uint_eq(output_size, size + growth);
		flow_drop_blanks(output);
		ck_assert_msg(strcmp(output, plain) == 0, "%s at %zu", row->input, cut);
		ck_assert_uint_eq(troubles, row->troubles);
	}
	ck_assert_uint_le(growth, row->mode != STRIP ? SPLICE_GROWTH : 0);
	place_close();
}
END_TEST

/* What does not fit the promise is left as it is; what breaks keeps its size all the same. */
START_TEST(test_promise_limits)
{
	static char input[TEXT_SIZE];
	size_t used, requests = 0, size, i;
	const char *at;

	place_open(&sets[META]);
	used = flow_expand(input, "[{\"id\":1,\"method\":\"m\",\"params\":[\"#\"]}", 20000);
	for (i = 0; i < 100; i++)
		used += (size_t)snprintf(
			input + used, sizeof(input) - used, ",{\"id\":1,\"method\":\"m\"}");
	used += (size_t)snprintf(input + used, sizeof(input) - used, "]");
	ck_assert_uint_eq(place_run(INJECT, true, input, used, 9000, 9000),
		SPLICE_UNDECIDED | SPLICE_NO_PLACE);
	ck_assert_uint_eq(output_size, used + SPLICE_GROWTH);
	for (at = output; (at = strstr(at, O)) != NULL; at++)
		requests++;
	ck_assert_uint_eq(requests, SPLICE_GROWTH / strlen(",\"params\":{\"_meta\":{" O "}}"));
	size = flow_expand(input, "{\"id\":1,\"method\":\"m\",\"params\":{\"a\":\"#\"x}", 20000);
	ck_assert_uint_eq(place_run(INJECT, true, input, size, 9000, 9000), SPLICE_NOT_JSON);
	ck_assert_uint_eq(output_size, size + splice_growth(splice));
	ck_assert_mem_eq(output, input, size);
	size = flow_expand(input, "{\"id\":1,\"method\":\"m\",\"params\":{}}", 0);
	ck_assert_uint_eq(place_run(INJECT, true, input, size, 3, 3), 0);
	ck_assert_uint_eq(splice_growth(splice), 0); /* it is known as a whole */
	place_close();
}
END_TEST

/* SPLICE_HOLD changes nothing, and gives out whole what fits the hold. */
START_TEST(test_hold)
{
	static char input[TEXT_SIZE];
	static const char *const texts[] = {"{\"id\":1,\"method\":\"m\"}",
		"{\"id\":1,\"method\":\"m\",\"params\":[]}",
		"[{\"method\":\"m\",\"params\":{\"_meta\":{\"baggage\":1}}}]"};
	size_t i, size;

	place_open(&sets[META_BARE]);
	for (i = 0; i < COUNT(texts); i++) {
		size = strlen(texts[i]);
		ck_assert_uint_eq(place_run(SPLICE_HOLD, false, texts[i], size, 5, 4), 0);
		ck_assert_str_eq(output, texts[i]);
		ck_assert_uint_eq(asked, 0);
		ck_assert_uint_eq(seen, 1);
		splice_begin(splice, SPLICE_HOLD, &place_hooks, NULL);
		splice_feed(splice, (const uint8_t *)texts[i], size - 1, false);
		output_size = 0;
		place_take();
		ck_assert_uint_eq(output_size, 0);
	}
	size = flow_expand(input, "{\"id\":1,\"method\":\"m\",\"params\":\"#\"}", 20000);
	ck_assert_uint_eq(place_run(SPLICE_HOLD, false, input, size, 5, 4000), 0);
	ck_assert_str_eq(output, input);
	place_close();
}
END_TEST

/* Out of memory: a request is well edited or as it came. */
START_TEST(test_alloc_failures)
{
	static char input[TEXT_SIZE], expected[TEXT_SIZE];
	bool failed = true;
	size_t size;
	long n;

	size = flow_expand(input, flow_rows[11].input, 20000);
	(void)flow_expand(expected, flow_rows[11].output, 20000);
	for (n = 0; n < 100 && failed; n++) {
		yajl_val tree;
		const struct splice_piece *pieces;
		size_t count, total, i;

		place_open(&sets[META]);
		unit_alloc_fail_once(n);
		splice_begin(splice, INJECT, &place_hooks, NULL);
		splice_feed(splice, (const uint8_t *)input, size, true);
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		output_size = 0;
		pieces = splice_pieces(splice, &count, &total);
		for (i = 0; i < count; output_size += pieces[i++].size)
			memcpy(output + output_size, pieces[i].bytes, pieces[i].size);
		output[output_size] = '\0';
		ck_assert_int_eq(
			splice_troubles(splice) & SPLICE_NO_MEMORY, failed ? SPLICE_NO_MEMORY : 0);
		tree = yajl_tree_parse(output, NULL, 0);
		ck_assert_ptr_nonnull(tree);
		yajl_tree_free(tree);
		if (!failed)
			ck_assert_str_eq(output, expected);
		place_close();
	}
	ck_assert(!failed);
	ck_assert_int_gt(n, 2);
}
END_TEST

/* ---- generated messages, judged over yajl's trees ---- */

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % limit;
}

static size_t random_add(char *to, size_t used, const char *const *choices, unsigned count)
{
	return used +
	       (size_t)snprintf(to + used, TEXT_SIZE - used, "%s", choices[random_below(count)]);
}

#define RANDOM_ADD(choices) used = random_add(to, used, choices, COUNT(choices))

static const char *const random_blanks[] = {"", "", "", " ", "\t", " \n "};

/* Members of an object at so many levels below the message; two levels down is _meta. */
static size_t random_object(char *to, size_t used, int level)
{
	static const char *const keys[3][9] = {
		{"\"id\"", "\"method\"", "\"params\"", "\"params\"", "\"trace\"", "\"ctx\"",
			"\"x\"", "\"result\"", "\"p\\u0061rams\""},
		{"\"_meta\"", "\"_meta\"", "\"trace\"", "\"x\"", "\"id\"", "\"params\"", "\"\"",
			"\"_met\\u0061\"", "\"baggage\""},
		{"\"traceparent\"", "\"tracestate\"", "\"baggage\"", "\"progressToken\"", "\"\"",
			"\"tracep\\u0061rent\"", "\"ours\"", "\"traceparent \"", "\"b\""},
	};
	static const char *const scalars[] = {"1", "null", "\"m\"", "\"\\\"}\"", "-2.50e1", "true",
		"[]", "[{\"_meta\":{}}]", "{}", "{ }"};
	unsigned i, count = random_below(6);

	to[used++] = '{';
	for (i = 0; i < count; i++) {
		const char *key = keys[level < 2 ? level : 2][random_below(9)];

		used += (size_t)snprintf(to + used, TEXT_SIZE - used, "%s", i > 0 ? "," : "");
		RANDOM_ADD(random_blanks);
		used += (size_t)snprintf(to + used, TEXT_SIZE - used, "%s", key);
		RANDOM_ADD(random_blanks);
		to[used++] = ':';
		RANDOM_ADD(random_blanks);
		if (strcmp(key, "\"method\"") == 0 && random_below(8) > 0)
			used += (size_t)snprintf(to + used, TEXT_SIZE - used, "\"m\"");
		else if (strcmp(key, "\"id\"") == 0 && level == 0 && random_below(8) > 0)
			used += (size_t)snprintf(to + used, TEXT_SIZE - used, "7");
		else if (level < 3 && random_below(3) > 0)
			used = random_object(to, used,
				level == 0 && strchr("tc", key[1]) != NULL ? 2 : level + 1);
		else if (random_below(40) == 0)
			used += (size_t)snprintf(to + used, TEXT_SIZE - used, "\"%0*d\"",
				(int)random_below(9000), 0);
		else
			RANDOM_ADD(scalars);
		RANDOM_ADD(random_blanks);
	}
	to[used++] = '}';
	to[used] = '\0';
	return used;
}

/* Long messages may change their mind on the way: that is for rows and the fuzz target. */
static bool random_is_sure(yajl_val tree)
{
	size_t i, ids = 0, methods = 0;

	for (i = 0; i < tree->u.object.len; i++) {
		ids += strcmp(tree->u.object.keys[i], "id") == 0;
		methods += strcmp(tree->u.object.keys[i], "method") == 0;
	}
	return ids < 2 && methods < 2;
}

/* However it is cut, it comes out as it did. */
static void generated_at_every_split(enum splice_mode mode, const char *input, size_t size)
{
	size_t cut = 0;

	strcpy(plain, output);
	for (; cut <= size && size < 3000; cut++) {
		(void)place_run(mode, false, input, size, cut, size);
		ck_assert_msg(strcmp(output, plain) == 0, "%s\nat %zu", input, cut);
	}
	(void)place_run(mode, false, input, size, 1, 1);
	ck_assert_msg(strcmp(output, plain) == 0, "%s\nbyte by byte", input);
}

/* Sanitizers are slow, and the fuzz target goes on with them. */
#ifdef __SANITIZE_ADDRESS__
#define SEEDS       250
#define SEEDS_SPLIT 4
#else
#define SEEDS       1000
#define SEEDS_SPLIT 20
#endif

START_TEST(test_generated)
{
	static char input[TEXT_SIZE];
	static const enum splice_mode modes[] = {
		SPLICE_INJECT, SPLICE_STRIP, SPLICE_REPLACE, SPLICE_HOLD};
	struct place_check check;
	unsigned seed, edited = 0;

	ck_assert(place_check_init(&check, &sets[_i / 4], modes[_i % 4]));
	place_open(check.set);
	for (seed = 0; seed < SEEDS; seed++) {
		yajl_val before, after;
		unsigned troubles;
		size_t size;

		random_state = seed * 77u + (unsigned)_i;
		size = random_object(input, 0, 0);
		troubles = place_run(check.mode, seed % 2 == 1 && seed > 20, input, size,
			random_below((unsigned)size + 1),
			1 + random_below(seed % 3 == 0 ? 9 : 3000));
		if (seed < SEEDS_SPLIT)
			generated_at_every_split(check.mode, input, size);
		before = yajl_tree_parse(input, NULL, 0);
		after = yajl_tree_parse(output, NULL, 0);
		ck_assert_msg(before != NULL && after != NULL, "%s\n%s", input, output);
		if ((troubles & SPLICE_UNDECIDED) == 0 &&
			(size <= SPLICE_HOLD_MAX || random_is_sure(before)))
			ck_assert_msg(
				place_message(&check, before, after), "%s\n%s", input, output);
		else
			ck_assert_uint_gt(size, SPLICE_HOLD_MAX);
		edited += strcmp(input, output) != 0;
		yajl_tree_free(before);
		yajl_tree_free(after);
	}
	ck_assert(check.mode == SPLICE_HOLD ? edited == 0 : edited > SEEDS / 300);
	place_close();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("place");

	unit_fixture(NULL, NULL);
	tcase_add_test(tc, test_names);
	tcase_add_loop_test(tc, test_rows, 0, (int)COUNT(place_rows));
	tcase_add_test(tc, test_refused);
	tcase_add_loop_test(tc, test_flow, 0, (int)COUNT(flow_rows));
	tcase_add_loop_test(tc, test_promise, 0, (int)FLOW_PROMISED);
	tcase_add_test(tc, test_promise_limits);
	tcase_add_test(tc, test_hold);
	tcase_add_test(tc, test_alloc_failures);
	tcase_add_loop_test(tc, test_generated, 0, 4 * (int)COUNT(sets));
	return unit_run("place", tc);
}
