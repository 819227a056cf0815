/* Rules made ready, and what they find in messages. */
#include "proxy/trace/follow/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/profile_load.h"
#include "proxy/trace/names/contents.h"
#include "proxy/trace/requests/capture.h"
#include "tests/unit/envelope_case.h"
#include "tests/unit/unit.h"

enum { TEXT_MAX = 65536 };

/* A matcher of a profile's lifecycle, in which ' stands for ", and a reader of messages. */
struct match {
	struct profile *profile;
	struct methods methods;
	struct pointers *pointers;
	struct matcher matcher;
	struct captures captures;
	struct envelope_case reader;
	struct look look; /* the message that was read last */
	char error[256];
};

static void text_quote(char *to, size_t size, const char *text)
{
	ck_assert_uint_lt(strlen(text), size);
	do
		*to++ = *text == '\'' ? '"' : *text;
	while (*text++ != '\0');
}

static void match_parse(struct match *match, const char *lifecycle)
{
	static char *const environment[] = {NULL};
	static char text[TEXT_MAX], quoted[TEXT_MAX];
	struct file *file;

	memset(match, 0, sizeof *match);
	snprintf(text, sizeof text, "{'name':'p','lifecycle':%s}", lifecycle);
	text_quote(quoted, sizeof quoted, text);
	file = file_parse(
		"p", quoted, strlen(quoted), environment, match->error, sizeof match->error);
	ck_assert_msg(file != NULL, "%s", match->error);
	match->profile = profile_new(file, match->error, sizeof match->error);
	ck_assert_msg(match->profile != NULL, "%s", match->error);
	file_free(file);
	methods_init(&match->methods);
	match->pointers = envelope_pointers_new("/trace");
	ck_assert_ptr_nonnull(match->pointers);
}

static int match_prepare(struct match *match)
{
	if (matcher_number_methods(match->profile->lifecycle, &match->methods, match->error,
		    sizeof match->error) != 0 ||
		captures_init(&match->captures, match->profile, &match->methods, match->pointers,
			match->error, sizeof match->error) != 0)
		return -1;
	return matcher_init(&match->matcher,
		&(struct matcher_parts){.lifecycle = match->profile->lifecycle,
			.methods = &match->methods,
			.pointers = match->pointers,
			.captures = &match->captures},
		match->error, sizeof match->error);
}

static void match_init(struct match *match, const char *lifecycle)
{
	match_parse(match, lifecycle);
	ck_assert_msg(match_prepare(match) == 0, "%s", match->error);
	envelope_case_init(&match->reader, match->pointers);
}

static void match_drop(struct match *match)
{
	matcher_done(&match->matcher);
	captures_done(&match->captures);
	methods_done(&match->methods);
	pointers_free(match->pointers);
	profile_free(match->profile);
}

static void match_done(struct match *match)
{
	envelope_case_done(&match->reader);
	match_drop(match);
}

static const struct look *match_read(struct match *match, const char *message)
{
	static char quoted[TEXT_MAX];

	text_quote(quoted, sizeof quoted, message);
	match->look = (struct look){.envelope = envelope_case_read(&match->reader, quoted)};
	return &match->look;
}

#define JOB         "'spans':{'job':{'name':'job','key':['a']}}"
#define OPEN(more)  "{'on':'notification','do':'open','span':'job','key':['/k']" more "}"
#define RULES(more) "{" JOB ",'rules':[" more "]}"

/* --- conditions --- */

static const struct {
	const char *when;
	const char *message;
	bool holds;
} conditions[] = {
	{"{'/a':['x','y']}", "{'a':'x'}", true},
	{"{'/a':['x','y']}", "{'a':'y'}", true},
	{"{'/a':['x','y']}", "{'a':'xy'}", false},
	{"{'/a':['x','y']}", "{'a':''}", false},
	{"{'/a':['x','y']}", "{'a':null}", false},
	{"{'/a':['x','y']}", "{}", false},
	{"{'/a':['7']}", "{'a':7}", true},
	{"{'/a':['7']}", "{'a':'7'}", true},
	{"{'/a':['7']}", "{'a':7.0}", false},
	{"{'/a':['true']}", "{'a':true}", true},
	{"{'/a':['true']}", "{'a':'true'}", true},
	{"{'/a':['true']}", "{'a':false}", false},
	{"{'/a':['false']}", "{'a':false}", true},
	{"{'/a':['false']}", "{'a':null}", false},
	{"{'/a':['x']}", "{'a':['x']}", false},
	{"{'/a':true}", "{'a':false}", true},
	{"{'/a':true}", "{'a':0}", true},
	{"{'/a':true}", "{'a':''}", true},
	{"{'/a':true}", "{'a':{}}", true},
	{"{'/a':true}", "{'a':[]}", true},
	{"{'/a':true}", "{'a':null}", false},
	{"{'/a':true}", "{}", false},
	{"{'/a':false}", "{}", true},
	{"{'/a':false}", "{'a':null}", true},
	{"{'/a':false}", "{'a':false}", false},
	{"{'/a':true,'/b':['x']}", "{'a':1,'b':'x'}", true},
	{"{'/a':true,'/b':['x']}", "{'a':1,'b':'y'}", false},
	{"{'/a':true,'/b':['x']}", "{'b':'x'}", false},
	{"{'/a/0/b':['x']}", "{'a':[{'b':'x'}]}", true},
	{"{'/a/0/b':['x']}", "{'a':[1,{'b':'x'}]}", false},
};

