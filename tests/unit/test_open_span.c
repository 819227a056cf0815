/* What is learnt about an open span: values, events, streams, who looks; every limit of it. */
#include "proxy/trace/follow/open_span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/emit.h"
#include "tests/unit/envelope_case.h"
#include "tests/unit/unit.h"

#define MARK "\xe2\x80\xa6"

static struct open_span *open_span_make(void)
{
	static const struct lifecycle_span row = {.name = (char *)(uintptr_t) "row"};
	static struct key key;
	struct open_span_identity identity = {.row = &row, .key = &key};
	struct open_span *span;

	key_init(&key, 0);
	ck_assert(key_add(&key, (struct span_text){"t", 1}));
	ck_assert(key_add(&key, (struct span_text){"u", 1}));
	span = open_span_new(&identity);
	ck_assert_ptr_nonnull(span);
	return span;
}

static struct look_value open_span_text(const char *text)
{
	return (struct look_value){
		.type = SPAN_VALUE_STRING, .text = {.bytes = text, .size = strlen(text)}};
}

static struct look_value open_span_number(int64_t integer, bool sum)
{
	return (struct look_value){.type = SPAN_VALUE_INT, .integer = integer, .sum = sum};
}

static void open_span_put(struct open_span *span, struct open_span_budget *budget,
	uint8_t attribute, struct look_value value)
{
	open_span_set(&span->values, budget, attribute, &value);
}

/* Nothing is left behind. */
static void open_span_end(struct open_span *span, struct open_span_budget *budget)
{
	open_span_free(span, budget);
	ck_assert_uint_eq(budget->bytes, 0);
}

/* --- values --- */

START_TEST(test_open_span_values)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();

	open_span_put(span, &budget, 1, open_span_text("one"));
	open_span_put(span, &budget, 2, open_span_number(5, false));
	open_span_put(
		span, &budget, 3, (struct look_value){.type = SPAN_VALUE_BOOL, .boolean = true});
	ck_assert_uint_eq(span->values.count, 3);
	ck_assert_uint_eq(budget.bytes, 3);
	open_span_put(span, &budget, 1, open_span_text("other"));
	ck_assert_uint_eq(budget.bytes, 5);
	ck_assert_mem_eq(span->values.list[0].is.text, "other", 5);
	open_span_put(span, &budget, 1, open_span_number(7, false)); /* of another type */
	ck_assert_uint_eq(budget.bytes, 0);
	ck_assert_int_eq(span->values.list[0].is.integer, 7);
	ck_assert_int_eq(span->values.list[1].is.integer, 5);
	ck_assert_int_eq(span->values.list[2].is.integer, 1);
	ck_assert_uint_eq(span->values.count, 3);
	open_span_end(span, &budget);
}
END_TEST

static const struct {
	int64_t first, second, sum;
} sums[] = {
	{1, 2, 3},
	{5, -7, -2},
	{INT64_MAX, 1, INT64_MAX},
	{INT64_MIN, -1, INT64_MIN},
	{INT64_MAX, INT64_MIN, -1},
};

START_TEST(test_open_span_sum)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();

	open_span_put(span, &budget, 1, open_span_number(sums[_i].first, true));
	open_span_put(span, &budget, 1, open_span_number(sums[_i].second, true));
	ck_assert_int_eq(span->values.list[0].is.integer, sums[_i].sum);
	open_span_put(span, &budget, 1, open_span_text("text"));
	open_span_put(span, &budget, 1, open_span_number(3, true)); /* nothing to be added to */
	ck_assert_int_eq(span->values.list[0].is.integer, 3);
	open_span_put(span, &budget, 1, open_span_number(4, false));
	ck_assert_int_eq(span->values.list[0].is.integer, 4);
	open_span_end(span, &budget);
}
END_TEST

START_TEST(test_open_span_values_max)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	int i;

	for (i = 0; i < OPEN_SPAN_VALUES_MAX; i++)
		open_span_put(span, &budget, (uint8_t)i, open_span_text("x"));
	ck_assert_uint_eq(budget.values_dropped, 0);
	open_span_put(span, &budget, OPEN_SPAN_VALUES_MAX, open_span_text("x"));
	open_span_put(span, &budget, OPEN_SPAN_VALUES_MAX, open_span_number(1, true));
	ck_assert_uint_eq(budget.values_dropped, 2);
	ck_assert_uint_eq(span->values.count, OPEN_SPAN_VALUES_MAX);
	open_span_put(span, &budget, 3, open_span_text("yy")); /* those that are there can change */
	ck_assert_uint_eq(span->values.list[3].size, 2);
	ck_assert_uint_eq(budget.values_dropped, 2);
	open_span_end(span, &budget);
}
END_TEST

