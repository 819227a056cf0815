/* The options table, and values by type and range. */
#include "config/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/value.h"
#include "tests/unit/unit.h"

/* Every form of every name leads to its row, and to no other. */
START_TEST(test_options_names)
{
	char name[OPTION_NAME_SIZE];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		ck_assert_ptr_eq(option_by_name(option_at(i)->name), option_at(i));
		option_flag_name(option_at(i), name);
		ck_assert_ptr_eq(option_by_flag(name, strlen(name)), option_at(i));
		option_variable_name(option_at(i), name);
		ck_assert_ptr_eq(option_by_variable(name), option_at(i));
		ck_assert_uint_eq(option_index(option_at(i)), i);
		ck_assert_ptr_nonnull(option_at(i)->help);
	}
	ck_assert_ptr_null(option_by_name("otlp"));
	ck_assert_ptr_null(option_by_flag("--", 2));
	ck_assert_ptr_null(option_by_variable("SIDESPAN_"));
	ck_assert(option_is_group("otlp"));
	ck_assert(!option_is_group("otl"));
}
END_TEST

START_TEST(test_options_spelling)
{
	char name[OPTION_NAME_SIZE];

	option_flag_name(option_at(OPTION_AT_otlp_traces_endpoint), name);
	ck_assert_str_eq(name, "--otlp-traces-endpoint");
	option_variable_name(option_at(OPTION_AT_otlp_traces_endpoint), name);
	ck_assert_str_eq(name, "SIDESPAN_OTLP_TRACES_ENDPOINT");
	option_signal_name(option_at(OPTION_AT_otlp_client_certificate), name);
	ck_assert_str_eq(name, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE");
}
END_TEST

static const struct {
	const char *written;
	const char *nearest; /* NULL: nothing is near */
} options_near[] = {
	{"batch.dealy", "batch.delay"},
	{"otlp.endpont", "otlp.endpoint"},
	{"batch_delay", "batch.delay"},
	{"Exporter", "exporter"},
	{"lissen", "listen"},
	{"zzz", NULL},
	{"", NULL},
	{"a.name.that.is.longer.than.any.name.in.the.table.and.still.goes.on.for.a.while.and.on.and"
	 ".on.and.on.and.on.and.on.and.on.and.on.and.on.and.on",
		NULL},
};

START_TEST(test_options_nearest)
{
	const struct option *nearest = option_nearest(options_near[_i].written, option_plain_name);

	if (options_near[_i].nearest == NULL)
		ck_assert_ptr_null(nearest);
	else
		ck_assert_str_eq(nearest->name, options_near[_i].nearest);
}
END_TEST

START_TEST(test_options_distance)
{
	ck_assert_uint_eq(option_distance("", ""), 0);
	ck_assert_uint_eq(option_distance("", "abc"), 3);
	ck_assert_uint_eq(option_distance("abc", ""), 3);
	ck_assert_uint_eq(option_distance("kitten", "sitting"), 3);
	ck_assert_uint_eq(option_distance("flaw", "LAWN"), 2);
}
END_TEST

/* Parses, checks the verdict, prints into text, and frees. */
static void options_try(enum option_index index, const char *given, enum value_verdict right,
	char *text, size_t size)
{
	struct config config = {0};
	const struct option *option = option_at(index);
	const char *reason;
	struct value value;
	enum value_verdict verdict = value_parse(&value, option, given, CONFIG_FLAG, &reason);

	ck_assert_msg(verdict == right, "%s: \"%s\" gave %d", option->name, given, verdict);
	if (verdict != VALUE_OK)
		return;
	value_store(&value, option, &config);
	value_print(option, &config, text, size);
	value_store(&value, option, &config); /* frees a text or map that was there */
	value_free(&value);
}

/* What is built in is right, and is printed as it is written. */
START_TEST(test_options_defaults)
{
	char text[256];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (option_at(i)->text == NULL)
			continue;
		options_try((enum option_index)i, option_at(i)->text, VALUE_OK, text, sizeof text);
		ck_assert_str_eq(text, option_at(i)->text);
	}
}
END_TEST

