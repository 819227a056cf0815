/* Which attributes spans have, by all places of a profile that may give one. */
#include <stdio.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/names.h"
#include "config/profile/profile_load.h"
#include "tests/unit/unit.h"

static const char text[] =
	"{'name': 'p', 'constants': {'c.one': '1', 'c.two': '2'},"
	"'captures': ["
	"{'from': 'request', 'pointer': '/params/s', 'attribute': 'k.span'},"
	"{'from': 'request', 'pointer': '/params/c', 'attribute': 'k.connection', 'keep': "
	"'connection'}],"
	"'lifecycle': {'spans': {"
	"'job': {'name': 'j', 'key': ['j.key'], 'defaults': {'j.default': 'd'}},"
	"'part': {'name': 'p', 'key': ['j.key', 'p.key'], 'inherit': ['j.default'], "
	"'adds': {'j.parts': 'count', 'j.parts_ms': 'ms'}},"
	"'ask': {'name': 'a'},"
	"'req': {'requests': ['q/*'], 'key': {'r.key': '/params/r'}}},"
	"'rules': ["
	"{'on': 'notification', 'methods': 'j', 'do': 'open', 'span': 'job', 'key': ['/a'],"
	" 'set': {'j.set': '/s'}, 'set_new': {'j.new': '/n'},"
	" 'root': {'pointer': '/r', 'set': {'j.root': '/s'}}},"
	"{'on': 'notification', 'methods': 'c', 'do': 'count', 'span': 'job', 'key': ['/a'],"
	" 'count': 'j.count', 'bytes': 'j.bytes', 'of': '/of', 'first': 'j.first'},"
	"{'on': 'notification', 'methods': 'e', 'do': 'event', 'span': 'job', 'key': ['/a'],"
	" 'event': 'x', 'set': {'j.event': '/s'}},"
	"{'on': 'notification', 'methods': 'p', 'do': 'open', 'span': 'part', 'key': ['/a', '/b']},"
	"{'on': 'server_request', 'methods': 'a', 'do': 'open', 'span': 'ask',"
	" 'set': {'a.set': '/params/s'}},"
	"{'on': 'notification', 'methods': 'n', 'do': 'annotate', 'span': 'request',"
	" 'request_id': '/id', 'set': {'r.set': '/s'}}"
	"]}}";

static struct profile *profile;

static void names_setup(void)
{
	static char *const environment[] = {NULL};
	char quoted[sizeof text], error[512] = "";
	struct file *file;
	size_t i;

	for (i = 0; i < sizeof text; i++)
		quoted[i] = text[i] == '\'' ? '"' : text[i];
	file = file_parse("p", quoted, strlen(quoted), environment, error, sizeof error);
	ck_assert_msg(file != NULL, "%s", error);
	profile = profile_new(file, error, sizeof error);
	ck_assert_msg(profile != NULL, "%s", error);
	file_free(file);
}

static void names_teardown(void)
{
	profile_free(profile);
}

static const struct {
	const char *span;
	const char *has, *lacks; /* names, a blank between */
} rows[] = {
	{"job",
		"j.key j.default j.set j.new j.root j.count j.bytes j.first j.parts j.parts_ms "
		"error.type sidespan.end_reason sidespan.sampled_by",
		"j.event p.key a.set r.set r.key k.span c.one rpc.method method j.ke j.keys"},
	{"part", "j.key p.key j.default error.type", "j.set j.parts j.parts_ms a.set rpc.method"},
	{"ask", "a.set rpc.method rpc.request_id jsonrpc.request.id error.type",
		"j.key j.set rpc.transport k.span method"},
	{"req", "r.key r.set k.span k.connection c.one c.two rpc.method rpc.transport method",
		"j.key j.set a.set"},
	{"request", "k.span rpc.method r.set rpc.response.status_code jsonrpc.protocol.version",
		"k.connection c.one rpc.transport r.key j.set method"},
	{"nothing", "error.type", "j.key rpc.method k.span"},
};

static void measured(const char *span, const char *names, bool has)
{
	char name[64];
	size_t size;

	for (; *names != '\0'; names += size + (names[size] == ' ')) {
		size = strcspn(names, " ");
		snprintf(name, sizeof name, "%.*s", (int)size, names);
		ck_assert_msg(names_measured(profile, span, name) == has, "%s of %s", name, span);
	}
}

START_TEST(test_measured)
{
	measured(rows[_i].span, rows[_i].has, true);
	measured(rows[_i].span, rows[_i].lacks, false);
}
END_TEST

/* What names of requests may speak of; the first that they may not, or NULL. */
static const char *const titles[][2] = {
	{"plain", NULL},
	{"{method} {k.span} {k.connection} {c.two} {rpc.method} {rpc.transport}", NULL},
	{"{r.key} {r.set}", NULL},
	{"{method} {j.key} {x}", "j.key"},
	{"{methods}", "methods"},
	{"{k.spa}", "k.spa"},
	{"{error.type}", "error.type"},
	{"{a.set}", "a.set"},
};

START_TEST(test_unknown)
{
	size_t size = 77;
	const char *unknown = names_unknown(profile, titles[_i][0], &size);

	ck_assert_int_eq(unknown != NULL, titles[_i][1] != NULL);
	if (unknown == NULL)
		return;
	ck_assert_uint_eq(size, strlen(titles[_i][1]));
	ck_assert_mem_eq(unknown, titles[_i][1], size);
}
END_TEST

/* A profile without a lifecycle has what it captures. */
START_TEST(test_without_lifecycle)
{
	struct profile less = *profile;
	size_t size;

	less.lifecycle = NULL;
	ck_assert_ptr_null(names_unknown(&less, "{method} {k.span} {c.one}", &size));
	ck_assert_ptr_nonnull(names_unknown(&less, "{r.set}", &size));
	ck_assert(names_measured(&less, "request", "k.span"));
	ck_assert(!names_measured(&less, "request", "r.set"));
	ck_assert(!names_measured(&less, "job", "j.key"));
	ck_assert(names_capture(profile, "k.span") && !names_capture(profile, "c.one"));
	ck_assert_uint_eq(names_capture_count(profile), 2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("names");

	unit_fixture(names_setup, names_teardown);
	tcase_add_loop_test(tc, test_measured, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(tc, test_unknown, 0, sizeof titles / sizeof titles[0]);
	tcase_add_test(tc, test_without_lifecycle);
	return unit_run("names", tc);
}