/* Texts of so many bytes, all 'x' but the end; what is kept of it. */
static const struct {
	size_t size;
	const char *end;
	bool cut;    /* it is the beginning of a longer one already */
	size_t kept; /* of the x */
	const char *kept_end;
} texts[] = {
	{255, "", false, 255, ""},
	{256, "", false, 256, ""},
	{257, "", false, 253, MARK},
	{254, "\xc3\xa9", false, 254, "\xc3\xa9"},
	{255, "\xc3\xa9", false, 253, MARK},
	{252, "\xc3\xa9\xc3\xa9\xc3\xa9", false, 252, MARK},
	{251, "\xf0\x9f\x98\x80xxxx", false, 251, MARK},
	{250, "\xf0\x9f\x98\x80xxxx", false, 250, MARK},
	{249, "\xf0\x9f\x98\x80xxxx", false, 249, "\xf0\x9f\x98\x80" MARK},
	{10, "", true, 10, MARK},
	{0, "", true, 0, MARK},
	{253, "", true, 253, MARK},
	{254, "", true, 253, MARK},
	{256, "", true, 253, MARK},
	{10000, "", false, 253, MARK},
};

START_TEST(test_open_span_text)
{
	static char text[10001], kept[512];
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	struct look_value value;

	memset(text, 'x', texts[_i].size);
	strcpy(text + texts[_i].size, texts[_i].end);
	memset(kept, 'x', texts[_i].kept);
	strcpy(kept + texts[_i].kept, texts[_i].kept_end);
	value = open_span_text(text);
	value.cut = texts[_i].cut;
	open_span_put(span, &budget, 1, value);
	ck_assert_uint_eq(span->values.list[0].size, strlen(kept));
	ck_assert_uint_le(span->values.list[0].size, MATCHER_VALUE_MAX);
	ck_assert_mem_eq(span->values.list[0].is.text, kept, strlen(kept));
	ck_assert_uint_eq(budget.bytes, strlen(kept));
	open_span_end(span, &budget);
}
END_TEST

/* --- events --- */

/* A rule with so many settings, each of the value of /v; and a message that has it. */
struct open_span_case {
	struct lifecycle_rule row;
	struct matcher_rule rule;
	struct matcher_setting settings[OPEN_SPAN_EVENT_VALUES_MAX + 1];
	struct matcher_choice choice;
	struct pointers *pointers;
	struct envelope_case reader;
	struct lifecycle_choice source;
	struct look look;
};

static void open_span_case_init(struct open_span_case *told, size_t setting_count)
{
	size_t i;

	memset(told, 0, sizeof *told);
	told->pointers = envelope_pointers_new("/trace");
	ck_assert_ptr_nonnull(told->pointers);
	told->choice.slot = pointers_add(told->pointers, "/v", MATCHER_VALUE_MAX);
	told->row.event = (char *)(uintptr_t) "event";
	told->choice.row = &told->source;
	told->choice.level = told->choice.mark = MATCHER_NONE;
	told->rule.row = &told->row;
	told->rule.of = told->choice.slot;
	told->rule.set = (struct matcher_set){.list = told->settings, .count = setting_count};
	for (i = 0; i < setting_count; i++)
		told->settings[i] = (struct matcher_setting){
			(uint8_t)i, {.choices = &told->choice, .count = 1}};
	envelope_case_init(&told->reader, told->pointers);
	told->look.envelope = envelope_case_read(&told->reader, "{\"v\":\"abcde\"}");
}

static void open_span_case_done(struct open_span_case *told)
{
	envelope_case_done(&told->reader);
	pointers_free(told->pointers);
}

START_TEST(test_open_span_events)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	struct open_span_case told;
	int i;

	open_span_case_init(&told, 2);
	for (i = 0; i < OPEN_SPAN_EVENTS_MAX + 3; i++)
		open_span_happen(span, &budget, &told.rule, &told.look, (uint64_t)i);
	ck_assert_uint_eq(span->event_count, OPEN_SPAN_EVENTS_MAX);
	ck_assert_uint_eq(span->events_dropped, 3);
	ck_assert_uint_eq(budget.events_dropped, 3);
	ck_assert_uint_eq(budget.values_dropped, 0);
	for (i = 0; i < OPEN_SPAN_EVENTS_MAX; i++) {
		ck_assert_str_eq(span->events[i].name, "event");
		ck_assert_uint_eq(span->events[i].time_ns, (uint64_t)i);
		ck_assert_uint_eq(span->events[i].value_count, 2);
		ck_assert_mem_eq(span->events[i].values[1].is.text, "abcde", 5);
	}
	ck_assert_uint_eq(
		budget.bytes, OPEN_SPAN_EVENTS_MAX * (sizeof(struct open_span_event) + 10));
	open_span_end(span, &budget);
	open_span_case_done(&told);
}
END_TEST