START_TEST(test_conditions)
{
	struct match match;
	char rules[512];

	snprintf(rules, sizeof rules, RULES(OPEN(",'when':%s")), conditions[_i].when);
	match_init(&match, rules);
	ck_assert_int_eq(
		look_holds(&match.matcher.rules[0], match_read(&match, conditions[_i].message)),
		conditions[_i].holds);
	match_done(&match);
}
END_TEST

/* --- sources --- */

#define DIGITS_18 "123456789012345678"
#define DIGITS_19 "1234567890123456789"

static const struct {
	const char *source;
	const char *message;
	const char *value; /* "text", "#integer", "+integer" to be added, "?boolean"; NULL: none */
} sources[] = {
	{"'/a'", "{'a':'x'}", "x"},
	{"'/method'", "{'method':'x'}", "x"},
	{"'/id'", "{'id':'x'}", "x"}, /* the first slot */
	{"{'pointer':'/id','text':'t'}", "{'id':7}", "t"},
	{"{'pointer':'/id','text':'t'}", "{'a':'x'}", NULL},
	{"{'pointer':'/method','text':'t'}", "{'method':'x'}", "t"},
	{"{'pointer':'/method','text':'t'}", "{'a':'x'}", NULL},
	{"'/a'", "{'a':''}", NULL},
	{"'/a'", "{'a':null}", NULL},
	{"'/a'", "{'a':{}}", NULL},
	{"'/a'", "{'a':[]}", NULL},
	{"'/a'", "{}", NULL},
	{"'/a'", "{'a':17}", "#17"},
	{"'/a'", "{'a':-17}", "#-17"},
	{"'/a'", "{'a':0}", "#0"},
	{"'/a'", "{'a':-0}", "#0"},
	{"'/a'", "{'a':" DIGITS_18 "}", "#" DIGITS_18},
	{"'/a'", "{'a':-" DIGITS_18 "}", "#-" DIGITS_18},
	{"'/a'", "{'a':" DIGITS_19 "}", DIGITS_19},
	{"'/a'", "{'a':-" DIGITS_19 "}", "-" DIGITS_19},
	{"'/a'", "{'a':1.5}", "1.5"},
	{"'/a'", "{'a':1e3}", "1e3"},
	{"'/a'", "{'a':true}", "?true"},
	{"'/a'", "{'a':false}", "?false"},
	{"{'text':'t'}", "{}", "t"},
	{"{'pointer':'/a','text':'t'}", "{'a':{}}", "t"},
	{"{'pointer':'/a','text':'t'}", "{'a':false}", "t"},
	{"{'pointer':'/a','text':'t'}", "{'a':null}", NULL},
	{"{'pointer':'/a','text':'t'}", "{}", NULL},
	{"['/a','/b',{'text':'t'}]", "{'a':'x','b':'y'}", "x"},
	{"['/a','/b',{'text':'t'}]", "{'a':{},'b':'y'}", "y"},
	{"['/a','/b',{'text':'t'}]", "{'b':null}", "t"},
	{"['/a','/b']", "{'c':1}", NULL},
	{"['/a',{'pointer':'/a/b','text':'b'}]", "{'a':{'b':{'c':1}}}", "b"},
	{"['/a',{'pointer':'/a/b','text':'b'}]", "{'a':'c'}", "c"},
	{"{'pointer':'/a','take':'first word'}", "{'a':'ls -l /x'}", "ls"},
	{"{'pointer':'/a','take':'first word'}", "{'a':'/usr/bin/ls'}", "ls"},
	{"{'pointer':'/a','take':'first word'}", "{'a':'/usr/bin/ls -l /x/y'}", "ls"},
	{"{'pointer':'/a','take':'first word'}", "{'a':'ls'}", "ls"},
	{"{'pointer':'/a','take':'first word'}", "{'a':'/bin/ x'}", NULL},
	{"{'pointer':'/a','take':'first word'}", "{'a':' ls'}", NULL},
	{"{'pointer':'/a','take':'first word'}", "{'a':''}", NULL},
	{"{'pointer':'/a','take':'first word'}", "{'a':true}", NULL},
	{"{'pointer':'/a','take':'sum'}", "{'a':5}", "+5"},
	{"{'pointer':'/a','take':'sum'}", "{'a':'5'}", NULL},
	{"{'pointer':'/a','take':'sum'}", "{'a':1.5}", NULL},
	{"{'pointer':'/a','take':'sum'}", "{'a':true}", NULL},
	{"{'pointer':'/a','take':'sum'}", "{'a':" DIGITS_19 "}", NULL},
};

