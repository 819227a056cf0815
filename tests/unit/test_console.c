/* Trees of spans as a person sees them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/console/connections.h"
#include "exporter/console/console.h"
#include "exporter/console/forest.h"
#include "exporter/console/line.h"
#include "exporter/shared.h"
#include "exporter/text.h"
#include "tests/unit/unit.h"

#define MS      1000000u
#define TRACE_1 "trace 01000000000000000000000000000000\n"
#define TRACE_2 "trace 02000000000000000000000000000000\n"

static const struct forest_style plain = {.color = false};
static const struct forest_style colored = {.color = true};
static const struct forest_style numbered = {.numbered = true};

/* One span in short: parent 0 is none; the name ends the list. */
struct brief {
	uint8_t trace, id, parent;
	uint64_t start_ns, duration_ns;
	const char *name;
};

static struct span span_from(const struct brief *brief)
{
	return (struct span){
		.context = {.trace_id = {brief->trace}, .span_id = {brief->id}},
		.has_parent = brief->parent != 0,
		.parent_span_id = {brief->parent},
		.name = {brief->name, strlen(brief->name)},
		.kind = SPAN_KIND_SERVER,
		.start_unix_ns = brief->start_ns,
		.end_unix_ns = brief->start_ns + brief->duration_ns,
	};
}

static void trees_are(
	const struct text *records, size_t count, struct forest_style style, const char *expected)
{
	struct text trees;

	text_init(&trees, SIZE_MAX / 2);
	ck_assert_int_eq(forest_format(&trees, records, count, style), 0);
	TEXT_APPEND(&trees, "\0");
	ck_assert_str_eq(trees.bytes, expected);
	text_done(&trees);
}

static const struct {
	struct brief spans[8];
	const char *expected;
} tree_cases[] = {
	{{{1, 1, 0, 0, 5 * MS, "alone"}}, TRACE_1 "└─ alone  5.00 ms  server\n"},
	{{{1, 3, 1, 3 * MS, MS, "second"}, {1, 2, 1, 2 * MS, MS, "first"},
		 {1, 1, 0, MS, 10 * MS, "root"}, {1, 4, 2, 2 * MS, 1500, "inner"}},
		TRACE_1 "└─ root  10.0 ms  server\n"
			"   ├─ first  1.00 ms  server\n"
			"   │  └─ inner  1.50 µs  server\n"
			"   └─ second  1.00 ms  server\n"},
	{{{2, 1, 0, 5, 999, "b"}, {1, 1, 0, 4, 0, "a"}, {1, 2, 0, 9, 61000 * (uint64_t)MS, "c"}},
		TRACE_1 "├─ a  0 ns  server\n"
			"└─ c  61.0 s  server\n" TRACE_2 "└─ b  999 ns  server\n"},
	/* a child that starts as early as its parent, or earlier, but is told first */
	{{{1, 2, 1, 5, 1, "a"}, {1, 3, 2, 5, 1, "b"}, {1, 4, 1, 5, 1, "c"},
		 {1, 1, 0, 5, 9, "root"}},
		TRACE_1 "└─ root  9 ns  server\n"
			"   ├─ a  1 ns  server\n"
			"   │  └─ b  1 ns  server\n"
			"   └─ c  1 ns  server\n"},
	{{{1, 2, 1, 3, 1, "child"}, {1, 1, 0, 5, 9, "root"}, {1, 3, 0, 4, 1, "other"}},
		TRACE_1 "├─ other  1 ns  server\n"
			"└─ root  9 ns  server\n"
			"   └─ child  1 ns  server\n"},
	/*
	 * a parent of an earlier batch, of another trace, in a circle, one's own, behind a circle
	 */
	{{{1, 1, 0xab, 1, 1, "a"}}, TRACE_1 "└─ a  1 ns  server  (below ab00000000000000)\n"},
	{{{1, 1, 0, 1, 1, "a"}, {2, 2, 1, 2, 1, "b"}}, TRACE_1
		"└─ a  1 ns  server\n" TRACE_2 "└─ b  1 ns  server  (below 0100000000000000)\n"},
	{{{1, 1, 2, 1, 1, "a"}, {1, 2, 1, 2, 1, "b"}},
		TRACE_1 "└─ a  1 ns  server  (below 0200000000000000)\n"
			"   └─ b  1 ns  server\n"},
	{{{1, 1, 1, 1, 1, "a"}}, TRACE_1 "└─ a  1 ns  server  (below 0100000000000000)\n"},
	{{{1, 3, 1, 1, 1, "c"}, {1, 1, 2, 2, 1, "a"}, {1, 2, 1, 3, 1, "b"}},
		TRACE_1 "└─ a  1 ns  server  (below 0200000000000000)\n"
			"   ├─ c  1 ns  server\n"
			"   └─ b  1 ns  server\n"},
	/* what a terminal must not get */
	{{{1, 1, 0, 1, 1, "\x1b[2J\n\xff"}},
		TRACE_1 "└─ \xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd  1 ns  server\n"},
};