START_TEST(test_open_span_event_values_max)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	struct open_span_case told;

	open_span_case_init(&told, OPEN_SPAN_EVENT_VALUES_MAX + 1);
	open_span_happen(span, &budget, &told.rule, &told.look, 1);
	ck_assert_uint_eq(span->events[0].value_count, OPEN_SPAN_EVENT_VALUES_MAX);
	ck_assert_uint_eq(budget.values_dropped, 1);
	open_span_end(span, &budget);
	open_span_case_done(&told);
}
END_TEST

/* --- OPEN_SPAN_BYTES_MAX --- */

/* Spans of 32 values of 256 bytes, until there is no more budget for any of them. */
START_TEST(test_open_span_bytes_max)
{
	enum {
		EACH = OPEN_SPAN_VALUES_MAX * MATCHER_VALUE_MAX,
		LIVES = OPEN_SPAN_BYTES_MAX / EACH + 1
	};
	static struct open_span *lives[LIVES];
	char text[MATCHER_VALUE_MAX + 1];
	struct open_span_budget budget = {.bytes = 0};
	struct open_span_case told;
	int i, j;

	memset(text, 'x', MATCHER_VALUE_MAX);
	text[MATCHER_VALUE_MAX] = '\0';
	open_span_case_init(&told, 1);
	for (i = 0; i < LIVES; i++) {
		ck_assert_uint_eq(budget.values_dropped, 0);
		lives[i] = open_span_make();
		for (j = 0; j < OPEN_SPAN_VALUES_MAX; j++)
			open_span_put(lives[i], &budget, (uint8_t)j, open_span_text(text));
	}
	ck_assert_uint_eq(budget.bytes, OPEN_SPAN_BYTES_MAX);
	ck_assert_uint_eq(budget.values_dropped, OPEN_SPAN_VALUES_MAX); /* all of the last */
	ck_assert_uint_eq(lives[LIVES - 1]->values.count, 0);
	open_span_happen(lives[LIVES - 1], &budget, &told.rule, &told.look, 1);
	ck_assert_uint_eq(budget.events_dropped, 1);
	open_span_put(lives[LIVES - 1], &budget, 1, open_span_number(1, false)); /* takes no room */
	ck_assert_uint_eq(lives[LIVES - 1]->values.count, 1);
	open_span_put(lives[0], &budget, 0,
		open_span_text("less")); /* no room while the old one is there */
	ck_assert_uint_eq(lives[0]->values.list[0].size, MATCHER_VALUE_MAX);
	open_span_free(lives[1], &budget);
	open_span_happen(lives[0], &budget, &told.rule, &told.look, 1);
	ck_assert_uint_eq(lives[0]->event_count, 1);
	for (i = 0; i < LIVES; i++)
		if (i != 1)
			open_span_free(lives[i], &budget);
	ck_assert_uint_eq(budget.bytes, 0);
	open_span_case_done(&told);
}
END_TEST

/* --- streams --- */

START_TEST(test_open_span_streams)
{
	struct open_span *span = open_span_make();
	struct open_span_budget budget = {.bytes = 0};
	struct open_span_case told[OPEN_SPAN_STREAMS_MAX + 1];
	int i;

	for (i = 0; i <= OPEN_SPAN_STREAMS_MAX; i++)
		open_span_case_init(&told[i], 0);
	told[1].rule.of = -1;
	unit_alloc_fail_after(0);
	for (i = 0; i < 100; i++)
		open_span_count(span, &told[i % 2].rule, &told[i % 2].look, 1, 10 + (uint64_t)i);
	open_span_count(
		span, &told[OPEN_SPAN_STREAMS_MAX].rule, &told[OPEN_SPAN_STREAMS_MAX].look, 1, 200);
	unit_alloc_fail_never();
	ck_assert(!unit_alloc_failed());
	ck_assert_uint_eq(open_span_tally(&span->streams[0])->count, 50);
	ck_assert_uint_eq(open_span_tally(&span->streams[0])->bytes, 250);
	ck_assert_uint_eq(open_span_tally(&span->streams[0])->first_ns, 10);
	ck_assert_uint_eq(open_span_tally(&span->streams[1])->count, 50);
	ck_assert_uint_eq(open_span_tally(&span->streams[1])->bytes, 0);
	ck_assert_uint_eq(open_span_tally(&span->streams[1])->first_ns, 11);
	for (i = 0; i <= OPEN_SPAN_STREAMS_MAX; i++)
		open_span_case_done(&told[i]);
	open_span_end(span, &budget);
}
END_TEST