static const char *value_describe(const struct look_value *value, char text[64])
{
	if (value->type == SPAN_VALUE_INT)
		snprintf(text, 64, "%c%lld", value->sum ? '+' : '#', (long long)value->integer);
	else if (value->type == SPAN_VALUE_BOOL)
		snprintf(text, 64, "?%s", value->boolean ? "true" : "false");
	else
		snprintf(text, 64, "%.*s", (int)value->text.size, value->text.bytes);
	return text;
}

START_TEST(test_sources)
{
	const struct look *look;
	struct match match;
	struct look_value value;
	char rules[512], text[64];
	bool taken;

	snprintf(rules, sizeof rules, RULES(OPEN(",'set':{'v':%s}")), sources[_i].source);
	match_init(&match, rules);
	look = match_read(&match, sources[_i].message);
	taken = look_take(&match.matcher.rules[0].set.list[0].source, look, &value);
	ck_assert_int_eq(taken, sources[_i].value != NULL);
	if (taken)
		ck_assert_str_eq(value_describe(&value, text), sources[_i].value);
	match_done(&match);
}
END_TEST

/* ---- moments and levels ---- */

/* A moment counts from the start of the span that is made, if it lies in it; ends included. */
static const struct {
	uint64_t ns;
	enum lifecycle_unit unit;
	int64_t integer; /* -1: none */
} moments[] = {
	{0, LIFECYCLE_NANOSECONDS, -1}, /* there was none */
	{999, LIFECYCLE_NANOSECONDS, -1}, {1000, LIFECYCLE_NANOSECONDS, 0},
	{1001, LIFECYCLE_NANOSECONDS, 1}, {7000000000, LIFECYCLE_NANOSECONDS, 6999999000},
	{7000000001, LIFECYCLE_NANOSECONDS, -1}, {5000001000, LIFECYCLE_MICROSECONDS, 5000000},
	{5000001999, LIFECYCLE_MICROSECONDS, 5000000},
	{5000002000, LIFECYCLE_MICROSECONDS, 5000001}, {5000001000, LIFECYCLE_MILLISECONDS, 5000},
	{5001001000, LIFECYCLE_MILLISECONDS, 5001},
	{5500001000, LIFECYCLE_SECONDS, 5500}, /* of the double, in thousandths */
};

START_TEST(test_moments)
{
	struct lifecycle_choice row = {.mark = (char[]){"m"}, .unit = moments[_i].unit};
	struct matcher_choice choice = {.slot = -1, .row = &row, .level = MATCHER_NONE, .mark = 1};
	struct matcher_source source = {.choices = &choice, .count = 1};
	uint64_t marks[] = {2000, moments[_i].ns};
	struct look look = {.marks = marks, .start_ns = 1000, .end_ns = 7000000000};
	struct look_value value;

	ck_assert_int_eq(look_take(&source, &look, &value), moments[_i].integer >= 0);
	if (moments[_i].integer < 0)
		return;
	if (moments[_i].unit == LIFECYCLE_SECONDS) {
		ck_assert_int_eq(value.type, SPAN_VALUE_DOUBLE);
		ck_assert_int_eq((int64_t)(value.real * 1000 + 0.5), moments[_i].integer);
	} else {
		ck_assert_int_eq(value.type, SPAN_VALUE_INT);
		ck_assert_int_eq(value.integer, moments[_i].integer);
		ck_assert(!value.sum);
	}
	look.marks = NULL;
	ck_assert(!look_take(&source, &look, &value));
}
END_TEST