START_TEST(test_trees)
{
	const struct brief *brief = tree_cases[_i].spans;
	struct text records;
	struct span span;
	size_t count = 0;

	text_init(&records, SIZE_MAX / 2);
	for (; count < 8 && brief[count].name != NULL; count++) {
		span = span_from(&brief[count]);
		console_append_span(&records, &span);
	}
	trees_are(&records, count, plain, tree_cases[_i].expected);
	text_done(&records);
}
END_TEST

static const struct span_attribute connection[] = {
	{.key = "rpc.system", .type = SPAN_VALUE_STRING, .value = {.string = {"jsonrpc", 7}}},
	{.key = "client", .type = SPAN_VALUE_STRING, .value = {.string = {"cli", 3}}},
};

static const struct span_attribute own[] = {
	{.key = "rpc.method", .type = SPAN_VALUE_STRING, .value = {.string = {"m", 1}}},
	{.key = "id", .type = SPAN_VALUE_INT, .value = {.integer = -7}},
	{.key = "text", .type = SPAN_VALUE_STRING, .value = {.string = {"two words", 9}}},
	{.key = "none", .type = SPAN_VALUE_STRING, .value = {.string = {NULL, 0}}},
	{.key = "yes", .type = SPAN_VALUE_BOOL, .value = {.boolean = true}},
	{.key = "half", .type = SPAN_VALUE_DOUBLE, .value = {.real = 0.5}},
	{.key = "sidespan.end_reason",
		.type = SPAN_VALUE_STRING,
		.value = {.string = {"answered", 8}}},
	{.key = "sidespan.end_reason",
		.type = SPAN_VALUE_STRING,
		.value = {.string = {"closed", 6}}},
};

/* What the span above has just the same is not said again. */
static const struct span_attribute child_own[] = {
	{.key = "id", .type = SPAN_VALUE_INT, .value.integer = -7},
	{.key = "text", .type = SPAN_VALUE_STRING, .value.string = {"two words more", 14}},
	{.key = "yes", .type = SPAN_VALUE_BOOL, .value.boolean = true},
	{.key = "sidespan.end_reason", .type = SPAN_VALUE_STRING, .value.string = {"expired", 7}},
};

/* The connection's attributes stand at the top of a tree only; an ERROR has its message. */
static void attributes_records(struct text *records, struct span_shared *shared)
{
	struct span span = span_from(&(struct brief){1, 1, 0, 1, 1, "top"});

	span.shared = shared;
	span.attributes = own;
	span.attribute_count = sizeof own / sizeof *own;
	span.status = SPAN_STATUS_OK;
	text_init(records, SIZE_MAX / 2);
	console_append_span(records, &span);

	span = span_from(&(struct brief){1, 2, 1, 2, 1, "child"});
	span.shared = shared;
	span.kind = SPAN_KIND_CLIENT;
	span.attributes = child_own;
	span.attribute_count = sizeof child_own / sizeof *child_own;
	span.status = SPAN_STATUS_ERROR;
	span.status_message = (struct span_text){"no\tgo", 5};
	console_append_span(records, &span);
}

