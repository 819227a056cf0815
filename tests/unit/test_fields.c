/* Carriers in the fields of a request: what counts, in which order, and how much of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fields.h"
#include "proxy/side/http.h"
#include "tests/unit/unit.h"
#include "w3c/baggage.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static struct http_head head;

static void parse(const char *fields, char **text)
{
	struct http_scan scan = {0};
	size_t size = strlen(fields) + sizeof "GET / HTTP/1.1\r\n\r\n";

	*text = malloc(size);
	ck_assert_ptr_nonnull(*text);
	(void)snprintf(*text, size, "GET / HTTP/1.1\r\n%s\r\n", fields);
	ck_assert_int_eq(http_request_parse(&head, &scan, *text, size - 1), HTTP_DONE);
}

static void expect(struct carrier_text text, const char *expected)
{
	if (expected == NULL) {
		ck_assert_ptr_null(text.bytes);
		return;
	}
	ck_assert_ptr_nonnull(text.bytes);
	ck_assert_uint_eq(text.size, strlen(expected));
	ck_assert_mem_eq(text.bytes, expected, text.size);
}

static const struct {
	const char *fields;
	bool found;
	const char *traceparent, *tracestate, *baggage; /* NULL: not there */
} rows[] = {
	{"A: b\r\n", false, NULL, NULL, NULL},
	{"tracestate: a=1\r\n", false, NULL, NULL, NULL},
	{"TraceParent:  " PARENT " \r\n", true, PARENT, NULL, NULL},
	{"traceparent: " PARENT "\r\nX: y\r\ntracestate: a=1\r\nTraceState:\tb=2\t\r\n", true,
		PARENT, "a=1,b=2", NULL},
	{"tracestate: b=2\r\ntraceparent: " PARENT "\r\ntracestate:\r\ntracestate: a=1\r\n", true,
		PARENT, "b=2,,a=1", NULL},
	{"traceparent: " PARENT "\r\ntraceparent: " PARENT "\r\n", true, PARENT "," PARENT, NULL,
		NULL},
	{"traceparent:\r\n", true, "", NULL, NULL},
	{"traceparent: " PARENT "\r\ntraceparent:\r\n", true, PARENT ",", NULL, NULL},
	{"baggage: k=1;p\r\nBAGGAGE: l=2, m=3\r\n", false, NULL, NULL, "k=1;p,l=2, m=3"},
	{"baggage: k=1\r\ntraceparent: no\r\n", true, "no", NULL, "k=1"},
	{"traceparents: " PARENT "\r\nx-baggage: k=1\r\n", false, NULL, NULL, NULL},
};

START_TEST(test_take)
{
	struct fields fields = {.view = NULL};
	char *text;

	parse(rows[_i].fields, &text);
	fields_take(&fields, &head);
	memset(text, '#', strlen(text)); /* it keeps copies */
	ck_assert_int_eq(fields.view != NULL, rows[_i].found || rows[_i].baggage != NULL);
	if (fields.view == NULL) {
		free(text);
		return;
	}
	ck_assert_int_eq(fields.view->found, rows[_i].found);
	expect(fields.view->traceparent, rows[_i].traceparent);
	expect(fields.view->tracestate, rows[_i].tracestate);
	expect(fields.view->baggage, rows[_i].baggage);
	ck_assert(!fields.view->baggage_cut);
	free(text);
	fields_done(&fields);
	ck_assert_ptr_null(fields.view);
}
END_TEST

/* What is too long is seen to be, and no more of it is kept than that takes. */
START_TEST(test_limits)
{
	const size_t sizes[] = {CARRIER_TRACESTATE_MAX, BAGGAGE_TEXT_MAX};
	struct fields fields = {.view = NULL};
	size_t over = (size_t)_i, i;
	char *long_fields = malloc(32768), *at = long_fields, *text;

	at += sprintf(at, "traceparent: %.*s\r\n", 300, PARENT);
	for (i = 0; i < 2; i++) { /* in two fields each: the comma counts, too */
		size_t first = sizes[i] / 2, second = sizes[i] - first - 1 + over;

		at += sprintf(at, "%s: ", i == 0 ? "tracestate" : "baggage");
		memset(at, 'a', first);
		at += first;
		at += sprintf(at, "\r\n%s: ", i == 0 ? "tracestate" : "baggage");
		memset(at, 'b', second);
		at += second;
		at += sprintf(at, "\r\n");
	}
	parse(long_fields, &text);
	fields_take(&fields, &head);
	ck_assert_uint_eq(
		fields.view->tracestate.size, CARRIER_TRACESTATE_MAX + (over > 0 ? 1 : 0));
	ck_assert_uint_eq(fields.view->baggage.size, BAGGAGE_TEXT_MAX);
	ck_assert_int_eq(fields.view->baggage_cut, over > 0);
	ck_assert_int_eq(fields.view->baggage.bytes[BAGGAGE_TEXT_MAX - 1], 'b');
	fields_done(&fields);
	free(text);
	free(long_fields);
}
END_TEST

START_TEST(test_no_memory)
{
	struct fields fields = {.view = NULL};
	char *text;

	parse("traceparent: " PARENT "\r\nbaggage: k=1\r\n", &text);
	unit_alloc_fail_after(0);
	fields_take(&fields, &head);
	unit_alloc_fail_never();
	ck_assert_ptr_null(fields.view);
	fields_done(&fields);
	free(text);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fields");

	tcase_add_loop_test(tc, test_take, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(tc, test_limits, 0, 3);
	tcase_add_test(tc, test_no_memory);
	return unit_run("fields", tc);
}