/* By how much a level has risen, to be added; all of it where it is the first. */
static const struct {
	struct look_level level;
	int64_t increase; /* -1: none */
} rises[] = {
	{{.has_now = false, .known = true, .now = 5, .before = 3}, -1},
	{{.has_now = true, .known = false, .now = 5, .before = 3}, 5},
	{{.has_now = true, .known = true, .now = 5, .before = 3}, 2},
	{{.has_now = true, .known = true, .now = 3, .before = 3}, 0},
	{{.has_now = true, .known = true, .now = 2, .before = 3}, 0},
};

START_TEST(test_rises)
{
	struct lifecycle_choice row = {.pointer = (char[]){"/a"}};
	struct matcher_choice choice = {.slot = -1, .row = &row, .level = 1, .mark = MATCHER_NONE};
	struct matcher_source source = {.choices = &choice, .count = 1};
	struct look_level levels[] = {{.has_now = true, .now = 77}, rises[_i].level};
	struct look look = {.levels = levels};
	struct look_value value;

	ck_assert_int_eq(look_take(&source, &look, &value), rises[_i].increase >= 0);
	if (rises[_i].increase >= 0) {
		ck_assert_int_eq(value.type, SPAN_VALUE_INT);
		ck_assert(value.sum);
		ck_assert_int_eq(value.integer, rises[_i].increase);
	}
	look.levels = NULL;
	ck_assert(!look_take(&source, &look, &value));
}
END_TEST

/* Times of messages, by their unit; what is none, or too large, is not taken. */
static const struct {
	const char *unit, *value;
	uint64_t unix_ns; /* 0: none */
} times[] = {
	{"s", "1", 1000000000},
	{"ms", "1", 1000000},
	{"us", "1", 1000},
	{"ns", "1", 1},
	{"s", "18446744073", UINT64_C(18446744073000000000)},
	{"s", "18446744074", 0},
	{"s", "0", 0},
	{"s", "-1", 0},
	{"s", "1.5", 0},
	{"s", "'1'", 0},
};

START_TEST(test_times)
{
	char rules[512], message[64];
	struct match match;
	uint64_t unix_ns = 0;
	bool taken;

	snprintf(rules, sizeof rules, RULES(OPEN(",'at':{'pointer':'/a','unit':'%s'}")),
		times[_i].unit);
	match_init(&match, rules);
	snprintf(message, sizeof message, "{'a':%s}", times[_i].value);
	taken = look_time(&match.matcher.rules[0], match_read(&match, message), &unix_ns);
	ck_assert_int_eq(taken, times[_i].unix_ns != 0);
	if (taken)
		ck_assert_uint_eq(unix_ns, times[_i].unix_ns);
	match_done(&match);
}
END_TEST

/* A value that is longer than MATCHER_VALUE_MAX is the beginning of one, unless all of the first
 * word is there. */
START_TEST(test_cut)
{
	static const char *const takes[] = {"all", "first word"};
	char rules[512], message[512];
	struct look_value value;
	struct match match;
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(rules, sizeof rules,
			RULES(OPEN(",'set':{'v':{'pointer':'/a','take':'%s'}}")), takes[i]);
		if (i == 0)
			snprintf(rules, sizeof rules, RULES(OPEN(",'set':{'v':'/a'}")));
		match_init(&match, rules);
		snprintf(message, sizeof message, "{'a':'%0*d'}", MATCHER_VALUE_MAX, 0);
		ck_assert(look_take(&match.matcher.rules[0].set.list[0].source,
			match_read(&match, message), &value));
		ck_assert(!value.cut);
		ck_assert_uint_eq(value.text.size, MATCHER_VALUE_MAX);
		snprintf(message, sizeof message, "{'a':'%0*d'}", MATCHER_VALUE_MAX + 1, 0);
		ck_assert(look_take(&match.matcher.rules[0].set.list[0].source,
			match_read(&match, message), &value));
		ck_assert(value.cut);
		snprintf(message, sizeof message, "{'a':'cat %0*d'}", MATCHER_VALUE_MAX, 0);
		ck_assert(look_take(&match.matcher.rules[0].set.list[0].source,
			match_read(&match, message), &value));
		ck_assert_int_eq(value.cut, i == 0);
		snprintf(message, sizeof message, "{'a':1%0*d}", MATCHER_VALUE_MAX, 0);
		ck_assert(look_take(&match.matcher.rules[0].set.list[0].source,
			match_read(&match, message), &value));
		ck_assert_int_eq(value.type, SPAN_VALUE_STRING);
		ck_assert(value.cut);
		match_done(&match);
	}
}
END_TEST

