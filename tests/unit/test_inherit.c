/*
 * What a command finds of ours. Descriptors and signals are looked at from a real one: test_child.
 */
#include "proxy/endpoint/inherit.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

static const struct {
	const char *variable;
	bool secret;  /* left out in any case */
	bool headers; /* left out unless it is wanted */
} environment_rows[] = {
	{"PATH=/bin", false, false},
	{"SIDESPAN_OTLP_HEADERS=a=b", true, false},
	{"SIDESPAN_=", true, false},
	{"SIDESPAN=1", false, false},
	{"XSIDESPAN_ENV=1", false, false},
	{"sidespan_env=1", false, false},
	{"TRACEPARENT=00-1", false, false},
	{"TRACESTATE=a=1", false, false},
	{"OTEL_EXPORTER_OTLP_ENDPOINT=http://x", false, false},
	{"OTEL_EXPORTER_OTLP_HEADERS=a=b", false, true},
	{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=b", false, true},
	{"OTEL_EXPORTER_OTLP_METRICS_HEADERS=a=b", false, true},
	{"OTEL_EXPORTER_OTLP_LOGS_HEADERS=", false, true},
	{"OTEL_EXPORTER_OTLP_HEADERS", false, true},
	{"OTEL_EXPORTER_OTLP_HEADERS_FILE=x", false, false},
	{"OTEL_EXPORTER_OTLPHEADERS=x", false, false},
	{"OTEL_EXPORTER_OTLP=_HEADERS", false, false},
	{"OTEL_EXPORTER_OTL_HEADERS=x", false, false},
	{"X=SIDESPAN_A", false, false},
	{"NOTHING", false, false},
	{"=", false, false},
	{"", false, false},
	{"PATH=/second", false, false},
};

enum { ROWS = sizeof environment_rows / sizeof environment_rows[0] };

/* Everything else is there as it was, in its order, the strings not even copied. */
START_TEST(test_environment)
{
	char *environment[ROWS + 1] = {NULL};
	char **copy;
	size_t i, kept = 0;

	for (i = 0; i < ROWS; i++)
		environment[i] = (char *)(uintptr_t)environment_rows[i].variable;
	copy = inherit_environment(environment, _i == 1);
	ck_assert_ptr_nonnull(copy);
	for (i = 0; i < ROWS; i++)
		if (!environment_rows[i].secret && (_i == 1 || !environment_rows[i].headers))
			ck_assert_ptr_eq(copy[kept++], environment_rows[i].variable);
	ck_assert_ptr_null(copy[kept]);
	free(copy);
}
END_TEST

START_TEST(test_no_environment)
{
	char *environment[] = {NULL};
	char **copy = inherit_environment(environment, false);

	ck_assert_ptr_nonnull(copy);
	ck_assert_ptr_null(copy[0]);
	free(copy);
	unit_alloc_fail_after(0);
	copy = inherit_environment(environment, false);
	unit_alloc_fail_never();
	ck_assert_ptr_null(copy);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inherit");

	tcase_add_loop_test(tc, test_environment, 0, 2);
	tcase_add_test(tc, test_no_environment);
	return unit_run("inherit", tc);
}