/* Both ends of every range are inside, what is beyond them is not. */
START_TEST(test_options_ranges)
{
	const struct option *option = option_at(_i);
	char given[64], text[64], again[64];

	if (option->type != OPTION_TYPE_INT && option->type != OPTION_TYPE_DURATION &&
		option->type != OPTION_TYPE_SIZE)
		return;
	snprintf(given, sizeof given, "%" PRId64, option->min);
	options_try(_i, given, VALUE_OK, text, sizeof text);
	options_try(_i, text, VALUE_OK, again, sizeof again);
	ck_assert_str_eq(text, again);
	snprintf(given, sizeof given, "%" PRId64, option->max);
	options_try(_i, given, VALUE_OK, text, sizeof text);
	options_try(_i, text, VALUE_OK, again, sizeof again);
	ck_assert_str_eq(text, again);
	snprintf(given, sizeof given, "%" PRId64, option->min - 1);
	options_try(_i, given, VALUE_WRONG, NULL, 0);
	snprintf(given, sizeof given, "%" PRId64, option->max + 1);
	options_try(_i, given, VALUE_WRONG, NULL, 0);
	if (option->otel != NULL)
		ck_assert_int_ge(option->max, INT32_MAX);
}
END_TEST

static const struct {
	enum option_index index;
	const char *given;
	const char *printed; /* NULL: wrong */
} options_values[] = {
	{OPTION_AT_disabled, "true", "true"},
	{OPTION_AT_disabled, "TRUE", "true"},
	{OPTION_AT_disabled, "False", "false"},
	{OPTION_AT_disabled, "1", NULL},
	{OPTION_AT_disabled, "yes", NULL},
	{OPTION_AT_disabled, "", NULL},
	{OPTION_AT_inflight_max, "0042", "42"},
	{OPTION_AT_inflight_max, "+42", NULL},
	{OPTION_AT_inflight_max, "-1", NULL},
	{OPTION_AT_inflight_max, " 1", NULL},
	{OPTION_AT_inflight_max, "1 ", NULL},
	{OPTION_AT_inflight_max, "1e3", NULL},
	{OPTION_AT_inflight_max, "1.0", NULL},
	{OPTION_AT_inflight_max, "0x10", NULL},
	{OPTION_AT_inflight_max, "1s", NULL},
	{OPTION_AT_inflight_max, "", NULL},
	{OPTION_AT_inflight_max, "99999999999999999999999999", NULL},
	{OPTION_AT_batch_delay_ms, "0", "0ms"},
	{OPTION_AT_batch_delay_ms, "250", "250ms"},
	{OPTION_AT_batch_delay_ms, "250ms", "250ms"},
	{OPTION_AT_batch_delay_ms, "60S", "1m"},
	{OPTION_AT_batch_delay_ms, "90m", "90m"},
	{OPTION_AT_batch_delay_ms, "2h", "2h"},
	{OPTION_AT_batch_delay_ms, "1.5s", NULL},
	{OPTION_AT_batch_delay_ms, "1 s", NULL},
	{OPTION_AT_batch_delay_ms, "1d", NULL},
	{OPTION_AT_batch_delay_ms, "s", NULL},
	{OPTION_AT_batch_delay_ms, "9223372036854775807h", NULL},
	{OPTION_AT_batch_bytes_max, "4096", "4KiB"},
	{OPTION_AT_batch_bytes_max, "4097", "4097B"},
	{OPTION_AT_batch_bytes_max, "4097b", "4097B"},
	{OPTION_AT_batch_bytes_max, "2mib", "2MiB"},
	{OPTION_AT_batch_bytes_max, "1GiB", NULL},
	{OPTION_AT_batch_bytes_max, "1MB", NULL},
	{OPTION_AT_sampler_arg, "0", "0"},
	{OPTION_AT_sampler_arg, "1", "1"},
	{OPTION_AT_sampler_arg, "0.25", "0.25"},
	{OPTION_AT_sampler_arg, "1e-3", "0.001"},
	{OPTION_AT_sampler_arg, "1.1", NULL},
	{OPTION_AT_sampler_arg, "-0.1", NULL},
	{OPTION_AT_sampler_arg, "nan", NULL},
	{OPTION_AT_sampler_arg, "inf", NULL},
	{OPTION_AT_sampler_arg, "0x1p-1", NULL},
	{OPTION_AT_sampler_arg, "0.5.5", NULL},
	{OPTION_AT_sampler_arg, "", NULL},
	{OPTION_AT_sampler, "ParentBased_TraceIdRatio", "parentbased_traceidratio"},
	{OPTION_AT_sampler, "always", NULL},
	{OPTION_AT_semconv, "rpc/dup", "rpc/dup"},
	{OPTION_AT_service_name, "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	{OPTION_AT_service_name, "", NULL},
	{OPTION_AT_service_name, "a\nb", NULL},
	{OPTION_AT_service_name, "a\x7f", NULL},
	{OPTION_AT_service_name, "\x80", NULL},
	{OPTION_AT_service_name, "\xc0\xaf", NULL},
	{OPTION_AT_service_name, "\xc3", NULL},
	{OPTION_AT_service_name, "\xe0\x80\x80", NULL},
	{OPTION_AT_service_name, "\xed\xa0\x80", NULL},
	{OPTION_AT_service_name, "\xf0\x80\x80\x80", NULL},
	{OPTION_AT_service_name, "\xf4\x90\x80\x80", NULL},
	{OPTION_AT_service_name, "\xf5\x80\x80\x80", NULL},
	{OPTION_AT_propagation_inject, "none", "none"},
	{OPTION_AT_propagation_inject, "/trace", "/trace"},
	{OPTION_AT_propagation_inject, "trace", NULL},
	{OPTION_AT_propagation_inject, "/", NULL},
	{OPTION_AT_propagation_inject, "/a/b", NULL},
	{OPTION_AT_propagation_inject, "/a~1b", NULL},
	{OPTION_AT_propagation_inject, "/meta/*", "/meta/*"},
	{OPTION_AT_propagation_inject, "/params/_meta/*", "/params/_meta/*"},
	{OPTION_AT_propagation_inject, "/params/trace", "/params/trace"},
	{OPTION_AT_propagation_inject, "/params/id", "/params/id"},
	{OPTION_AT_propagation_inject, "/params/*", NULL},
	{OPTION_AT_propagation_inject, "/params/", NULL},
	{OPTION_AT_propagation_inject, "/params", NULL},
	{OPTION_AT_propagation_inject, "/result/*", NULL},
	{OPTION_AT_propagation_inject, "/params/a/b", NULL},
	{OPTION_AT_propagation_inject, "/params/a~b/*", NULL},
	{OPTION_AT_propagation_inject, "header", "header"},
	{OPTION_AT_propagation_inject, "header, /params/_meta/*", "header,/params/_meta/*"},
	{OPTION_AT_propagation_inject, "header,trace", NULL},
	{OPTION_AT_propagation_inject, "true", NULL},
	{OPTION_AT_propagation_extract, "true", "true"},
	{OPTION_AT_propagation_extract, "none", "none"},
	{OPTION_AT_propagation_extract, "/params/_meta/*, /trace", "/params/_meta/*,/trace"},
	{OPTION_AT_propagation_extract, "/a,/b,/c,/d", NULL},
	{OPTION_AT_propagation_extract, "yes", NULL},
	{OPTION_AT_propagation_extract, "/id", NULL},
	{OPTION_AT_propagation_baggage, "strip", "strip"},
	{OPTION_AT_propagation_baggage, "drop", NULL},
	{OPTION_AT_propagation_inject, "/a\"b", NULL},
	{OPTION_AT_otlp_endpoint, "https://a:1/x", "https://a:1/x"},
	{OPTION_AT_otlp_endpoint, "a:1", NULL},
	{OPTION_AT_listen, "ws://[::1]:0", "ws://[::1]:0"},
	{OPTION_AT_listen, "ws://a", NULL},
	{OPTION_AT_otlp_certificate, "/nowhere/at/all", NULL},
	{OPTION_AT_otlp_headers, "a=b", "a=***"},
	{OPTION_AT_otlp_headers, "a=1,b=2,A=3", "a=***,b=***"},
	{OPTION_AT_otlp_headers, " a = b , ,c=", "a=***,c=***"},
	{OPTION_AT_otlp_headers, "", "-"},
	{OPTION_AT_otlp_headers, "a", NULL},
	{OPTION_AT_otlp_headers, "=b", NULL},
	{OPTION_AT_otlp_headers, "a b=c", NULL},
	{OPTION_AT_otlp_headers, "a=%0d%0ab", NULL},
	{OPTION_AT_otlp_headers, "a=%zz", NULL},
	{OPTION_AT_otlp_headers, "a=%4", NULL},
	{OPTION_AT_otlp_headers, "a=%", NULL},
	{OPTION_AT_otlp_headers, "Content-Length=3", NULL},
	{OPTION_AT_listen_allow_origin, " https://a , ,null,x-y+z.1://[::1]:8",
		"https://a,null,x-y+z.1://[::1]:8"},
	{OPTION_AT_listen_allow_origin, "", "-"},
	{OPTION_AT_listen_allow_origin, "*", NULL},
	{OPTION_AT_listen_allow_origin, "https://*.a", NULL},
	{OPTION_AT_listen_allow_origin, "https://a,b", NULL},
	{OPTION_AT_listen_allow_origin, "https://a/", NULL},
	{OPTION_AT_listen_allow_origin, "https://u:p@a", NULL},
	{OPTION_AT_listen_allow_host, "a,b.c:80,[::1],127.0.0.1:1", "a,b.c:80,[::1],127.0.0.1:1"},
	{OPTION_AT_listen_allow_host, "*", NULL},
	{OPTION_AT_listen_allow_host, "a/b", NULL},
	{OPTION_AT_listen_allow_host, "::1", NULL},
	{OPTION_AT_listen_allow_host, "a:65536", NULL},
	{OPTION_AT_resource_attributes, "a=b,c=%2C%3d%20", "a=b,c=,= "},
	{OPTION_AT_resource_attributes, "a%3Db=c", "a=b=c"},
	{OPTION_AT_resource_attributes, "a=b,a=c,A=d", "a=c,A=d"},
	{OPTION_AT_resource_attributes, "a=b=c", NULL},
	{OPTION_AT_resource_attributes, "a=b,c", NULL},
	{OPTION_AT_resource_attributes, "a=%00", NULL},
	{OPTION_AT_resource_attributes, "a=%ff", NULL},
	{OPTION_AT_resource_attributes, "%=b", NULL},
};

START_TEST(test_options_values)
{
	char text[256] = "";

	options_try(options_values[_i].index, options_values[_i].given,
		options_values[_i].printed == NULL ? VALUE_WRONG : VALUE_OK, text, sizeof text);
	if (options_values[_i].printed != NULL)
		ck_assert_str_eq(text, options_values[_i].printed);
}
END_TEST

START_TEST(test_options_values_memory)
{
	const struct option *option = option_at(options_values[_i].index);
	const char *reason;
	struct value value;
	enum value_verdict verdict;
	long n = 0;

	do {
		unit_alloc_fail_once(n++);
		verdict =
			value_parse(&value, option, options_values[_i].given, CONFIG_FLAG, &reason);
		unit_alloc_fail_never();
		if (unit_alloc_failed())
			ck_assert_int_ne(verdict, VALUE_OK);
		if (verdict == VALUE_OK)
			value_free(&value);
	} while (unit_alloc_failed());
	ck_assert_int_ne(verdict, VALUE_NO_MEMORY);
}
END_TEST

START_TEST(test_options_map_limit)
{
	char given[64 * 8 + 16] = "";
	char text[1024];
	size_t used = 0;
	int i;

	for (i = 0; i < 64; i++)
		used += (size_t)snprintf(given + used, sizeof given - used, "h%d=1,", i);
	options_try(OPTION_AT_otlp_headers, given, VALUE_OK, text, sizeof text);
	snprintf(given + used, sizeof given - used, "more=1");
	options_try(OPTION_AT_otlp_headers, given, VALUE_WRONG, NULL, 0);
}
END_TEST

START_TEST(test_options_list_limit)
{
	char given[64 * 4 + 16] = "";
	char text[1024];
	size_t used = 0;
	int i;

	for (i = 0; i < 64; i++)
		used += (size_t)snprintf(given + used, sizeof given - used, "h%d,", i);
	options_try(OPTION_AT_listen_allow_host, given, VALUE_OK, text, sizeof text);
	snprintf(given + used, sizeof given - used, "more");
	options_try(OPTION_AT_listen_allow_host, given, VALUE_WRONG, NULL, 0);
}
END_TEST

/* A described value says its type and both ends; a description never overflows. */
START_TEST(test_options_describe)
{
	char text[VALUE_DESCRIBE_SIZE];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		value_describe(option_at(i), text);
		ck_assert_uint_gt(strlen(text), 5);
		ck_assert_uint_lt(strlen(text), sizeof text - 1);
	}
	value_describe(option_at(OPTION_AT_retry_max_ms), text);
	ck_assert_str_eq(text, "a time from 1ms to 1h (units ms, s, m, h; without one ms)");
	value_describe(option_at(OPTION_AT_exporter), text);
	ck_assert_str_eq(text, "one of otlp, console, none");
	value_describe(option_at(OPTION_AT_service_name), text);
	ck_assert_str_eq(text, "a text of 1 to 255 bytes");
	value_describe(option_at(OPTION_AT_admin_listen), text);
	ck_assert_str_eq(text, "http://HOST:PORT or unix:///PATH");
}
END_TEST

