/* Baggage in the carrier of a request: which of its members become attributes of the span. */
#include "tests/unit/conversation_case.h"
#include "w3c/baggage.h"

#define X100                                                                                       \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxx"

static const struct {
	const char *baggage;    /* NULL: there is none */
	const char *attributes; /* among those of the span */
	const char *absent;     /* no text of them; NULL: any */
	bool invalid;
} rows[] = {
	{NULL, " ", "tenant", false},
	{"tenant=a", " tenant=a ", "user", false},
	{"tenant=a,user.id=b;p=1,other=c", " tenant=a user.id=b ", "other", false},
	{" user.id = b , tenant = %C3%BC%25 ", " tenant=\303\274% user.id=b ", NULL, false},
	{"tenant=a,tenant=b", " tenant=a ", "tenant=b", false}, /* the first counts */
	{"Tenant=a,tenants=b,tenan=c", " ", "enan", false},
	{"tenant=,user.id=b", " tenant= user.id=b ", NULL, false},
	{"nothing,tenant=a", " tenant=a ", NULL, true}, /* what is none harms nobody else */
	{"tenant=a,=b", " tenant=a ", NULL, true},
	{"tenant=" X100 X100 X100, " tenant=" X100 X100 "xxxx", X100 X100 X100, false},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *const flags[] = {"--profile=generic", "--baggage-attributes=tenant,user.id",
	"--propagation-inject=/trace", NULL};

/* A request with that baggage, and its answer. */
static void ask(struct conversation *talk, const char *baggage)
{
	char line[CONVERSATION_LINE_MAX];

	snprintf(line, sizeof line,
		"1>{'id':1,'method':'m','trace':{'traceparent':'" CONVERSATION_CLIENT(
			"01") "'%s%s%s}}",
		baggage != NULL ? ",'baggage':'" : "", baggage != NULL ? baggage : "",
		baggage != NULL ? "'" : "");
	conversation_line(talk, line);
	conversation_line(talk, "1<{'id':1,'result':1}");
}

START_TEST(test_attributes)
{
	struct conversation *talk;
	const struct kept *kept;

	conversation_load(flags);
	talk = conversation_begin();
	ask(talk, rows[_i].baggage);
	ask(talk, NULL); /* it is the request's alone */
	ck_assert_uint_eq(talk->exporter->count, 2);
	kept = &talk->exporter->spans[0];
	ck_assert_msg(
		strstr(kept->attributes, rows[_i].attributes) != NULL, "%s", kept->attributes);
	if (rows[_i].absent != NULL)
		ck_assert_msg(
			strstr(kept->attributes, rows[_i].absent) == NULL, "%s", kept->attributes);
	ck_assert_ptr_null(strstr(talk->exporter->spans[1].attributes, "tenant"));
	ck_assert_uint_eq(tracer_counters(talk->tracer)->baggages_invalid, rows[_i].invalid);
	conversation_shut_down(talk);
	conversation_end(talk);
	conversation_unload();
}
END_TEST

/* So many members are looked at. */
START_TEST(test_many)
{
	char baggage[2048] = "";
	struct conversation *talk;
	int i;

	for (i = 1; i < BAGGAGE_MEMBERS_MAX + _i; i++)
		strcat(baggage, "x=1,");
	strcat(baggage, "tenant=a");
	conversation_load(flags);
	talk = conversation_begin();
	ask(talk, baggage);
	ck_assert_int_eq(
		strstr(talk->exporter->spans[0].attributes, " tenant=a ") != NULL, _i == 0);
	ck_assert_uint_eq(tracer_counters(talk->tracer)->baggages_invalid, (unsigned)_i);
	conversation_shut_down(talk);
	conversation_end(talk);
	conversation_unload();
}
END_TEST

/* Each allocation of the tracer's fails: there is none, and it says why. */
START_TEST(test_without_memory)
{
	bool refused = true;
	struct tracer *tracer;
	char error[256];
	long n;

	conversation_load(flags);
	for (n = 0; refused; n++) {
		ck_assert_int_lt(n, 1000);
		unit_alloc_fail_once(n);
		tracer = tracer_new(conversation_only.load.config, &conversation_exporter, NULL,
			NULL, error, sizeof error);
		refused = unit_alloc_failed();
		unit_alloc_fail_never();
		ck_assert_int_eq(tracer == NULL, refused);
		if (refused)
			ck_assert_str_eq(error, "out of memory");
		tracer_free(tracer);
	}
	ck_assert_int_gt(n, 10);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("baggage_spans");

	tcase_add_loop_test(tc, test_attributes, 0, ROWS);
	tcase_add_loop_test(tc, test_many, 0, 2);
	tcase_add_test(tc, test_without_memory);
	return unit_run("baggage_spans", tc);
}