/* --- keys, status --- */

static const struct {
	const char *message;
	size_t count; /* parts that are there */
} keys[] = {
	{"{'x':'a','y':'b'}", 2},
	{"{'x':'a','y':17}", 2},
	{"{'x':'a'}", 1},
	{"{'y':'b'}", 0},
	{"{'x':'a','y':''}", 1},
	{"{'x':'a','y':null}", 1},
	{"{'x':'a','y':true}", 1},
	{"{'x':{'a':1},'y':'b'}", 0},
};

START_TEST(test_keys)
{
	struct match match;
	struct key key;

	key_init(&key, 0);
	match_init(&match,
		"{'spans':{'job':{'name':'job','key':['a','b']}},'rules':[{'on':'notification',"
		"'do':'open','span':'job','key':['/x','/y']}]}");
	ck_assert_int_eq(
		look_take_key(&match.matcher.rules[0], match_read(&match, keys[_i].message), &key),
		keys[_i].count == 2);
	ck_assert_uint_eq(key.count, keys[_i].count);
	match_done(&match);
}
END_TEST

START_TEST(test_key_parts)
{
	char longest[KEY_PART_MAX + 1];
	struct key key;
	size_t i;

	key_init(&key, 0);
	memset(longest, 'x', sizeof longest);
	ck_assert_uint_eq(key_size(&key), 0);
	ck_assert(!key_add(&key, (struct span_text){"", 0}));
	ck_assert(!key_add(&key, (struct span_text){longest, KEY_PART_MAX + 1}));
	for (i = 0; i < LIFECYCLE_KEY_MAX; i++) {
		ck_assert(key_add(&key, (struct span_text){longest, KEY_PART_MAX - i}));
		ck_assert_uint_eq(key_part(&key, i).size, KEY_PART_MAX - i);
	}
	ck_assert(!key_add(&key, (struct span_text){"x", 1}));
	ck_assert_uint_eq(key.count, LIFECYCLE_KEY_MAX);
	ck_assert_uint_le(key_size(&key), KEY_BYTES);
}
END_TEST

static const struct {
	const char *message;
	enum span_status status;
} states[] = {
	{"{'s':'good'}", SPAN_STATUS_OK},
	{"{'s':'fine'}", SPAN_STATUS_OK},
	{"{'s':'bad'}", SPAN_STATUS_ERROR},
	{"{'s':'other'}", SPAN_STATUS_UNSET},
	{"{'s':5}", SPAN_STATUS_ERROR},
	{"{'s':true}", SPAN_STATUS_OK},
	{"{'s':null}", SPAN_STATUS_UNSET},
	{"{}", SPAN_STATUS_UNSET},
};

START_TEST(test_status)
{
	struct match match;

	match_init(&match,
		RULES(OPEN("") ",{'on':'notification','do':'close','span':'job','key':['/k'],"
			       "'status':{'pointer':'/s','ok':['good','fine','true'],"
			       "'error':['bad','5']}}"));
	ck_assert_int_eq(
		look_status(&match.matcher.rules[1], match_read(&match, states[_i].message)),
		states[_i].status);
	ck_assert_int_eq(
		look_status(&match.matcher.rules[0], match_read(&match, states[_i].message)),
		SPAN_STATUS_UNSET);
	match_done(&match);
}
END_TEST

/* --- methods --- */

static const struct matcher_method *match_method(const struct match *match, const char *name)
{
	return matcher_method(&match->matcher,
		methods_find(&match->methods, (struct span_text){name, strlen(name)}));
}

/* A bit for each rule of the list, which is in their order. */
static uint64_t match_bits(const struct matcher_rules *rules)
{
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < rules->count; i++) {
		ck_assert(i == 0 || rules->list[i] > rules->list[i - 1]);
		bits |= UINT64_C(1) << rules->list[i];
	}
	return bits;
}

