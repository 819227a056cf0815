/*
 * Beginnings that are not read again: each message of a stream says the same as when it is read
 * from its first byte on, whatever follows what was recalled.
 */
#include "proxy/message/recall.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/envelope_case.h"

static struct pointers *pointers;
static struct envelope_case fresh, warm;
static struct recall recall;

static void recall_setup(void)
{
	static const char *const wanted[] = {"/jsonrpc", "/params/t", "/params/u", "/params/item",
		"/params/delta", "/params/at", "/params/list/1/x", "/params/a/b/c", "/params/none",
		"/params/p/1", "/params/p/2", "/params/p/3", "/params/p/4", "/params/p/5",
		"/params/p/6", "/params/p/7"};
	size_t i;

	pointers = envelope_pointers_new("/trace");
	for (i = 0; i < sizeof wanted / sizeof *wanted; i++)
		ck_assert_int_ge(pointers_add(pointers, wanted[i], 40), 0);
	envelope_case_init(&fresh, pointers);
	envelope_case_init(&warm, pointers);
	recall = (struct recall){.turn = 0};
}

static void recall_teardown(void)
{
	envelope_case_done(&fresh);
	envelope_case_done(&warm);
	pointers_free(pointers);
}

#define P "{'method':'item/agentMessage/delta','params':{'t':'0199a000-0000','u':'0199b000-0001',"

/* The last line is recalled up to behind known, which stands in it. */
static const struct stream {
	const char *about;
	const char *lines[6];
	const char *known; /* "": not at all */
} streams[] = {
	{"the last text differs",
		{P "'item':'i1','delta':'Hel'}}", P "'item':'i1','delta':'lo'}}",
			P "'item':'i1','delta':''}}"},
		"'delta':"},
	{"one before differs",
		{P "'item':'i1','delta':'x'}}", P "'item':'i2','delta':'x'}}",
			P "'item':'i1','delta':'x'}}"},
		"'item':"},
	{"only the second time", {P "'item':'i1','delta':'x'}}", P "'item':'i1','delta':'y'}}"},
		""},
	{"another beginning of the same size",
		{P "'item':'i1','delta':'x'}}", P "'item':'i1','delta':'y'}}",
			P "'item':'i2','delta':'y'}}"},
		""},
	{"what is known is all there is",
		{P "'item':'i1','delta':'x'}}", P "'item':'i1','delta':'y'}}",
			P "'item':'i1','delta':"},
		""},
	{"a value of another kind follows",
		{P "'delta':'x'}}", P "'delta':'y'}}", P "'delta':{'b':[1]},'item':7}}"},
		"'delta':"},
	{"members are repeated, and params",
		{P "'delta':'x'}}", P "'delta':'y'}}",
			P "'delta':'z','t':'other','u':null},'method':'m','params':{'u':1}}"},
		"'delta':"},
	{"the rest is no JSON", {P "'delta':'x'}}", P "'delta':'y'}}", P "'delta':'z'}]"},
		"'delta':"},
	{"the rest has escapes",
		{P "'delta':'x'}}", P "'delta':'y'}}", P "'delta':'a\\u00e9\\n','item':'\\t'}}"},
		"'delta':"},
	{"what is known has escapes",
		{P "'item':'\\n','delta':'x'}}", P "'item':'\\n','delta':'y'}}",
			P "'item':'\\n','delta':'z'}}"},
		""},
	{"and in what nobody wants",
		{P "'no':'\\\\','delta':'x'}}", P "'no':'\\\\','delta':'y'}}",
			P "'no':'\\\\','delta':'z'}}"},
		"'delta':"},
	{"what looks like a key in a text",
		{P "'delta':'a\\'b\\':1'}}", P "'delta':'a\\'b\\':2'}}",
			P "'delta':'a\\'b\\':3'}}"},
		"'delta':"},
	{"a text that begins with a colon",
		{P "'delta':':a'}}", P "'delta':':a '}}", P "'delta':':a b'}}"}, "'delta':"},
	{"blanks before the colon",
		{P "'item' : 'i' , 'delta' : 'x'}}", P "'item' : 'i' , 'delta' : 'y'}}",
			P "'item' : 'i' , 'delta' : 'z'}}"},
		"'u':"},
	{"numbers, words, an empty object",
		{P "'at':12.5,'no':null,'none':true,'a':{},'delta':'x'}}",
			P "'at':12.5,'no':null,'none':true,'a':{},'delta':'y'}}",
			P "'at':12.5,'no':null,'none':true,'a':{},'delta':'z'}}"},
		"'delta':"},
	{"objects in it, and an array that has ended",
		{P "'a':{'b':{'d':1}},'list':[1,{'x':2}],'delta':'x'}}",
			P "'a':{'b':{'d':1}},'list':[1,{'x':2}],'delta':'y'}}",
			P "'a':{'b':{'d':1}},'list':[1,{'x':2}],'delta':'z'}}"},
		"'delta':"},
	{"within an array",
		{P "'list':[1,{'x':'a'}]}}", P "'list':[1,{'x':'b'}]}}",
			P "'list':[1,{'x':'c'}]}}"},
		""},
	{"in an object below", {P "'a':{'b':'x'}}}", P "'a':{'b':'y'}}}", P "'a':{'b':'z'}}}"},
		"'b':"},
	{"in one that nobody wants, which ends",
		{P "'no':{'b':'x'}}}", P "'no':{'b':'y'}}}", P "'no':{'b':'z'},'delta':'d'}}"},
		"'b':"},
	{"too far below",
		{P "'a':{'b':{'c':'x'}}}}", P "'a':{'b':{'c':'y'}}}}", P "'a':{'b':{'c':'z'}}}}"},
		""},
	{"too many values",
		{P "'at':1,'item':'i','p':{'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7},'delta':'x'}"
		   "}",
			P "'at':1,'item':'i','p':{'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7},'"
			  "delta':'y'}}",
			P "'at':1,'item':'i','p':{'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7},'"
			  "delta':'z'}}"},
		""},
	{"a text that is too long is cut there",
		{P "'item':'0123456789012345678901234567890123456789012345','delta':'x'}}",
			P "'item':'0123456789012345678901234567890123456789012345','delta':'y'}}",
			P "'item':'0123456789012345678901234567890123456789012345','delta':'z'}}"},
		""},
	{"little in common",
		{"{'method':'m','params':{'t':'1'}}", "{'method':'m','params':{'t':'2'}}",
			"{'method':'m','params':{'t':'3'}}"},
		""},
	{"two streams by turns",
		{P "'item':'i1','delta':'x'}}", P "'item':'i1','delta':'y'}}",
			P "'delta':'j1','item':'x'}}", P "'delta':'j1','item':'y'}}",
			P "'item':'i1','delta':'z'}}"},
		"'delta':"},
};