START_TEST(test_attributes)
{
	struct span_shared *shared = span_shared_new(console_append_shared, connection, 2);
	struct text records;

	attributes_records(&records, shared);
	trees_are(&records, 2, plain,
		TRACE_1 "└─ top  1 ns  server  ok  id=-7 text=\"two words\" none=\"\" yes=true "
			"half=0.5 client=cli\n"
			"   └─ child  1 ns  client  ERROR no\xef\xbf\xbdgo  "
			"text=\"two words more\" sidespan.end_reason=expired\n");
	trees_are(&records, 2, colored,
		TRACE_1
		"└─ \x1b[1mtop\x1b[0m  \x1b[36m1 ns\x1b[0m  server  \x1b[32mok\x1b[0m  "
		"\x1b[2mid=-7\x1b[0m \x1b[2mtext=\"two words\"\x1b[0m \x1b[2mnone=\"\"\x1b[0m "
		"\x1b[2myes=true\x1b[0m \x1b[2mhalf=0.5\x1b[0m \x1b[2mclient=cli\x1b[0m\n"
		"   └─ \x1b[1mchild\x1b[0m  \x1b[36m1 ns\x1b[0m  client  \x1b[31mERROR"
		"\x1b[0m \x1b[31mno\xef\xbf\xbdgo\x1b[0m  "
		"\x1b[2mtext=\"two words more\"\x1b[0m "
		"\x1b[2msidespan.end_reason=expired\x1b[0m\n");
	text_done(&records);
	span_shared_free(shared);
}
END_TEST

/* No text of a span does something to the terminal, a profile's names of attributes included. */
START_TEST(test_nothing_hidden)
{
	static const struct span_attribute attribute = {.key = "k\xe2\x80\xaey",
		.type = SPAN_VALUE_STRING,
		.value = {.string = {"v\x1b\xc2\x9b", 4}}};
	static const struct span_event event = {"e\xe2\x80\x8b", 1, &attribute, 1};
	struct span span = span_from(&(struct brief){1, 1, 0, 1, 1, "n\xef\xbb\xbf"});
	struct text records;

	span.attributes = &attribute;
	span.attribute_count = 1;
	span.events = &event;
	span.event_count = 1;
	span.status = SPAN_STATUS_ERROR;
	span.status_message = (struct span_text){"m\xe2\x80\xa8", 4};
	text_init(&records, SIZE_MAX / 2);
	console_append_span(&records, &span);
#define FFFD "\xef\xbf\xbd"
	trees_are(&records, 1, plain,
		TRACE_1 "└─ n" FFFD "  1 ns  server  ERROR m" FFFD "  k" FFFD "y=v" FFFD FFFD "\n"
			"      · e" FFFD "  after 0 ns  k" FFFD "y=v" FFFD FFFD "\n");
#undef FFFD
	text_done(&records);
}
END_TEST

static const struct span_attribute retry = {
	.key = "retry", .type = SPAN_VALUE_INT, .value = {.integer = 1}};

static const struct span_event events[] = {
	{"error", 1 + 1500, &retry, 1},
	{"plan\n", 0, NULL, 0}, /* before its span: shown at the start */
};

static const struct span_link links[] = {
	{{2}, {3}},
	{{1}, {9}},
};

/* A turn with events, links, a child, and after it a span whose parent is not there. */
static void turn_records(struct text *records)
{
	struct span span = span_from(&(struct brief){1, 1, 7, 1, 5000, "turn"});

	text_init(records, SIZE_MAX / 2);
	span.parent_is_remote = true;
	span.events = events;
	span.event_count = 2;
	span.links = links;
	span.link_count = 2;
	console_append_span(records, &span);
	span = span_from(&(struct brief){1, 2, 1, 2, 10, "item"});
	span.events = events;
	span.event_count = 1;
	console_append_span(records, &span);
	span = span_from(&(struct brief){2, 3, 8, 3, 10, "earlier"});
	console_append_span(records, &span);
}