/* Each method has the rules that name it and those without methods; any other has only these. */
START_TEST(test_methods)
{
	const struct matcher_method *a, *b, *other;
	struct match match;

	match_init(&match,
		"{'dispatch':{'name':'d','operations':{'a':'work','c':'play'}}," JOB ",'rules':["
		"{'on':'request','methods':['a'],'do':'claim','span':'job','key':['/k'],"
		"'until':'open'}," OPEN(",'methods':['a','b']") "," OPEN(
			"") ","
			    "{'on':'request','methods':['b'],'do':'claim','span':'job','key':['/"
			    "k']}]}");
	a = match_method(&match, "a");
	b = match_method(&match, "b");
	other = match_method(&match, "unheard of");
	ck_assert_uint_eq(match_bits(&a->rules[LIFECYCLE_ON_REQUEST]), 1);
	ck_assert_uint_eq(match_bits(&a->rules[LIFECYCLE_ON_NOTIFICATION]), 2 | 4);
	ck_assert_uint_eq(match_bits(&a->rules[LIFECYCLE_ON_REPLY]), 0);
	ck_assert(a->claims && a->claims_late);
	ck_assert_uint_eq(a->operation.size, 4);
	ck_assert_mem_eq(a->name.bytes, "a", 1);
	ck_assert_uint_eq(match_bits(&b->rules[LIFECYCLE_ON_REQUEST]), 8);
	ck_assert(b->claims && !b->claims_late);
	ck_assert_uint_eq(b->operation.size, 0);
	ck_assert(matcher_submits(a) && matcher_submits(b));
	ck_assert(matcher_submits(match_method(&match, "c")));
	ck_assert_uint_eq(match_bits(&other->rules[LIFECYCLE_ON_NOTIFICATION]), 4);
	ck_assert_uint_eq(other->name.size, 0);
	ck_assert(!matcher_submits(other));
	ck_assert_ptr_eq(matcher_method(&match.matcher, 9999), other);
	match_done(&match);
}
END_TEST

/* --- parents --- */

#define OPENS(span, key) "{'on':'notification','do':'open','span':'" span "','key':" key "}"

/* Those whose key begins its own, the longest first; questions are nobody's parents. */
START_TEST(test_parents)
{
	struct match match;
	const struct matcher_type *types;

	match_init(&match,
		"{'spans':{'top':{'name':'top','key':['a']},"
		"'ask':{'name':'ask','key':['a','b','c']},"
		"'leaf':{'name':'leaf','key':['a','b','c']},"
		"'middle':{'name':'middle','key':['a','b']},"
		"'other':{'name':'other','key':['b','a']}},"
		"'rules':[" OPENS("top", "['/a']") "," OPENS("leaf", "['/a','/b','/c']") "," OPENS(
			"middle", "['/a','/b']") "," OPENS("other",
			"['/b','/a']") ","
				       "{'on':'server_request','do':'open','span':'ask','key':['/"
				       "a','/b','/c']},"
				       "{'on':'client_reply','do':'close','span':'ask'}]}");
	types = match.matcher.types;
	ck_assert_uint_eq(types[0].parents.count, 0);
	ck_assert_uint_eq(types[1].parents.count, 3); /* its key may be the same as a span's */
	ck_assert_uint_eq(types[1].parents.types[0], 2);
	ck_assert_uint_eq(types[1].parents.types[1], 3);
	ck_assert_uint_eq(types[1].parents.types[2], 0);
	ck_assert_uint_eq(types[2].parents.count, 2);
	ck_assert_uint_eq(types[2].parents.types[0], 3);
	ck_assert_uint_eq(types[2].parents.types[1], 0);
	ck_assert_uint_eq(types[3].parents.count, 1);
	ck_assert_uint_eq(types[3].parents.types[0], 0);
	ck_assert_uint_eq(types[4].parents.count, 0);
	match_done(&match);
}
END_TEST

/* What a span adds is summed at the top, not half-way, and once for all that add it. */
START_TEST(test_sums)
{
	struct match match;
	const struct matcher_type *types;

	match_init(&match,
		"{'spans':{'top':{'name':'top','key':['a']},"
		"'middle':{'name':'middle','key':['a','b'],'adds':{'x':'count'}},"
		"'leaf':{'name':'leaf','key':['a','b','c'],'adds':{'x':'count','y':'ms'}},"
		"'other':{'name':'other','key':['b']}},"
		"'rules':[" OPENS("top", "['/a']") "," OPENS("middle", "['/a','/b']") "," OPENS(
			"leaf", "['/a','/b','/c']") "," OPENS("other", "['/b']") "]}");
	types = match.matcher.types;
	ck_assert_uint_eq(types[0].sum_count, 2);
	ck_assert_str_eq(match.matcher.attributes[types[0].sums[0]], "x");
	ck_assert_str_eq(match.matcher.attributes[types[0].sums[1]], "y");
	ck_assert_uint_eq(types[1].sum_count, 0);
	ck_assert_uint_eq(types[2].sum_count, 0);
	ck_assert_uint_eq(types[3].sum_count, 0);
	match_done(&match);
}
END_TEST