/* The message in memory of its own size, with quotes for apostrophes. */
static uint8_t *recall_copy(const char *line, size_t *size)
{
	char text[512];
	size_t i;

	*size = strlen(line);
	ck_assert_uint_lt(*size, sizeof text);
	for (i = 0; i < *size; i++)
		text[i] = (char)(line[i] == '\'' ? '"' : line[i]);
	return unit_guard_copy(text, *size);
}

static void recall_compare(const char *about)
{
	size_t slot;

	for (slot = 0; slot < pointers_count(pointers); slot++) {
		const struct envelope_value *one = envelope_value(&fresh.envelope, (int)slot);
		const struct envelope_value *other = envelope_value(&warm.envelope, (int)slot);

		ck_assert_msg(one->type == other->type && one->cut == other->cut &&
				      one->size == other->size && one->length == other->length &&
				      memcmp(one->text, other->text, one->size) == 0,
			"%s: slot %zu", about, slot);
	}
	ck_assert_int_eq(envelope_judge(&fresh.envelope), envelope_judge(&warm.envelope));
	ck_assert_uint_eq(fresh.envelope.texts_size, warm.envelope.texts_size);
}

/* Reads one message both ways, and gives how much of it was recalled. */
static size_t recall_read(const char *about, const char *line)
{
	size_t size, known;
	uint8_t *bytes = recall_copy(line, &size);
	const uint8_t *at = bytes, *end = bytes + size;
	enum skim_event event;

	skim_begin(&fresh.skim, SKIM_WATCH);
	event = skim_run(&fresh.skim, &at, end);
	skim_begin(&warm.skim, SKIM_WATCH);
	known = recall_begin(&recall, &warm.skim, bytes, size);
	at = bytes + known;
	ck_assert_msg(skim_run(&warm.skim, &at, end) == event, "%s: event", about);
	ck_assert_uint_eq(fresh.skim.offset, warm.skim.offset);
	ck_assert_int_eq(fresh.skim.state, warm.skim.state);
	if (event == SKIM_ENVELOPE_END) {
		recall_compare(about);
		if (!recall.known)
			recall_learn(&recall, &warm.skim, bytes, size);
	}
	unit_guard_free(bytes, size);
	return known;
}

START_TEST(test_streams)
{
	const struct stream *stream = &streams[_i];
	const char *last = NULL;
	size_t known = 0, i;

	for (i = 0; i < 6 && stream->lines[i] != NULL; i++) {
		last = stream->lines[i];
		known = recall_read(stream->about, last);
	}
	ck_assert_ptr_nonnull(last);
	ck_assert_msg(
		known == (*stream->known == '\0' ? 0
						 : (size_t)(strstr(last, stream->known) - last) +
							   strlen(stream->known)),
		"%s: %zu", stream->about, known);
}
END_TEST

#define MANY "{'method':'m%d','params':{'t':'0199a000-0000','u':'0199b000-0001','delta':"

/* Of more streams than there is room for the first is forgotten, and learnt again. */
START_TEST(test_many)
{
	char line[256];
	int stream, time;

	for (time = 0; time < 3; time++)
		for (stream = 0; stream <= RECALL_COUNT; stream++) {
			snprintf(line, sizeof line, MANY "'a'}}", stream);
			ck_assert_uint_eq(recall_read("many", line), 0);
			line[strlen(line) - 4] = 'b';
			ck_assert_uint_eq(recall_read("many", line), 0);
			line[strlen(line) - 4] = 'c';
			ck_assert_uint_gt(recall_read("many", line), 0);
		}
	snprintf(line, sizeof line, MANY "'d'}}", RECALL_COUNT);
	ck_assert_uint_gt(recall_read("many", line), 0);
	snprintf(line, sizeof line, MANY "'d'}}", 0);
	ck_assert_uint_eq(recall_read("many", line), 0);
}
END_TEST

/* No more of a beginning is kept than there is room for. */
START_TEST(test_long)
{
	char line[512];
	int i;

	for (i = 0; i < 3; i++) {
		snprintf(line, sizeof line, P "'no':'%0180d','item':'i','delta':'%d'}}", 1, i);
		ck_assert_uint_eq(recall_read("long", line),
			i < 2 ? 0 : (size_t)(strstr(line, "'no':") - line) + 5);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("recall");

	unit_fixture(recall_setup, recall_teardown);
	tcase_add_loop_test(tc, test_streams, 0, sizeof streams / sizeof *streams);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_long);
	return unit_run("recall", tc);
}