START_TEST(test_events_and_links)
{
	struct text records;

	turn_records(&records);
	trees_are(&records, 3, plain,
		TRACE_1 "└─ turn  5.00 µs  server  (parent 0700000000000000)"
			"  (link to 0300000000000000 of trace 02000000000000000000000000000000)"
			"  (link to 0900000000000000 of trace 01000000000000000000000000000000)\n"
			"   │  · error  after 1.50 µs  retry=1\n"
			"   │  · plan\xef\xbf\xbd  after 0 ns\n"
			"   └─ item  10 ns  server\n"
			"         · error  after 1.50 µs  retry=1\n" TRACE_2
			"└─ earlier  10 ns  server  (below 0800000000000000)\n");
	trees_are(&records, 3, numbered,
		"trace 1\n"
		"└─ turn  5.00 µs  server  (parent 0700000000000000)"
		"  (link to earlier of trace 2)  (link to what is missing)\n"
		"   │  · error  after 1.50 µs  retry=1\n"
		"   │  · plan\xef\xbf\xbd  after 0 ns\n"
		"   └─ item  10 ns  server\n"
		"         · error  after 1.50 µs  retry=1\n"
		"trace 2\n"
		"└─ earlier  10 ns  server  (parent is missing)\n");
	text_done(&records);
}
END_TEST

/* A chain of any length: no recursion, and the indentation has an end. */
START_TEST(test_deep_chain)
{
	struct span span = span_from(&(struct brief){1, 0, 1, 0, 1, "x"});
	struct text records, trees;
	uint32_t i, count = 20000;

	text_init(&records, SIZE_MAX / 2);
	text_init(&trees, SIZE_MAX / 2);
	for (i = 1; i <= count; i++) {
		memcpy(span.parent_span_id, span.context.span_id, SPAN_ID_SIZE);
		memcpy(span.context.span_id, &i, sizeof i);
		span.start_unix_ns = i;
		span.end_unix_ns = i + 1;
		console_append_span(&records, &span);
	}
	ck_assert_int_eq(forest_format(&trees, &records, count, plain), 0);
	ck_assert_uint_lt(trees.size, count * 150);
	text_done(&records);
	text_done(&trees);
}
END_TEST

/* --- lines of some width --- */

static size_t widest(const char *text)
{
	size_t most = 0, columns;

	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		columns = line_columns(text, strcspn(text, "\n"));
		if (columns > most)
			most = columns;
	}
	return most;
}

static const struct {
	size_t width;
	const char *expected;
} width_cases[] = {
	{60, TRACE_1 "└─ turn  5.00 µs  server  (parent 0700000000000000)  (link\n"
		     "   │    to 0300000000000000 of trace\n"
		     "   │    02000000000000000000000000000000)  (link to\n"
		     "   │    0900000000000000 of trace\n"
		     "   │    01000000000000000000000000000000)\n"
		     "   │  · error  after 1.50 µs  retry=1\n"
		     "   │  · plan\xef\xbf\xbd  after 0 ns\n"
		     "   └─ item  10 ns  server\n"
		     "         · error  after 1.50 µs  retry=1\n" TRACE_2
		     "└─ earlier  10 ns  server  (below 0800000000000000)\n"},
	{25, "trace 010000000000000000…\n"
	     "└─ turn  5.00 µs  server\n"
	     "   │    (parent\n"
	     "   │    0700000000000000)\n"
	     "   │    (link to\n"
	     "   │    0300000000000000\n"
	     "   │    of trace\n"
	     "   │    0200000000000000…\n"
	     "   │    (link to\n"
	     "   │    0900000000000000\n"
	     "   │    of trace\n"
	     "   │    0100000000000000…\n"
	     "   │  · error  after 1.50\n"
	     "   │    µs  retry=1\n"
	     "   │  · plan\xef\xbf\xbd  after 0 ns\n"
	     "   └─ item  10 ns  server\n"
	     "         · error  after\n"
	     "           1.50 µs\n"
	     "           retry=1\n"
	     "trace 020000000000000000…\n"
	     "└─ earlier  10 ns  server\n"
	     "        (below\n"
	     "        0800000000000000)\n"},
};

START_TEST(test_width)
{
	struct text records;

	turn_records(&records);
	trees_are(&records, 3, (struct forest_style){.width = width_cases[_i].width},
		width_cases[_i].expected);
	ck_assert_uint_le(widest(width_cases[_i].expected), width_cases[_i].width);
	text_done(&records);
}
END_TEST