/* Memories whose key begins its own, or is the same, the longest first. */
START_TEST(test_memories)
{
	struct match match;
	const struct matcher_type *types;

	match_init(&match,
		"{'spans':{'middle':{'name':'middle','key':['a','b']},"
		"'leaf':{'name':'leaf','key':['a','b','c']}},"
		"'memories':{'one':{'key':['a']},'two':{'key':['a','b']},'other':{'key':['b']},"
		"'four':{'key':['a','b','c','d']}},"
		"'rules':[" OPENS("middle", "['/a','/b']") "," OPENS(
			"leaf", "['/a','/b','/c']") "]}");
	types = match.matcher.types;
	ck_assert_uint_eq(types[0].memories.count, 2);
	ck_assert_uint_eq(types[0].memories.types[0], 3);
	ck_assert_uint_eq(types[0].memories.types[1], 2);
	ck_assert_uint_eq(types[1].memories.count, 2);
	ck_assert_uint_eq(types[1].memories.types[0], 3);
	ck_assert_uint_eq(types[1].memories.types[1], 2);
	ck_assert_uint_eq(types[0].parents.count, 0);
	ck_assert_uint_eq(types[1].parents.count, 1);
	match_done(&match);
}
END_TEST

/* Methods that operations, requests or rules name are told apart; all others are one. */
START_TEST(test_method_numbers)
{
	static const char *const named[] = {"o", "q", "x", "r", "s"};
	struct match match;
	size_t i, j;

	match_init(&match,
		"{'dispatch':{'name':'d','operations':{'o':'p'}},"
		"'spans':{'first':{'requests':['q','x'],'key':{'z':'/params/"
		"z'}},'job':{'name':'j','key':['a']}},"
		"'rules':[{'on':'notification','methods':['r','s'],'do':'open','span':'job','key':"
		"['/a']}]}");
	for (i = 0; i < 5; i++) {
		ck_assert_uint_ne(
			methods_find(&match.methods, span_text_of(named[i])), METHODS_OTHER);
		for (j = 0; j < i; j++)
			ck_assert_uint_ne(methods_find(&match.methods, span_text_of(named[i])),
				methods_find(&match.methods, span_text_of(named[j])));
	}
	ck_assert_uint_eq(methods_find(&match.methods, span_text_of("z")), METHODS_OTHER);
	match_done(&match);
}
END_TEST

/* --- what is refused --- */

/* A profile has no more, but the matcher does not rely on it. */
START_TEST(test_too_many_attributes)
{
	static char names[MATCHER_ATTRIBUTES_MAX + 1][8];
	struct lifecycle_setting settings[MATCHER_ATTRIBUTES_MAX + 1];
	struct lifecycle_rule rule = {.set = {.list = settings}};
	struct lifecycle lifecycle = {.rules = &rule, .rule_count = 1};
	size_t extra, i;

	memset(settings, 0, sizeof settings);
	for (i = 0; i <= MATCHER_ATTRIBUTES_MAX; i++) {
		snprintf(names[i], sizeof names[i], "v%zu", i);
		settings[i].attribute = names[i];
	}
	for (extra = 0; extra < 2; extra++) {
		struct matcher matcher;
		struct methods methods;
		struct pointers *pointers = envelope_pointers_new("/trace");
		char error[128];

		methods_init(&methods);
		rule.set.count = MATCHER_ATTRIBUTES_MAX + extra;
		ck_assert_int_eq(matcher_init(&matcher,
					 &(struct matcher_parts){.lifecycle = &lifecycle,
						 .methods = &methods,
						 .pointers = pointers},
					 error, sizeof error),
			extra == 0 ? 0 : -1);
		if (extra > 0)
			ck_assert_str_eq(error,
				"attribute v176: the lifecycle of a profile has at most 176");
		matcher_done(&matcher);
		methods_done(&methods);
		pointers_free(pointers);
	}
}
END_TEST