/* Connections that tell one stream: who tells most of it counts. */
static const struct {
	const char *tellers; /* a digit is a connection; - takes the one before away */
	uint64_t count, first_ns;
} tallies[] = {
	{"111", 3, 0}, {"112212", 3, 0}, {"222", 3, 0}, /* who leads is silent */
	{"12222", 4, 1},                                /* or soon is */
	{"112211-2", 5, 0}, /* who comes after it goes on where it was */
	{"11-22", 4, 0}, {"22-33", 4, 0}, {"22-1", 2, 0}, {"1233333", 1, 0}, /* three is a crowd */
};

START_TEST(test_open_span_tallies)
{
	const char *at = tallies[_i].tellers;
	struct open_span *span = open_span_make();
	struct open_span_budget budget = {.bytes = 0};
	struct open_span_case told;
	uint64_t now_ns = 1000;

	open_span_case_init(&told, 0);
	span->leader = 1;
	for (; *at != '\0'; at++)
		if (*at == '-')
			open_span_leave(span, (uint64_t)(at[-1] - '0'));
		else
			open_span_count(
				span, &told.rule, &told.look, (uint64_t)(*at - '0'), now_ns++);
	ck_assert_uint_eq(open_span_tally(&span->streams[0])->count, tallies[_i].count);
	ck_assert_uint_eq(open_span_tally(&span->streams[0])->bytes, 5 * tallies[_i].count);
	ck_assert_uint_eq(
		open_span_tally(&span->streams[0])->first_ns, 1000 + tallies[_i].first_ns);
	open_span_case_done(&told);
	open_span_end(span, &budget);
}
END_TEST

/* --- who looks --- */

START_TEST(test_open_span_watchers)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();

	ck_assert(!open_span_unwatch(span, 7, false));
	open_span_watch(span, 1);
	open_span_watch(span, 2);
	open_span_watch(span, 1);
	ck_assert_uint_eq(span->watcher_count, 2);
	ck_assert(!open_span_unwatch(span, 7, false));
	ck_assert(!open_span_unwatch(span, 2, false));
	ck_assert(open_span_unwatch(span, 1, false));
	ck_assert(!open_span_unwatch(span, 1, false));
	open_span_end(span, &budget);
}
END_TEST

START_TEST(test_open_span_watchers_max)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	uint64_t i;

	for (i = 1; i <= OPEN_SPAN_WATCHERS_MAX; i++)
		open_span_watch(span, i);
	ck_assert(!span->crowded);
	open_span_watch(span, 1);
	ck_assert(!span->crowded);
	open_span_watch(span, OPEN_SPAN_WATCHERS_MAX + 1);
	ck_assert(span->crowded);
	for (i = 1; i <= OPEN_SPAN_WATCHERS_MAX; i++)
		ck_assert(!open_span_unwatch(span, i, false)); /* there may be more */
	ck_assert(!open_span_unwatch(span, OPEN_SPAN_WATCHERS_MAX + 2, false));
	ck_assert(open_span_unwatch(span, OPEN_SPAN_WATCHERS_MAX + 1, true));
	open_span_end(span, &budget);
}
END_TEST

START_TEST(test_open_span_is_watched)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	uint64_t i;

	ck_assert(!open_span_is_watched(span, 1));
	for (i = 1; i <= OPEN_SPAN_WATCHERS_MAX; i++)
		open_span_watch(span, i);
	ck_assert(open_span_is_watched(span, 1) &&
		  open_span_is_watched(span, OPEN_SPAN_WATCHERS_MAX));
	ck_assert(!open_span_is_watched(span, OPEN_SPAN_WATCHERS_MAX + 1));
	open_span_watch(span, OPEN_SPAN_WATCHERS_MAX + 1);
	ck_assert(open_span_is_watched(span, OPEN_SPAN_WATCHERS_MAX + 1));
	open_span_end(span, &budget);
}
END_TEST