/* Attributes stay whole where they can, a message is broken at blanks; colours take no column. */
START_TEST(test_width_attributes)
{
	struct span_shared *shared = span_shared_new(console_append_shared, connection, 2);
	struct text records;

	attributes_records(&records, shared);
	trees_are(&records, 2, (struct forest_style){.width = 40},
		"trace 01000000000000000000000000000000\n"
		"└─ top  1 ns  server  ok  id=-7\n"
		"   │    text=\"two words\" none=\"\"\n"
		"   │    yes=true half=0.5 client=cli\n"
		"   └─ child  1 ns  client  ERROR no\xef\xbf\xbdgo\n"
		"           text=\"two words more\"\n"
		"           sidespan.end_reason=expired\n");
	trees_are(&records, 2, (struct forest_style){.width = 36, .color = true},
		"trace 01000000000000000000000000000…\n"
		"└─ \x1b[1mtop\x1b[0m  \x1b[36m1 ns\x1b[0m  server  \x1b[32mok\x1b[0m  "
		"\x1b[2mid=-7\x1b[0m\n"
		"   │    \x1b[2mtext=\"two words\"\x1b[0m \x1b[2mnone=\"\"\x1b[0m\n"
		"   │    \x1b[2myes=true\x1b[0m \x1b[2mhalf=0.5\x1b[0m "
		"\x1b[2mclient=cli\x1b[0m\n"
		"   └─ \x1b[1mchild\x1b[0m  \x1b[36m1 ns\x1b[0m  client  \x1b[31mERROR"
		"\x1b[0m\n"
		"           \x1b[31mno\xef\xbf\xbdgo\x1b[0m\n"
		"           \x1b[2mtext=\"two words more\"\x1b[0m\n"
		"           \x1b[2msidespan.end_reason=expi…\x1b[0m\n");
	text_done(&records);
	span_shared_free(shared);
}
END_TEST

static const struct {
	const char *text;
	size_t columns;
} column_cases[] = {
	{"", 0}, {"abc", 3}, {"µs", 2}, {"…", 1}, {"漢字", 4}, {"한", 2}, {"😀a", 3}, {"│", 1}};

START_TEST(test_columns)
{
	const char *text = column_cases[_i].text;

	ck_assert_uint_eq(line_columns(text, strlen(text)), column_cases[_i].columns);
}
END_TEST

/* Whatever it is, no line is wider, once there is room for what is not broken. */
START_TEST(test_no_line_is_wider)
{
	struct text records, trees;
	size_t width;

	turn_records(&records);
	for (width = 1; width < 120; width++) {
		text_init(&trees, SIZE_MAX / 2);
		ck_assert_int_eq(
			forest_format(&trees, &records, 3, (struct forest_style){.width = width}),
			0);
		TEXT_APPEND(&trees, "\0");
		ck_assert_uint_le(widest(trees.bytes), width > 12 ? width : 12);
		text_done(&trees);
	}
	text_done(&records);
}
END_TEST

/* --- connections --- */

static const struct span_attribute first_connection[] = {
	{.key = "client", .type = SPAN_VALUE_STRING, .value.string = {"cli", 3}},
	{.key = "app_server.connection_id", .type = SPAN_VALUE_STRING, .value.string = {"0", 1}},
};

static const struct span_attribute second_connection[] = {
	{.key = "app_server.connection_id", .type = SPAN_VALUE_STRING, .value.string = {"1", 1}},
};

/*
 * A request of one of the connections: the first (0), the second, or (-1) the first without a name.
 * said: its own attributes are those of the first once more, as turns have them.
 */
static void append_request(struct text *records, uint8_t trace, uint8_t id, int which, bool said)
{
	struct span span = span_from(&(struct brief){trace, id, 0, id, 1, "m"});
	struct span_shared *shared =
		which > 0    ? span_shared_new(console_append_shared, second_connection, 1)
		: which == 0 ? span_shared_new(console_append_shared, first_connection, 2)
			     : span_shared_new(console_append_shared, &first_connection[1], 1);

	span.shared = shared;
	span.attributes = first_connection;
	span.attribute_count = said ? 2 : 0;
	console_append_span(records, &span);
	span_shared_free(shared);
}