/* Every allocation is refused once. */
START_TEST(test_no_memory)
{
	static const char lifecycle[] =
		"{'dispatch':{'name':'d','operations':{'a':'work'}},"
		"'spans':{'job':{'name':'job','key':['a']}},'rules':["
		"{'on':'notification','methods':['m'],'do':'open','span':'job','key':['/k'],"
		"'set':{'v':'/a','w':{'text':'t'}}},"
		"{'on':'notification','do':'close','span':'job','key':['/k'],'status':{"
		"'pointer':'/s','error':['bad'],'message':'/m','type':['/t','/u']}}]}";
	struct match match;
	long n = -1;
	int done;

	do {
		match_parse(&match, lifecycle);
		match.error[0] = '\0';
		unit_alloc_fail(_i, ++n);
		done = match_prepare(&match);
		unit_alloc_fail_never();
		ck_assert_int_eq(done == 0, !unit_alloc_failed());
		ck_assert_int_eq(done == 0, match.error[0] == '\0');
		match_drop(&match);
	} while (done != 0);
	ck_assert_int_ge(n, 8);
}
END_TEST

/* The same with profiles that have most of what there is. */
START_TEST(test_profiles_without_memory)
{
	static const char *const paths[] = {"config/profiles/codex.json",
		"config/profiles/mcp.json", "config/profiles/acp.json",
		"tests/unit/data/profiles/turns.json", "tests/unit/data/profiles/agent.json",
		"tests/unit/data/profiles/values.json"};
	static char *const environment[] = {NULL};
	char cut[2][CONTENTS_BEYOND + 65];
	struct contents contents = {.bytes_max = 64, .rooms = {cut[0], cut[1]}};
	struct matcher_parts parts = {.on = "turn,item", .contents = &contents};
	size_t size;
	char *text = unit_read_file(paths[_i], &size);
	struct match match;
	struct file *file;
	long n = -1;
	int done;

	memset(&match, 0, sizeof match);
	file = file_parse("p", text, size, environment, match.error, sizeof match.error);
	ck_assert_msg(file != NULL, "%s", match.error);
	match.profile = profile_new(file, match.error, sizeof match.error);
	ck_assert_msg(match.profile != NULL, "%s", match.error);
	file_free(file);
	do {
		methods_init(&match.methods);
		match.pointers = envelope_pointers_new("/trace");
		ck_assert_ptr_nonnull(match.pointers);
		ck_assert_int_eq(matcher_number_methods(match.profile->lifecycle, &match.methods,
					 match.error, sizeof match.error),
			0);
		ck_assert_int_eq(captures_init(&match.captures, match.profile, &match.methods,
					 match.pointers, match.error, sizeof match.error),
			0);
		parts.lifecycle = match.profile->lifecycle;
		parts.methods = &match.methods;
		parts.pointers = match.pointers;
		parts.captures = &match.captures;
		match.error[0] = '\0';
		unit_alloc_fail_once(++n);
		done = matcher_init(&match.matcher, &parts, match.error, sizeof match.error);
		unit_alloc_fail_never();
		ck_assert_int_eq(done == 0, !unit_alloc_failed());
		ck_assert_int_eq(done == 0, match.error[0] == '\0');
		matcher_done(&match.matcher);
		captures_done(&match.captures);
		methods_done(&match.methods);
		pointers_free(match.pointers);
	} while (done != 0);
	ck_assert_int_ge(n, 8);
	profile_free(match.profile);
	free(text);
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

int main(void)
{
	TCase *tc = tcase_create("matcher");

	tcase_add_loop_test(tc, test_conditions, 0, COUNT(conditions));
	tcase_add_loop_test(tc, test_sources, 0, COUNT(sources));
	tcase_add_loop_test(tc, test_moments, 0, sizeof moments / sizeof moments[0]);
	tcase_add_loop_test(tc, test_rises, 0, sizeof rises / sizeof rises[0]);
	tcase_add_loop_test(tc, test_times, 0, sizeof times / sizeof times[0]);
	tcase_add_test(tc, test_cut);
	tcase_add_loop_test(tc, test_keys, 0, COUNT(keys));
	tcase_add_test(tc, test_key_parts);
	tcase_add_loop_test(tc, test_status, 0, COUNT(states));
	tcase_add_test(tc, test_methods);
	tcase_add_test(tc, test_parents);
	tcase_add_test(tc, test_too_many_attributes);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	tcase_add_test(tc, test_sums);
	tcase_add_test(tc, test_memories);
	tcase_add_test(tc, test_method_numbers);
	tcase_add_loop_test(tc, test_profiles_without_memory, 0, 6);
	return unit_run("matcher", tc);
}