/* --- names, memory --- */

/* Compared with the span's key, "t/u". */
static const struct {
	const char *parts[3];
	bool begins;
} open_span_keys[] = {
	{{NULL}, true},
	{{"t"}, true},
	{{"t", "u"}, true},
	{{"t", "u", "v"}, false},
	{{"u"}, false},
	{{"t", "t"}, false},
	{{"tu"}, false},
	{{"t", "this part alone is longer than the whole key of the span, far longer than that"},
		false},
};

START_TEST(test_open_span_key_begins)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	struct key key = {.count = 0};
	size_t i;

	for (i = 0; i < 3 && open_span_keys[_i].parts[i] != NULL; i++)
		ck_assert(key_add(&key, (struct span_text){open_span_keys[_i].parts[i],
						strlen(open_span_keys[_i].parts[i])}));
	ck_assert_int_eq(open_span_key_begins(span, &key), open_span_keys[_i].begins);
	open_span_end(span, &budget);
}
END_TEST

START_TEST(test_open_span_describe)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span = open_span_make();
	char text[16];

	ck_assert_str_eq(open_span_describe(span, text, sizeof text), "t/u");
	ck_assert_str_eq(open_span_describe(span, text, 3), "t/");
	ck_assert_str_eq(open_span_describe(span, text, 1), "");
	open_span_end(span, &budget);
}
END_TEST

/* Every allocation is refused once: what is there stays, what is not is counted. */
START_TEST(test_open_span_no_memory)
{
	struct open_span_budget budget = {.bytes = 0};
	struct open_span *span;
	struct open_span_case told;
	struct open_span_identity identity = {.row = NULL};
	struct key key = {.count = 0};
	int i;

	identity.key = &key;
	unit_alloc_fail_after(0);
	span = open_span_new(&identity);
	unit_alloc_fail_never();
	ck_assert_ptr_null(span);
	span = open_span_make();
	open_span_case_init(&told, 1);
	for (i = 0; i < 2; i++) { /* the array, the text */
		unit_alloc_fail_after(i);
		open_span_put(span, &budget, 1, open_span_text("x"));
		unit_alloc_fail_never();
		ck_assert_uint_eq(span->values.count, 0);
		ck_assert_uint_eq(budget.values_dropped, (uint64_t)i + 1);
	}
	open_span_put(span, &budget, 1, open_span_text("x"));
	unit_alloc_fail_after(0);
	open_span_put(span, &budget, 1, open_span_text("yy"));
	open_span_put(
		span, &budget, 2, open_span_number(1, false)); /* there is budget in the array */
	unit_alloc_fail_never();
	ck_assert_uint_eq(span->values.list[0].size, 1);
	ck_assert_uint_eq(span->values.count, 2);
	unit_alloc_fail_after(0);
	open_span_happen(span, &budget, &told.rule, &told.look, 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(span->events_dropped, 1);
	unit_alloc_fail_after(1);
	open_span_happen(span, &budget, &told.rule, &told.look, 1);
	unit_alloc_fail_never();
	ck_assert_uint_eq(span->event_count, 1);
	ck_assert_uint_eq(span->events[0].value_count, 0);
	ck_assert_uint_eq(budget.values_dropped, 4);
	open_span_end(span, &budget);
	open_span_case_done(&told);
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

int main(void)
{
	TCase *tc = tcase_create("span");

	tcase_add_test(tc, test_open_span_values);
	tcase_add_loop_test(tc, test_open_span_sum, 0, COUNT(sums));
	tcase_add_test(tc, test_open_span_values_max);
	tcase_add_loop_test(tc, test_open_span_text, 0, COUNT(texts));
	tcase_add_test(tc, test_open_span_events);
	tcase_add_test(tc, test_open_span_event_values_max);
	tcase_add_test(tc, test_open_span_bytes_max);
	tcase_add_test(tc, test_open_span_streams);
	tcase_add_loop_test(tc, test_open_span_tallies, 0, sizeof tallies / sizeof tallies[0]);
	tcase_add_test(tc, test_open_span_watchers);
	tcase_add_test(tc, test_open_span_watchers_max);
	tcase_add_test(tc, test_open_span_is_watched);
	tcase_add_loop_test(tc, test_open_span_key_begins, 0, COUNT(open_span_keys));
	tcase_add_test(tc, test_open_span_describe);
	tcase_add_test(tc, test_open_span_no_memory);
	return unit_run("span", tc);
}