static void append_unnumbered(struct text *records)
{
	struct span span = span_from(&(struct brief){1, 8, 0, 8, 1, "m"});
	struct span_shared *shared = span_shared_new(console_append_shared, first_connection, 1);

	span.shared = shared;
	console_append_span(records, &span);
	span_shared_free(shared);
}

START_TEST(test_connections)
{
	struct connections connections = {.count = 0};
	struct forest_style style = {.connections = &connections};
	struct text records;

	text_init(&records, SIZE_MAX / 2);
	append_request(&records, 1, 1, -1, false);
	append_request(&records, 2, 2, 0, true);
	append_request(&records, 3, 3, 0, false);
	trees_are(&records, 3, style,
		TRACE_1 "└─ m  1 ns  server\n"
			"connection 0  client=cli\n" TRACE_2 "└─ m  1 ns  server\n"
			"trace 03000000000000000000000000000000\n"
			"└─ m  1 ns  server\n");
	text_rewind(&records, 0);
	append_request(&records, 1, 4, 0, true);
	append_request(&records, 1, 5, 1, false);
	append_request(&records, 2, 6, 1, false);
	trees_are(&records, 3, style,
		TRACE_1 "├─ m  1 ns  server\n"
			"└─ m  1 ns  server  app_server.connection_id=1\n"
			"trace 02000000000000000000000000000000  connection 1\n"
			"└─ m  1 ns  server\n");
	text_rewind(&records, 0);
	append_request(&records, 1, 7, 0, false);
	trees_are(&records, 1, style,
		"trace 01000000000000000000000000000000  connection 0\n"
		"└─ m  1 ns  server\n");
	text_rewind(&records, 0); /* nor is one without a number told apart */
	append_unnumbered(&records);
	trees_are(&records, 1, style, TRACE_1 "└─ m  1 ns  server  client=cli\n");
	text_rewind(&records, 0);
	append_request(&records, 1, 7, 0, false);
	style.connections = NULL; /* as in --explain */
	trees_are(&records, 1, style, TRACE_1 "└─ m  1 ns  server  client=cli\n");
	text_done(&records);
}
END_TEST

/* So many are remembered; what was said of the others is said again. */
START_TEST(test_connections_forgotten)
{
	struct connections connections = {.count = 0};
	struct span_text said = {"x", 1};
	char name[16];
	int i;

	for (i = 0; i <= CONNECTIONS_MAX; i++) {
		snprintf(name, sizeof name, "%d", i);
		ck_assert(!connections_say(&connections, span_text_of(name), said));
		ck_assert(connections_say(&connections, span_text_of(name), said));
	}
	ck_assert(connections_say(&connections, span_text_of("1"), said));
	ck_assert(!connections_say(&connections, span_text_of("1"), span_text_of("y")));
	ck_assert(!connections_say(&connections, span_text_of("0"), said));
}
END_TEST

START_TEST(test_no_memory)
{
	struct text records, trees;
	int result = -1;
	long n;

	attributes_records(&records, NULL);
	for (n = 0; result != 0; n++) {
		text_init(&trees, SIZE_MAX / 2);
		unit_alloc_fail(_i, n);
		result = forest_format(&trees, &records, 2, plain);
		unit_alloc_fail_never();
		ck_assert_int_eq(result != 0, unit_alloc_failed());
		text_done(&trees);
	}
	ck_assert_int_ge(n, 3);
	text_done(&records);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("console");

	tcase_add_loop_test(tc, test_trees, 0, sizeof tree_cases / sizeof *tree_cases);
	tcase_add_test(tc, test_attributes);
	tcase_add_test(tc, test_nothing_hidden);
	tcase_add_test(tc, test_events_and_links);
	tcase_add_test(tc, test_deep_chain);
	tcase_add_loop_test(tc, test_width, 0, sizeof width_cases / sizeof *width_cases);
	tcase_add_test(tc, test_width_attributes);
	tcase_add_loop_test(tc, test_columns, 0, sizeof column_cases / sizeof *column_cases);
	tcase_add_test(tc, test_no_line_is_wider);
	tcase_add_test(tc, test_connections);
	tcase_add_test(tc, test_connections_forgotten);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	return unit_run("console", tc);
}