START_TEST(test_options_quote)
{
	char text[VALUE_QUOTE_SIZE];
	char given[400];
	size_t shift;

	ck_assert_str_eq(value_quote(text, "a\n\033b"), "\"a??b\"");
	ck_assert_str_eq(value_quote(text, ""), "\"\"");
	for (shift = 0; shift < 4; shift++) {
		memset(given, 'x', shift);
		given[shift] = '\0';
		while (strlen(given) < 300)
			strcat(given, "\xe2\x82\xac");
		value_quote(text, given);
		ck_assert(map_is_text(text));
		ck_assert_str_eq(text + strlen(text) - 4, "...\"");
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("options");
	const int values = sizeof options_values / sizeof *options_values;

	tcase_add_test(tc, test_options_names);
	tcase_add_test(tc, test_options_spelling);
	tcase_add_loop_test(
		tc, test_options_nearest, 0, sizeof options_near / sizeof *options_near);
	tcase_add_test(tc, test_options_distance);
	tcase_add_test(tc, test_options_defaults);
	tcase_add_loop_test(tc, test_options_ranges, 0, OPTION_COUNT);
	tcase_add_loop_test(tc, test_options_values, 0, values);
	tcase_add_loop_test(tc, test_options_values_memory, 0, values);
	tcase_add_test(tc, test_options_map_limit);
	tcase_add_test(tc, test_options_list_limit);
	tcase_add_test(tc, test_options_describe);
	tcase_add_test(tc, test_options_quote);
	return unit_run("options", tc);
}
